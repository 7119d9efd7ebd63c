#include "server/core/process_counts.h"

#include <fcntl.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::core {

ProcessCounts CountProcesses(int procfd, const std::vector<pid_t>& pids) {
  ProcessCounts counts;
  counts.processes = pids.size();
  for (pid_t pid : pids) {
    absl::StatusOr<UniqueFd> fds =
        sys::OpenAt(procfd, absl::StrCat(pid, "/fd"), O_RDONLY | O_DIRECTORY);
    if (!fds.ok()) continue;
    absl::StatusOr<std::vector<sys::DirEntry>> entries =
        sys::ListDirAt(fds->get(), ".");
    if (!entries.ok()) continue;
    counts.descriptors += entries->size();
    for (const sys::DirEntry& entry : *entries) {
      absl::StatusOr<std::string> target =
          sys::ReadlinkAt(fds->get(), entry.name);
      if (target.ok() && absl::StartsWith(*target, "socket:")) {
        ++counts.sockets;
      }
    }
  }
  return counts;
}

std::optional<uint64_t> ParseOpenFilesLimit(absl::string_view text) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, "Max open files ")) continue;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t soft = 0;
    if (words.empty() || !absl::SimpleAtoi(words[0], &soft)) break;
    return soft;
  }
  return std::nullopt;
}

std::optional<uint64_t> OpenFilesLimit(int procfd, pid_t pid) {
  absl::StatusOr<std::string> text =
      sys::ReadFileAt(procfd, absl::StrCat(pid, "/limits"));
  if (!text.ok()) return std::nullopt;
  return ParseOpenFilesLimit(*text);
}

}  // namespace gantry::core
