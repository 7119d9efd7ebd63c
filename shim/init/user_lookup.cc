#include "shim/init/user_lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/in_root.h"

namespace gantry::init {
namespace {

constexpr int64_t kMaxId = 0x7fffffff;

bool AllDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(c);
  });
}

// Nothing for what is no number of 0..kMaxId.
std::optional<uint32_t> ParseId(absl::string_view text) {
  if (!AllDigits(text)) return std::nullopt;
  uint64_t value = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value > kMaxId) return std::nullopt;
  return static_cast<uint32_t>(value);
}

// Takes the text up to `separator` off `rest`; at the end: all of it.
absl::string_view Cut(absl::string_view& rest, char separator) {
  size_t at = rest.find(separator);
  absl::string_view head = rest.substr(0, at);
  rest.remove_prefix(at == absl::string_view::npos ? rest.size() : at + 1);
  return head;
}

bool IsName(absl::string_view name) {
  if (name.empty() || name[0] == '-' || name[0] == '+' || AllDigits(name)) {
    return false;
  }
  return std::none_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_iscntrl(c) || c == ':' || c == ',';
  });
}

struct PasswdEntry {
  absl::string_view name;
  uint32_t uid;
  uint32_t gid;
  absl::string_view home;
};

// name:password:uid:gid:comment:home:shell
std::optional<PasswdEntry> ParsePasswdLine(absl::string_view line) {
  if (std::count(line.begin(), line.end(), ':') != 6) return std::nullopt;
  PasswdEntry entry;
  entry.name = Cut(line, ':');
  Cut(line, ':');
  std::optional<uint32_t> uid = ParseId(Cut(line, ':'));
  std::optional<uint32_t> gid = ParseId(Cut(line, ':'));
  Cut(line, ':');
  entry.home = Cut(line, ':');
  // A number as a name is never looked up, but its entry may name the home.
  if (entry.name.empty() || !uid.has_value() || !gid.has_value()) {
    return std::nullopt;
  }
  entry.uid = *uid;
  entry.gid = *gid;
  return entry;
}

template <typename Matches>
std::optional<PasswdEntry> FindPasswd(absl::string_view text, Matches matches) {
  while (!text.empty()) {
    std::optional<PasswdEntry> entry = ParsePasswdLine(Cut(text, '\n'));
    if (entry.has_value() && matches(*entry)) return entry;
  }
  return std::nullopt;
}

struct GroupEntry {
  absl::string_view name;
  uint32_t gid;
  absl::string_view members;
};

// name:password:gid:member,member
std::optional<GroupEntry> ParseGroupLine(absl::string_view line) {
  if (std::count(line.begin(), line.end(), ':') != 3) return std::nullopt;
  GroupEntry entry;
  entry.name = Cut(line, ':');
  Cut(line, ':');
  std::optional<uint32_t> gid = ParseId(Cut(line, ':'));
  entry.members = line;
  if (entry.name.empty() || !gid.has_value()) return std::nullopt;
  entry.gid = *gid;
  return entry;
}

bool IsMember(const GroupEntry& entry, absl::string_view name) {
  absl::string_view members = entry.members;
  while (!members.empty()) {
    if (Cut(members, ',') == name) return true;
  }
  return false;
}

absl::Status Bad(absl::string_view kind, absl::string_view text,
                 absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat(kind, " \"", absl::CEscape(text), "\": ", why));
}

absl::StatusOr<uint32_t> CheckId(int64_t id, absl::string_view kind) {
  if (id >= 0 && id <= kMaxId) return static_cast<uint32_t>(id);
  return Bad(kind, absl::StrCat(id), "not between 0 and 2147483647");
}

absl::StatusOr<uint32_t> ParseNumber(absl::string_view text,
                                     absl::string_view kind) {
  std::optional<uint32_t> id = ParseId(text);
  if (id.has_value()) return *id;
  return Bad(kind, text, "not between 0 and 2147483647");
}

// The passwd entry of `name`, which may be a number; sets uid, gid and home.
// Returns the login name, "" if there is no entry.
absl::StatusOr<absl::string_view> ApplyUser(absl::string_view name,
                                            const UserFiles& files,
                                            ResolvedUser& resolved) {
  std::optional<PasswdEntry> entry;
  if (AllDigits(name)) {
    ASSIGN_OR_RETURN(resolved.uid, ParseNumber(name, "user"));
    entry = FindPasswd(files.passwd, [&](const PasswdEntry& e) {
      return e.uid == resolved.uid;
    });
    if (!entry.has_value()) return absl::string_view();
  } else {
    if (!IsName(name)) return Bad("user", name, "is no user name");
    entry = FindPasswd(files.passwd,
                       [&](const PasswdEntry& e) { return e.name == name; });
    if (!entry.has_value()) {
      return absl::NotFoundError(absl::StrCat(
          "user \"", name, "\": no such entry in /etc/passwd of the rootfs"));
    }
  }
  resolved.uid = entry->uid;
  resolved.gid = entry->gid;
  const bool clean =
      std::none_of(entry->home.begin(), entry->home.end(),
                   [](char c) { return absl::ascii_iscntrl(c); });
  if (!entry->home.empty() && entry->home[0] == '/' && clean) {
    resolved.home = std::string(entry->home);
  }
  return entry->name;
}

absl::StatusOr<uint32_t> ResolveGroup(absl::string_view name,
                                      absl::string_view text) {
  if (AllDigits(name)) return ParseNumber(name, "group");
  if (!IsName(name)) return Bad("group", name, "is no group name");
  while (!text.empty()) {
    std::optional<GroupEntry> entry = ParseGroupLine(Cut(text, '\n'));
    if (entry.has_value() && entry->name == name) return entry->gid;
  }
  return absl::NotFoundError(absl::StrCat(
      "group \"", name, "\": no such entry in /etc/group of the rootfs"));
}

absl::StatusOr<std::string> ReadUserFile(int rootfd, absl::string_view path) {
  // O_NONBLOCK: a FIFO in its place must not hold us up.
  absl::StatusOr<UniqueFd> file = sys::OpenInRoot(
      rootfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  const int error_number = ErrnoOf(file.status());
  if (error_number == ENOENT || error_number == ENOTDIR) return std::string();
  if (!file.ok()) return file.status();
  ASSIGN_OR_RETURN(struct stat info, sys::StatFd(file->get()));
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("read ", path, ": not a regular file"));
  }
  ASSIGN_OR_RETURN(std::string text, sys::ReadFd(file->get(), kMaxUserFile),
                   absl::StrCat("read ", path));
  return text;
}

}  // namespace

absl::StatusOr<UserFiles> ReadUserFiles(int rootfd) {
  UserFiles files;
  ASSIGN_OR_RETURN(files.passwd, ReadUserFile(rootfd, "/etc/passwd"));
  ASSIGN_OR_RETURN(files.group, ReadUserFile(rootfd, "/etc/group"));
  return files;
}

absl::StatusOr<ResolvedUser> ResolveUser(const spec::User& user,
                                         const UserFiles& files) {
  ResolvedUser resolved;
  absl::string_view rest = user.user();
  const bool has_group = rest.find(':') != absl::string_view::npos;
  absl::string_view name = Cut(rest, ':');
  if (has_group && (name.empty() || rest.empty())) {
    return Bad("user", user.user(), "a part of it is empty");
  }
  ASSIGN_OR_RETURN(absl::string_view login,
                   ApplyUser(name.empty() ? "0" : name, files, resolved));
  if (has_group) {
    ASSIGN_OR_RETURN(resolved.gid, ResolveGroup(rest, files.group));
  }
  if (user.has_gid()) {
    ASSIGN_OR_RETURN(resolved.gid, CheckId(user.gid(), "group"));
  }
  auto add = [&resolved](uint32_t gid) {
    auto& groups = resolved.groups;
    if (std::find(groups.begin(), groups.end(), gid) == groups.end()) {
      groups.push_back(gid);
    }
  };
  add(resolved.gid);
  for (int64_t gid : user.supplemental_gids()) {
    ASSIGN_OR_RETURN(uint32_t checked, CheckId(gid, "supplemental group"));
    add(checked);
  }
  if (user.strict_groups() || login.empty()) return resolved;
  absl::string_view text = files.group;
  while (!text.empty()) {
    std::optional<GroupEntry> entry = ParseGroupLine(Cut(text, '\n'));
    if (entry.has_value() && IsMember(*entry, login)) add(entry->gid);
  }
  return resolved;
}

}  // namespace gantry::init
