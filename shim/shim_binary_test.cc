// What the built gantry-shim is: small, static, of one thread, without gRPC.

#include <dirent.h>
#include <elf.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "shim/testing/shim_harness.h"

namespace gantry::shim::testing {
namespace {

std::string BinaryBytes() {
  auto bytes = sys::ReadFileAt(
      AT_FDCWD, absl::StrCat("/proc/self/fd/", ShimBinary().get()), 64 << 20);
  EXPECT_OK(bytes);
  return *std::move(bytes);
}

TEST(ShimBinary, IsAtMostThreeMebibytes) {
  const size_t size = BinaryBytes().size();
  printf("gantry-shim: %zu bytes\n", size);
  EXPECT_LE(size, size_t{3} << 20);
}

TEST(ShimBinary, IsStatic) {
  const std::string bytes = BinaryBytes();
  Elf64_Ehdr header;
  ASSERT_GE(bytes.size(), sizeof(header));
  memcpy(&header, bytes.data(), sizeof(header));
  ASSERT_EQ(memcmp(header.e_ident, ELFMAG, SELFMAG), 0);
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    memcpy(&segment, bytes.data() + header.e_phoff + i * sizeof(segment),
           sizeof(segment));
    EXPECT_NE(segment.p_type, uint32_t{PT_INTERP});
    EXPECT_NE(segment.p_type, uint32_t{PT_DYNAMIC});
  }
}

TEST(ShimBinary, HasNothingOfGrpcOrGlog) {
  const std::string bytes = BinaryBytes();
  for (const char* word : {"grpc", "gRPC", "google::InitGoogleLogging", "glog",
                           "libssl", "absl_log"}) {
    EXPECT_EQ(bytes.find(word), std::string::npos) << word;
  }
}

int CountThreads(pid_t pid) {
  int count = 0;
  DIR* dir = opendir(absl::StrCat("/proc/", pid, "/task").c_str());
  if (dir == nullptr) return -1;
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count - 2;
}

// KiB of one line of smaps_rollup.
int RollupOf(pid_t pid, absl::string_view name) {
  auto text =
      sys::ReadFileAt(AT_FDCWD, absl::StrCat("/proc/", pid, "/smaps_rollup"));
  EXPECT_OK(text);
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    if (!absl::ConsumePrefix(&line, name)) continue;
    int value = -1;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    EXPECT_TRUE(absl::SimpleAtoi(words.at(0), &value)) << line;
    return value;
  }
  return -1;
}

TEST(ShimBinary, IdleShimsAreOfOneThreadAndSmall) {
  constexpr int kShims = 20;
  std::vector<std::unique_ptr<ShimHarness>> harnesses;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kShims; ++i) {
    auto harness = std::make_unique<ShimHarness>();
    clients.push_back(harness->Start(
        harness->MakePlan({"sh", "-c", "echo begun; exec sleep 1000"})));
    EXPECT_EQ(harness->WaitForLogLines(1).size(), 1u);
    harnesses.push_back(std::move(harness));
  }
  ASSERT_OK(harnesses[0]->Exec(*clients[0], {"true"}));
  // Buffers are given back after a second or two without output.
  sleep(3);
  int pss = 0;
  int dirty = 0;
  for (const auto& harness : harnesses) {
    EXPECT_EQ(CountThreads(harness->shim_pid()), 1);
    pss += RollupOf(harness->shim_pid(), "Pss:");
    dirty += RollupOf(harness->shim_pid(), "Private_Dirty:");
  }
  printf("%d idle shims: PSS %d KiB each, private dirty %d KiB each\n", kShims,
         pss / kShims, dirty / kShims);
  // The goal is 128 KiB with its container's share at 50 pods; the binary's
  // pages are shared by 20 here.
  EXPECT_LE(pss / kShims, 250);
}

}  // namespace
}  // namespace gantry::shim::testing
