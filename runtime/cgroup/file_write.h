// A plan for one cgroup directory: which control files get which text.
//
// Made by the pure conversions in v1/ and v2/, carried out by write_plan.h.
// Thread safety: plain values.

#ifndef GANTRY_RUNTIME_CGROUP_FILE_WRITE_H_
#define GANTRY_RUNTIME_CGROUP_FILE_WRITE_H_

#include <string>
#include <vector>

namespace gantry::cgroup {

// What it means if the kernel doesn't have the file.
enum class IfMissing {
  kFail,  // the limit can't be given: FAILED_PRECONDITION
  kSkip,  // the write asks for nothing that its absence doesn't give
  kNext,  // the next write of the plan is the same limit under another name;
          // it is left out if this one was carried out
};

struct FileWrite {
  std::string file;
  std::string value;
  IfMissing if_missing = IfMissing::kFail;
  // Files with a line per device or interface: what to write to undo this if
  // the file had no line with this value's key (its first word). Empty for
  // files of a single value.
  std::string reset = {};

  bool operator==(const FileWrite&) const = default;
};

using Writes = std::vector<FileWrite>;

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_FILE_WRITE_H_
