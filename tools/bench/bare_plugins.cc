#include "tools/bench/bare_plugins.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/json/json.h"
#include "runtime/sys/file.h"
#include "runtime/sys/memfd.h"
#include "runtime/sys/namespaces.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/pipe.h"
#include "runtime/sys/spawn.h"
#include "tools/bench/floor_child.h"
#include "tools/ctl/format.h"

namespace gantry::bench {
namespace {

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr size_t kMaxOutputBytes = size_t{1} << 20;

// A thread of its own goes there: it alone cannot come back by ending.
absl::StatusOr<UniqueFd> MakeNetworkNamespace() {
  absl::StatusOr<UniqueFd> made = absl::InternalError("not made");
  std::thread([&made] {
    const absl::Status left = sys::Unshare(CLONE_NEWNET);
    made = left.ok()
               ? sys::OpenAt(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY)
               : left;
  }).join();
  return made;
}

std::string PathOfThisProcess() {
  const char* path = getenv("PATH");
  return path != nullptr ? path : "/usr/sbin:/usr/bin:/sbin:/bin";
}

}  // namespace

absl::StatusOr<std::unique_ptr<BarePlugins>> BarePlugins::Make(
    const std::string& config, const std::string& directory) {
  std::unique_ptr<BarePlugins> plugins(new BarePlugins(directory));
  RETURN_IF_ERROR(plugins->Read(config)) << "the plugins to compare with";
  return plugins;
}

absl::Status BarePlugins::Read(const std::string& config) {
  ASSIGN_OR_RETURN(std::string text,
                   sys::ReadFileAt(AT_FDCWD, config, kMaxConfigBytes));
  ASSIGN_OR_RETURN(json::Value network, json::Value::Parse(text, config));
  ASSIGN_OR_RETURN(std::string version, network.StringField("cniVersion"));
  ASSIGN_OR_RETURN(std::string name, network.StringField("name"));
  ASSIGN_OR_RETURN(std::vector<json::Value> list,
                   network.ArrayField("plugins"));
  for (const json::Value& value : list) {
    Plugin plugin;
    ASSIGN_OR_RETURN(plugin.type, value.StringField("type"));
    plugin.request = absl::StrCat("{\"cniVersion\":", json::Quote(version),
                                  ",\"name\":", json::Quote(name));
    ASSIGN_OR_RETURN(auto members, value.Members());
    for (const auto& [key, member] : members) {
      if (key == "capabilities") continue;
      absl::StrAppend(&plugin.request, ",", json::Quote(key), ":",
                      member.Dump());
    }
    plugins_.push_back(std::move(plugin));
  }
  if (plugins_.empty()) return network.Error("has no plugins");
  return absl::OkStatus();
}

std::string BarePlugins::Description() const {
  return absl::StrJoin(plugins_, ", ",
                       [](std::string* out, const Plugin& plugin) {
                         absl::StrAppend(out, plugin.type);
                       });
}

absl::StatusOr<std::string> BarePlugins::Run(const Plugin& plugin,
                                             absl::string_view command,
                                             const Attempt& attempt) const {
  const std::string program = absl::StrCat(directory_, "/", plugin.type);
  const std::string what = absl::StrCat(command, " by plugin ", plugin.type);
  const std::string previous =
      attempt.result.empty() ? std::string()
                             : absl::StrCat(",\"prevResult\":", attempt.result);
  ASSIGN_OR_RETURN(
      UniqueFd input,
      sys::SealedMemfd("cni", absl::StrCat(plugin.request, previous, "}")),
      what);
  ASSIGN_OR_RETURN(sys::Pipe output, sys::MakePipe(), what);
  sys::SpawnRequest request;
  request.path = program;
  request.argv = {program};
  request.env = attempt.env;
  request.env.push_back(absl::StrCat("CNI_COMMAND=", command));
  request.fds = {{input.get(), STDIN_FILENO},
                 {output.write.get(), STDOUT_FILENO}};
  ASSIGN_OR_RETURN(sys::Spawned spawned, sys::Spawner().Spawn(request), what);
  output.write.Reset();
  absl::StatusOr<std::string> printed =
      sys::ReadFd(output.read.get(), kMaxOutputBytes);
  output.read.Reset();
  ASSIGN_OR_RETURN(sys::ExitStatus status, sys::WaitPidfd(spawned.pidfd.get()),
                   what);
  RETURN_IF_ERROR(printed) << what;
  if (status.ShellCode() == 0) return printed;
  return absl::InternalError(absl::StrCat(what, " ended with ",
                                          status.ShellCode(), ": ",
                                          ctl::Printable(*printed)));
}

absl::Status BarePlugins::Add(Attempt& attempt) const {
  for (const Plugin& plugin : plugins_) {
    ++attempt.begun;
    ASSIGN_OR_RETURN(attempt.result, Run(plugin, "ADD", attempt));
  }
  return absl::OkStatus();
}

absl::Status BarePlugins::Del(const Attempt& attempt) const {
  absl::Status first;
  for (size_t i = attempt.begun; i-- > 0;) {
    first.Update(Run(plugins_[i], "DEL", attempt).status());
  }
  return first;
}

absl::Status BarePlugins::Prepare() {
  ASSIGN_OR_RETURN(network_, MakeNetworkNamespace());
  return absl::OkStatus();
}

absl::StatusOr<PluginCosts> BarePlugins::Measure() {
  if (!network_) {
    RETURN_IF_ERROR(Prepare());
  }
  const UniqueFd network = std::move(network_);
  Attempt attempt;
  attempt.env = {
      absl::StrCat("CNI_CONTAINERID=bench-", getpid(), "-", ++number_),
      absl::StrCat("CNI_NETNS=/proc/", getpid(), "/fd/", network.get()),
      "CNI_IFNAME=eth0", absl::StrCat("CNI_PATH=", directory_),
      absl::StrCat("PATH=", PathOfThisProcess())};
  PluginCosts costs;
  const int64_t begin = MonotonicNanos();
  const absl::Status added = Add(attempt);
  const int64_t middle = MonotonicNanos();
  const absl::Status deleted = Del(attempt);
  costs.add = middle - begin;
  costs.del = MonotonicNanos() - middle;
  RETURN_IF_ERROR(added);
  RETURN_IF_ERROR(deleted);
  return costs;
}

}  // namespace gantry::bench
