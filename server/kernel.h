// A look at this kernel before anything is made: what gantryd cannot do
// without, and what it can offer.
//
// Blocks for a few file reads. Thread safety: pure but for the reading.
// Sources: openat2(2), clone(2), pidfd_open(2), memfd_create(2),
// mount_setattr(2), filesystems(5), namespaces(7), seccomp(2).

#ifndef GANTRY_SERVER_KERNEL_H_
#define GANTRY_SERVER_KERNEL_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry::server {

// Whether the kernel has system call `number`. Calls it with arguments that
// are refused before anything is done.
bool HasSystemCall(long number);

// Everything needed is there, or FAILED_PRECONDITION naming all that is not.
// `rootfd` is a descriptor of "/" (a fake tree in tests), `has_call` is
// HasSystemCall.
absl::Status CheckKernel(int rootfd, const std::function<bool(long)>& has_call);

// PERMISSION_DENIED unless `effective_uid` is root's.
absl::Status CheckRoot(unsigned effective_uid);

// Whether SELinux confines programs here (selinuxfs is mounted). What its
// policy has for containers is another question (runtime/plan/selinux.h).
bool HasSelinux(int rootfd);

// "6.1.0-18-amd64" (uname -r).
std::string KernelRelease();

}  // namespace gantry::server

#endif  // GANTRY_SERVER_KERNEL_H_
