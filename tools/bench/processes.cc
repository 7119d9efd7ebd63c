#include "tools/bench/processes.h"

#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/proc_stat.h"

namespace gantry::bench {
namespace {

constexpr size_t kMaxArgvBytes = size_t{4} << 20;

// NOT_FOUND for one that has ended and for a kernel thread.
absl::StatusOr<Process> ReadProcess(int procfd, pid_t pid) {
  ASSIGN_OR_RETURN(const sys::ProcStat stat, sys::ReadProcStat(procfd, pid));
  Process process;
  process.id = {pid, stat.start_ticks};
  process.parent = stat.ppid;
  const absl::StatusOr<struct stat> program =
      sys::StatAt(procfd, absl::StrCat(pid, "/exe"));
  process.zombie = stat.state == 'Z';
  if (program.ok()) {
    process.program = {program->st_dev, program->st_ino};
  } else if (!process.zombie && !absl::IsPermissionDenied(program.status())) {
    // A kernel thread runs no file.
    return program.status();
  }
  ASSIGN_OR_RETURN(
      const std::string argv,
      sys::ReadFileAt(procfd, absl::StrCat(pid, "/cmdline"), kMaxArgvBytes));
  if (!argv.empty()) {
    process.argv =
        absl::StrSplit(absl::StripSuffix(argv, std::string(1, '\0')), '\0');
  }
  return process;
}

std::map<pid_t, const Process*> ByPid(const std::vector<Process>& processes) {
  std::map<pid_t, const Process*> by_pid;
  for (const Process& process : processes) by_pid[process.id.pid] = &process;
  return by_pid;
}

// Adds to `pids` every process that has one of them above it.
void AddDescendants(const std::vector<Process>& processes,
                    std::set<pid_t>* pids) {
  // A parent may stand behind its child.
  for (size_t before = 0; before != pids->size();) {
    before = pids->size();
    for (const Process& process : processes) {
      if (pids->count(process.parent) != 0) pids->insert(process.id.pid);
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<Process>> ReadProcesses(int procfd) {
  ASSIGN_OR_RETURN(const std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(procfd, "."));
  std::vector<Process> processes;
  for (const sys::DirEntry& entry : entries) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.name, &pid)) continue;
    absl::StatusOr<Process> process = ReadProcess(procfd, pid);
    if (absl::IsNotFound(process.status())) continue;
    RETURN_IF_ERROR(process);
    processes.push_back(*std::move(process));
  }
  return processes;
}

std::vector<Process> RuntimeProcesses(
    const std::vector<Process>& before, const std::vector<Process>& now,
    pid_t server, const std::vector<std::string>& workload) {
  std::set<ProcessId> old;
  for (const Process& process : before) old.insert(process.id);
  const std::map<pid_t, const Process*> by_pid = ByPid(now);
  std::set<pid_t> ours = {server};
  for (const Process& process : now) {
    if (process.argv != workload) continue;
    for (auto above = by_pid.find(process.parent);
         above != by_pid.end() && old.count(above->second->id) == 0;
         above = by_pid.find(above->second->parent)) {
      ours.insert(above->first);
    }
  }
  AddDescendants(now, &ours);
  std::set<ProgramId> programs;
  for (const Process& process : now) {
    // Another server of that kind is not this one's.
    if (ours.count(process.id.pid) != 0 && process.id.pid != server &&
        process.argv != workload) {
      programs.insert(process.program);
    }
  }
  programs.erase(ProgramId());
  std::vector<Process> found;
  for (const Process& process : now) {
    const bool same =
        ours.count(process.id.pid) != 0 || programs.count(process.program) != 0;
    if (same && process.id.pid != server && old.count(process.id) == 0 &&
        process.argv != workload) {
      found.push_back(process);
    }
  }
  return found;
}

std::vector<Process> TreeOf(const std::vector<Process>& processes, pid_t pid) {
  std::set<pid_t> pids = {pid};
  AddDescendants(processes, &pids);
  std::vector<Process> found;
  for (const Process& process : processes) {
    if (pids.count(process.id.pid) != 0) found.push_back(process);
  }
  return found;
}

std::vector<Process> Running(const std::vector<Process>& processes,
                             const std::set<ProgramId>& programs) {
  std::vector<Process> found;
  for (const Process& process : processes) {
    if (programs.count(process.program) != 0) found.push_back(process);
  }
  return found;
}

}  // namespace gantry::bench
