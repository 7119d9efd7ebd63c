// The real `gantry-shim pin`.

#include "shim/pin/pin_mode.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/seqpacket.h"
#include "runtime/sys/spawn.h"
#include "runtime/sys/testing/temp_dir.h"
#include "runtime/wire/envelope_channel.h"
#include "shim/donation.h"
#include "shim/pin/pin_args.h"
#include "shim/testing/shim_harness.h"

namespace gantry::shim {
namespace {

using ::testing::HasSubstr;

class PinTest : public ::testing::Test {
 protected:
  void SetUp() override { before_ = testing::ReadMachineState().mounts; }
  void TearDown() override {
    for (const char* name :
         {kPinnedNet, kPinnedIpc, kPinnedUts, kPinnedUser, kPinnedShm}) {
      umount2(Path(name).c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    }
    EXPECT_EQ(testing::ReadMachineState().mounts, before_);
  }

  std::string Path(absl::string_view name) {
    return absl::StrCat(directory_.path(), "/", name);
  }

  struct Ahead {
    sys::Spawned spawned;
    UniqueFd socket;
  };
  Ahead StartAhead(const PinRequest& request) {
    auto pair = sys::SocketPair();
    EXPECT_OK(pair);
    auto spawned = sys::Spawner().Spawn(Request(request, pair->second.get()));
    EXPECT_OK(spawned);
    return {*std::move(spawned), std::move(pair->first)};
  }

  sys::SpawnRequest Request(const PinRequest& request, int socket) {
    sys::SpawnRequest spawn;
    spawn.exec_fd = testing::ShimBinary().get();
    spawn.argv = PinArguments(request);
    for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS"}) {
      if (const char* value = getenv(name); value != nullptr) {
        spawn.env.push_back(absl::StrCat(name, "=", value));
      }
    }
    spawn.fds = {{socket, kHandshakeFd}};
    if (!request.ahead) {
      spawn.fds.push_back({directory_.fd(), kPinDirectoryFd});
    }
    return spawn;
  }

  Envelope Run(const PinRequest& request) {
    auto pair = sys::SocketPair();
    EXPECT_OK(pair);
    auto spawned = sys::Spawner().Spawn(Request(request, pair->second.get()));
    EXPECT_OK(spawned);
    pair->second.Reset();
    Envelope answer;
    EXPECT_OK(wire::ReceiveMessage(pair->first.get(), answer));
    EXPECT_OK(sys::WaitPidfd(spawned->pidfd.get()));
    return answer;
  }

  // Runs `body` in the pinned namespaces.
  void Inside(std::vector<const char*> names,
              const std::function<void()>& body) {
    std::thread([&] {
      for (const char* name : names) {
        UniqueFd fd(open(Path(name).c_str(), O_RDONLY | O_CLOEXEC));
        ASSERT_EQ(setns(fd.get(), 0), 0) << name << ": " << strerror(errno);
      }
      body();
    }).join();
  }

  sys::testing::TempDir directory_;
  std::string before_;
};

TEST_F(PinTest, NamespacesStandWithoutAProcess) {
  char host[256];
  ASSERT_EQ(gethostname(host, sizeof(host)), 0);
  PinRequest request;
  request.net = request.ipc = request.uts = true;
  request.hostname = "pinned-pod";
  request.shm_size = 1 << 20;
  request.sysctls = {{"net/ipv4/ip_unprivileged_port_start", "0"},
                     {"kernel/msgmax", "12345"}};
  Envelope answer = Run(request);
  ASSERT_TRUE(answer.has_done()) << answer.error().message();
  Inside({kPinnedNet, kPinnedIpc, kPinnedUts}, [] {
    utsname names;
    ASSERT_EQ(uname(&names), 0);
    EXPECT_STREQ(names.nodename, "pinned-pod");
    EXPECT_THAT(sys::ReadFileAt(
                    AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start"),
                ::gantry::testing::IsOkAndHolds("0\n"));
    EXPECT_THAT(sys::ReadFileAt(AT_FDCWD, "/proc/sys/kernel/msgmax"),
                ::gantry::testing::IsOkAndHolds("12345\n"));
    UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq lo{};
    strcpy(lo.ifr_name, "lo");
    ASSERT_EQ(ioctl(fd.get(), SIOCGIFFLAGS, &lo), 0);
    EXPECT_TRUE(lo.ifr_flags & IFF_UP);
  });
  char now[256];
  ASSERT_EQ(gethostname(now, sizeof(now)), 0);
  EXPECT_STREQ(now, host);

  struct stat info;
  ASSERT_EQ(stat(Path(kPinnedShm).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 01777u);
  struct statvfs fs;
  ASSERT_EQ(statvfs(Path(kPinnedShm).c_str(), &fs), 0);
  EXPECT_EQ(fs.f_blocks * fs.f_frsize, uint64_t{1} << 20);
  EXPECT_EQ(fs.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC),
            unsigned{ST_NOSUID | ST_NODEV | ST_NOEXEC});
}

TEST_F(PinTest, WhatIsMadeAheadIsPinnedWhenItIsToldWhere) {
  PinRequest request;
  request.ahead = request.net = request.ipc = request.uts = true;
  request.shm_size = 1 << 20;
  request.sysctls = {{"net/ipv4/ip_unprivileged_port_start", "0"}};
  Ahead ahead = StartAhead(request);
  EXPECT_FALSE(sys::ExistsAt(directory_.fd(), kPinnedNet));
  const int fds[] = {directory_.fd()};
  ASSERT_OK(sys::Send(ahead.socket.get(), "late-pod", fds));
  Envelope answer;
  ASSERT_OK(wire::ReceiveMessage(ahead.socket.get(), answer));
  ASSERT_TRUE(answer.has_done()) << answer.error().message();
  EXPECT_OK(sys::WaitPidfd(ahead.spawned.pidfd.get()));
  EXPECT_TRUE(sys::ExistsAt(directory_.fd(), kPinnedShm));
  Inside({kPinnedNet, kPinnedIpc, kPinnedUts}, [] {
    utsname names;
    ASSERT_EQ(uname(&names), 0);
    EXPECT_STREQ(names.nodename, "late-pod");
    EXPECT_THAT(sys::ReadFileAt(
                    AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start"),
                ::gantry::testing::IsOkAndHolds("0\n"));
  });
}

TEST_F(PinTest, WhatIsMadeAheadEndsWithTheServer) {
  PinRequest request;
  request.ahead = request.net = request.uts = true;
  Ahead ahead = StartAhead(request);
  ahead.socket.Reset();
  ASSERT_OK_AND_ASSIGN(sys::ExitStatus status,
                       sys::WaitPidfd(ahead.spawned.pidfd.get()));
  EXPECT_EQ(status.ShellCode(), 0);
}

TEST_F(PinTest, WhatCannotBeMadeAheadIsToldWhenItIsWanted) {
  PinRequest request;
  request.ahead = request.net = request.uts = true;
  request.sysctls = {{"net/ipv4/no_such", "0"}};
  Ahead ahead = StartAhead(request);
  const int fds[] = {directory_.fd()};
  ASSERT_OK(sys::Send(ahead.socket.get(), "late-pod", fds));
  Envelope answer;
  ASSERT_OK(wire::ReceiveMessage(ahead.socket.get(), answer));
  EXPECT_THAT(answer.error().message(), HasSubstr("no_such"));
  EXPECT_OK(sys::WaitPidfd(ahead.spawned.pidfd.get()));
  EXPECT_FALSE(sys::ExistsAt(directory_.fd(), kPinnedNet));
}

// The user namespace that owns the namespace of a descriptor.
uint64_t OwnerOf(int fd) {
  UniqueFd owner(ioctl(fd, NS_GET_USERNS));
  EXPECT_TRUE(owner) << strerror(errno);
  struct stat info = {};
  EXPECT_EQ(fstat(owner.get(), &info), 0);
  return info.st_ino;
}

TEST_F(PinTest, AUserNamespaceOwnsTheOthers) {
  PinRequest request;
  request.net = request.ipc = request.uts = true;
  request.user = UserNamespace{{0, 300000, 65536}, {0, 400000, 65536}};
  request.hostname = "mapped-pod";
  request.shm_size = 1 << 20;
  request.sysctls = {{"net/ipv4/ip_unprivileged_port_start", "0"},
                     {"kernel/msgmax", "12345"},
                     {"fs/mqueue/msg_max", "20"}};
  Envelope answer = Run(request);
  ASSERT_TRUE(answer.has_done()) << answer.error().message();
  struct stat user = {};
  ASSERT_EQ(stat(Path(kPinnedUser).c_str(), &user), 0);
  for (const char* name : {kPinnedNet, kPinnedIpc, kPinnedUts}) {
    UniqueFd fd(open(Path(name).c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(OwnerOf(fd.get()), user.st_ino) << name;
  }
  Inside({kPinnedNet, kPinnedIpc, kPinnedUts}, [] {
    utsname names;
    ASSERT_EQ(uname(&names), 0);
    EXPECT_STREQ(names.nodename, "mapped-pod");
    EXPECT_THAT(sys::ReadFileAt(
                    AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start"),
                ::gantry::testing::IsOkAndHolds("0\n"));
    EXPECT_THAT(sys::ReadFileAt(AT_FDCWD, "/proc/sys/kernel/msgmax"),
                ::gantry::testing::IsOkAndHolds("12345\n"));
  });
  struct stat shm = {};
  ASSERT_EQ(stat(Path(kPinnedShm).c_str(), &shm), 0);
  EXPECT_EQ(shm.st_uid, 300000u);
  EXPECT_EQ(shm.st_gid, 400000u);
}

TEST_F(PinTest, AUserNamespaceAlone) {
  PinRequest request;
  request.user = UserNamespace{{0, 300000, 1}, {0, 300000, 1}};
  ASSERT_TRUE(Run(request).has_done());
  EXPECT_TRUE(sys::ExistsAt(directory_.fd(), kPinnedUser));
  EXPECT_FALSE(sys::ExistsAt(directory_.fd(), kPinnedNet));
}

TEST_F(PinTest, OnlyWhatIsAskedFor) {
  PinRequest request;
  request.ipc = true;
  ASSERT_TRUE(Run(request).has_done());
  EXPECT_TRUE(sys::ExistsAt(directory_.fd(), kPinnedIpc));
  EXPECT_FALSE(sys::ExistsAt(directory_.fd(), kPinnedNet));
  EXPECT_FALSE(sys::ExistsAt(directory_.fd(), kPinnedUts));
  EXPECT_FALSE(sys::ExistsAt(directory_.fd(), kPinnedShm));
}

TEST_F(PinTest, FailureIsNamedAndUndone) {
  // A file in the way of the last step.
  ASSERT_OK(sys::MkdirAt(directory_.fd(), kPinnedShm, 0700));
  PinRequest request;
  request.net = request.ipc = request.uts = true;
  request.shm_size = 1 << 20;
  Envelope answer = Run(request);
  ASSERT_TRUE(answer.has_error());
  EXPECT_THAT(answer.error().message(), HasSubstr("shm"));
  EXPECT_EQ(answer.error().errno_value(), EEXIST);
  for (const char* name : {kPinnedNet, kPinnedIpc, kPinnedUts}) {
    EXPECT_FALSE(sys::ExistsAt(directory_.fd(), name)) << name;
  }
  EXPECT_EQ(testing::ReadMachineState().mounts, before_);
}

TEST_F(PinTest, SysctlThatFailsIsNamed) {
  PinRequest request;
  request.net = true;
  request.sysctls = {{"net/no/such/key", "1"}};
  Envelope answer = Run(request);
  ASSERT_TRUE(answer.has_error());
  EXPECT_THAT(answer.error().message(), HasSubstr("net/no/such/key"));
  EXPECT_FALSE(sys::ExistsAt(directory_.fd(), kPinnedNet));
}

}  // namespace
}  // namespace gantry::shim
