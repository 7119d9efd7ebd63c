// The mounted cgroup hierarchies of this machine, opened.
//
// Opened once per process and shared by all Managers and StatsReaders, which
// keep a reference to it: it must outlive them. Every file of a cgroup is then
// reached relative to its hierarchy's directory fd.
// Thread safety: immutable after Open. Blocks only in Open.

#ifndef GANTRY_RUNTIME_CGROUP_HIERARCHIES_H_
#define GANTRY_RUNTIME_CGROUP_HIERARCHIES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/layout.h"

namespace gantry::cgroup {

// A controller and where it lives.
struct Controller {
  size_t hierarchy = 0;
  Version version = Version::kV1;
};

class Hierarchies {
 public:
  // Opens every mount of `layout` below `rootfd` (mount paths are taken
  // relative to it; "/" in production, a fake tree in tests).
  // FAILED_PRECONDITION if `layout` is empty; the error names the mount that
  // can't be opened.
  static absl::StatusOr<Hierarchies> Open(Layout layout, int rootfd);
  // The same below "/".
  static absl::StatusOr<Hierarchies> Open(Layout layout);

  const Layout& layout() const { return layout_; }
  size_t size() const { return fds_.size(); }
  const Hierarchy& operator[](size_t i) const { return layout_.hierarchies[i]; }
  // O_PATH fd of the mounted root of hierarchy `i`; owned by this object.
  int fd(size_t i) const { return fds_[i].get(); }

  std::optional<Controller> Find(absl::string_view controller) const;
  std::optional<size_t> unified() const { return unified_; }
  // The hierarchy that answers "which processes": every process is placed
  // there first, so it never lists fewer than another. One whose members can be
  // killed or frozen as a whole is preferred.
  size_t primary() const { return primary_; }

 private:
  Hierarchies() = default;

  Layout layout_;
  std::vector<UniqueFd> fds_;
  std::optional<size_t> unified_;
  size_t primary_ = 0;
};

// Checks and normalises the path of a cgroup: no "." or "..", no empty
// component, at most 255 bytes each; a leading '/' is dropped.
// INVALID_ARGUMENT otherwise, and for the root itself.
absl::StatusOr<std::string> NormalizeCgroupPath(absl::string_view path);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_HIERARCHIES_H_
