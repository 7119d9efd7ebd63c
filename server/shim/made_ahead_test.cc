// What is made ahead of the pod or container that it is for: with the real
// gantry-shim and kernel.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/types.h>

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/namespaces.h"
#include "runtime/sys/pidfd.h"
#include "server/shim/shim_process.h"
#include "server/shim/spare_namespaces.h"
#include "server/shim/spare_shim.h"
#include "server/shim/testing/real_shim.h"
#include "shim/pin/pin_args.h"

namespace gantry::shim_client {
namespace {

using ::gantry::testing::IsOkAndHolds;

class MadeAheadTest : public RealShimTest {
 protected:
  // One that can be taken. Nothing: none came in time.
  std::optional<pid_t> AwaitSpareShim() {
    for (int i = 0; i < 500; ++i) {
      const std::optional<pid_t> spare = launcher_->SpareShimPid();
      // It has its name after it has said that it is there.
      if (spare.has_value() &&
          sys::ReadFileAt(AT_FDCWD, absl::StrCat("/proc/", *spare, "/comm"))
                  .value_or("") == "gantry-ahead\n") {
        return spare;
      }
      absl::SleepFor(absl::Milliseconds(10));
    }
    return std::nullopt;
  }
};

// Takes away what is pinned there, but for the network namespace: as long as it
// is held, no other has its number.
UniqueFd Unpin(const UniqueFd& directory) {
  UniqueFd network;
  for (const char* name : {"net", "ipc", "uts"}) {
    const std::string path =
        absl::StrCat("/proc/self/fd/", directory.get(), "/", name);
    if (name == absl::string_view("net")) {
      absl::StatusOr<UniqueFd> fd = sys::OpenAt(AT_FDCWD, path, O_RDONLY);
      EXPECT_OK(fd);
      if (fd.ok()) network = *std::move(fd);
    }
    EXPECT_EQ(::umount2(path.c_str(), MNT_DETACH), 0) << name;
  }
  return network;
}

TEST_F(MadeAheadTest, NamespacesOfALikePodAreMadeAhead) {
  std::vector<UniqueFd> networks;
  std::set<uint64_t> numbers;
  for (const char* name : {"first", "second"}) {
    ASSERT_OK(sys::MkdirAllAt(dir_.fd(), name, 0700));
    ASSERT_OK_AND_ASSIGN(UniqueFd pod,
                         sys::OpenAt(dir_.fd(), name, O_RDONLY | O_DIRECTORY));
    PinRequest request;
    request.run_dir_fd = pod.get();
    request.network = request.ipc = request.uts = true;
    request.hostname = name;
    EXPECT_OK(Await(launcher_->PinNamespaces(request)));
    networks.push_back(Unpin(pod));
    ASSERT_OK_AND_ASSIGN(uint64_t number,
                         sys::NamespaceIdOf(networks.back().get()));
    numbers.insert(number);
    for (int i = 0; i < 500 && !launcher_->HasSpareNamespaces(); ++i) {
      absl::SleepFor(absl::Milliseconds(10));
    }
    EXPECT_TRUE(launcher_->HasSpareNamespaces());
  }
  EXPECT_EQ(numbers.size(), 2);
}

TEST_F(MadeAheadTest, ASpareIsForOnePodOfItsKind) {
  ASSERT_OK_AND_ASSIGN(UniqueFd binary,
                       sys::OpenAt(AT_FDCWD, ShimPath(), O_RDONLY));
  SpareNamespaces spares(std::move(binary));
  shim::PinRequest pin;
  pin.net = pin.ipc = pin.uts = true;
  pin.hostname = "one";
  EXPECT_FALSE(spares.Take(pin, dir_.fd()).has_value());
  ASSERT_OK(spares.Make(pin));
  shim::PinRequest other = pin;
  other.sysctls = {{"net/ipv4/ip_forward", "1"}};
  EXPECT_FALSE(spares.Take(other, dir_.fd()).has_value());
  EXPECT_TRUE(spares.has_spare());
  pin.hostname = "another";
  std::optional<ShimProcess> taken = spares.Take(pin, dir_.fd());
  ASSERT_TRUE(taken.has_value());
  EXPECT_FALSE(spares.has_spare());
  EXPECT_FALSE(spares.Take(pin, dir_.fd()).has_value());
  EXPECT_THAT(sys::PidfdExited(taken->pidfd.get(), std::chrono::seconds(20)),
              IsOkAndHolds(true));
  Unpin(sys::Duplicate(dir_.fd()).value());
  // A user namespace is a pod's own.
  pin.user = shim::UserNamespace{{0, 65536, 65536}, {0, 65536, 65536}};
  ASSERT_OK(spares.Make(pin));
  EXPECT_FALSE(spares.has_spare());
}

TEST_F(MadeAheadTest, TheNextContainersShimIsStartedAhead) {
  std::optional<pid_t> spare;
  for (const char* id : {"first-container", "second-container"}) {
    ASSERT_OK_AND_ASSIGN(Launched launched, Launch(id, {"/bin/sleep", "1000"}));
    const pid_t shim = launched.started.shim_pid();
    if (spare.has_value()) {
      EXPECT_EQ(shim, *spare);
    }
    // Like one that was started for it.
    ASSERT_OK_AND_ASSIGN(
        const std::string arguments,
        sys::ReadFileAt(AT_FDCWD, absl::StrCat("/proc/", shim, "/cmdline")));
    const std::string shown(absl::string_view(id).substr(0, 12));
    EXPECT_EQ(arguments,
              absl::StrCat("gantry-shim", std::string(1, '\0'), "container",
                           std::string(1, '\0'), shown, std::string(1, '\0')));
    EXPECT_THAT(
        sys::ReadFileAt(AT_FDCWD, absl::StrCat("/proc/", shim, "/comm")),
        IsOkAndHolds("gantry-shim\n"));
    EXPECT_EQ(Exec(*launched.client, "e", {"/bin/true"}).exit_code, 0);
    spare = AwaitSpareShim();
    ASSERT_TRUE(spare.has_value());
    EXPECT_NE(*spare, shim);
    End end(*launched.client);
    ASSERT_OK(Await(launched.client->Signal(SIGKILL, false)));
    end.Get();
  }
}

TEST_F(MadeAheadTest, AShimThatWasKilledAheadIsPassedOver) {
  for (const char* id : {"c1", "c2"}) {
    ASSERT_OK_AND_ASSIGN(Launched launched, Launch(id, {"/bin/sleep", "1000"}));
    const std::optional<pid_t> spare = AwaitSpareShim();
    ASSERT_TRUE(spare.has_value());
    EXPECT_NE(*spare, launched.started.shim_pid());
    ASSERT_EQ(::kill(*spare, SIGKILL), 0);
    End end(*launched.client);
    ASSERT_OK(Await(launched.client->Signal(SIGKILL, false)));
    end.Get();
  }
}

TEST_F(MadeAheadTest, AProgramThatDoesNotWaitIsNotTaken) {
  // As a shim of before: it ends at once.
  ASSERT_OK_AND_ASSIGN(UniqueFd binary,
                       sys::OpenAt(AT_FDCWD, kBusybox, O_RDONLY));
  SpareShim spare(std::move(binary));
  ASSERT_OK(spare.Make());
  // Whether it has not begun yet or is gone.
  for (int i = 0; i < 500 && spare.pid().has_value(); ++i) {
    EXPECT_FALSE(spare.Take("c", {}).has_value());
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_FALSE(spare.pid().has_value());
}

TEST_F(MadeAheadTest, AShimStartedAheadGoesWithTheServer) {
  ASSERT_OK_AND_ASSIGN(UniqueFd binary,
                       sys::OpenAt(AT_FDCWD, ShimPath(), O_RDONLY));
  UniqueFd pidfd;
  {
    SpareShim spare(std::move(binary));
    EXPECT_FALSE(spare.Take("c", {}).has_value());
    ASSERT_OK(spare.Make());
    ASSERT_TRUE(spare.pid().has_value());
    ASSERT_OK_AND_ASSIGN(pidfd, sys::PidfdOpen(*spare.pid()));
  }
  EXPECT_THAT(sys::PidfdExited(pidfd.get(), std::chrono::seconds(20)),
              IsOkAndHolds(true));
}

}  // namespace
}  // namespace gantry::shim_client
