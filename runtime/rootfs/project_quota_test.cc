// What the kernel makes of limits is test/e2e/quota_test.py's to show: it needs
// a file system of the test's own.

#include "runtime/rootfs/project_quota.h"

#include <fcntl.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::rootfs {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ProjectQuota, WhereThereIsNoneTheErrorSaysWhereAndWhatIsNeeded) {
  ASSERT_OK_AND_ASSIGN(UniqueFd proc,
                       sys::OpenAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY));
  EXPECT_THAT(OpenProjectQuota(std::move(proc), "/some/where"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("file system of /some/where has no"),
                             HasSubstr("mounted with prjquota"))));
}

}  // namespace
}  // namespace gantry::rootfs
