// A tree of files for code that reads kernel files through a root descriptor:
//
//   FakeTree proc({Dir("self", {File("mountinfo", kTable)}),
//                  File("uptime", "1.0 1.0\n"), Symlink("mounts", "x")});
//   Read(proc.fd());
//   EXPECT_EQ(proc.Read("self/oom_score_adj"), "5");

#ifndef GANTRY_RUNTIME_SYS_TESTING_FAKE_TREE_H_
#define GANTRY_RUNTIME_SYS_TESTING_FAKE_TREE_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::sys::testing {

struct FakeNode {
  enum class Kind { kFile, kDirectory, kSymlink };
  Kind kind;
  std::string name;
  std::string content;  // a symlink's target
  mode_t mode;
  std::vector<FakeNode> children;
};

// `name` may have several components ("a/b/c"): their parents are made.
FakeNode File(std::string name, std::string content = "", mode_t mode = 0644);
FakeNode Dir(std::string name, std::vector<FakeNode> children = {},
             mode_t mode = 0755);
FakeNode Symlink(std::string name, std::string target);

class FakeTree {
 public:
  // Dies if the tree cannot be made.
  explicit FakeTree(const std::vector<FakeNode>& nodes = {});

  int fd() const { return dir_.fd(); }
  const std::string& path() const { return dir_.path(); }

  // Adds to the tree; a file that is there gets the new content.
  void Add(const std::vector<FakeNode>& nodes);
  // Gives `path` the content, making file and parents as needed.
  void Write(absl::string_view path, absl::string_view content);
  // The content; dies if it cannot be read.
  std::string Read(absl::string_view path) const;
  bool Exists(absl::string_view path) const;

 private:
  TempDir dir_;
};

}  // namespace gantry::sys::testing

#endif  // GANTRY_RUNTIME_SYS_TESTING_FAKE_TREE_H_
