#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/v1/controllers.h"

namespace gantry::cgroup::v1 {

absl::StatusOr<Writes> HugetlbWrites(const Resources& resources) {
  Writes writes;
  for (const HugepageLimit& page : resources.hugepage_limits) {
    RETURN_IF_ERROR(CheckPageSize(page.page_size));
    const std::string stem = absl::StrCat("hugetlb.", page.page_size);
    writes.push_back(
        {absl::StrCat(stem, ".limit_in_bytes"), absl::StrCat(page.limit)});
    // Reservations count from Linux 5.7 on: mmap fails instead of a SIGBUS.
    writes.push_back({absl::StrCat(stem, ".rsvd.limit_in_bytes"),
                      absl::StrCat(page.limit), IfMissing::kSkip});
  }
  return writes;
}

}  // namespace gantry::cgroup::v1
