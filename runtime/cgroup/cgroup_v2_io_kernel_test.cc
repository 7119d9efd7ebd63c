// What the kernel enforces of io on cgroup v2.

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/testing/v2_kernel_test.h"
#include "runtime/cgroup/wait.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {
namespace {

using testing::Child;
using testing::kMiB;
using testing::Unified;

// Reads so much of a disk from `offset` on, past the page cache; what it got
// until it failed.
int64_t ReadDisk(const std::string& disk, int64_t offset, int64_t bytes) {
  constexpr size_t kBuffer = 256 << 10;
  const UniqueFd fd(open(disk.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  void* buffer = aligned_alloc(4096, kBuffer);
  int64_t sum = 0;
  while (sum < bytes) {
    const ssize_t got = pread(fd.get(), buffer, kBuffer, offset + sum);
    if (got <= 0) break;
    sum += got;
  }
  free(buffer);
  return sum;
}

class V2IoTest : public testing::V2KernelTest {
 protected:
  void SetUp() override {
    V2KernelTest::SetUp();
    if (!Has("io")) GTEST_SKIP() << "io is not on cgroup2 here";
    ASSERT_OK_AND_ASSIGN(const std::vector<sys::DirEntry> disks,
                         sys::ListDirAt(AT_FDCWD, "/sys/block"));
    // The largest with hardware behind it: no loop device, no RAM disk.
    for (const sys::DirEntry& entry : disks) {
      const std::string folder = absl::StrCat("/sys/block/", entry.name);
      if (!sys::ExistsAt(AT_FDCWD, absl::StrCat(folder, "/device"))) continue;
      const auto sectors =
          sys::ReadFileAt(AT_FDCWD, absl::StrCat(folder, "/size"));
      const int64_t bytes =
          sectors.ok() ? std::strtoll(sectors->c_str(), nullptr, 10) * 512 : 0;
      if (bytes <= bytes_) continue;
      name_ = entry.name;
      bytes_ = bytes;
    }
    struct stat info = {};
    if (name_.empty() || stat(Disk().c_str(), &info) != 0) {
      GTEST_SKIP() << "there is no disk";
    }
    major_ = major(info.st_rdev);
    minor_ = minor(info.st_rdev);
  }

  void TearDown() override {
    V2KernelTest::TearDown();
    if (scheduler_before_.empty()) return;
    EXPECT_OK(sys::WriteFileAt(AT_FDCWD, SchedulerFile(), scheduler_before_));
  }

  std::string Disk() const { return absl::StrCat("/dev/", name_); }
  std::string SchedulerFile() const {
    return absl::StrCat("/sys/block/", name_, "/queue/scheduler");
  }
  std::string TunableFile(absl::string_view name) const {
    return absl::StrCat("/sys/block/", name_, "/queue/iosched/", name);
  }
  uint64_t BytesRead(const Manager& cgroup) const {
    return cgroup.ReadStats().value().io.read_bytes.value_or(0);
  }

  std::string name_;
  int64_t bytes_ = 0;
  std::string scheduler_before_;  // if it was changed
  uint32_t major_ = 0, minor_ = 0;
};

TEST_F(V2IoTest, MaxSlowsReadingDown) {
  const Manager cgroup = Created("c");
  Resources resources;
  resources.block_io.read_bps = {{major_, minor_, 1 << 20}};
  ASSERT_OK(cgroup.Apply(resources));
  Child child(
      [this] { return ReadDisk(Disk(), 0, 4 * kMiB) == 4 * kMiB ? 0 : 1; });
  ASSERT_OK(cgroup.AddProcess(child.pid()));
  const auto begin = std::chrono::steady_clock::now();
  child.Go();
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_GT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_GE(BytesRead(cgroup), 4 * kMiB);
}

// Of schedulers bfq heeds weights; its file is there once a disk has it
// (Documentation/block/bfq-iosched.rst).
TEST_F(V2IoTest, WeightsShareABusyDisk) {
  if (getenv("GANTRY_VM_MACHINE") == nullptr) {
    GTEST_SKIP() << "it changes the disk's scheduler: tools/vm-test runs it";
  }
  ASSERT_OK_AND_ASSIGN(const std::string before,
                       sys::ReadFileAt(AT_FDCWD, SchedulerFile()));
  const size_t open = before.find('['), close = before.find(']');
  ASSERT_NE(open, std::string::npos) << before;
  ASSERT_OK(sys::WriteFileAt(AT_FDCWD, SchedulerFile(), "bfq"));
  scheduler_before_ = before.substr(open + 1, close - open - 1);
  const Manager light = Created("pod/light"), heavy = Created("pod/heavy");
  ASSERT_OK(light.Apply(Unified("io.bfq.weight", "100")));
  ASSERT_OK(heavy.Apply(Unified("io.bfq.weight", "500")));
  // Else whoever comes new is preferred for a while.
  EXPECT_OK(sys::WriteFileAt(AT_FDCWD, TunableFile("low_latency"), "0"));
  // A reader that gets few turns of a busy processor asks late for its next
  // block: the disk waits for it, or it has no share to compare.
  EXPECT_OK(sys::WriteFileAt(AT_FDCWD, TunableFile("strict_guarantees"), "1"));
  EXPECT_OK(sys::WriteFileAt(AT_FDCWD, TunableFile("slice_idle"), "100"));
  const int64_t half = bytes_ / 2 / kMiB * kMiB;
  ASSERT_GE(half, 64 * kMiB);
  // Far from each other: neighbours are taken for one reader.
  const auto read_at = [this](int64_t offset) {
    return [this, offset]() -> int {
      while (ReadDisk(Disk(), offset, 64 * kMiB) > 0) {
      }
      return 1;
    };
  };
  Child one(read_at(0)), two(read_at(half));
  ASSERT_OK(light.AddProcess(one.pid()));
  ASSERT_OK(heavy.AddProcess(two.pid()));
  one.Go();
  two.Go();
  Sleep(std::chrono::milliseconds(1000));
  const uint64_t light_before = BytesRead(light);
  const uint64_t heavy_before = BytesRead(heavy);
  Sleep(std::chrono::milliseconds(4000));
  const double ratio = static_cast<double>(BytesRead(heavy) - heavy_before) /
                       static_cast<double>(BytesRead(light) - light_before);
  EXPECT_GT(ratio, 2.0);
}

}  // namespace
}  // namespace gantry::cgroup
