#include "test/sweep/state_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "gtest/gtest.h"
#include "runtime/base/unique_fd.h"

namespace gantry::sweep {
namespace {

uint64_t Address(const void* memory) {
  return reinterpret_cast<uintptr_t>(memory);
}

// Of this process's own memory and descriptors.
bool Changes(absl::string_view name, const trace::Call& call) {
  return ChangesState(getpid(), name, call);
}

TEST(ChangesState, OpeningDoesIfItCreatesOrTruncates) {
  trace::Call call;
  EXPECT_FALSE(Changes("openat", call));
  call.arguments[2] = O_CREAT | O_WRONLY;
  EXPECT_TRUE(Changes("openat", call));
  call.arguments[2] = O_TRUNC | O_WRONLY;
  EXPECT_TRUE(Changes("openat", call));
  call.arguments[2] = O_DIRECTORY;
  EXPECT_FALSE(Changes("openat", call));
  call.arguments[2] = O_TMPFILE | O_WRONLY;
  EXPECT_TRUE(Changes("openat", call));

  open_how how = {};
  call.arguments[2] = Address(&how);
  EXPECT_FALSE(Changes("openat2", call));
  how.flags = O_CREAT;
  EXPECT_TRUE(Changes("openat2", call));
}

TEST(ChangesState, WritingDoesUnlessThreadsWakeEachOther) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);
  trace::Call call;
  call.arguments[0] = writing.get();
  EXPECT_TRUE(Changes("write", call));
  const UniqueFd event(eventfd(0, 0));
  call.arguments[0] = event.get();
  EXPECT_FALSE(Changes("write", call));
}

TEST(ChangesState, ReadingDoesNot) {
  for (const char* name : {"read", "newfstatat", "getpid", "no such call"}) {
    EXPECT_FALSE(Changes(name, {})) << name;
  }
  EXPECT_TRUE(Changes("rename", {}));
}

TEST(CanFail, AllButMemoryAndWhatNeverDoes) {
  const pid_t self = getpid();
  EXPECT_TRUE(CanFail(self, "mkdirat", {}, EIO));
  EXPECT_TRUE(CanFail(self, "close", {}, EIO));
  EXPECT_FALSE(CanFail(self, "mmap", {}, ENOMEM));
  EXPECT_FALSE(CanFail(self, "getpid", {}, EIO));
  EXPECT_FALSE(CanFail(self, "epoll_wait", {}, EIO));
  EXPECT_TRUE(CanFail(self, "epoll_wait", {}, EINTR));
}

TEST(Describe, TellsTheCallsObject) {
  trace::Call call;
  const char path[] = "/some/pa\nth";
  call.arguments[0] = static_cast<uint64_t>(AT_FDCWD);
  call.arguments[1] = Address(path);
  EXPECT_EQ(Describe(getpid(), "mkdirat", call), "mkdirat /some/pa?th");
  const UniqueFd folder(open("/proc", O_RDONLY | O_DIRECTORY));
  call.arguments[0] = folder.get();
  const char name[] = "x";
  call.arguments[1] = Address(name);
  EXPECT_EQ(Describe(getpid(), "mkdirat", call), "mkdirat /proc/x");
  EXPECT_EQ(Describe(getpid(), "fsync", call), "fsync /proc");
  EXPECT_EQ(Describe(getpid(), "getpid", call), "getpid");
}

}  // namespace
}  // namespace gantry::sweep
