// What plugins read on standard input: a file per pod in the run directory,
// locked for as long as the plugin has it open.
//
// A server that is killed leaves the plugin it was waiting for, which goes on.
// The lock, held by the plugin through its standard input, tells the next
// server so: it waits for the end of what was begun before it undoes it.
// Thread safety: any thread; calls for one pod are the caller's to serialise.

#ifndef GANTRY_RUNTIME_NET_CNI_INPUT_H_
#define GANTRY_RUNTIME_NET_CNI_INPUT_H_

#include <chrono>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"

namespace gantry::net::cni {

class Inputs {
 public:
  // `directory` is made, with its parents, when it is needed.
  explicit Inputs(std::string directory) : directory_(std::move(directory)) {}

  // A new file with `text`, open for reading from its beginning; the lock is
  // held by whoever has a copy of the descriptor. Close it once the plugin
  // has one.
  absl::StatusOr<UniqueFd> Make(const std::string& pod_id,
                                absl::string_view text) const;

  // The pod's plugins have ended. Missing is OK.
  void Remove(const std::string& pod_id) const;

  // Returns once no plugin that an earlier server started for the pod runs any
  // more: at once, if there is none; else it is waited for, up to `patience`,
  // then killed. DEADLINE_EXCEEDED if even that is of no use.
  absl::Status AwaitLeftOver(const std::string& pod_id,
                             std::chrono::milliseconds patience) const;

 private:
  std::string PathOf(const std::string& pod_id) const;
  const std::string directory_;
};

}  // namespace gantry::net::cni

#endif  // GANTRY_RUNTIME_NET_CNI_INPUT_H_
