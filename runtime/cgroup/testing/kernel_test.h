// What the kernel tests of cgroups have in common. They need root, work below
// /gantry-test-PID in the machine's own hierarchies and remove that, whatever
// happens.

#ifndef GANTRY_RUNTIME_CGROUP_TESTING_KERNEL_TEST_H_
#define GANTRY_RUNTIME_CGROUP_TESTING_KERNEL_TEST_H_

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/detect.h"
#include "runtime/sys/clone.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup::testing {

inline constexpr std::chrono::milliseconds kPatience(3000);

// A child that waits for a word, then runs `body` and exits with its result.
class Child {
 public:
  explicit Child(std::function<int()> body, int cgroup_fd = -1) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const auto pid = sys::Clone3({.cgroup_fd = cgroup_fd});
    EXPECT_OK(pid);
    pid_ = pid.value_or(-1);
    if (pid_ == 0) {
      char word;
      close(ends[1]);
      if (read(ends[0], &word, 1) != 1) _exit(99);
      _exit(body());
    }
    close(ends[0]);
    go_ = UniqueFd(ends[1]);
  }
  ~Child() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }
  void Go() { EXPECT_EQ(write(go_.get(), "g", 1), 1); }
  // The wait status.
  int Wait() {
    int status = -1;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  UniqueFd go_;
};

inline int SleepForever() {
  for (;;) pause();
}

class KernelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(geteuid(), 0) << "needs root";
    ASSERT_OK_AND_ASSIGN(UniqueFd root,
                         sys::OpenAt(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY));
    ASSERT_OK_AND_ASSIGN(Layout layout, DetectLayout(root.get()));
    ASSERT_OK_AND_ASSIGN(Hierarchies opened,
                         Hierarchies::Open(std::move(layout)));
    hierarchies_.emplace(std::move(opened));
    before_ = Listing();
    if (const auto unified = hierarchies_->unified()) {
      subtree_before_ = Read(*unified, "cgroup.subtree_control");
    }
    top_ = "gantry-test-" + std::to_string(getpid());
  }

  void TearDown() override {
    if (!hierarchies_.has_value()) return;
    const Manager top = Make("");
    EXPECT_OK(top.Kill());
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    EXPECT_OK(top.Remove(kPatience));
    EXPECT_EQ(Listing(), before_) << "a cgroup is left behind";
    RestoreSubtreeControl();
  }

  // Controllers that Create enabled at the real root go off again.
  void RestoreSubtreeControl() {
    const auto unified = hierarchies_->unified();
    if (!unified.has_value()) return;
    for (const std::string& name : (*hierarchies_)[*unified].controllers) {
      if (subtree_before_.find(name) != std::string::npos) continue;
      EXPECT_OK(sys::WriteFileAt(hierarchies_->fd(*unified),
                                 "cgroup.subtree_control", "-" + name));
    }
  }

  // The cgroups at the root of every hierarchy.
  std::set<std::string> Listing() const {
    std::set<std::string> names;
    for (size_t i = 0; i < hierarchies_->size(); ++i) {
      const auto entries = sys::ListDirAt(hierarchies_->fd(i), ".");
      EXPECT_OK(entries);
      for (const sys::DirEntry& entry : *entries) {
        names.insert((*hierarchies_)[i].mount_path + "/" + entry.name);
      }
    }
    return names;
  }

  std::string Read(size_t hierarchy, const std::string& file) const {
    return sys::ReadFileAt(hierarchies_->fd(hierarchy), file).value_or("");
  }

  Manager Make(const std::string& name) const {
    return Manager::For(*hierarchies_, name.empty() ? top_ : top_ + "/" + name)
        .value();
  }
  Manager Created(const std::string& name) const {
    Manager manager = Make(name);
    EXPECT_OK(manager.Create());
    return manager;
  }

  std::optional<Hierarchies> hierarchies_;
  std::set<std::string> before_;
  std::string subtree_before_;
  std::string top_;
};

}  // namespace gantry::cgroup::testing

#endif  // GANTRY_RUNTIME_CGROUP_TESTING_KERNEL_TEST_H_
