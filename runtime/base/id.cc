#include "runtime/base/id.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <algorithm>

#include "absl/strings/escaping.h"

namespace gantry {
namespace {

constexpr int kIdBytes = 32;

}  // namespace

std::string NewId() {
  char bytes[kIdBytes];
  // Up to 256 bytes are never cut short once the source is ready
  // (getrandom(2)).
  while (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
    // A kernel without getrandom cannot run this program at all (openat2 is
    // newer), so anything but EINTR is a bug.
    if (errno != EINTR) abort();
  }
  return absl::BytesToHexString(absl::string_view(bytes, sizeof bytes));
}

bool IsId(absl::string_view id) {
  return id.size() == 2 * kIdBytes &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace gantry
