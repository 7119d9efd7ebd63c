// Project quotas in memory: what was set is remembered by the directory's
// inode, and enforced by nobody. Not thread-safe.

#ifndef GANTRY_RUNTIME_ROOTFS_TESTING_FAKE_PROJECT_QUOTA_H_
#define GANTRY_RUNTIME_ROOTFS_TESTING_FAKE_PROJECT_QUOTA_H_

#include <sys/stat.h>

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/rootfs/project_quota.h"

namespace gantry::rootfs::testing {

// The "file system": outlives the quota that is handed to the class under test.
struct FakeProjects {
  std::map<ino_t, uint32_t> directories;
  std::map<uint32_t, ProjectLimits> limits;  // without those that are none
  std::map<uint32_t, ProjectUse> use;
  absl::Status on_set_limits;
};

class FakeProjectQuota : public ProjectQuota {
 public:
  explicit FakeProjectQuota(FakeProjects* projects) : projects_(*projects) {}

  absl::StatusOr<uint32_t> ProjectOf(int dirfd) const override {
    auto found = projects_.directories.find(InodeOf(dirfd));
    return found == projects_.directories.end() ? 0 : found->second;
  }
  absl::Status SetProject(int dirfd, uint32_t project) override {
    projects_.directories[InodeOf(dirfd)] = project;
    return absl::OkStatus();
  }
  absl::Status SetLimits(uint32_t project,
                         const ProjectLimits& limits) override {
    if (!projects_.on_set_limits.ok()) return projects_.on_set_limits;
    projects_.limits[project] = limits;
    if (limits == ProjectLimits()) projects_.limits.erase(project);
    return absl::OkStatus();
  }
  absl::StatusOr<ProjectUse> UseOf(uint32_t project) const override {
    auto found = projects_.use.find(project);
    return found == projects_.use.end() ? ProjectUse() : found->second;
  }

 private:
  static ino_t InodeOf(int fd) {
    struct stat node = {};
    return fstat(fd, &node) == 0 ? node.st_ino : 0;
  }
  FakeProjects& projects_;
};

}  // namespace gantry::rootfs::testing

#endif  // GANTRY_RUNTIME_ROOTFS_TESTING_FAKE_PROJECT_QUOTA_H_
