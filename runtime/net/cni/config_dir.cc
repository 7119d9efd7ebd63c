#include "runtime/net/cni/config_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::net::cni {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;
constexpr size_t kMaxFiles = 1024;

bool IsConfigName(absl::string_view name) {
  return absl::EndsWith(name, ".conflist") || absl::EndsWith(name, ".conf") ||
         absl::EndsWith(name, ".json");
}

// Names of configurations, sorted. A directory that is missing is empty.
absl::StatusOr<std::vector<std::string>> ConfigNames(
    const std::string& directory, bool (*is_config)(absl::string_view)) {
  absl::StatusOr<std::vector<sys::DirEntry>> entries =
      sys::ListDirAt(AT_FDCWD, directory);
  if (absl::IsNotFound(entries.status())) return std::vector<std::string>();
  RETURN_IF_ERROR(entries);
  std::vector<std::string> names;
  for (const sys::DirEntry& entry : *entries) {
    if (!is_config(entry.name) || entry.type == DT_DIR) continue;
    names.push_back(entry.name);
  }
  if (names.size() > kMaxFiles) {
    return absl::ResourceExhaustedError(absl::StrCat(
        directory, ": more than ", kMaxFiles, " network configurations"));
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> ReadRegularFile(const std::string& path) {
  // O_NONBLOCK: a FIFO must not make us wait.
  ASSIGN_OR_RETURN(UniqueFd fd,
                   sys::OpenAt(AT_FDCWD, path, O_RDONLY | O_NONBLOCK));
  ASSIGN_OR_RETURN(struct stat info, sys::StatFd(fd.get()));
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": it is no regular file"));
  }
  ASSIGN_OR_RETURN(std::string text, sys::ReadFd(fd.get(), kMaxFileBytes),
                   path);
  return text;
}

// A text that is another one once the file or folder has changed.
std::string Fingerprint(const std::string& path) {
  absl::StatusOr<struct stat> info = sys::StatAt(AT_FDCWD, path);
  if (!info.ok()) return absl::StrCat(path, " ", ErrnoOf(info.status()), "\n");
  return absl::StrCat(path, " ", info->st_dev, " ", info->st_ino, " ",
                      info->st_size, " ", info->st_mtim.tv_sec, ".",
                      info->st_mtim.tv_nsec, " ", info->st_ctim.tv_sec, ".",
                      info->st_ctim.tv_nsec, "\n");
}

bool IsFolderConfigName(absl::string_view name) {
  return absl::EndsWith(name, ".conf");
}

// What the network's own folder adds to it.
absl::Status AddFolder(const std::string& directory, NetworkConfig& config) {
  const std::string folder = absl::StrCat(directory, "/", config.name);
  ASSIGN_OR_RETURN(std::vector<std::string> names,
                   ConfigNames(folder, IsFolderConfigName));
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(folder, "/", name);
    ASSIGN_OR_RETURN(std::string text, ReadRegularFile(path));
    ASSIGN_OR_RETURN(PluginConfig plugin, ParsePluginConfig(text, path));
    config.plugins.push_back(std::move(plugin));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const LoadedNetwork>> LoadFile(
    const std::string& directory, const std::string& name) {
  auto loaded = std::make_shared<LoadedNetwork>();
  loaded->file = absl::StrCat(directory, "/", name);
  ASSIGN_OR_RETURN(std::string text, ReadRegularFile(loaded->file));
  const ConfigKind kind = absl::EndsWith(name, ".conflist")
                              ? ConfigKind::kList
                              : ConfigKind::kPlugin;
  ASSIGN_OR_RETURN(loaded->config,
                   ParseNetworkConfig(text, kind, loaded->file));
  if (loaded->config.load_folder) {
    RETURN_IF_ERROR(AddFolder(directory, loaded->config));
  }
  if (loaded->config.plugins.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(loaded->file, ": has no plugins"));
  }
  return std::shared_ptr<const LoadedNetwork>(std::move(loaded));
}

}  // namespace

bool ConfigDir::HasAny() const {
  absl::StatusOr<std::vector<std::string>> names =
      ConfigNames(directory_, IsConfigName);
  return !names.ok() || !names->empty();
}

ConfigDir::Loaded ConfigDir::Read(const std::vector<std::string>& files) const {
  std::string broken;
  for (const std::string& file : files) {
    Loaded loaded = LoadFile(directory_, file);
    if (network_name_.empty()) return loaded;
    if (loaded.ok() && (*loaded)->config.name == network_name_) return loaded;
    if (!loaded.ok()) {
      absl::StrAppend(&broken, "; not usable: ", loaded.status().message());
    }
  }
  if (network_name_.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "no network configuration (*.conflist, *.conf, *.json) in ",
        directory_));
  }
  return absl::NotFoundError(absl::StrCat("no configuration of the network \"",
                                          network_name_, "\" in ", directory_,
                                          broken));
}

ConfigDir::Loaded ConfigDir::Load() {
  ASSIGN_OR_RETURN(std::vector<std::string> files,
                   ConfigNames(directory_, IsConfigName));
  // Folders of networks as well: whatever they hold, their time tells.
  std::string look = Fingerprint(directory_);
  for (const std::string& file : files) {
    absl::StrAppend(&look, Fingerprint(absl::StrCat(directory_, "/", file)));
    if (network_name_.empty()) break;
  }
  absl::MutexLock lock(&mutex_);
  if (loaded_.ok() && (*loaded_)->config.load_folder) {
    const std::string folder =
        absl::StrCat(directory_, "/", (*loaded_)->config.name);
    absl::StatusOr<std::vector<std::string>> names =
        ConfigNames(folder, IsFolderConfigName);
    if (names.ok()) {
      for (const std::string& name : *names) {
        absl::StrAppend(&look, Fingerprint(absl::StrCat(folder, "/", name)));
      }
    }
  }
  if (look == seen_) return loaded_;
  loaded_ = Read(files);
  seen_ = std::move(look);
  return loaded_;
}

}  // namespace gantry::net::cni
