#include "shim/init/id_maps.h"

#include <fcntl.h>

#include <utility>

#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/user_namespace.h"

namespace gantry::init {
namespace {

std::vector<sys::IdRange> RangesOf(
    const google::protobuf::RepeatedPtrField<spec::IdMapping>& mappings) {
  std::vector<sys::IdRange> ranges;
  for (const spec::IdMapping& mapping : mappings) {
    ranges.push_back(
        {mapping.container_id(), mapping.host_id(), mapping.length()});
  }
  return ranges;
}

}  // namespace

absl::StatusOr<std::vector<UniqueFd>> MakeIdMaps(const plan::InitPlan& plan) {
  std::vector<UniqueFd> namespaces;
  if (plan.id_maps().empty()) return namespaces;
  ASSIGN_OR_RETURN(UniqueFd proc,
                   sys::OpenAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY));
  for (const plan::IdMap& map : plan.id_maps()) {
    ASSIGN_OR_RETURN(UniqueFd fd,
                     sys::NewUserNamespace(proc.get(), RangesOf(map.uids()),
                                           RangesOf(map.gids())),
                     "id mapping of a mount");
    namespaces.push_back(std::move(fd));
  }
  return namespaces;
}

}  // namespace gantry::init
