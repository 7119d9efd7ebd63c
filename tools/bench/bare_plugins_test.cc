#include "tools/bench/bare_plugins.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::bench {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

// Notes what it was asked, its input and whether it was given a network
// namespace that is not its own; fails at what the file "fail" beside it names.
constexpr char kPlugin[] = R"(#!/bin/sh
me=$(basename $0); dir=$(dirname $0)
echo "$CNI_COMMAND $me" >>$dir/log
cat >$dir/$me.$CNI_COMMAND
mine=$(readlink /proc/self/ns/net); given=$(readlink $CNI_NETNS)
case $given in "$mine"|"") echo "no namespace" >>$dir/log ;; esac
if grep -qs "$CNI_COMMAND $me" $dir/fail; then echo sorry; exit 3; fi
[ $CNI_COMMAND != ADD ] || echo "{\"by\":\"$me\"}"
)";

class BarePluginsTest : public ::testing::Test {
 protected:
  BarePluginsTest() {
    for (const char* name : {"one", "two"}) {
      tree_.Add({sys::testing::File(name, kPlugin, 0755)});
    }
    Write(R"([{"type":"one","x":1,"capabilities":{"y":true}},{"type":"two"}])");
  }
  void Write(const std::string& plugins) {
    tree_.Write(
        "net.conflist",
        R"({"cniVersion":"1.0.0","name":"n","plugins":)" + plugins + "}");
  }
  absl::StatusOr<std::unique_ptr<BarePlugins>> Make() {
    return BarePlugins::Make(tree_.path() + "/net.conflist", tree_.path());
  }

  sys::testing::FakeTree tree_;
};

TEST_F(BarePluginsTest, AreAskedAsARuntimeWould) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<BarePlugins> plugins, Make());
  EXPECT_EQ(plugins->Description(), "one, two");
  ASSERT_OK_AND_ASSIGN(PluginCosts costs, plugins->Measure());
  EXPECT_GT(costs.add, 0);
  EXPECT_GT(costs.del, 0);
  EXPECT_EQ(tree_.Read("log"), "ADD one\nADD two\nDEL two\nDEL one\n");
  EXPECT_EQ(tree_.Read("one.ADD"),
            R"({"cniVersion":"1.0.0","name":"n","type":"one","x":1})");
  EXPECT_THAT(tree_.Read("two.ADD"), HasSubstr(R"("prevResult":{"by":"one"})"));
  EXPECT_THAT(tree_.Read("one.DEL"), HasSubstr(R"("prevResult":{"by":"two"})"));
}

TEST_F(BarePluginsTest, WhatFailsIsTakenBackAndTold) {
  tree_.Write("fail", "ADD one");
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<BarePlugins> plugins, Make());
  EXPECT_THAT(plugins->Measure(),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("ADD by plugin one ended with 3: sorry")));
  EXPECT_EQ(tree_.Read("log"), "ADD one\nDEL one\n");
}

TEST_F(BarePluginsTest, AConfigurationThatIsNoneIsTold) {
  Write("[]");
  EXPECT_THAT(Make(), StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("has no plugins")));
  tree_.Write("net.conflist", "{");
  EXPECT_THAT(Make(), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace gantry::bench
