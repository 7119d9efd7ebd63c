#include "shim/io/log_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace gantry::shim {
namespace {

UniqueFd MemoryFile() {
  UniqueFd fd(memfd_create("log", MFD_CLOEXEC));
  fcntl(fd.get(), F_SETFL, O_APPEND);
  return fd;
}

UniqueFd Duplicate(const UniqueFd& fd) {
  return UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
}

std::string Content(const UniqueFd& fd) {
  std::string text(1 << 20, '\0');
  const ssize_t size = pread(fd.get(), text.data(), text.size(), 0);
  text.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return text;
}

void Put(LogFile& log, absl::string_view text) {
  ASSERT_TRUE(log.buffer().Acquire());
  ASSERT_GE(log.buffer().room(), text.size());
  memcpy(log.buffer().tail(), text.data(), text.size());
  log.buffer().Append(text.size());
}

TEST(LogFile, WritesWhatWaits) {
  UniqueFd file = MemoryFile();
  LogFile log(Duplicate(file));
  Put(log, "one\n");
  Put(log, "two\n");
  EXPECT_TRUE(log.Flush());
  EXPECT_EQ(Content(file), "one\ntwo\n");
  EXPECT_TRUE(log.buffer().empty());
}

TEST(LogFile, WithoutFileEverythingIsDiscarded) {
  LogFile log{UniqueFd()};
  Put(log, "one\n");
  EXPECT_TRUE(log.Flush());
  EXPECT_TRUE(log.buffer().empty());
}

TEST(LogFile, WhatTheFileDoesNotTakeWaits) {
  LogFile log(UniqueFd(open("/dev/full", O_WRONLY | O_CLOEXEC)));
  Put(log, "one\n");
  EXPECT_FALSE(log.Flush());
  EXPECT_EQ(log.buffer().pending(), "one\n");
  Put(log, "two\n");
  UniqueFd file = MemoryFile();
  log.SwitchTo(Duplicate(file));
  EXPECT_TRUE(log.Flush());
  EXPECT_EQ(Content(file), "one\ntwo\n");
}

TEST(LogFile, RecordCutByTheOldFileIsWholeInTheNewOne) {
  // A pipe with room for 4096 bytes takes one record and a part of the next.
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  UniqueFd read_end(fds[0]);
  UniqueFd write_end(fds[1]);
  ASSERT_GE(fcntl(write_end.get(), F_SETPIPE_SZ, 4096), 4096);
  LogFile log(std::move(write_end));
  const std::string first = std::string(2999, 'a') + "\n";
  const std::string second = std::string(3999, 'b') + "\n";
  Put(log, first);
  ASSERT_TRUE(log.Flush());
  Put(log, "x\n");
  Put(log, second);
  ASSERT_FALSE(log.Flush());
  UniqueFd file = MemoryFile();
  log.SwitchTo(Duplicate(file));
  EXPECT_TRUE(log.Flush());
  std::string old(8192, '\0');
  old.resize(static_cast<size_t>(read(read_end.get(), old.data(), old.size())));
  // Whatever the pipe took of it, the second record is in the new file whole.
  EXPECT_EQ(old.substr(0, 3000), first);
  EXPECT_TRUE(Content(file) == second || Content(file) == "x\n" + second);
  EXPECT_EQ(old.size() > 3000, Content(file) == second);
}

}  // namespace
}  // namespace gantry::shim
