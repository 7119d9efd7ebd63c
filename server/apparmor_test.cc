#include "server/apparmor.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr char kEnabled[] = "sys/module/apparmor/parameters/enabled";
constexpr char kProfiles[] = "sys/kernel/security/apparmor/profiles";

// A program in the place of apparmor_parser; its path.
std::string Parser(sys::testing::FakeTree& tree, const std::string& script) {
  tree.Write("parser", "#!/bin/sh\n" + script);
  EXPECT_EQ(fchmodat(tree.fd(), "parser", 0700, 0), 0);
  return tree.path() + "/parser";
}

TEST(HasAppArmor, SaysWhatTheModuleSays) {
  sys::testing::FakeTree tree;
  EXPECT_FALSE(HasAppArmor(tree.fd()));
  tree.Write(kEnabled, "N\n");
  EXPECT_FALSE(HasAppArmor(tree.fd()));
  tree.Write(kEnabled, "Y\n");
  EXPECT_TRUE(HasAppArmor(tree.fd()));
}

TEST(HasAppArmorProfile, LooksForTheWholeName) {
  sys::testing::FakeTree tree;
  EXPECT_FALSE(HasAppArmorProfile(tree.fd(), "strict"));
  tree.Write(kProfiles, "strict-old (enforce)\n//strict (x)\na (b) (kill)\n");
  EXPECT_FALSE(HasAppArmorProfile(tree.fd(), "strict"));
  EXPECT_FALSE(HasAppArmorProfile(tree.fd(), ""));
  EXPECT_TRUE(HasAppArmorProfile(tree.fd(), "a (b)"));
  tree.Write(kProfiles, "man (enforce)\nstrict (complain)\n");
  EXPECT_TRUE(HasAppArmorProfile(tree.fd(), "strict"));
}

TEST(EnsureAppArmorDefault, RunsNothingWhereNothingIsMissing) {
  sys::testing::FakeTree tree;
  EXPECT_OK(EnsureAppArmorDefault(tree.fd(), {"/bin/false"}));
  tree.Write(kEnabled, "Y\n");
  tree.Write(kProfiles, "gantry-default (enforce)\n");
  EXPECT_OK(EnsureAppArmorDefault(tree.fd(), {"/bin/false"}));
}

TEST(EnsureAppArmorDefault, GivesTheProfileToTheParser) {
  sys::testing::FakeTree tree;
  tree.Write(kEnabled, "Y\n");
  const std::string parser =
      Parser(tree, "echo \"$*\" >${0%/*}/said; cat >>${0%/*}/said\n");
  ASSERT_OK(EnsureAppArmorDefault(tree.fd(), {"/none/parser", parser}));
  ASSERT_OK_AND_ASSIGN(const std::string said,
                       sys::ReadFileAt(tree.fd(), "said"));
  EXPECT_THAT(said, AllOf(HasSubstr("--replace"),
                          HasSubstr("\nprofile gantry-default flags="),
                          HasSubstr("deny mount,")));
}

TEST(EnsureAppArmorDefault, TellsWhatTheParserSaid) {
  sys::testing::FakeTree tree;
  tree.Write(kEnabled, "Y\n");
  const std::string parser = Parser(tree, "echo no policy >&2; exit 3\n");
  EXPECT_THAT(
      EnsureAppArmorDefault(tree.fd(), {parser}),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr("gantry-default"), HasSubstr("3: no policy"))));
  EXPECT_THAT(EnsureAppArmorDefault(tree.fd(), {"/none/parser"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/none/parser")));
}

}  // namespace
}  // namespace gantry::server
