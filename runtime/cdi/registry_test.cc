#include "runtime/cdi/registry.h"

#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::cdi {
namespace {

using ::gantry::testing::StatusIs;
using sys::testing::Dir;
using sys::testing::FakeTree;
using sys::testing::File;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A file of kind "v/c" whose device `name` sets DEVICE=`value`.
std::string SpecOf(const std::string& name, const std::string& value) {
  return absl::StrCat(
      R"({"cdiVersion": "0.6.0", "kind": "v/c", "containerEdits":
          {"env": ["FILE=)",
      value, R"("]}, "devices": [{"name": ")", name,
      R"(", "containerEdits": {"env": ["DEVICE=)", value, R"("]}}]})");
}

class Registry : public ::testing::Test {
 protected:
  absl::StatusOr<Edits> Get(const std::vector<std::string>& names) {
    return FindEdits({tree_.path() + "/etc", tree_.path() + "/run",
                      tree_.path() + "/missing"},
                     names);
  }
  FakeTree tree_{{Dir("etc"), Dir("run")}};
};

TEST_F(Registry, PutsTheEditsOfAFileOnceBeforeThoseOfItsDevices) {
  tree_.Add({File("etc/a.json",
                  R"({"cdiVersion": "0.6.0", "kind": "v/c", "containerEdits":
                      {"env": ["FILE=1"]}, "devices": [
                      {"name": "x", "containerEdits": {"env": ["X=1"]}},
                      {"name": "y", "containerEdits": {"env": ["Y=1"]}}]})"),
             File("run/b.yaml",
                  "cdiVersion: 0.6.0\nkind: w/c\ndevices:\n- name: z\n"
                  "  containerEdits:\n    env: [Z=1]\n"),
             File("run/ignored.txt", "x"), Dir("run/directory.json.d")});
  ASSERT_OK_AND_ASSIGN(Edits edits, Get({"v/c=y", "w/c=z", "v/c=x", "v/c=y"}));
  EXPECT_THAT(edits.env, ElementsAre("FILE=1", "Y=1", "Z=1", "X=1"));
}

TEST_F(Registry, ALaterDirectoryWins) {
  tree_.Add({File("etc/a.json", SpecOf("x", "etc")),
             File("run/a.json", SpecOf("x", "run"))});
  ASSERT_OK_AND_ASSIGN(Edits edits, Get({"v/c=x"}));
  EXPECT_THAT(edits.env, ElementsAre("FILE=run", "DEVICE=run"));
}

TEST_F(Registry, TwoInOneDirectoryAreInConflict) {
  tree_.Add({File("etc/a.json", SpecOf("x", "a")),
             File("etc/b.json", SpecOf("x", "b"))});
  EXPECT_THAT(Get({"v/c=x"}), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       AllOf(HasSubstr("/etc/a.json and "),
                                             HasSubstr("/etc/b.json"))));
  // Unless one of higher rank settles it.
  tree_.Add({File("run/c.json", SpecOf("x", "c"))});
  ASSERT_OK_AND_ASSIGN(Edits edits, Get({"v/c=x"}));
  EXPECT_THAT(edits.env, ElementsAre("FILE=c", "DEVICE=c"));
}

TEST_F(Registry, AnUnknownDeviceIsSaidWithTheFilesThatAreOfNoUse) {
  tree_.Add({File("etc/bad.json", "{"), File("etc/a.json", SpecOf("x", "a")),
             Dir("etc/dir.json")});
  ASSERT_EQ(mkfifo((tree_.path() + "/run/fifo.yaml").c_str(), 0600), 0);
  ASSERT_OK_AND_ASSIGN(Edits edits, Get({"v/c=x"}));
  EXPECT_EQ(edits.env.size(), 2);
  EXPECT_THAT(
      Get({"v/c=x", "v/c=none"}),
      StatusIs(absl::StatusCode::kNotFound,
               AllOf(HasSubstr("describes v/c=none"),
                     HasSubstr("/etc/bad.json"), HasSubstr("/run/fifo.yaml"))));
  EXPECT_THAT(Get({"nonsense"}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(Registry, ADeviceThatWantsMoreThanWeDoIsRefused) {
  tree_.Add({File("etc/a.json",
                  R"({"cdiVersion": "0.6.0", "kind": "v/c", "devices": [
                      {"name": "x", "containerEdits": {"hooks": [
                       {"hookName": "createContainer", "path": "/bin/h"}]}},
                      {"name": "y", "containerEdits": {"env": ["Y=1"]}}]})")});
  EXPECT_THAT(Get({"v/c=x"}),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("createContainer hook /bin/h")));
  ASSERT_OK_AND_ASSIGN(Edits edits, Get({"v/c=y"}));
  EXPECT_THAT(edits.env, ElementsAre("Y=1"));
}

}  // namespace
}  // namespace gantry::cdi
