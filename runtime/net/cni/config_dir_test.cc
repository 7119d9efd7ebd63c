#include "runtime/net/cni/config_dir.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::net::cni {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string ListOf(const std::string& name, const std::string& type = "ptp") {
  return absl::StrCat(R"({"cniVersion": "1.0.0", "name": ")", name,
                      R"(", "plugins": [{"type": ")", type, R"("}]})");
}

class ConfigDirTest : public ::testing::Test {
 protected:
  std::string Name(ConfigDir& configs) {
    auto loaded = configs.Load();
    return loaded.ok() ? (*loaded)->config.name
                       : std::string(loaded.status().message());
  }

  sys::testing::FakeTree tree_;
  ConfigDir configs_{tree_.path(), ""};
};

TEST_F(ConfigDirTest, TheFirstFileByNameCounts) {
  tree_.Write("20-b.conflist", ListOf("b"));
  EXPECT_EQ(Name(configs_), "b");
  tree_.Write("10-a.conf",
              R"({"cniVersion": "1.0.0", "name": "a", "type": "ptp"})");
  EXPECT_EQ(Name(configs_), "a");
  tree_.Write("05-no.txt", ListOf("no"));
  tree_.Write(".10-hidden.swp", ListOf("no"));
  EXPECT_EQ(Name(configs_), "a");
  tree_.Write("00-z.json", R"({"name": "z", "type": "ptp"})");
  EXPECT_EQ(Name(configs_), "z");
}

TEST_F(ConfigDirTest, ChangesAreNoticed) {
  EXPECT_FALSE(configs_.HasAny());
  EXPECT_THAT(configs_.Load(), StatusIs(absl::StatusCode::kNotFound,
                                        HasSubstr("no network configuration")));
  tree_.Write("a.conflist", ListOf("one"));
  EXPECT_TRUE(configs_.HasAny());
  EXPECT_EQ(Name(configs_), "one");
  tree_.Write("a.conflist", ListOf("another"));
  EXPECT_EQ(Name(configs_), "another");
  ASSERT_EQ(::unlink((tree_.path() + "/a.conflist").c_str()), 0);
  EXPECT_THAT(configs_.Load(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ConfigDirTest, WhatHasNotChangedIsNotReadAgain) {
  tree_.Write("a.conflist", ListOf("one"));
  ASSERT_OK_AND_ASSIGN(auto first, configs_.Load());
  ASSERT_OK_AND_ASSIGN(auto second, configs_.Load());
  EXPECT_EQ(first, second);
}

TEST_F(ConfigDirTest, AMissingDirectoryHasNone) {
  ConfigDir none(tree_.path() + "/missing", "");
  EXPECT_FALSE(none.HasAny());
  EXPECT_THAT(none.Load(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/missing")));
}

TEST_F(ConfigDirTest, ABrokenFirstFileIsTheAnswer) {
  tree_.Write("20-b.conflist", ListOf("b"));
  tree_.Write("10-a.conflist", "{\n\n\"name\" \"a\"}");
  EXPECT_TRUE(configs_.HasAny());
  EXPECT_THAT(configs_.Load(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("/10-a.conflist: not valid JSON"),
                             HasSubstr("line 3"))));
  tree_.Write("10-a.conflist", R"({"name": "a", "plugins": []})");
  EXPECT_THAT(configs_.Load(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/10-a.conflist: has no plugins")));
  // Neither a FIFO nor what is no file is waited for.
  ASSERT_EQ(::unlink((tree_.path() + "/10-a.conflist").c_str()), 0);
  ASSERT_EQ(::mkfifo((tree_.path() + "/10-a.conflist").c_str(), 0600), 0);
  EXPECT_THAT(configs_.Load(), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("no regular file")));
}

TEST_F(ConfigDirTest, ANetworkIsFoundByItsName) {
  ConfigDir named(tree_.path(), "wanted");
  tree_.Write("10-broken.conflist", "{");
  tree_.Write("20-other.conflist", ListOf("other"));
  EXPECT_THAT(named.Load(),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("\"wanted\""),
                             HasSubstr("10-broken.conflist: not valid"))));
  tree_.Write("30-wanted.conflist", ListOf("wanted", "first"));
  tree_.Write("40-wanted.conflist", ListOf("wanted", "second"));
  ASSERT_OK_AND_ASSIGN(auto loaded, named.Load());
  EXPECT_EQ(loaded->config.plugins[0].type, "first");
}

TEST_F(ConfigDirTest, TheNetworksFolderAddsPlugins) {
  tree_.Write("a.conflist", ListOf("net"));
  ASSERT_OK_AND_ASSIGN(auto loaded, configs_.Load());
  EXPECT_EQ(loaded->config.plugins.size(), 1);
  tree_.Write("net/10.conf", R"({"type": "one"})");
  tree_.Write("net/20.conf", R"({"type": "two"})");
  tree_.Write("net/30.txt", R"({"type": "three"})");
  ASSERT_OK_AND_ASSIGN(loaded, configs_.Load());
  ASSERT_EQ(loaded->config.plugins.size(), 3);
  EXPECT_EQ(loaded->config.plugins[2].type, "two");
  tree_.Write("net/20.conf", R"({"type": "a/b"})");
  EXPECT_THAT(configs_.Load(), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("net/20.conf: plugin type")));
  tree_.Write("a.conflist",
              R"({"name": "net", "loadOnlyInlinedPlugins": true,
                  "plugins": [{"type": "ptp"}]})");
  ASSERT_OK_AND_ASSIGN(loaded, configs_.Load());
  EXPECT_EQ(loaded->config.plugins.size(), 1);
}

}  // namespace
}  // namespace gantry::net::cni
