#include "runtime/state/boot_id.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::state {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using sys::testing::FakeTree;
using sys::testing::File;

constexpr char kPath[] = "sys/kernel/random/boot_id";

TEST(BootId, IsTheUuidWithoutItsNewline) {
  FakeTree proc({File(kPath, "0b0d1a1e-0000-4000-8000-123456789abc\n")});
  EXPECT_THAT(BootId(proc.fd()),
              IsOkAndHolds("0b0d1a1e-0000-4000-8000-123456789abc"));
}

TEST(BootId, SomethingElseIsAnErrorAndNotAnId) {
  FakeTree proc({File(kPath, "\n")});
  EXPECT_THAT(BootId(proc.fd()), StatusIs(absl::StatusCode::kDataLoss));
  FakeTree none;
  EXPECT_THAT(BootId(none.fd()), StatusIs(absl::StatusCode::kNotFound));
}

TEST(BootId, IsThereOnThisMachineAndStays) {
  ASSERT_OK_AND_ASSIGN(UniqueFd proc, sys::OpenAt(AT_FDCWD, "/proc", O_PATH));
  ASSERT_OK_AND_ASSIGN(const std::string id, BootId(proc.get()));
  EXPECT_THAT(BootId(proc.get()), IsOkAndHolds(id));
}

}  // namespace
}  // namespace gantry::state
