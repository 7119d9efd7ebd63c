#include "server/core/process_counts.h"

#include <fcntl.h>
#include <unistd.h>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::core {
namespace {

TEST(CountProcesses, CountsDescriptorsAndSockets) {
  sys::testing::TempDir proc;
  ASSERT_OK(sys::MkdirAllAt(proc.fd(), "10/fd", 0700));
  ASSERT_OK(sys::MkdirAllAt(proc.fd(), "11/fd", 0700));
  ASSERT_OK(sys::SymlinkAt("/dev/null", proc.fd(), "10/fd/0"));
  ASSERT_OK(sys::SymlinkAt("socket:[77]", proc.fd(), "10/fd/1"));
  ASSERT_OK(sys::SymlinkAt("pipe:[78]", proc.fd(), "11/fd/0"));
  const ProcessCounts counts = CountProcesses(proc.fd(), {10, 11, 12});
  EXPECT_EQ(counts.processes, 3);
  EXPECT_EQ(counts.descriptors, 3);
  EXPECT_EQ(counts.sockets, 1);
}

TEST(ParseOpenFilesLimit, IsTheSoftOne) {
  EXPECT_EQ(
      ParseOpenFilesLimit(
          "Limit                     Soft Limit           Hard Limit\n"
          "Max processes             7                    8\n"
          "Max open files            1024                 4096     files\n"),
      1024);
  EXPECT_EQ(ParseOpenFilesLimit("Max open files    unlimited   unlimited\n"),
            std::nullopt);
  EXPECT_EQ(ParseOpenFilesLimit("Max open files "), std::nullopt);
  EXPECT_EQ(ParseOpenFilesLimit(""), std::nullopt);
}

TEST(OpenFilesLimit, OfThisProcessIsItsOwn) {
  ASSERT_OK_AND_ASSIGN(UniqueFd proc,
                       sys::OpenAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY));
  const auto limit = OpenFilesLimit(proc.get(), getpid());
  if (sysconf(_SC_OPEN_MAX) >= 0) {
    EXPECT_EQ(limit, sysconf(_SC_OPEN_MAX));
  } else {
    EXPECT_EQ(limit, std::nullopt);
  }
}

}  // namespace
}  // namespace gantry::core
