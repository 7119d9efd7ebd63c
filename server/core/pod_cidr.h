// The range of pod addresses that a client gives to this node, kept on disk: a
// client says it once, not after each start of the server.
//
// It is for network plugins whose configuration is made from it; the built-in
// bridge has ranges of its own in gantryd's configuration, which a client does
// not change under pods that run.
// Thread safety: all methods from any thread. Set waits for the disk: what it
// has kept survives a power cut.

#ifndef GANTRY_SERVER_CORE_POD_CIDR_H_
#define GANTRY_SERVER_CORE_POD_CIDR_H_

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "runtime/base/unique_fd.h"

namespace gantry::core {

class PodCidr {
 public:
  // Reads what `directory` (kept) has of it: none if it is not there, and none
  // if the file is damaged, which `problem` then says.
  PodCidr(UniqueFd directory, absl::Status* problem);

  // Ranges separated by commas; empty: none was given.
  std::string Get() const;
  absl::Status Set(const std::string& pod_cidr);

 private:
  const UniqueFd directory_;
  mutable absl::Mutex mutex_;
  std::string value_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_POD_CIDR_H_
