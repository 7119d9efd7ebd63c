#include "server/apparmor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/memfd.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/spawn.h"

namespace gantry::server {
namespace {

// tools/apparmor/gantry-default.
constexpr char kProfile[] =
#include "tools/apparmor/apparmor_default.inc"
    ;

constexpr std::chrono::seconds kPatience(60);

// What the program wrote to the file, in short.
std::string Said(int fd) {
  constexpr size_t kMost = 2000;
  std::string text(kMost, '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? got : 0);
  return std::string(absl::StripAsciiWhitespace(text));
}

absl::Status RunParser(const std::string& parser) {
  ASSIGN_OR_RETURN(const UniqueFd profile,
                   sys::SealedMemfd("apparmor-profile", kProfile));
  const UniqueFd errors(memfd_create("apparmor-errors", MFD_CLOEXEC));
  if (!errors.valid()) return ErrnoStatus(errno, "memfd_create");
  sys::SpawnRequest request;
  request.path = parser;
  request.argv = {"apparmor_parser", "--replace", "--skip-cache"};
  request.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
  request.fds = {{profile.get(), 0}, {errors.get(), 1}, {errors.get(), 2}};
  ASSIGN_OR_RETURN(const sys::Spawned spawned, sys::Spawner().Spawn(request));
  ASSIGN_OR_RETURN(const bool ended,
                   sys::PidfdExited(spawned.pidfd.get(), kPatience));
  if (!ended) {
    RETURN_IF_ERROR(sys::PidfdSendSignal(spawned.pidfd.get(), SIGKILL));
  }
  ASSIGN_OR_RETURN(const sys::ExitStatus status,
                   sys::WaitPidfd(spawned.pidfd.get()));
  if (status.ShellCode() == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      ended ? absl::StrCat("exit status ", status.ShellCode()) : "time is up",
      ": ", Said(errors.get())));
}

}  // namespace

bool HasAppArmor(int rootfd) {
  absl::StatusOr<std::string> enabled =
      sys::ReadFileAt(rootfd, "sys/module/apparmor/parameters/enabled");
  return enabled.ok() && absl::StripAsciiWhitespace(*enabled) == "Y";
}

bool HasAppArmorProfile(int rootfd, absl::string_view name) {
  // "gantry-default (enforce)" a line.
  constexpr size_t kMost = 16 << 20;
  absl::StatusOr<std::string> profiles =
      sys::ReadFileAt(rootfd, "sys/kernel/security/apparmor/profiles", kMost);
  if (!profiles.ok()) return false;
  for (absl::string_view line : absl::StrSplit(*profiles, '\n')) {
    const size_t mode = line.rfind(" (");
    if (mode != absl::string_view::npos && line.substr(0, mode) == name) {
      return true;
    }
  }
  return false;
}

std::vector<std::string> AppArmorParsers() {
  return {"/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"};
}

absl::Status EnsureAppArmorDefault(int rootfd,
                                   const std::vector<std::string>& parsers) {
  if (!HasAppArmor(rootfd) || HasAppArmorProfile(rootfd, kAppArmorDefault)) {
    return absl::OkStatus();
  }
  for (const std::string& parser : parsers) {
    if (!sys::ExistsAt(AT_FDCWD, parser)) continue;
    return Annotate(RunParser(parser),
                    absl::StrCat("load AppArmor profile ", kAppArmorDefault,
                                 " with ", parser));
  }
  return absl::NotFoundError(absl::StrCat(
      "load AppArmor profile ", kAppArmorDefault, ": no apparmor_parser (",
      absl::StrJoin(parsers, ", "), ")"));
}

}  // namespace gantry::server
