#include "server/shim/shim_process.h"

#include <errno.h>
#include <fcntl.h>

#include <chrono>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/seqpacket.h"
#include "runtime/sys/spawn.h"
#include "server/shim/envelope.h"
#include "shim/donation.h"

namespace gantry::shim_client {
namespace {

// Of the shim's C library: freed memory is not put by for the next one who
// asks, which would keep the pages that a start took from going back
// (mallopt(3) has no name for it).
constexpr char kAllocator[] = "GLIBC_TUNABLES=glibc.malloc.tcache_count=0";

}  // namespace

absl::StatusOr<ShimProcess> StartShim(int binary, std::vector<std::string> argv,
                                      const std::vector<int>& donated) {
  ASSIGN_OR_RETURN(auto sockets, sys::SocketPair());
  RETURN_IF_ERROR(SetNonBlocking(sockets.first.get()));
  sys::SpawnRequest request;
  request.exec_fd = binary;
  request.argv = std::move(argv);
  request.env.push_back(kAllocator);
  request.detached = true;
  request.group = sys::ProcessGroup::kOwnSession;
  int target = shim::kFirstDonatedFd;
  request.fds.push_back({sockets.second.get(), target++});
  for (int fd : donated) request.fds.push_back({fd, target++});
  ASSIGN_OR_RETURN(sys::Spawned spawned, sys::Spawner().Spawn(request));
  return ShimProcess{spawned.pid, std::move(spawned.pidfd),
                     std::move(sockets.first)};
}

bool Lives(const ShimProcess& process) {
  absl::StatusOr<bool> exited =
      sys::PidfdExited(process.pidfd.get(), std::chrono::milliseconds(0));
  return exited.ok() && !*exited;
}

}  // namespace gantry::shim_client
