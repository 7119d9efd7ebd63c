#include "runtime/rootfs/layer_limits.h"

#include <algorithm>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/base/undo_stack.h"

namespace gantry::rootfs {

LayerLimits::LayerLimits(std::unique_ptr<ProjectQuota> quota, uint64_t seed)
    : quota_(std::move(quota)),
      // Neighbouring inodes far apart (Knuth's multiplicative hash).
      next_((seed * 2654435761) >> 8 & (kProjects - 1)) {}

absl::Status LayerLimits::Recover(const std::string& id, int dirfd) {
  ASSIGN_OR_RETURN(uint32_t project, quota_->ProjectOf(dirfd));
  if (project < kFirstProject || project - kFirstProject >= kProjects) {
    return absl::OkStatus();
  }
  absl::MutexLock lock(&mutex_);
  taken_.insert(project);
  projects_[id] = project;
  return absl::OkStatus();
}

std::optional<uint32_t> LayerLimits::Pick() {
  absl::MutexLock lock(&mutex_);
  for (uint32_t tried = 0; tried < kProjects; ++tried) {
    const uint32_t project = kFirstProject + next_;
    next_ = (next_ + 1) % kProjects;
    if (taken_.insert(project).second) return project;
  }
  return std::nullopt;
}

absl::Status LayerLimits::Limit(const std::string& id, uint64_t bytes,
                                std::span<const int> dirs) {
  std::optional<uint32_t> project = ProjectOf(id);
  const bool known = project.has_value();
  while (!known) {
    project = Pick();
    if (!project) {
      return absl::ResourceExhaustedError(
          "limit the writable layer: no project number is free");
    }
    absl::StatusOr<ProjectUse> use = quota_->UseOf(*project);
    if (use.ok() && *use == ProjectUse()) break;
    // Somebody else's: it stays marked.
    RETURN_IF_ERROR(use);
  }
  {
    absl::MutexLock lock(&mutex_);
    projects_[id] = *project;
  }
  UndoStack undo;
  if (!known) {
    undo.Push("release project", [this, id] {
      Release(id);
      return absl::OkStatus();
    });
  }
  // In this order a crash leaves no limit of nothing.
  for (int dir : dirs) RETURN_IF_ERROR(quota_->SetProject(dir, *project));
  const ProjectLimits limits = {
      .bytes = bytes, .inodes = std::max(bytes / kBytesPerInode, kLeastInodes)};
  RETURN_IF_ERROR(quota_->SetLimits(*project, limits));
  undo.Commit();
  return absl::OkStatus();
}

absl::Status LayerLimits::Join(const std::string& id, int dirfd) {
  const std::optional<uint32_t> project = ProjectOf(id);
  if (!project) return absl::OkStatus();
  return quota_->SetProject(dirfd, *project);
}

std::optional<uint32_t> LayerLimits::ProjectOf(const std::string& id) const {
  absl::MutexLock lock(&mutex_);
  auto found = projects_.find(id);
  if (found == projects_.end()) return std::nullopt;
  return found->second;
}

absl::Status LayerLimits::Lift(const std::string& id) {
  const std::optional<uint32_t> project = ProjectOf(id);
  if (!project) return absl::OkStatus();
  return quota_->SetLimits(*project, {});
}

void LayerLimits::Release(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  auto found = projects_.find(id);
  if (found == projects_.end()) return;
  taken_.erase(found->second);
  projects_.erase(found);
}

}  // namespace gantry::rootfs
