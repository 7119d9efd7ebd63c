#include "runtime/state/boot_id.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"
#include "runtime/sys/testing/temp_dir.h"

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

TEST(NotedBoot, IsTheOneThatWasNotedLast) {
  const std::string first = "0b0d1a1e-0000-4000-8000-123456789abc";
  const std::string second = "0b0d1a1e-1111-4000-8000-123456789abc";
  sys::testing::TempDir dir;
  EXPECT_THAT(NotedBoot(dir.fd()), IsOkAndHolds(""));
  for (const std::string& id : {first, second, second}) {
    EXPECT_OK(NoteBoot(dir.fd(), id));
    EXPECT_THAT(NotedBoot(dir.fd()), IsOkAndHolds(id));
  }
}

TEST(NotedBoot, IsNoneWhereTheNoteIsNoId) {
  for (const char* text : {"", "\n", "0b0d1a1e\n"}) {
    FakeTree root({File("boot", text)});
    EXPECT_THAT(NotedBoot(root.fd()), IsOkAndHolds("")) << text;
  }
}

}  // namespace
}  // namespace gantry::state
