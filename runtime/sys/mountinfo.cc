#include "runtime/sys/mountinfo.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::sys {
namespace {

// A host with many containers has some thousand mounts of some 200 bytes.
constexpr size_t kMaxBytes = 64 << 20;

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

// The kernel writes bytes that would break the columns as \ooo; anything else
// behind a backslash is taken as it stands.
std::string Unescape(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && IsOctal(text[i + 1]) &&
        IsOctal(text[i + 2]) && IsOctal(text[i + 3])) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 +
                                      (text[i + 2] - '0') * 8 +
                                      (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// Cuts the text up to the next `end` off `rest`, and `end` with it.
absl::string_view Cut(absl::string_view& rest, char end) {
  const size_t at = rest.find(end);
  const absl::string_view field = rest.substr(0, at);
  rest.remove_prefix(at == absl::string_view::npos ? rest.size() : at + 1);
  return field;
}

// What is wrong with the line, or null.
const char* ParseLine(absl::string_view line, MountInfo& mount) {
  if (!absl::SimpleAtoi(Cut(line, ' '), &mount.id)) return "mount id";
  if (!absl::SimpleAtoi(Cut(line, ' '), &mount.parent_id)) return "parent id";
  if (!absl::SimpleAtoi(Cut(line, ':'), &mount.major)) return "device major";
  if (!absl::SimpleAtoi(Cut(line, ' '), &mount.minor)) return "device minor";
  mount.root = Unescape(Cut(line, ' '));
  mount.mount_point = Unescape(Cut(line, ' '));
  mount.options = std::string(Cut(line, ' '));
  if (mount.root.empty()) return "root";
  if (mount.mount_point.empty()) return "mount point";
  if (mount.options.empty()) return "mount options";
  while (true) {
    if (line.empty()) return "separator";
    const absl::string_view tag = Cut(line, ' ');
    if (tag == "-") break;
    mount.tags.emplace_back(tag);
  }
  mount.fs_type = Unescape(Cut(line, ' '));
  // An empty source (a file system may be mounted from "") leaves two blanks.
  mount.source = Unescape(Cut(line, ' '));
  // The last column: a file system's options may hold blanks.
  mount.super_options = Unescape(line);
  if (mount.fs_type.empty()) return "file system type";
  return nullptr;
}

}  // namespace

absl::StatusOr<std::vector<MountInfo>> ParseMountinfo(absl::string_view text) {
  std::vector<MountInfo> mounts;
  for (size_t number = 1; !text.empty(); ++number) {
    const absl::string_view line = Cut(text, '\n');
    MountInfo mount;
    if (const char* wrong = ParseLine(line, mount); wrong != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("mountinfo line ", number, ": no valid ", wrong,
                       " in \"", absl::CHexEscape(line.substr(0, 200)), "\""));
    }
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

absl::StatusOr<std::vector<MountInfo>> ReadMountinfo(int procfd) {
  ASSIGN_OR_RETURN(const std::string text,
                   ReadFileAt(procfd, "self/mountinfo", kMaxBytes));
  return ParseMountinfo(text);
}

absl::StatusOr<MountInfo> MountOf(int procfd, int fd) {
  ASSIGN_OR_RETURN(const std::string fd_info,
                   ReadFileAt(procfd, absl::StrCat("self/fdinfo/", fd)));
  uint64_t id = 0;
  bool found = false;
  for (absl::string_view line : absl::StrSplit(fd_info, '\n')) {
    // "mnt_id:\t29" (proc(5)).
    if (absl::ConsumePrefix(&line, "mnt_id:")) {
      found = absl::SimpleAtoi(line, &id);
    }
  }
  if (!found) {
    return absl::InternalError(
        absl::StrCat("fdinfo of descriptor ", fd, " names no mount"));
  }
  ASSIGN_OR_RETURN(std::vector<MountInfo> mounts, ReadMountinfo(procfd));
  for (MountInfo& mount : mounts) {
    if (mount.id == id) return std::move(mount);
  }
  return absl::NotFoundError(
      absl::StrCat("mount ", id, " is not in the mount table"));
}

}  // namespace gantry::sys
