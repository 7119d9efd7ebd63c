#include "runtime/plan/host_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <charconv>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::plan {
namespace {

constexpr int kMaxDepth = 8;

DeviceNode ToDevice(absl::string_view path, const struct stat& info) {
  DeviceNode device;
  device.set_path(path.data(), path.size());
  device.set_type(S_ISBLK(info.st_mode) ? "b" : "c");
  device.set_major(major(info.st_rdev));
  device.set_minor(minor(info.st_rdev));
  device.set_mode(info.st_mode & 07777);
  device.set_uid(info.st_uid);
  device.set_gid(info.st_gid);
  return device;
}

// Not the host's to give: terminals of its users, and what each container has
// of its own.
bool IsSkipped(absl::string_view name) {
  return name == "pts" || name == "shm" || name == "mqueue" ||
         name == "console" || name == "fd" || name == "ptmx" ||
         absl::StartsWith(name, ".");
}

class HostDevices : public DeviceLookup {
 public:
  explicit HostDevices(UniqueFd rootfd) : rootfd_(std::move(rootfd)) {}

  absl::StatusOr<std::vector<DeviceNode>> Find(
      absl::string_view path) const override {
    absl::string_view below = path;
    while (!below.empty() && below[0] == '/') below.remove_prefix(1);
    const std::string relative = below.empty() ? "." : std::string(below);
    ASSIGN_OR_RETURN(struct stat info, sys::StatAt(rootfd_.get(), relative, 0));
    if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) {
      return std::vector<DeviceNode>{ToDevice(path, info)};
    }
    if (!S_ISDIR(info.st_mode)) {
      return absl::InvalidArgumentError(absl::StrCat(path, " is no device"));
    }
    std::vector<DeviceNode> devices;
    RETURN_IF_ERROR(Walk(relative, 0, devices));
    return devices;
  }

  absl::StatusOr<std::vector<DeviceNode>> All() const override {
    std::vector<DeviceNode> devices;
    RETURN_IF_ERROR(Walk("dev", 0, devices));
    return devices;
  }

 private:
  absl::Status Walk(const std::string& dir, int depth,
                    std::vector<DeviceNode>& devices) const {
    ASSIGN_OR_RETURN(std::vector<sys::DirEntry> entries,
                     sys::ListDirAt(rootfd_.get(), dir));
    for (const sys::DirEntry& entry : entries) {
      if (depth == 0 && IsSkipped(entry.name)) continue;
      std::string path = absl::StrCat(dir, "/", entry.name);
      absl::StatusOr<struct stat> info =
          sys::StatAt(rootfd_.get(), path, AT_SYMLINK_NOFOLLOW);
      // Devices come and go.
      if (absl::IsNotFound(info.status())) continue;
      if (!info.ok()) return info.status();
      if (S_ISCHR(info->st_mode) || S_ISBLK(info->st_mode)) {
        devices.push_back(ToDevice(absl::StrCat("/", path), *info));
      } else if (S_ISDIR(info->st_mode) && depth < kMaxDepth) {
        RETURN_IF_ERROR(Walk(path, depth + 1, devices));
      }
    }
    return absl::OkStatus();
  }

  UniqueFd rootfd_;
};

// "CapBnd:\t000001fffeffffff" of /proc/PID/status (proc(5)).
absl::StatusOr<uint64_t> CapabilityField(absl::string_view status,
                                         absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    if (!absl::ConsumePrefix(&line, name)) continue;
    line = absl::StripAsciiWhitespace(line);
    uint64_t bits = 0;
    auto [end, error] =
        std::from_chars(line.data(), line.data() + line.size(), bits, 16);
    if (error == std::errc() && end == line.data() + line.size()) return bits;
  }
  return absl::InternalError(
      absl::StrCat("read /proc/self/status: no good ", name));
}

}  // namespace

std::unique_ptr<DeviceLookup> MakeHostDevices(UniqueFd rootfd) {
  return std::make_unique<HostDevices>(std::move(rootfd));
}

absl::StatusOr<HostFacts> ReadHostFacts(
    int procfd, std::shared_ptr<const DeviceLookup> devices) {
  HostFacts facts;
  ASSIGN_OR_RETURN(std::string status, sys::ReadFileAt(procfd, "self/status"));
  ASSIGN_OR_RETURN(uint64_t bounding, CapabilityField(status, "CapBnd:"));
  ASSIGN_OR_RETURN(uint64_t permitted, CapabilityField(status, "CapPrm:"));
  facts.capabilities = bounding & permitted;
  ASSIGN_OR_RETURN(std::string last,
                   sys::ReadFileAt(procfd, "sys/kernel/cap_last_cap"));
  absl::string_view digits = absl::StripAsciiWhitespace(last);
  auto [end, error] = std::from_chars(
      digits.data(), digits.data() + digits.size(), facts.last_capability);
  if (error != std::errc() || end != digits.data() + digits.size() ||
      facts.last_capability < 0 || facts.last_capability > 63) {
    return absl::InternalError(
        "read /proc/sys/kernel/cap_last_cap: no good number");
  }
  ASSIGN_OR_RETURN(std::string release,
                   sys::ReadFileAt(procfd, "sys/kernel/osrelease"));
  facts.kernel = ParseKernelVersion(release).value_or(KernelVersion());
  facts.devices = std::move(devices);
  return facts;
}

}  // namespace gantry::plan
