#include "shim/init/filesystem.h"

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/mount.h"

namespace gantry::init {

absl::StatusOr<UniqueFd> NewFilesystem(
    absl::string_view type, absl::string_view source,
    const std::vector<absl::string_view>& options, uint64_t attributes) {
  ASSIGN_OR_RETURN(UniqueFd context, sys::FsOpen(type));
  RETURN_IF_ERROR(sys::FsConfigString(context.get(), "source", source));
  for (absl::string_view option : options) {
    size_t equals = option.find('=');
    if (equals == absl::string_view::npos) {
      RETURN_IF_ERROR(sys::FsConfigFlag(context.get(), option));
    } else {
      RETURN_IF_ERROR(sys::FsConfigString(
          context.get(), option.substr(0, equals), option.substr(equals + 1)));
    }
  }
  RETURN_IF_ERROR(sys::FsConfigCreate(context.get()));
  return sys::FsMount(context.get(), attributes);
}

}  // namespace gantry::init
