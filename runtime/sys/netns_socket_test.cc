#include "runtime/sys/netns_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdint>
#include <thread>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/namespaces.h"

// linux/sockios.h; not included for it clashes with net/if.h elsewhere.
#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

absl::StatusOr<uint64_t> OwnNamespace() {
  return NamespaceIdAt(OpenAt(AT_FDCWD, "/proc", O_PATH)->get(), 0, "net");
}

// A new network namespace, made by a thread that then ends: invalid on error.
UniqueFd NewNamespace() {
  UniqueFd made;
  std::thread([&made] {
    if (!Unshare(CLONE_NEWNET).ok()) return;
    auto fd = OpenAt(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY);
    if (fd.ok()) made = *std::move(fd);
  }).join();
  return made;
}

TEST(NetnsSocket, TheSocketIsOfTheOtherNamespaceAndTheThreadIsBack) {
  ASSERT_OK_AND_ASSIGN(uint64_t home, OwnNamespace());
  UniqueFd other = NewNamespace();
  ASSERT_TRUE(other.valid());
  ASSERT_OK_AND_ASSIGN(UniqueFd socket,
                       SocketInNamespace(other.get(), AF_INET, SOCK_STREAM, 0));
  EXPECT_THAT(OwnNamespace(), IsOkAndHolds(home));
  EXPECT_EQ(::fcntl(socket.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);

  UniqueFd of_socket(::ioctl(socket.get(), SIOCGSKNS));
  ASSERT_TRUE(of_socket.valid()) << ErrnoName(errno);
  ASSERT_OK_AND_ASSIGN(uint64_t expected, NamespaceIdOf(other.get()));
  EXPECT_THAT(NamespaceIdOf(of_socket.get()), IsOkAndHolds(expected));
}

TEST(NetnsSocket, ASocketThatCannotBeMadeLeavesTheThreadAtHome) {
  ASSERT_OK_AND_ASSIGN(uint64_t home, OwnNamespace());
  UniqueFd other = NewNamespace();
  ASSERT_TRUE(other.valid());
  absl::Status failed =
      SocketInNamespace(other.get(), AF_INET, SOCK_STREAM, 250).status();
  EXPECT_EQ(ErrnoOf(failed), EPROTONOSUPPORT) << failed;
  EXPECT_THAT(OwnNamespace(), IsOkAndHolds(home));
}

TEST(NetnsSocket, WhatIsNoNetworkNamespaceIsRefused) {
  ASSERT_OK_AND_ASSIGN(UniqueFd null, OpenAt(AT_FDCWD, "/dev/null", O_RDONLY));
  EXPECT_THAT(SocketInNamespace(null.get(), AF_INET, SOCK_STREAM, 0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("join namespace net")));
  ASSERT_OK_AND_ASSIGN(UniqueFd uts,
                       OpenAt(AT_FDCWD, "/proc/thread-self/ns/uts", O_RDONLY));
  EXPECT_THAT(SocketInNamespace(uts.get(), AF_INET, SOCK_STREAM, 0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("join namespace net")));
}

}  // namespace
}  // namespace gantry::sys
