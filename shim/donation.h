// The descriptors that the server donates to a shim, and their numbers.
//
// Both sides ask DonationOrder, so the order lives in one place only: a shim
// gets descriptors at kFirstDonatedFd, +1, ... in that order, and nothing else.
// Thread safety: pure functions. No ownership is taken.

#ifndef GANTRY_SHIM_DONATION_H_
#define GANTRY_SHIM_DONATION_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/plan.pb.h"

namespace gantry::shim {

inline constexpr int kFirstDonatedFd = 3;
// The same in both modes: one end of a SOCK_SEQPACKET pair.
inline constexpr int kHandshakeFd = kFirstDonatedFd;
// Mode "container": sealed memfd holding a serialized plan::ContainerPlan.
inline constexpr int kPlanFd = 4;
// Mode "pin": the pod's run directory.
inline constexpr int kPinDirectoryFd = 4;

// argv[0], and what ps(1) shows.
inline constexpr char kName[] = "gantry-shim";

// argv[1].
inline constexpr char kContainerMode[] = "container";
inline constexpr char kPinMode[] = "pin";

// argv[2] of mode "container": so many characters of the container's id, or
// that the shim was started ahead, with nothing but the handshake: the first
// message there then brings the id's characters and the other descriptors.
inline constexpr char kStartedAhead[] = "(made ahead)";
inline constexpr size_t kShownIdLength = sizeof(kStartedAhead) - 1;

// On the handshake, by a shim that was started ahead: it will take a message.
// No envelope is this one byte.
inline constexpr char kReady[] = "R";

// On the handshake, where the plan has the shim await its placement in a
// cgroup: a message of this one byte, which no envelope is.
inline constexpr char kPlaced[] = "P";

// Files of the container's run directory that the shim makes.
inline constexpr char kSocketName[] = "shim.sock";
inline constexpr char kExitRecordName[] = "exit.pb";

// -1: none.
struct Donation {
  int handshake = -1;
  int plan = -1;
  int run_directory = -1;
  int log = -1;
  // Namespaces to join.
  int network = -1;
  int ipc = -1;
  int uts = -1;
  int pid = -1;
  int user = -1;

  bool operator==(const Donation&) const = default;
};

// Members of Donation that `plan` wants, in the order of their numbers.
std::vector<int Donation::*> DonationOrder(const plan::ContainerPlan& plan);

// For the server: the descriptors of `donation` in order; the first becomes
// kFirstDonatedFd in the shim. INVALID_ARGUMENT if one that the plan wants is
// missing.
absl::StatusOr<std::vector<int>> DonatedFds(const plan::ContainerPlan& plan,
                                            const Donation& donation);

// For the shim: which number is what.
Donation DonatedNumbers(const plan::ContainerPlan& plan);

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_DONATION_H_
