// The plugins of a CNI network with nothing around them: the time that every
// runtime which calls them has to wait, whatever it does itself.
//
// Configuration and environment are what CNI says, all of it prepared before
// the clock runs; each program is started without a copy of this process, and
// what one prints goes to the next as it came. Not read: files in a folder of
// the network's name. Thread safety: none. Blocks for the plugins' time,
// however long that is.

#ifndef GANTRY_TOOLS_BENCH_BARE_PLUGINS_H_
#define GANTRY_TOOLS_BENCH_BARE_PLUGINS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"

namespace gantry::bench {

// Nanoseconds.
struct PluginCosts {
  int64_t add = 0;  // of all plugins, in their order
  int64_t del = 0;  // in reverse
};

class BarePlugins {
 public:
  // `config`: a file *.conflist; `directory`: where the plugins are.
  static absl::StatusOr<std::unique_ptr<BarePlugins>> Make(
      const std::string& config, const std::string& directory);

  // "bridge, portmap".
  std::string Description() const;

  // Makes the network namespace for the next Measure.
  absl::Status Prepare();
  // ADD and DEL in that namespace, which goes after. Nothing is left of it on
  // an error either.
  absl::StatusOr<PluginCosts> Measure();

 private:
  struct Plugin {
    std::string type;
    // Its configuration up to where prevResult comes.
    std::string request;
  };
  struct Attempt {
    std::vector<std::string> env;
    std::string result;  // the last plugin's so far
    size_t begun = 0;
  };

  explicit BarePlugins(std::string directory)
      : directory_(std::move(directory)) {}

  absl::Status Read(const std::string& config);
  absl::Status Add(Attempt& attempt) const;
  absl::Status Del(const Attempt& attempt) const;
  // What it printed.
  absl::StatusOr<std::string> Run(const Plugin& plugin,
                                  absl::string_view command,
                                  const Attempt& attempt) const;

  const std::string directory_;
  std::vector<Plugin> plugins_;
  UniqueFd network_;
  int number_ = 0;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_BARE_PLUGINS_H_
