#include "server/socket_path.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::server {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

UniqueFd Listen(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), path.size());
  EXPECT_EQ(
      bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(fd.get(), 1), 0);
  return fd;
}

TEST(FreeSocketPath, MakesTheDirectory) {
  sys::testing::TempDir dir;
  EXPECT_OK(FreeSocketPath(dir.path() + "/a/b/s"));
  ASSERT_OK_AND_ASSIGN(struct stat made, sys::StatAt(dir.fd(), "a/b"));
  EXPECT_EQ(made.st_mode & 0777, 0700);
}

TEST(FreeSocketPath, RemovesASocketNobodyListensOn) {
  sys::testing::TempDir dir;
  const std::string path = dir.path() + "/s";
  Listen(path).Reset();
  ASSERT_TRUE(sys::ExistsAt(AT_FDCWD, path));
  EXPECT_OK(FreeSocketPath(path));
  EXPECT_FALSE(sys::ExistsAt(AT_FDCWD, path));
}

TEST(FreeSocketPath, LeavesALivingServerItsSocket) {
  sys::testing::TempDir dir;
  const std::string path = dir.path() + "/s";
  UniqueFd server = Listen(path);
  EXPECT_THAT(FreeSocketPath(path),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("another server")));
  EXPECT_TRUE(sys::ExistsAt(AT_FDCWD, path));
}

TEST(FreeSocketPath, TouchesNothingButSockets) {
  sys::testing::TempDir dir;
  ASSERT_OK(sys::OpenAt(dir.fd(), "s", O_WRONLY | O_CREAT, 0600));
  EXPECT_THAT(FreeSocketPath(dir.path() + "/s"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("something else")));
  EXPECT_TRUE(sys::ExistsAt(dir.fd(), "s"));
}

}  // namespace
}  // namespace gantry::server
