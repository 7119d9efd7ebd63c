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
#include "server/testing/short_dir.h"

namespace gantry::server {
namespace {

using gantry::testing::StatusIs;
using ::testing::HasSubstr;

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
  testing::ShortDir dir;
  EXPECT_OK(FreeSocketPath(dir.path() + "/a/b/s"));
  ASSERT_OK_AND_ASSIGN(struct stat made,
                       sys::StatAt(AT_FDCWD, dir.path() + "/a/b"));
  EXPECT_EQ(made.st_mode & 0777, 0700);
}

TEST(FreeSocketPath, RemovesASocketNobodyListensOn) {
  testing::ShortDir dir;
  const std::string path = dir.path() + "/s";
  Listen(path).Reset();
  ASSERT_TRUE(sys::ExistsAt(AT_FDCWD, path));
  EXPECT_OK(FreeSocketPath(path));
  EXPECT_FALSE(sys::ExistsAt(AT_FDCWD, path));
}

TEST(FreeSocketPath, LeavesALivingServerItsSocket) {
  testing::ShortDir dir;
  const std::string path = dir.path() + "/s";
  UniqueFd server = Listen(path);
  EXPECT_THAT(FreeSocketPath(path),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("another server")));
  EXPECT_TRUE(sys::ExistsAt(AT_FDCWD, path));
}

TEST(FreeSocketPath, TouchesNothingButSockets) {
  testing::ShortDir dir;
  ASSERT_OK(sys::OpenAt(AT_FDCWD, dir.path() + "/s", O_WRONLY | O_CREAT, 0600));
  EXPECT_THAT(FreeSocketPath(dir.path() + "/s"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("something else")));
  EXPECT_TRUE(sys::ExistsAt(AT_FDCWD, dir.path() + "/s"));
}

}  // namespace
}  // namespace gantry::server
