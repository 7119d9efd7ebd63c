// A layer directory beside a marker that no layer may change. Needs root.

#ifndef GANTRY_RUNTIME_IMAGE_TESTING_UNPACKER_CASE_H_
#define GANTRY_RUNTIME_IMAGE_TESTING_UNPACKER_CASE_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/unpacker.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::image {

class UnpackerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(sys::MkdirAt(dir_.fd(), "layer", 0755));
    auto layer = sys::OpenAt(dir_.fd(), "layer", O_RDONLY | O_DIRECTORY);
    ASSERT_OK(layer);
    layer_ = *std::move(layer);
    ASSERT_OK(sys::MkdirAt(dir_.fd(), "outside", 0700));
    auto marker = sys::OpenAt(dir_.fd(), "outside/marker",
                              O_WRONLY | O_CREAT | O_EXCL, 0600);
    ASSERT_OK(marker);
    ASSERT_OK(sys::WriteAll(marker->get(), "untouched"));
  }

  void TearDown() override {
    auto marker = sys::ReadFileAt(dir_.fd(), "outside/marker");
    ASSERT_OK(marker);
    EXPECT_EQ(*marker, "untouched");
    EXPECT_EQ(Stat("../outside/marker").st_mode, mode_t{S_IFREG | 0600});
    EXPECT_EQ(Stat("../outside/marker").st_nlink, 1u);
    auto names = sys::ListDirAt(dir_.fd(), ".");
    ASSERT_OK(names);
    EXPECT_EQ(names->size(), 2u);
    names = sys::ListDirAt(dir_.fd(), "outside");
    ASSERT_OK(names);
    EXPECT_EQ(names->size(), 1u);
  }

  absl::StatusOr<UnpackResult> Unpack(const std::string& tar,
                                      const UnpackLimits& limits = {}) {
    StringSource source(tar, 5000);
    return UnpackLayer(&source, layer_.get(), {.limits = limits});
  }

  struct stat Stat(absl::string_view path) {
    absl::StatusOr<struct stat> node =
        sys::StatAt(layer_.get(), path, AT_SYMLINK_NOFOLLOW);
    return node.ok() ? *node : (struct stat){};
  }
  std::string Content(absl::string_view path) {
    absl::StatusOr<std::string> data = sys::ReadFileAt(layer_.get(), path);
    return data.ok() ? *data : std::string(data.status().message());
  }
  std::string Xattr(const std::string& path, const char* key) {
    char value[200];
    const ssize_t n = lgetxattr((dir_.path() + "/layer/" + path).c_str(), key,
                                value, sizeof(value));
    return n < 0 ? "none" : std::string(value, n);
  }
  bool IsOpaque(const std::string& path) {
    return Xattr(path, "trusted.overlay.opaque") == "y";
  }
  bool IsWhiteout(absl::string_view path) {
    struct stat node = Stat(path);
    return S_ISCHR(node.st_mode) && node.st_rdev == makedev(0, 0);
  }
  std::string Outside() { return dir_.path() + "/outside"; }

  sys::testing::TempDir dir_;
  UniqueFd layer_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_TESTING_UNPACKER_CASE_H_
