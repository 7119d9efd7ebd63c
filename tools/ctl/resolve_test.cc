#include "tools/ctl/resolve.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "tools/ctl/error_text.h"

namespace gantry::ctl {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

const std::vector<Candidate>& Three() {
  static const auto* const kThree = new std::vector<Candidate>{
      {"abc1", "web"}, {"abc2", "db"}, {"fff0", "abc1"}};
  return *kThree;
}

TEST(Choose, WholeIdBeforeNameBeforePrefix) {
  EXPECT_THAT(Choose("container", "abc1", Three()), IsOkAndHolds(0));
  EXPECT_THAT(Choose("container", "db", Three()), IsOkAndHolds(1));
  EXPECT_THAT(Choose("container", "f", Three()), IsOkAndHolds(2));
}

TEST(Choose, SeveralFitIsAnErrorThatNamesThem) {
  EXPECT_THAT(Choose("container", "abc", Three()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("fits 2 containers: abc1, abc2")));
}

TEST(Choose, UnknownOrEmptyIsNotFoundWithAHint) {
  for (const char* word : {"x", ""}) {
    const absl::StatusOr<size_t> chosen = Choose("pod", word, Three());
    EXPECT_THAT(chosen, StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT(HintOf(chosen.status()), HasSubstr("gantryctl pods"));
  }
}

}  // namespace
}  // namespace gantry::ctl
