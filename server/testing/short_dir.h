// A temporary directory with a path short enough for a unix socket (unix(7):
// 107 bytes), which a test's own one may not have.
//
// Ownership: removes itself with what is in it.

#ifndef GANTRY_SERVER_TESTING_SHORT_DIR_H_
#define GANTRY_SERVER_TESTING_SHORT_DIR_H_

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "glog/logging.h"

namespace gantry::server::testing {

class ShortDir {
 public:
  ShortDir() {
    CHECK(mkdtemp(path_.data()) != nullptr) << "make a temporary directory";
  }
  ~ShortDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ShortDir(const ShortDir&) = delete;
  ShortDir& operator=(const ShortDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/gantry-test.XXXXXX";
};

}  // namespace gantry::server::testing

#endif  // GANTRY_SERVER_TESTING_SHORT_DIR_H_
