// Which SELinux labels pods and containers get (runtime/plan/selinux.h says how
// labels are made).
//
// Thread safety: as that of the index; what they return is a value.

#ifndef GANTRY_SERVER_CORE_SELINUX_LABELS_H_
#define GANTRY_SERVER_CORE_SELINUX_LABELS_H_

#include <string>

#include "proto/record.pb.h"
#include "proto/spec.pb.h"
#include "server/core/node.h"

namespace gantry::core {

// A level that no other pod has; empty on a host without SELinux. Two pods made
// at the same moment get the same one with a chance of one in 500,000.
std::string ChooseSelinuxLevel(const Node& node);

// The label of the pod's files, its shared memory among them; may be empty.
std::string PodFileLabel(const Node& node, const record::PodRecord& pod);

// Completes `security` by its options and the pod's. A privileged process gets
// no label, its files do: others of the pod use them.
void SetSelinuxLabels(const Node& node, const record::PodRecord& pod,
                      spec::Security& security);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_SELINUX_LABELS_H_
