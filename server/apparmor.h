// AppArmor on this host: whether it is on, which profiles the kernel has, and
// the profile that RuntimeDefault means, loaded where it is missing.
//
// Thread safety: any thread. The readers block for a file; loading blocks for a
// run of apparmor_parser(8).
// Sources: apparmor(7), apparmor_parser(8); securityfs' apparmor/profiles.

#ifndef GANTRY_SERVER_APPARMOR_H_
#define GANTRY_SERVER_APPARMOR_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry::server {

// What RuntimeDefault means where AppArmor is: tools/apparmor has its source.
inline constexpr char kAppArmorDefault[] = "gantry-default";

// Whether AppArmor confines programs here (/sys/module/apparmor). `rootfd` is a
// descriptor of "/" (a fake tree in tests), here and below.
bool HasAppArmor(int rootfd);

// Whether the kernel has a profile of that name now.
bool HasAppArmorProfile(int rootfd, absl::string_view name);

// Where Debian and others have apparmor_parser.
std::vector<std::string> AppArmorParsers();

// Makes sure of kAppArmorDefault: OK where it is loaded, or AppArmor is not on.
// Else the first of `parsers` that exists loads it; NOT_FOUND if none does,
// FAILED_PRECONDITION, with what it said, if it fails.
absl::Status EnsureAppArmorDefault(int rootfd,
                                   const std::vector<std::string>& parsers);

}  // namespace gantry::server

#endif  // GANTRY_SERVER_APPARMOR_H_
