#include "server/core/selinux_labels.h"

#include <random>
#include <set>

#include "runtime/plan/selinux.h"

namespace gantry::core {
namespace {

// Beyond so many tries the categories are nearly used up, and shared.
constexpr int kTries = 1000;

spec::SelinuxOptions OptionsOf(const spec::SelinuxOptions& pod,
                               const spec::SelinuxOptions& container) {
  spec::SelinuxOptions options = pod;
  // What is set in the container's wins.
  options.MergeFrom(container);
  return options;
}

}  // namespace

std::string ChooseSelinuxLevel(const Node& node) {
  if (!node.host_facts.selinux.has_value()) return "";
  std::set<std::string> used;
  for (const PodPtr& pod : node.pods.List()) used.insert(pod->selinux_level());
  std::random_device random;
  std::uniform_int_distribution<uint32_t> pairs(
      0, plan::kSelinuxCategoryPairs - 1);
  std::string level;
  for (int i = 0; i < kTries; ++i) {
    level = plan::SelinuxLevel(*node.host_facts.selinux, pairs(random));
    if (used.count(level) == 0) break;
  }
  return level;
}

std::string PodFileLabel(const Node& node, const record::PodRecord& pod) {
  if (!node.host_facts.selinux.has_value()) return "";
  return plan::MakeSelinuxLabels(*node.host_facts.selinux,
                                 pod.selinux_options(), pod.selinux_level())
      .mount;
}

void SetSelinuxLabels(const Node& node, const record::PodRecord& pod,
                      spec::Security& security) {
  if (!node.host_facts.selinux.has_value()) return;
  plan::SelinuxLabels labels = plan::MakeSelinuxLabels(
      *node.host_facts.selinux,
      OptionsOf(pod.selinux_options(), security.selinux_options()),
      pod.selinux_level());
  if (!security.privileged()) {
    security.set_selinux_process_label(std::move(labels.process));
  }
  security.set_selinux_mount_label(std::move(labels.mount));
}

}  // namespace gantry::core
