#include "tools/bench/server_view.h"

#include <fcntl.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "tools/bench/process_memory.h"
#include "tools/bench/server_process.h"

namespace gantry::bench {
namespace {

constexpr size_t kMaxTableBytes = size_t{64} << 20;

}  // namespace

absl::StatusOr<ServerView> ServerView::Of(const std::string& endpoint) {
  ASSIGN_OR_RETURN(UniqueFd proc,
                   sys::OpenAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(const pid_t pid, ServerPid(endpoint));
  return ServerView(std::move(proc), pid);
}

std::vector<Process> ServerView::Itself(
    const std::vector<Process>& processes) const {
  for (const Process& process : processes) {
    if (process.id.pid == pid_) return {process};
  }
  return {};
}

absl::StatusOr<int64_t> ServerView::Mounts() const {
  ASSIGN_OR_RETURN(const std::string table,
                   sys::ReadFileAt(procfd(), absl::StrCat(pid_, "/mountinfo"),
                                   kMaxTableBytes));
  return std::count(table.begin(), table.end(), '\n');
}

absl::Status ServerView::AddPss(const NamedServer& server,
                                absl::string_view when, Report* report) const {
  ASSIGN_OR_RETURN(const int64_t bytes, PssBytes(procfd(), pid_));
  report->AddValue(NameOf(server, absl::StrCat("server PSS, ", when)),
                   static_cast<double>(bytes), "B");
  return absl::OkStatus();
}

}  // namespace gantry::bench
