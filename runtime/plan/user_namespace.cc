#include "runtime/plan/user_namespace.h"

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::plan {
namespace {

// The last one means "none" to the kernel.
constexpr uint64_t kIds = 0xffffffff;

absl::Status Bad(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

}  // namespace

absl::Status CheckIdMapping(const spec::IdMapping& mapping) {
  if (mapping.length() == 0) return Bad("length", "is 0");
  if (mapping.container_id() != 0) {
    return Bad("container_id", absl::StrCat("expected 0 (root inside), found ",
                                            mapping.container_id()));
  }
  if (mapping.host_id() == 0) {
    return Bad("host_id", "the range has the host's root in it");
  }
  const uint64_t end = uint64_t{mapping.host_id()} + mapping.length();
  if (end <= kIds) return absl::OkStatus();
  return Bad("length", absl::StrCat("the range ends at ", end - 1,
                                    ", the last id is ", kIds - 1));
}

absl::Status CheckUserNamespace(const spec::UserNamespace& user) {
  RETURN_IF_ERROR(CheckIdMapping(user.uids())) << "uids";
  RETURN_IF_ERROR(CheckIdMapping(user.gids())) << "gids";
  if (user.uids().length() == user.gids().length()) return absl::OkStatus();
  return Bad("gids", absl::StrCat("length ", user.gids().length(),
                                  " differs from that of the uids, ",
                                  user.uids().length()));
}

std::optional<uint32_t> OutsideId(const spec::IdMapping& mapping,
                                  uint32_t inside) {
  if (inside < mapping.container_id() ||
      inside - mapping.container_id() >= mapping.length()) {
    return std::nullopt;
  }
  return mapping.host_id() + (inside - mapping.container_id());
}

}  // namespace gantry::plan
