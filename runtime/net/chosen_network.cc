#include "runtime/net/chosen_network.h"

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::net {
namespace {

void KeepFirst(absl::Status& first, absl::Status status) {
  if (first.ok()) first = std::move(status);
}

}  // namespace

PodNetwork* ChosenNetwork::Find(absl::string_view provider) const {
  auto found = providers_.find(std::string(provider));
  return found == providers_.end() ? nullptr : found->second.get();
}

absl::StatusOr<std::vector<IpAddress>> ChosenNetwork::Attach(
    const AttachRequest& request) {
  PodNetwork* provider = Find(request.provider);
  if (provider == nullptr) {
    return absl::InternalError(
        absl::StrCat("there is no pod network \"", request.provider, "\""));
  }
  return provider->Attach(request);
}

absl::Status ChosenNetwork::Detach(const std::string& pod_id,
                                   absl::string_view provider) {
  if (PodNetwork* its = Find(provider)) return its->Detach(pod_id, provider);
  if (!provider.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the pod's network is \"", provider, "\", which is not built in here"));
  }
  absl::Status first;
  for (const auto& [name, its] : providers_) {
    KeepFirst(first, its->Detach(pod_id, name));
  }
  return first;
}

absl::Status ChosenNetwork::Recover(const std::vector<AttachedPod>& pods) {
  std::map<std::string, std::vector<AttachedPod>> pods_of;
  for (const AttachedPod& pod : pods) {
    // Of a time when there was but one.
    pods_of[pod.provider.empty() ? kBridgeProvider : pod.provider].push_back(
        pod);
  }
  const std::string in_use = choose_();
  absl::Status first;
  for (const auto& [name, provider] : providers_) {
    const std::vector<AttachedPod>& its = pods_of[name];
    if (name != in_use && its.empty() && !provider->KeepsFiles()) continue;
    absl::Status recovered = provider->Recover(its);
    // Of one that is not in use, new pods want nothing.
    if (name == in_use || !its.empty()) KeepFirst(first, recovered);
  }
  return first;
}

std::vector<absl::Status> ChosenNetwork::Sweep(
    const std::set<std::string>& known, bool in_use) {
  const std::string chosen = choose_();
  std::vector<absl::Status> errors;
  for (const auto& [name, provider] : providers_) {
    for (absl::Status& error :
         provider->Sweep(known, in_use && name == chosen)) {
      errors.push_back(std::move(error));
    }
  }
  return errors;
}

absl::Status ChosenNetwork::CheckPod(const std::string& pod_id) {
  absl::Status first;
  for (const auto& [name, provider] : providers_) {
    KeepFirst(first, provider->CheckPod(pod_id));
  }
  return first;
}

void ChosenNetwork::Mend() {
  PodNetwork& in_use = InUse();
  for (const auto& [name, provider] : providers_) {
    if (provider.get() == &in_use || provider->HasDebts()) provider->Mend();
  }
}

bool ChosenNetwork::HasDebts() const {
  for (const auto& [name, provider] : providers_) {
    if (provider->HasDebts()) return true;
  }
  return false;
}

void ChosenNetwork::Close() {
  for (const auto& [name, provider] : providers_) provider->Close();
}

}  // namespace gantry::net
