// A machine and a container for tests of the planner. Header only.

#ifndef GANTRY_RUNTIME_PLAN_TESTING_PLAN_CASES_H_
#define GANTRY_RUNTIME_PLAN_TESTING_PLAN_CASES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/plan/planner.h"

namespace gantry::plan::testing {

inline DeviceNode Device(const std::string& path, const std::string& type,
                         uint32_t major, uint32_t minor) {
  DeviceNode node;
  node.set_path(path);
  node.set_type(type);
  node.set_major(major);
  node.set_minor(minor);
  node.set_mode(0660);
  return node;
}

class FakeDevices : public DeviceLookup {
 public:
  absl::StatusOr<std::vector<DeviceNode>> Find(
      absl::string_view path) const override {
    if (path == "/dev/fuse") {
      return std::vector<DeviceNode>{Device("/dev/fuse", "c", 10, 229)};
    }
    if (path == "/dev/snd") {
      return std::vector<DeviceNode>{Device("/dev/snd/seq", "c", 116, 1),
                                     Device("/dev/snd/by/id", "c", 116, 2)};
    }
    return absl::NotFoundError("no such device");
  }
  absl::StatusOr<std::vector<DeviceNode>> All() const override {
    return std::vector<DeviceNode>{Device("/dev/fuse", "c", 10, 229),
                                   Device("/dev/vda", "b", 254, 0)};
  }
};

inline HostFacts Host() {
  HostFacts facts;
  facts.last_capability = 40;
  facts.capabilities = (uint64_t{1} << 41) - 1;
  facts.devices = std::make_shared<FakeDevices>();
  CgroupHierarchy& memory = facts.hierarchies.emplace_back();
  memory.add_controllers("memory");
  memory.set_mount_path("/sys/fs/cgroup/memory");
  CgroupHierarchy& named = facts.hierarchies.emplace_back();
  named.add_controllers("name=systemd");
  named.set_mount_path("/sys/fs/cgroup/systemd");
  CgroupHierarchy& unified = facts.hierarchies.emplace_back();
  unified.set_mount_path("/sys/fs/cgroup/unified");
  unified.set_unified(true);
  return facts;
}

inline spec::ContainerSpec Spec() {
  spec::ContainerSpec spec;
  spec.set_id("c1");
  spec.mutable_process()->add_args("/bin/sh");
  spec.mutable_rootfs()->add_lower_dirs("l1");
  spec.mutable_rootfs()->set_layers_dir("/var/lib/gantry/layers");
  spec.mutable_rootfs()->set_upper_dir("/var/lib/gantry/c1/upper");
  spec.mutable_rootfs()->set_work_dir("/var/lib/gantry/c1/work");
  spec.mutable_rootfs()->set_mount_point("/run/gantry/c1/rootfs");
  spec.mutable_namespaces()->set_pid(spec::CONTAINER);
  spec.set_cgroup_path("/gantry/p1/c1");
  return spec;
}

inline absl::StatusOr<ContainerPlan> Build(const spec::ContainerSpec& spec) {
  SeccompCache cache;
  return BuildPlan(spec, Host(), cache);
}

inline std::vector<std::string> Targets(const ContainerPlan& plan) {
  std::vector<std::string> targets;
  for (const MountStep& step : plan.init().mounts()) {
    targets.push_back(step.target());
  }
  return targets;
}

inline const MountStep* StepAt(const ContainerPlan& plan,
                               const std::string& target) {
  for (const MountStep& step : plan.init().mounts()) {
    if (step.target() == target) return &step;
  }
  return nullptr;
}

inline void AddMount(spec::ContainerSpec& spec, const std::string& from,
                     const std::string& to) {
  spec::BindMount* mount = spec.add_mounts();
  mount->set_host_path(from);
  mount->set_container_path(to);
}

}  // namespace gantry::plan::testing

#endif  // GANTRY_RUNTIME_PLAN_TESTING_PLAN_CASES_H_
