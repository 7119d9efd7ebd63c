#include "runtime/cdi/registry.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cdi/spec.h"
#include "runtime/sys/file.h"

namespace gantry::cdi {
namespace {

constexpr size_t kMaxFileBytes = size_t{4} << 20;
constexpr size_t kMaxFiles = 1024;

struct LoadedSpec {
  std::string file;
  size_t priority;  // the directory's place
  Spec spec;
};

struct Loaded {
  std::vector<LoadedSpec> specs;
  std::vector<absl::Status> problems;
};

absl::StatusOr<std::string> ReadRegularFile(const std::string& path) {
  // O_NONBLOCK: a FIFO must not make us wait.
  ASSIGN_OR_RETURN(UniqueFd fd,
                   sys::OpenAt(AT_FDCWD, path, O_RDONLY | O_NONBLOCK));
  ASSIGN_OR_RETURN(struct stat info, sys::StatFd(fd.get()));
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError("it is no regular file");
  }
  return sys::ReadFd(fd.get(), kMaxFileBytes);
}

void LoadFile(const std::string& path, Format format, size_t priority,
              Loaded& loaded) {
  absl::StatusOr<std::string> text = ReadRegularFile(path);
  // Taken away meanwhile.
  if (absl::IsNotFound(text.status())) return;
  if (!text.ok()) {
    loaded.problems.push_back(Annotate(text.status(), path));
    return;
  }
  absl::StatusOr<Spec> spec = ParseSpec(*text, format, path);
  if (!spec.ok()) {
    loaded.problems.push_back(spec.status());
    return;
  }
  loaded.specs.push_back({path, priority, *std::move(spec)});
}

absl::StatusOr<Loaded> Load(const std::vector<std::string>& directories) {
  Loaded loaded;
  size_t files = 0;
  for (size_t priority = 0; priority < directories.size(); ++priority) {
    const std::string& directory = directories[priority];
    absl::StatusOr<std::vector<sys::DirEntry>> entries =
        sys::ListDirAt(AT_FDCWD, directory);
    if (absl::IsNotFound(entries.status())) continue;
    if (!entries.ok()) return entries.status();
    for (const sys::DirEntry& entry : *entries) {
      const bool yaml = absl::EndsWith(entry.name, ".yaml");
      if (!yaml && !absl::EndsWith(entry.name, ".json")) continue;
      if (++files > kMaxFiles) {
        return absl::ResourceExhaustedError(absl::StrCat(
            directory, ": more than ", kMaxFiles, " CDI specifications"));
      }
      LoadFile(absl::StrCat(directory, "/", entry.name),
               yaml ? Format::kYaml : Format::kJson, priority, loaded);
    }
  }
  return loaded;
}

absl::Status NotDescribed(absl::string_view name, const Loaded& loaded) {
  std::string message = absl::StrCat("no CDI specification describes ", name);
  for (const absl::Status& problem : loaded.problems) {
    absl::StrAppend(&message, "; not usable: ", problem.message());
  }
  return absl::NotFoundError(message);
}

struct Found {
  const LoadedSpec* spec = nullptr;
  const Device* device = nullptr;
};

absl::StatusOr<Found> Find(const std::string& name, const Loaded& loaded) {
  ASSIGN_OR_RETURN(QualifiedName wanted, ParseQualifiedName(name));
  Found found;
  const LoadedSpec* rival = nullptr;
  for (const LoadedSpec& spec : loaded.specs) {
    if (spec.spec.kind != wanted.kind) continue;
    for (const Device& device : spec.spec.devices) {
      if (device.name != wanted.device) continue;
      if (found.spec == nullptr || spec.priority > found.spec->priority) {
        found = {&spec, &device};
        rival = nullptr;
      } else if (spec.priority == found.spec->priority) {
        rival = &spec;
      }
    }
  }
  if (found.spec == nullptr) return NotDescribed(name, loaded);
  if (rival == nullptr) return found;
  return absl::FailedPreconditionError(
      absl::StrCat("CDI device ", name, " is described by both ",
                   std::min(found.spec->file, rival->file), " and ",
                   std::max(found.spec->file, rival->file)));
}

template <typename T>
void Append(const std::vector<T>& from, std::vector<T>& to) {
  to.insert(to.end(), from.begin(), from.end());
}

absl::Status Add(const Edits& edits, absl::string_view name,
                 absl::string_view file, Edits& all) {
  if (!edits.unsupported.empty()) {
    return absl::UnimplementedError(
        absl::StrCat("CDI device ", name, " (", file, ") wants ",
                     edits.unsupported, ", which this runtime does not do"));
  }
  Append(edits.env, all.env);
  Append(edits.device_nodes, all.device_nodes);
  Append(edits.mounts, all.mounts);
  Append(edits.additional_gids, all.additional_gids);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Edits> FindEdits(const std::vector<std::string>& directories,
                                const std::vector<std::string>& names) {
  Edits all;
  if (names.empty()) return all;
  ASSIGN_OR_RETURN(Loaded loaded, Load(directories));
  std::set<const LoadedSpec*> begun;
  std::set<std::string> done;
  for (const std::string& name : names) {
    // Asked for twice is had once.
    if (!done.insert(name).second) continue;
    ASSIGN_OR_RETURN(Found found, Find(name, loaded));
    if (begun.insert(found.spec).second) {
      RETURN_IF_ERROR(Add(found.spec->spec.edits, name, found.spec->file, all));
    }
    RETURN_IF_ERROR(Add(found.device->edits, name, found.spec->file, all));
  }
  return all;
}

}  // namespace gantry::cdi
