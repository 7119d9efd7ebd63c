// Running a network's plugins one after the other, as the CNI specification,
// section 3, says.
//
// Thread safety: any thread; calls for one attachment are the caller's to
// serialise, and Gc is not to run beside Add and Del. Blocks for the plugins'
// time. Errors name the plugin, the command and what the plugin said:
// FAILED_PRECONDITION: there is no such plugin, or it refused; UNAVAILABLE: it
// asks to try again later; DEADLINE_EXCEEDED; INTERNAL: it died, or what it
// printed is no answer.

#ifndef GANTRY_RUNTIME_NET_CNI_CHAIN_H_
#define GANTRY_RUNTIME_NET_CNI_CHAIN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/net/cni/attachment.h"
#include "runtime/net/cni/config.h"
#include "runtime/net/cni/input.h"
#include "runtime/net/cni/result.h"

namespace gantry::net::cni {

struct PluginSettings {
  std::vector<std::string> directories;
  // PATH of plugins, which run programs themselves.
  std::string path;
};

// How far Add came: what has to be taken back.
struct Progress {
  // Plugins that were run, the one that failed included.
  size_t begun = 0;
  // The last result that there was; may be empty.
  std::string result;
};

// What Add asks its caller to do.
struct AddSteps {
  // With each result, before the next plugin is run: that one may have to be
  // undone by it.
  std::function<absl::Status(const std::string& result)> keep;
  // While the first plugin runs, for what takes long and has to be done before
  // a pod is on the network, but not before its first plugin.
  std::function<absl::Status()> meanwhile;
};

enum class OnError { kStop, kGoOn };

struct Deletion {
  // The first error.
  absl::Status status;
  // Plugins that are not there any more; they are passed over.
  std::vector<std::string> missing;
};

class Chain {
 public:
  // `inputs` must outlive this.
  Chain(PluginSettings settings, const Inputs& inputs)
      : settings_(std::move(settings)), inputs_(inputs) {}

  // `deadline` here and below: of all plugins together, on
  // Clock::BootNanos(). An error of a step ends it as a plugin's does.
  absl::StatusOr<Result> Add(const NetworkConfig& config,
                             const Attachment& attachment, int64_t deadline,
                             Progress& progress, const AddSteps& steps) const;

  // In reverse order, of the first `count` plugins.
  Deletion Del(const NetworkConfig& config, const Attachment& attachment,
               const std::string& result, size_t count, OnError on_error,
               int64_t deadline) const;

  // OK also if the configuration wants or has no CHECK.
  absl::Status Check(const NetworkConfig& config, const Attachment& attachment,
                     const std::string& result, int64_t deadline) const;

  // All plugins, whatever becomes of one: the errors. `valid`: pairs of pod id
  // and interface. Nothing is done where the configuration has no GC.
  std::vector<absl::Status> Gc(
      const NetworkConfig& config,
      const std::vector<std::pair<std::string, std::string>>& valid,
      int64_t deadline) const;

  // Whether all plugins are there, and say that they are ready.
  absl::Status GetStatus(const NetworkConfig& config, int64_t deadline) const;

  // The first plugin that is not there.
  absl::Status CheckPresence(const NetworkConfig& config) const;

  const PluginSettings& settings() const { return settings_; }

 private:
  struct Call;
  // What the plugin printed, after it ended well.
  absl::StatusOr<std::string> Run(const Call& call) const;

  const PluginSettings settings_;
  const Inputs& inputs_;
};

// The configuration that a plugin is given; `attachment`, `result` (JSON) and
// `more` (members as JSON text, each followed by a comma) as far as the command
// has them.
std::string RequestConfig(const NetworkConfig& config,
                          const PluginConfig& plugin,
                          const Attachment* attachment,
                          absl::string_view result,
                          absl::string_view more = "");

}  // namespace gantry::net::cni

#endif  // GANTRY_RUNTIME_NET_CNI_CHAIN_H_
