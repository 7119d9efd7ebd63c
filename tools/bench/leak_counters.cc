#include "tools/bench/leak_counters.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mountinfo.h"
#include "tools/bench/nft_rules.h"
#include "tools/bench/process_memory.h"

namespace gantry::bench {
namespace {

constexpr size_t kMaxTableBytes = size_t{64} << 20;
constexpr absl::string_view kNetwork[] = {"net"};
constexpr absl::string_view kOthers[] = {"cgroup", "ipc",  "mnt",
                                         "pid",    "user", "uts"};

absl::StatusOr<int64_t> CountEntries(int dirfd, const std::string& path) {
  ASSIGN_OR_RETURN(const std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(dirfd, path));
  return static_cast<int64_t>(entries.size());
}

std::string Below(absl::string_view directory, absl::string_view name) {
  return directory == "." ? std::string(name)
                          : absl::StrCat(directory, "/", name);
}

// Directories below `dirfd`. One that goes meanwhile is not there.
absl::StatusOr<int64_t> CountDirectories(int dirfd) {
  std::vector<std::string> left = {"."};
  int64_t count = -1;
  while (!left.empty()) {
    const std::string path = std::move(left.back());
    left.pop_back();
    const absl::StatusOr<std::vector<sys::DirEntry>> entries =
        sys::ListDirAt(dirfd, path);
    if (absl::IsNotFound(entries.status())) continue;
    RETURN_IF_ERROR(entries) << "count cgroups";
    ++count;
    for (const sys::DirEntry& entry : *entries) {
      if (entry.type == DT_DIR) left.push_back(Below(path, entry.name));
    }
  }
  return count;
}

absl::StatusOr<std::vector<sys::MountInfo>> MountsOf(int procfd, pid_t pid) {
  ASSIGN_OR_RETURN(
      const std::string table,
      sys::ReadFileAt(procfd, absl::StrCat(pid, "/mountinfo"), kMaxTableBytes));
  return sys::ParseMountinfo(table);
}

// By "net:[4026531840]", which is how both a process's and a mount's shows.
int64_t CountNamespaces(int procfd, const std::vector<Process>& processes,
                        const std::vector<sys::MountInfo>& mounts,
                        std::span<const absl::string_view> kinds) {
  std::set<std::string> namespaces;
  for (const absl::string_view kind : kinds) {
    for (const Process& process : processes) {
      const absl::StatusOr<std::string> name =
          sys::ReadlinkAt(procfd, absl::StrCat(process.id.pid, "/ns/", kind));
      if (name.ok()) namespaces.insert(*name);
    }
    const std::string prefix = absl::StrCat(kind, ":");
    for (const sys::MountInfo& mount : mounts) {
      const bool pinned =
          mount.fs_type == "nsfs" && mount.root.rfind(prefix, 0) == 0;
      if (pinned) namespaces.insert(mount.root);
    }
  }
  return static_cast<int64_t>(namespaces.size());
}

// One that ends meanwhile has none.
int64_t RssOf(int procfd, const std::vector<Process>& processes) {
  int64_t bytes = 0;
  for (const Process& process : processes) {
    bytes += RssBytes(procfd, process.id.pid).value_or(0);
  }
  return bytes;
}

// Below two lines of heading, each line is a link.
absl::StatusOr<int64_t> CountLinks(int procfd, pid_t pid) {
  ASSIGN_OR_RETURN(
      const std::string table,
      sys::ReadFileAt(procfd, absl::StrCat(pid, "/net/dev"), kMaxTableBytes));
  return std::count(table.begin(), table.end(), '\n') - 2;
}

}  // namespace

absl::StatusOr<TreeUsage> UsageOf(int dirfd) {
  ASSIGN_OR_RETURN(const struct stat top, sys::StatFd(dirfd));
  TreeUsage usage;
  std::set<ino_t> linked;
  std::vector<std::string> left = {"."};
  while (!left.empty()) {
    const std::string path = std::move(left.back());
    left.pop_back();
    const absl::StatusOr<struct stat> stat =
        sys::StatAt(dirfd, path, AT_SYMLINK_NOFOLLOW);
    if (absl::IsNotFound(stat.status())) continue;
    RETURN_IF_ERROR(stat) << "add up a directory";
    if (stat->st_dev != top.st_dev) continue;
    const bool directory = S_ISDIR(stat->st_mode);
    if (!directory && stat->st_nlink > 1 &&
        !linked.insert(stat->st_ino).second) {
      continue;
    }
    ++usage.inodes;
    usage.bytes += int64_t{stat->st_blocks} * 512;
    if (!directory) continue;
    const absl::StatusOr<std::vector<sys::DirEntry>> entries =
        sys::ListDirAt(dirfd, path);
    if (absl::IsNotFound(entries.status())) continue;
    RETURN_IF_ERROR(entries) << "add up a directory";
    for (const sys::DirEntry& entry : *entries) {
      left.push_back(Below(path, entry.name));
    }
  }
  return usage;
}

absl::StatusOr<LeakCounters> ReadLeakCounters(const LeakSources& sources) {
  const int procfd = sources.procfd;
  const pid_t server = sources.server;
  ASSIGN_OR_RETURN(const std::vector<Process> processes, ReadProcesses(procfd));
  ASSIGN_OR_RETURN(const std::vector<sys::MountInfo> mounts,
                   MountsOf(procfd, server));
  ASSIGN_OR_RETURN(const int64_t threads,
                   CountEntries(procfd, absl::StrCat(server, "/task")));
  ASSIGN_OR_RETURN(const int64_t fds,
                   CountEntries(procfd, absl::StrCat(server, "/fd")));
  ASSIGN_OR_RETURN(const int64_t rss, RssBytes(procfd, server));
  ASSIGN_OR_RETURN(const int64_t links, CountLinks(procfd, server));
  ASSIGN_OR_RETURN(const int64_t cgroups, CountDirectories(sources.cgroupfd));
  const auto size = [](const auto& list) {
    return static_cast<int64_t>(list.size());
  };
  const std::vector<Process> running = Running(processes, sources.programs);
  LeakCounters counters = {
      {"server processes", "", size(TreeOf(processes, server))},
      {"server threads", "", threads},
      {"server fds", "", fds},
      {"server RSS", "B", rss},
      {"runtime processes", "", size(running)},
      {"runtime RSS", "B", RssOf(procfd, running)},
      {"mounts", "", size(mounts)},
      {"cgroups", "", cgroups},
      {"network namespaces", "",
       CountNamespaces(procfd, processes, mounts, kNetwork)},
      {"other namespaces", "",
       CountNamespaces(procfd, processes, mounts, kOthers)},
      {"links", "", links},
  };
  if (sources.netnsfd >= 0) {
    ASSIGN_OR_RETURN(const int64_t rules, CountNftRules(sources.netnsfd));
    counters.push_back({"nft rules", "", rules});
  }
  if (sources.rootfd < 0) return counters;
  ASSIGN_OR_RETURN(const TreeUsage usage, UsageOf(sources.rootfd));
  counters.push_back({"root inodes", "", usage.inodes});
  counters.push_back({"root bytes", "B", usage.bytes});
  return counters;
}

std::string LeakHeading(const LeakCounters& counters) {
  std::string line;
  for (const LeakCounter& counter : counters) {
    absl::StrAppend(&line, line.empty() ? "" : "  ", counter.name);
  }
  return line;
}

std::string LeakLine(const LeakCounters& counters) {
  std::string line;
  for (const LeakCounter& counter : counters) {
    absl::StrAppendFormat(&line, "%s%*d", line.empty() ? "" : "  ",
                          static_cast<int>(strlen(counter.name)),
                          counter.count);
  }
  return line;
}

}  // namespace gantry::bench
