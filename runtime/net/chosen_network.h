// Several providers side by side: each pod stays with the one that attached it,
// whatever new pods are given to by then.
//
// Which provider that is, is asked for each new pod: the configuration says it,
// or what is on the host. A provider that is not in use and has no pod is not
// touched.
// Thread safety: all methods from any thread. Blocks as the providers do.

#ifndef GANTRY_RUNTIME_NET_CHOSEN_NETWORK_H_
#define GANTRY_RUNTIME_NET_CHOSEN_NETWORK_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/net/pod_network.h"

namespace gantry::net {

class ChosenNetwork : public PodNetwork {
 public:
  using Providers =
      std::map<std::string, std::unique_ptr<PodNetwork>, std::less<>>;
  // `choose` gives a key of `providers`: called from any thread, often.
  ChosenNetwork(Providers providers, std::function<std::string()> choose)
      : providers_(std::move(providers)), choose_(std::move(choose)) {}

  std::string ProviderForNewPods() const override { return choose_(); }
  absl::StatusOr<std::vector<IpAddress>> Attach(
      const AttachRequest& request) override;
  absl::Status Detach(const std::string& pod_id,
                      absl::string_view provider) override;
  // Every provider is handed its own pods: one that is not in use, only if it
  // has some, or may have kept something itself.
  absl::Status Recover(const std::vector<AttachedPod>& pods) override;
  std::vector<absl::Status> Sweep(const std::set<std::string>& known,
                                  bool in_use) override;
  absl::Status CheckPod(const std::string& pod_id) override;
  absl::Status Check() override { return InUse().Check(); }
  void Mend() override;
  bool HasDebts() const override;
  void Close() override;
  std::vector<std::pair<std::string, std::string>> Facts() const override {
    return InUse().Facts();
  }

 private:
  PodNetwork& InUse() const { return *providers_.at(choose_()); }
  // Null: none of that name.
  PodNetwork* Find(absl::string_view provider) const;

  const Providers providers_;
  const std::function<std::string()> choose_;
};

}  // namespace gantry::net

#endif  // GANTRY_RUNTIME_NET_CHOSEN_NETWORK_H_
