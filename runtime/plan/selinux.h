// SELinux labels ("contexts") for containers: "user:role:type:level".
//
// A container runs in the type that the policy has for containers, with a pair
// of categories of its pod's own in the level: pods of one type cannot touch
// each other's files. Files get the policy's type for them and the same level.
//
// MakeSelinuxLabels and the parsers are pure; ReadSelinuxContexts blocks for a
// few file reads. Sources: SELinux notebook "Security Context", "MCS";
// selinux_lxc_contexts_path(3), selinux_config(5).

#ifndef GANTRY_RUNTIME_PLAN_SELINUX_H_
#define GANTRY_RUNTIME_PLAN_SELINUX_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/spec.pb.h"
#include "runtime/plan/host_facts.h"

namespace gantry::plan {

// What the policy of this host says of containers, if SELinux is enabled, it
// says something, and the kernel knows these labels. `rootfd` is a descriptor
// of "/".
std::optional<SelinuxContexts> ReadSelinuxContexts(int rootfd);

// Of the content of an lxc_contexts file: `process = "..."`, `file = "..."`,
// and `ro_file = "..."`, which it may leave out.
absl::StatusOr<SelinuxContexts> ParseLxcContexts(absl::string_view text);

// How many pairs of different categories out of c0 to c1023 there are.
inline constexpr uint32_t kSelinuxCategoryPairs = 1024 * 1023 / 2;
// The level of the policy's label for containers with category pair `number`
// of them: "s0:c3,c77". Empty where the policy has no levels.
std::string SelinuxLevel(const SelinuxContexts& contexts, uint32_t number);

struct SelinuxLabels {
  std::string process;
  std::string mount;
};

// The policy's labels with what `options` name and with `level`. Files keep the
// policy's user, role and type: what a container may run as says nothing of
// what its files are.
SelinuxLabels MakeSelinuxLabels(const SelinuxContexts& contexts,
                                const spec::SelinuxOptions& options,
                                absl::string_view level);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_SELINUX_H_
