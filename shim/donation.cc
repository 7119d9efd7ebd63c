#include "shim/donation.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace gantry::shim {

std::vector<int Donation::*> DonationOrder(const plan::ContainerPlan& plan) {
  std::vector<int Donation::*> order = {&Donation::handshake, &Donation::plan,
                                        &Donation::run_directory};
  if (!plan.stdio().log_path().empty()) order.push_back(&Donation::log);
  const plan::NamespacePlan& namespaces = plan.namespaces();
  auto join = [&](plan::NamespacePlan::Source source, int Donation::*member) {
    if (source == plan::NamespacePlan::JOIN) order.push_back(member);
  };
  join(namespaces.network(), &Donation::network);
  join(namespaces.ipc(), &Donation::ipc);
  join(namespaces.uts(), &Donation::uts);
  join(namespaces.pid(), &Donation::pid);
  join(namespaces.user(), &Donation::user);
  return order;
}

absl::StatusOr<std::vector<int>> DonatedFds(const plan::ContainerPlan& plan,
                                            const Donation& donation) {
  std::vector<int> fds;
  for (int Donation::*member : DonationOrder(plan)) {
    if (donation.*member < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "start shim of ", plan.container_id(), ": donated descriptor ",
          fds.size() + kFirstDonatedFd, " is missing"));
    }
    fds.push_back(donation.*member);
  }
  return fds;
}

Donation DonatedNumbers(const plan::ContainerPlan& plan) {
  Donation donation;
  int number = kFirstDonatedFd;
  for (int Donation::*member : DonationOrder(plan)) {
    donation.*member = number++;
  }
  return donation;
}

}  // namespace gantry::shim
