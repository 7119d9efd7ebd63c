#include "runtime/net/bridge/host_settings.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::net {
namespace {

constexpr char kInterfaces6[] = "net/ipv6/conf";

absl::StatusOr<std::string> Read(int sysfd, const std::string& path) {
  ASSIGN_OR_RETURN(std::string value, sys::ReadFileAt(sysfd, path));
  return std::string(absl::StripAsciiWhitespace(value));
}

// Writes only what is different: a read-only /proc/sys that is right already
// is no obstacle.
absl::Status Set(int sysfd, const std::string& path, absl::string_view value) {
  ASSIGN_OR_RETURN(std::string current, Read(sysfd, path));
  if (current == value) return absl::OkStatus();
  RETURN_IF_ERROR(sys::WriteFileAt(sysfd, path, value)) << "set sysctl";
  return absl::OkStatus();
}

// Interfaces that take router advertisements as long as the host forwards
// nothing.
absl::Status KeepRouterAdvertisements(int sysfd) {
  ASSIGN_OR_RETURN(std::vector<sys::DirEntry> interfaces,
                   sys::ListDirAt(sysfd, kInterfaces6));
  for (const sys::DirEntry& interface : interfaces) {
    if (interface.name == "all" || interface.name == "lo") continue;
    const std::string path =
        absl::StrCat(kInterfaces6, "/", interface.name, "/accept_ra");
    absl::StatusOr<std::string> value = Read(sysfd, path);
    // Gone since the listing.
    if (!value.ok() || *value != "1") continue;
    RETURN_IF_ERROR(Set(sysfd, path, "2"));
  }
  return absl::OkStatus();
}

absl::Status SetIpv6(int sysfd, const std::string& bridge) {
  const std::string all = absl::StrCat(kInterfaces6, "/all/forwarding");
  ASSIGN_OR_RETURN(std::string forwarding, Read(sysfd, all));
  if (forwarding == "0") {
    RETURN_IF_ERROR(KeepRouterAdvertisements(sysfd));
    RETURN_IF_ERROR(Set(sysfd, all, "1"));
  }
  const std::string own = absl::StrCat(kInterfaces6, "/", bridge);
  // After forwarding, which the loop above may have changed it for.
  RETURN_IF_ERROR(Set(sysfd, own + "/accept_ra", "0"));
  RETURN_IF_ERROR(Set(sysfd, own + "/forwarding", "1"));
  // The bridge's MAC is random: no address of it is anybody's. Looking for one
  // would keep it from asking for its neighbours in the first second.
  RETURN_IF_ERROR(Set(sysfd, own + "/accept_dad", "0"));
  return Set(sysfd, own + "/disable_ipv6", "0");
}

}  // namespace

bool HasIpv6(int sysfd) { return sys::ExistsAt(sysfd, kInterfaces6); }

absl::Status SetHostSettings(int sysfd, const std::string& bridge, bool v4,
                             bool v6) {
  if (v4) {
    const std::string own = absl::StrCat("net/ipv4/conf/", bridge);
    RETURN_IF_ERROR(Set(sysfd, "net/ipv4/ip_forward", "1"));
    RETURN_IF_ERROR(Set(sysfd, own + "/forwarding", "1"));
    RETURN_IF_ERROR(Set(sysfd, own + "/send_redirects", "0"));
    RETURN_IF_ERROR(Set(sysfd, own + "/route_localnet", "1"));
  }
  return v6 ? SetIpv6(sysfd, bridge) : absl::OkStatus();
}

}  // namespace gantry::net
