// A directory of a test's own, removed with all in it when the test ends.

#ifndef GANTRY_RUNTIME_SYS_TESTING_TEMP_DIR_H_
#define GANTRY_RUNTIME_SYS_TESTING_TEMP_DIR_H_

#include <string>

#include "runtime/base/unique_fd.h"

namespace gantry::sys::testing {

// Below $TEST_TMPDIR, else /tmp. Dies (CHECK-like) if it cannot be made;
// reports a GoogleTest failure if it cannot be removed (a mount left inside).
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

 private:
  UniqueFd parent_;
  std::string path_;
  UniqueFd fd_;
};

}  // namespace gantry::sys::testing

#endif  // GANTRY_RUNTIME_SYS_TESTING_TEMP_DIR_H_
