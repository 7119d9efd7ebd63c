#include "runtime/sys/testing/temp_dir.h"

#include <stdio.h>
#include <stdlib.h>

#include "gtest/gtest.h"
#include "runtime/sys/file.h"

namespace gantry::sys::testing {
namespace {

UniqueFd OpenOrDie(const std::string& path) {
  absl::StatusOr<UniqueFd> fd = OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) {
    fprintf(stderr, "%s\n", fd.status().ToString().c_str());
    abort();
  }
  return *std::move(fd);
}

}  // namespace

TempDir::TempDir() {
  const char* base = getenv("TEST_TMPDIR");
  const std::string parent = base == nullptr ? "/tmp" : base;
  path_ = parent + "/gantry-test-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) {
    perror(path_.c_str());
    abort();
  }
  parent_ = OpenOrDie(parent);
  fd_ = OpenOrDie(path_);
}

TempDir::~TempDir() {
  fd_.Reset();
  const std::string name = path_.substr(path_.rfind('/') + 1);
  const absl::Status removed = RemoveTreeAt(parent_.get(), name);
  EXPECT_TRUE(removed.ok()) << removed;
}

}  // namespace gantry::sys::testing
