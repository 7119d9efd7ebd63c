#include "runtime/plan/host_reader.h"

#include <fcntl.h>

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::plan {
namespace {

using sys::testing::Dir;
using sys::testing::FakeTree;
using sys::testing::File;

constexpr char kStatus[] =
    "Name:\tx\nCapInh:\t0000000000000000\nCapPrm:\t00000000000000ff\n"
    "CapEff:\t00000000000000ff\nCapBnd:\t000000000000f00f\n";

TEST(ReadHostFacts, CapabilitiesAreThoseThatCanBeHandedOn) {
  FakeTree proc({File("self/status", kStatus),
                 File("sys/kernel/cap_last_cap", "40\n"),
                 File("sys/kernel/osrelease", "6.1.0-18-amd64\n")});
  auto facts = ReadHostFacts(proc.fd(), nullptr);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->capabilities, 0xfu);
  EXPECT_EQ(facts->last_capability, 40);
  EXPECT_EQ(facts->kernel, (KernelVersion{6, 1}));
}

TEST(ReadHostFacts, GarbageIsAnError) {
  FakeTree proc({File("self/status", "CapBnd:\tzz\n"),
                 File("sys/kernel/cap_last_cap", "40\n"),
                 File("sys/kernel/osrelease", "6.1\n")});
  EXPECT_FALSE(ReadHostFacts(proc.fd(), nullptr).ok());
  proc.Write("self/status", kStatus);
  for (const char* text : {"", "x", "64", "-1", "40 41"}) {
    proc.Write("sys/kernel/cap_last_cap", text);
    EXPECT_FALSE(ReadHostFacts(proc.fd(), nullptr).ok()) << text;
  }
}

// The null device is everywhere, and making it needs no hardware.
TEST(HostDevices, FindsDevicesAndNothingElse) {
  auto root = sys::OpenAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  ASSERT_TRUE(root.ok()) << root.status();
  auto devices = MakeHostDevices(*std::move(root));
  auto null = devices->Find("/dev/null");
  ASSERT_TRUE(null.ok()) << null.status();
  ASSERT_EQ(null->size(), 1u);
  EXPECT_EQ(null->front().path(), "/dev/null");
  EXPECT_EQ(null->front().type(), "c");
  EXPECT_EQ(null->front().major(), 1u);
  EXPECT_EQ(null->front().minor(), 3u);
  EXPECT_EQ(devices->Find("/etc/passwd").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(devices->Find("/dev/no-such").status().code(),
            absl::StatusCode::kNotFound);
  auto below = devices->Find("/dev");
  ASSERT_TRUE(below.ok()) << below.status();
  bool found = false;
  for (const DeviceNode& device : *below) {
    found = found || device.path() == "/dev/null";
    EXPECT_NE(device.path().rfind("/dev/pts/", 0), 0u) << device.path();
  }
  EXPECT_TRUE(found);
}

TEST(HostDevices, AnEmptyDirectoryHasNoneAndSymlinksAreFollowedOnTheWay) {
  FakeTree host({Dir("dev/empty", {File("no_device")}),
                 sys::testing::Symlink("dev/link", "empty")});
  auto root = sys::OpenAt(AT_FDCWD, host.path(), O_PATH | O_DIRECTORY);
  ASSERT_TRUE(root.ok()) << root.status();
  auto devices = MakeHostDevices(*std::move(root));
  for (const char* path : {"/dev/empty", "/dev/link"}) {
    auto none = devices->Find(path);
    ASSERT_TRUE(none.ok()) << none.status();
    EXPECT_TRUE(none->empty());
  }
}

TEST(HostDevices, AllLeavesOutTerminalsAndFiles) {
  auto root = sys::OpenAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  ASSERT_TRUE(root.ok()) << root.status();
  auto devices = MakeHostDevices(*std::move(root));
  auto all = devices->All();
  ASSERT_TRUE(all.ok()) << all.status();
  bool null = false;
  for (const DeviceNode& device : *all) {
    EXPECT_NE(device.path().rfind("/dev/pts/", 0), 0u) << device.path();
    EXPECT_NE(device.path(), "/dev/ptmx");
    null = null || device.path() == "/dev/null";
  }
  EXPECT_TRUE(null);
}

}  // namespace
}  // namespace gantry::plan
