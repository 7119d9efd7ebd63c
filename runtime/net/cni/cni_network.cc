#include "runtime/net/cni/cni_network.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/net/cni/attachment.h"

namespace gantry::net::cni {
namespace {

// For what a server that was killed left running.
constexpr std::chrono::milliseconds kLeftOverPatience{5000};
constexpr absl::Duration kStatusTimeout = absl::Seconds(5);

// A pin whose namespace was given up is an empty file, which plugins refuse.
bool IsNamespace(const std::string& path) {
  struct statfs info = {};
  return ::statfs(path.c_str(), &info) == 0 && info.f_type == NSFS_MAGIC;
}

// Not the wall's, which may be set.
absl::Duration BootTime() { return absl::Nanoseconds(RealClock().BootNanos()); }

int64_t After(absl::Duration time) {
  return RealClock().BootNanos() + absl::ToInt64Nanoseconds(time);
}

bool WantsCgroup(const NetworkConfig& config) {
  return std::any_of(config.plugins.begin(), config.plugins.end(),
                     [](const PluginConfig& plugin) {
                       return plugin.capabilities.contains("cgroupPath");
                     });
}

absl::Status OfPod(const std::string& pod_id, const absl::Status& status) {
  return Annotate(status, absl::StrCat("pod ", pod_id));
}

}  // namespace

CniNetwork::CniNetwork(CniSettings settings)
    : settings_(std::move(settings)),
      configs_(settings_.config_dir, settings_.network_name),
      cache_(settings_.cache_dir),
      inputs_(settings_.input_dir),
      chain_(settings_.plugins, inputs_) {}

int64_t CniNetwork::Deadline() const { return After(settings_.timeout); }

CniNetwork::Loaded CniNetwork::LoadConfig() {
  Loaded loaded = configs_.Load();
  absl::MutexLock lock(&mutex_);
  current_ = loaded.ok() ? *loaded : nullptr;
  if (loaded.ok()) return loaded;
  return absl::FailedPreconditionError(loaded.status().message());
}

absl::StatusOr<Result> CniNetwork::Add(CachedPod& pod) {
  const std::string& id = pod.attachment.pod_id;
  // Before anything is done: whoever finds the file knows what to undo.
  RETURN_IF_ERROR(cache_.Put(pod)) << "note what is begun";
  Progress progress;
  AddSteps steps;
  // A plugin that a killed server left half done is undone by the result that
  // it was given.
  steps.keep = [this, &id, &pod](const std::string& result) {
    pod.result = result;
    return cache_.AddResult(id, result);
  };
  // The disk takes its time beside the plugin. A power cut ends the pod, its
  // namespace and all rules; what a plugin holds past it, such as a lease, it
  // holds for the pod's id, and that is in the file by now.
  steps.meanwhile = [this, &id] {
    return Annotate(cache_.Sync(id), "note what is begun");
  };
  absl::StatusOr<Result> result =
      chain_.Add(pod.config, pod.attachment, Deadline(), progress, steps);
  inputs_.Remove(id);
  if (result.ok()) {
    pod.result = result->json;
    absl::Status kept = cache_.AddResult(id, pod.result);
    if (kept.ok()) return result;
    result = Annotate(kept, "keep the plugins' result");
  }
  absl::Status undone = TakeBack(pod, progress);
  if (undone.ok()) return result;
  return Annotate(result.status(),
                  absl::StrCat("(not undone: ", undone.message(), ")"));
}

absl::Status CniNetwork::TakeBack(CachedPod pod, const Progress& progress) {
  pod.result = progress.result;
  // A plugin that is not there has done nothing.
  Deletion deletion = chain_.Del(pod.config, pod.attachment, pod.result,
                                 progress.begun, OnError::kGoOn, Deadline());
  inputs_.Remove(pod.attachment.pod_id);
  if (!deletion.status.ok()) {
    pod.failed_deletions = 1;
    cache_.Replace(pod).IgnoreError();
    return deletion.status;
  }
  RETURN_IF_ERROR(cache_.Remove(pod.attachment.pod_id));
  Forget(pod.attachment.pod_id);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<IpAddress>> CniNetwork::Attach(
    const AttachRequest& request) {
  ASSIGN_OR_RETURN(std::shared_ptr<const LoadedNetwork> network, LoadConfig());
  CachedPod pod;
  ASSIGN_OR_RETURN(pod.attachment, AttachmentOf(request));
  pod.config = network->config;
  if (WantsCgroup(pod.config) && request.await_cgroup &&
      !request.await_cgroup()) {
    return absl::FailedPreconditionError(
        "the pod's cgroup, which a CNI plugin is to be told, was not made");
  }
  absl::ReaderMutexLock gc_lock(&gc_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    if (!pods_.insert(request.pod_id).second) {
      return absl::AlreadyExistsError(
          absl::StrCat("pod ", request.pod_id, " is on the network already"));
    }
  }
  absl::StatusOr<Result> result = Add(pod);
  RETURN_IF_ERROR(result);
  return std::move(result->ips);
}

void CniNetwork::Forget(const std::string& pod_id) {
  absl::MutexLock lock(&mutex_);
  pods_.erase(pod_id);
  owed_.erase(pod_id);
}

absl::StatusOr<CachedPod> CniNetwork::ReadCache(const std::string& pod_id) {
  absl::StatusOr<CachedPod> pod = cache_.Get(pod_id);
  if (!absl::IsDataLoss(pod.status())) return pod;
  settings_.report(Annotate(
      pod.status(),
      absl::StrCat("detach pod ", pod_id, " by the configuration of today")));
  CachedPod guess;
  guess.attachment.pod_id = pod_id;
  absl::StatusOr<std::shared_ptr<const LoadedNetwork>> network = LoadConfig();
  if (network.ok()) guess.config = (*network)->config;
  return guess;
}

absl::Status CniNetwork::NoteFailure(CachedPod pod, absl::Status failure) {
  const std::string& id = pod.attachment.pod_id;
  const bool was_owed = pod.owed;
  ++pod.failed_deletions;
  pod.owed |= pod.failed_deletions >= kMaxDeletions || failure.ok();
  RETURN_IF_ERROR(cache_.Replace(pod));
  if (!pod.owed) return failure;
  {
    absl::MutexLock lock(&mutex_);
    pods_.erase(id);
    owed_.insert(id);
    mended_ = BootTime();
  }
  if (!was_owed && !failure.ok()) {
    settings_.report(Annotate(
        failure, absl::StrCat("pod ", id, " is let go after ", kMaxDeletions,
                              " tries; its DEL is owed")));
  }
  return absl::OkStatus();
}

absl::Status CniNetwork::Delete(CachedPod pod) {
  const std::string id = pod.attachment.pod_id;
  RETURN_IF_ERROR(inputs_.AwaitLeftOver(id, kLeftOverPatience));
  if (!IsNamespace(pod.attachment.netns_path)) {
    pod.attachment.netns_path.clear();
  }
  // The last time as much as can be is taken back.
  const bool last = pod.owed || pod.failed_deletions + 1 >= kMaxDeletions;
  Deletion deletion = chain_.Del(
      pod.config, pod.attachment, pod.result, pod.config.plugins.size(),
      last ? OnError::kGoOn : OnError::kStop, Deadline());
  inputs_.Remove(id);
  if (!deletion.status.ok()) {
    return NoteFailure(std::move(pod), deletion.status);
  }
  if (deletion.missing.empty()) {
    RETURN_IF_ERROR(cache_.Remove(id));
    Forget(id);
    return absl::OkStatus();
  }
  if (!pod.owed) {
    settings_.report(absl::NotFoundError(
        absl::StrCat("pod ", id, " is let go without CNI plugin ",
                     absl::StrJoin(deletion.missing, ", "),
                     ", which is not there any more; its DEL is owed")));
  }
  return NoteFailure(std::move(pod), absl::OkStatus());
}

absl::Status CniNetwork::Detach(const std::string& pod_id,
                                absl::string_view /*provider*/) {
  absl::ReaderMutexLock gc_lock(&gc_mutex_);
  absl::StatusOr<CachedPod> pod = ReadCache(pod_id);
  if (absl::IsNotFound(pod.status())) {
    Forget(pod_id);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(pod);
  if (pod->owed) return absl::OkStatus();
  return Delete(*std::move(pod));
}

absl::Status CniNetwork::Recover(const std::vector<AttachedPod>& /*pods*/) {
  RETURN_IF_ERROR(cache_.Clean());
  ASSIGN_OR_RETURN(std::vector<std::string> ids, cache_.List());
  std::set<std::string> pods, owed;
  for (const std::string& id : ids) {
    absl::StatusOr<CachedPod> pod = cache_.Get(id);
    (pod.ok() && pod->owed ? owed : pods).insert(id);
  }
  {
    absl::MutexLock lock(&mutex_);
    pods_ = found_ = std::move(pods);
    owed_ = std::move(owed);
  }
  absl::StatusOr<std::shared_ptr<const LoadedNetwork>> network = LoadConfig();
  absl::Status status = network.status();
  if (status.ok()) status = chain_.CheckPresence((*network)->config);
  absl::MutexLock lock(&mutex_);
  ready_ = status;
  return status;
}

absl::Status CniNetwork::DeleteLeftOver(const std::string& pod_id) {
  absl::ReaderMutexLock gc_lock(&gc_mutex_);
  absl::StatusOr<CachedPod> pod = ReadCache(pod_id);
  if (absl::IsNotFound(pod.status())) {
    Forget(pod_id);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(pod);
  return OfPod(pod_id, Delete(*std::move(pod)));
}

std::vector<absl::Status> CniNetwork::CollectGarbage() {
  absl::StatusOr<std::shared_ptr<const LoadedNetwork>> network = LoadConfig();
  if (!network.ok()) return {};
  const NetworkConfig& config = (*network)->config;
  absl::MutexLock gc_lock(&gc_mutex_);
  std::set<std::string> ids;
  {
    absl::MutexLock lock(&mutex_);
    ids = pods_;
  }
  std::vector<std::pair<std::string, std::string>> valid;
  for (const std::string& id : ids) {
    absl::StatusOr<CachedPod> pod = cache_.Get(id);
    // A damaged file may be of this network as of any.
    if (pod.ok() && pod->config.name != config.name) continue;
    valid.emplace_back(
        id, pod.ok() ? pod->attachment.interface : std::string(kPodInterface));
  }
  return chain_.Gc(config, valid, Deadline());
}

std::vector<absl::Status> CniNetwork::Sweep(const std::set<std::string>& known,
                                            bool in_use) {
  std::set<std::string> left;
  {
    absl::MutexLock lock(&mutex_);
    std::set_difference(found_.begin(), found_.end(), known.begin(),
                        known.end(), std::inserter(left, left.end()));
    left.insert(owed_.begin(), owed_.end());
    found_.clear();
  }
  std::vector<absl::Status> errors;
  {
    absl::MutexLock lock(&mend_mutex_);
    for (const std::string& id : left) {
      absl::Status deleted = DeleteLeftOver(id);
      if (!deleted.ok()) errors.push_back(std::move(deleted));
    }
  }
  // Another runtime's pods may be on a network that is not ours.
  if (!in_use) return errors;
  for (absl::Status& error : CollectGarbage()) {
    errors.push_back(std::move(error));
  }
  return errors;
}

absl::Status CniNetwork::CheckPod(const std::string& pod_id) {
  absl::ReaderMutexLock gc_lock(&gc_mutex_);
  absl::StatusOr<CachedPod> pod = cache_.Get(pod_id);
  if (absl::IsNotFound(pod.status())) return absl::OkStatus();
  RETURN_IF_ERROR(pod);
  if (pod->owed || pod->result.empty()) return absl::OkStatus();
  absl::Status checked =
      chain_.Check(pod->config, pod->attachment, pod->result, Deadline());
  inputs_.Remove(pod_id);
  return checked;
}

absl::Status CniNetwork::Check() {
  absl::StatusOr<std::shared_ptr<const LoadedNetwork>> network = LoadConfig();
  absl::Status status = network.status();
  if (status.ok()) {
    if (!status_mutex_.TryLock()) {
      // Somebody waits for the plugins already: not two at once.
      absl::MutexLock lock(&mutex_);
      return ready_;
    }
    status = chain_.GetStatus(
        (*network)->config, After(std::min(kStatusTimeout, settings_.timeout)));
    status_mutex_.Unlock();
  }
  absl::MutexLock lock(&mutex_);
  ready_ = status;
  return status;
}

void CniNetwork::Mend() {
  std::set<std::string> owed;
  {
    absl::MutexLock lock(&mutex_);
    if (BootTime() < mended_ + settings_.mend_pause) return;
    mended_ = BootTime();
    owed = owed_;
  }
  if (!mend_mutex_.TryLock()) return;
  for (const std::string& id : owed) DeleteLeftOver(id).IgnoreError();
  mend_mutex_.Unlock();
}

bool CniNetwork::HasDebts() const {
  absl::MutexLock lock(&mutex_);
  return !owed_.empty() && BootTime() >= mended_ + settings_.mend_pause;
}

std::vector<std::pair<std::string, std::string>> CniNetwork::Facts() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::pair<std::string, std::string>> facts = {
      {"provider", kCniProvider},
      {"config_dir", configs_.directory()},
      {"plugin_dirs", absl::StrJoin(settings_.plugins.directories, ",")},
      {"pods", absl::StrCat(pods_.size())},
      {"owed_deletions", absl::StrCat(owed_.size())}};
  if (current_ == nullptr) return facts;
  facts.emplace_back("network", current_->config.name);
  facts.emplace_back("config_file", current_->file);
  facts.emplace_back("cni_version", current_->config.version.ToString());
  facts.emplace_back(
      "plugins",
      absl::StrJoin(current_->config.plugins, ",",
                    [](std::string* out, const PluginConfig& plugin) {
                      absl::StrAppend(out, plugin.type);
                    }));
  return facts;
}

}  // namespace gantry::net::cni
