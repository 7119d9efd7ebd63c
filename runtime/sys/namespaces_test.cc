#include "runtime/sys/namespaces.h"

#include <errno.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

TEST(Namespaces, FlagsHaveNames) {
  EXPECT_EQ(NamespaceNames(CLONE_NEWNET), "net");
  EXPECT_EQ(NamespaceNames(CLONE_NEWUTS | CLONE_NEWNS), "mnt,uts");
  EXPECT_EQ(NamespaceNames(CLONE_FS), "0x200");
  EXPECT_EQ(NamespaceNames(0), "0x0");
}

TEST(Namespaces, TheIdIsThatOfTheOpenNamespace) {
  ASSERT_OK_AND_ASSIGN(UniqueFd proc, OpenAt(AT_FDCWD, "/proc", O_PATH));
  ASSERT_OK_AND_ASSIGN(uint64_t own, NamespaceIdAt(proc.get(), 0, "uts"));
  EXPECT_THAT(NamespaceIdAt(proc.get(), getpid(), "uts"), IsOkAndHolds(own));
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, OpenNamespaceAt(proc.get(), 0, "uts"));
  EXPECT_THAT(NamespaceIdOf(fd.get()), IsOkAndHolds(own));
  ASSERT_OK_AND_ASSIGN(uint64_t other, NamespaceIdAt(proc.get(), 0, "ipc"));
  EXPECT_NE(own, other);
  EXPECT_THAT(NamespaceIdAt(proc.get(), 0, "nonsense"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(Namespaces, ErrorsNameTheNamespace) {
  ASSERT_OK_AND_ASSIGN(UniqueFd null, OpenAt(AT_FDCWD, "/dev/null", O_RDONLY));
  EXPECT_THAT(SetNs(null.get(), CLONE_NEWNET),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("join namespace net of fd")));
  EXPECT_EQ(ErrnoOf(Unshare(1)), EINVAL);
}

}  // namespace
}  // namespace gantry::sys
