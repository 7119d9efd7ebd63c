// A cgroup file system in a temporary directory, for hermetic tests.
//
// Ownership: removes its directory. Thread safety: none.

#ifndef GANTRY_RUNTIME_CGROUP_TESTING_FAKE_CGROUPFS_H_
#define GANTRY_RUNTIME_CGROUP_TESTING_FAKE_CGROUPFS_H_

#include <fcntl.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup::testing {

class FakeCgroupfs {
 public:
  // Paths below the root, with their content.
  using Files = std::initializer_list<std::pair<const char*, std::string>>;
  explicit FakeCgroupfs(Files files = {}) {
    std::string name = ::testing::TempDir() + "/cgroupfs.XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
    fd_ = sys::OpenAt(AT_FDCWD, name, O_RDONLY | O_DIRECTORY).value();
    for (const auto& [file, content] : files) Put(file, content);
  }
  ~FakeCgroupfs() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  FakeCgroupfs(const FakeCgroupfs&) = delete;
  FakeCgroupfs& operator=(const FakeCgroupfs&) = delete;

  int fd() const { return fd_.get(); }

  void Put(const std::string& file, const std::string& content) {
    const std::filesystem::path full = path_ / file;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << content;
  }
  // A directory, which no one can write to as a file: EISDIR.
  void PutBroken(const std::string& file) {
    std::filesystem::create_directories(path_ / file);
  }
  // With all below it.
  void Remove(const std::string& directory) {
    std::filesystem::remove_all(path_ / directory);
  }
  std::string Get(const std::string& file) const {
    std::ifstream in(path_ / file);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  bool Has(const std::string& file) const {
    return std::filesystem::exists(path_ / file);
  }

  // Opens v1 hierarchies (one per controller, each below its name) and, if
  // `unified` isn't null, cgroup2 below "unified".
  Hierarchies Open(const std::vector<std::string>& v1,
                   const std::vector<std::string>* unified) {
    Layout layout;
    for (const std::string& name : v1) {
      std::filesystem::create_directories(path_ / name);
      layout.hierarchies.push_back({Version::kV1, "/" + name, "/", {name}});
    }
    if (unified != nullptr) {
      std::filesystem::create_directories(path_ / "unified");
      layout.hierarchies.push_back({Version::kV2, "/unified", "/", *unified});
    }
    return Hierarchies::Open(layout, fd()).value();
  }

 private:
  std::filesystem::path path_;
  UniqueFd fd_;
};

}  // namespace gantry::cgroup::testing

#endif  // GANTRY_RUNTIME_CGROUP_TESTING_FAKE_CGROUPFS_H_
