#include "runtime/plan/user_namespace.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::plan {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::StartsWith;

spec::IdMapping Map(uint32_t container, uint32_t host, uint32_t length) {
  spec::IdMapping mapping;
  mapping.set_container_id(container);
  mapping.set_host_id(host);
  mapping.set_length(length);
  return mapping;
}

TEST(CheckIdMapping, TakesWhatTheKubeletGives) {
  EXPECT_OK(CheckIdMapping(Map(0, 65536, 65536)));
  EXPECT_OK(CheckIdMapping(Map(0, 1, 1)));
  // Up to the last id there is.
  EXPECT_OK(CheckIdMapping(Map(0, 0xffffff00, 0xff)));
}

TEST(CheckIdMapping, NamesWhatIsWrong) {
  const std::pair<spec::IdMapping, const char*> kBad[] = {
      {Map(0, 65536, 0), "length"},      {Map(1, 65536, 10), "container_id"},
      {Map(0, 0, 65536), "host_id"},     {Map(0, 0xffffff00, 0x100), "length"},
      {Map(0, 0xffffffff, 1), "length"}, {Map(0, 2, 0xffffffff), "length"}};
  for (const auto& [mapping, field] : kBad) {
    EXPECT_THAT(CheckIdMapping(mapping),
                StatusIs(absl::StatusCode::kInvalidArgument, StartsWith(field)))
        << mapping.host_id() << " " << mapping.length();
  }
}

TEST(CheckUserNamespace, BothRangesAreOfOneLength) {
  spec::UserNamespace user;
  *user.mutable_uids() = Map(0, 1000, 10);
  EXPECT_THAT(
      CheckUserNamespace(user),
      StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("gids: length")));
  *user.mutable_gids() = Map(0, 2000, 10);
  EXPECT_OK(CheckUserNamespace(user));
  user.mutable_gids()->set_length(11);
  EXPECT_THAT(CheckUserNamespace(user),
              StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("gids")));
}

TEST(OutsideId, IsNothingBeyondTheRange) {
  EXPECT_EQ(OutsideId(Map(0, 1000, 10), 0), 1000u);
  EXPECT_EQ(OutsideId(Map(0, 1000, 10), 9), 1009u);
  EXPECT_EQ(OutsideId(Map(0, 1000, 10), 10), std::nullopt);
  EXPECT_EQ(OutsideId(Map(5, 1000, 10), 4), std::nullopt);
  EXPECT_EQ(OutsideId(Map(5, 1000, 10), 14), 1009u);
}

}  // namespace
}  // namespace gantry::plan
