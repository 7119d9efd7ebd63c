#include "runtime/net/cni/cache.h"

#include <fcntl.h>

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "runtime/base/id.h"
#include "runtime/base/status.h"
#include "runtime/json/json.h"
#include "runtime/sys/atomic_write.h"
#include "runtime/sys/file.h"

namespace gantry::net::cni {
namespace {

constexpr char kKind[] = "gantry-cni-1";
constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;
// A configuration, a result and a pod's annotations.
constexpr size_t kMaxBytes = size_t{8} << 20;
constexpr json::Limits kLimits = {.max_bytes = kMaxBytes, .max_depth = 80};

absl::StatusOr<CachedPod> Read(const json::Value& file) {
  ASSIGN_OR_RETURN(std::string kind, file.StringField("kind"));
  if (kind != kKind) return file.Error("is of another kind");
  CachedPod pod;
  Attachment& attachment = pod.attachment;
  ASSIGN_OR_RETURN(attachment.pod_id, file.StringField("containerId"));
  ASSIGN_OR_RETURN(attachment.netns_path, file.StringField("netns"));
  ASSIGN_OR_RETURN(attachment.interface, file.StringField("ifName"));
  RETURN_IF_ERROR(CheckInterfaceName(attachment.interface));
  ASSIGN_OR_RETURN(attachment.args, file.StringField("cniArgs"));
  if (std::optional<json::Value> args = file.Find("capabilityArgs")) {
    ASSIGN_OR_RETURN(auto members, args->Members());
    for (const auto& [name, value] : members) {
      attachment.capabilities[name] = value.Dump();
    }
  }
  std::optional<json::Value> config = file.Find("config");
  if (!config) return file.Error("has no config");
  ASSIGN_OR_RETURN(
      pod.config,
      ParseNetworkConfig(config->Dump(), ConfigKind::kList, config->path()));
  if (std::optional<json::Value> result = file.Find("result")) {
    pod.result = result->Dump();
  }
  ASSIGN_OR_RETURN(int64_t failed, file.IntField("failedDeletions"));
  pod.failed_deletions = static_cast<int>(failed);
  ASSIGN_OR_RETURN(pod.owed, file.BoolField("owed"));
  return pod;
}

}  // namespace

std::string ToText(const CachedPod& pod) {
  const Attachment& attachment = pod.attachment;
  auto member = [](std::string* out, const auto& item) {
    absl::StrAppend(out, json::Quote(item.first), ":", item.second);
  };
  return absl::StrCat("{\"kind\":", json::Quote(kKind),
                      ",\"containerId\":", json::Quote(attachment.pod_id),
                      ",\"netns\":", json::Quote(attachment.netns_path),
                      ",\"ifName\":", json::Quote(attachment.interface),
                      ",\"cniArgs\":", json::Quote(attachment.args),
                      ",\"capabilityArgs\":{",
                      absl::StrJoin(attachment.capabilities, ",", member),
                      "},\"config\":", ToJson(pod.config),
                      ",\"result\":", pod.result.empty() ? "null" : pod.result,
                      ",\"failedDeletions\":", pod.failed_deletions,
                      ",\"owed\":", pod.owed ? "true" : "false", "}\n");
}

absl::StatusOr<CachedPod> FromText(absl::string_view text,
                                   absl::string_view what) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  absl::StatusOr<json::Value> file =
      json::Value::Parse(lines.front(), what, kLimits);
  if (!file.ok()) return absl::DataLossError(file.status().message());
  absl::StatusOr<CachedPod> pod = Read(*file);
  if (!pod.ok()) return absl::DataLossError(pod.status().message());
  // Behind the last end of a line is what was not written to its end.
  lines.pop_back();
  for (size_t i = 1; i < lines.size(); ++i) {
    absl::StatusOr<json::Value> added =
        json::Value::Parse(lines[i], what, kLimits);
    // What a power cut leaves behind the good lines.
    if (!added.ok()) break;
    std::optional<json::Value> result = added->Find("result");
    if (!result) break;
    pod->result = result->Dump();
  }
  return pod;
}

absl::Status Cache::Write(const CachedPod& pod,
                          sys::Durability durability) const {
  absl::StatusOr<UniqueFd> directory =
      sys::OpenAt(AT_FDCWD, directory_, O_RDONLY | O_DIRECTORY);
  if (absl::IsNotFound(directory.status())) {
    RETURN_IF_ERROR(sys::MkdirAllAt(AT_FDCWD, directory_, kDirectoryMode));
    directory = sys::OpenAt(AT_FDCWD, directory_, O_RDONLY | O_DIRECTORY);
    RETURN_IF_ERROR(directory);
    // Once and for all: Sync vouches for what is in the directory, not for its
    // own name.
    const std::string above = absl::StrCat(directory_, "/..");
    ASSIGN_OR_RETURN(UniqueFd parent,
                     sys::OpenAt(AT_FDCWD, above, O_RDONLY | O_DIRECTORY));
    RETURN_IF_ERROR(sys::FsyncFd(parent.get(), above));
  }
  RETURN_IF_ERROR(directory);
  return sys::AtomicWriteAt(directory->get(), pod.attachment.pod_id,
                            ToText(pod), kFileMode, durability);
}

absl::Status Cache::Put(const CachedPod& pod) const {
  return Write(pod, sys::Durability::kCrash);
}

absl::Status Cache::Replace(const CachedPod& pod) const {
  return Write(pod, sys::Durability::kPowerCut);
}

absl::Status Cache::AddResult(const std::string& pod_id,
                              absl::string_view result) const {
  ASSIGN_OR_RETURN(UniqueFd file,
                   sys::OpenAt(AT_FDCWD, absl::StrCat(directory_, "/", pod_id),
                               O_WRONLY | O_APPEND | O_NOFOLLOW));
  return sys::WriteAll(file.get(), absl::StrCat("{\"result\":", result, "}\n"));
}

absl::Status Cache::Sync(const std::string& pod_id) const {
  ASSIGN_OR_RETURN(UniqueFd directory,
                   sys::OpenAt(AT_FDCWD, directory_, O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(UniqueFd file,
                   sys::OpenAt(directory.get(), pod_id, O_RDONLY | O_NOFOLLOW));
  RETURN_IF_ERROR(sys::FsyncFd(file.get(), pod_id));
  return sys::FsyncFd(directory.get(), directory_);
}

absl::StatusOr<CachedPod> Cache::Get(const std::string& pod_id) const {
  if (!IsId(pod_id)) return absl::NotFoundError("that is no pod's id");
  const std::string path = absl::StrCat(directory_, "/", pod_id);
  ASSIGN_OR_RETURN(std::string text,
                   sys::ReadFileAt(AT_FDCWD, path, kMaxBytes));
  ASSIGN_OR_RETURN(CachedPod pod, FromText(text, path));
  if (pod.attachment.pod_id == pod_id) return pod;
  return absl::DataLossError(absl::StrCat(path, ": is another pod's"));
}

absl::Status Cache::Remove(const std::string& pod_id) const {
  return sys::UnlinkAt(AT_FDCWD, absl::StrCat(directory_, "/", pod_id));
}

absl::StatusOr<std::vector<std::string>> Cache::List() const {
  std::vector<std::string> ids;
  absl::StatusOr<std::vector<sys::DirEntry>> entries =
      sys::ListDirAt(AT_FDCWD, directory_);
  if (absl::IsNotFound(entries.status())) return ids;
  RETURN_IF_ERROR(entries);
  for (const sys::DirEntry& entry : *entries) {
    if (IsId(entry.name)) ids.push_back(entry.name);
  }
  return ids;
}

absl::Status Cache::Clean() const {
  absl::StatusOr<UniqueFd> directory =
      sys::OpenAt(AT_FDCWD, directory_, O_RDONLY | O_DIRECTORY);
  if (absl::IsNotFound(directory.status())) return absl::OkStatus();
  RETURN_IF_ERROR(directory);
  return sys::CleanTemporaries(directory->get());
}

}  // namespace gantry::net::cni
