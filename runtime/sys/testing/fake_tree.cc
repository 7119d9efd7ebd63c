#include "runtime/sys/testing/fake_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <utility>

#include "runtime/sys/file.h"

namespace gantry::sys::testing {
namespace {

void DieUnlessOk(const absl::Status& status) {
  if (status.ok()) return;
  fprintf(stderr, "fake tree: %s\n", status.ToString().c_str());
  abort();
}

template <typename T>
T ValueOrDie(absl::StatusOr<T> value) {
  DieUnlessOk(value.status());
  return *std::move(value);
}

void MakeParent(int dirfd, absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return;
  DieUnlessOk(MkdirAllAt(dirfd, path.substr(0, slash), 0755));
}

void Make(int dirfd, const FakeNode& node) {
  MakeParent(dirfd, node.name);
  switch (node.kind) {
    case FakeNode::Kind::kFile: {
      UniqueFd fd = ValueOrDie(OpenAt(
          dirfd, node.name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
      DieUnlessOk(WriteAll(fd.get(), node.content));
      if (fchmod(fd.get(), node.mode) != 0) abort();
      return;
    }
    case FakeNode::Kind::kSymlink:
      DieUnlessOk(SymlinkAt(node.content, dirfd, node.name));
      return;
    case FakeNode::Kind::kDirectory: {
      DieUnlessOk(MkdirAllAt(dirfd, node.name, 0755));
      UniqueFd fd =
          ValueOrDie(OpenAt(dirfd, node.name, O_RDONLY | O_DIRECTORY));
      for (const FakeNode& child : node.children) Make(fd.get(), child);
      if (fchmod(fd.get(), node.mode) != 0) abort();
      return;
    }
  }
}

}  // namespace

FakeNode File(std::string name, std::string content, mode_t mode) {
  return {FakeNode::Kind::kFile, std::move(name), std::move(content), mode, {}};
}

FakeNode Dir(std::string name, std::vector<FakeNode> children, mode_t mode) {
  return {FakeNode::Kind::kDirectory, std::move(name), "", mode,
          std::move(children)};
}

FakeNode Symlink(std::string name, std::string target) {
  return {FakeNode::Kind::kSymlink, std::move(name), std::move(target), 0, {}};
}

FakeTree::FakeTree(const std::vector<FakeNode>& nodes) { Add(nodes); }

void FakeTree::Add(const std::vector<FakeNode>& nodes) {
  for (const FakeNode& node : nodes) Make(fd(), node);
}

void FakeTree::Write(absl::string_view path, absl::string_view content) {
  Make(fd(), File(std::string(path), std::string(content)));
}

std::string FakeTree::Read(absl::string_view path) const {
  return ValueOrDie(ReadFileAt(fd(), path, 64 << 20));
}

bool FakeTree::Exists(absl::string_view path) const {
  return ExistsAt(fd(), path);
}

}  // namespace gantry::sys::testing
