#include "server/layer_labels.h"

#include <fcntl.h>

#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/security_label.h"

namespace gantry::server {

absl::Status LabelLayers(const std::string& directory,
                         const std::string& label) {
  ASSIGN_OR_RETURN(UniqueFd layers,
                   sys::OpenAt(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(const std::string old, sys::LabelOf(layers.get()));
  if (old == label) return absl::OkStatus();
  RETURN_IF_ERROR(sys::SetLabelsBelow(layers.get(), label)) << directory;
  RETURN_IF_ERROR(sys::SetLabel(layers.get(), label)) << directory;
  return absl::OkStatus();
}

}  // namespace gantry::server
