#include "runtime/net/cni/config.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::net::cni {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kList[] = R"({
  "cniVersion": "1.0.0", "cniVersions": ["0.4.0", "1.0.0", "1.1.0", "7.0.0"],
  "name": "podnet", "disableCheck": true, "disableGC": "true",
  "plugins": [
    {"type": "bridge", "bridge": "cni0", "ipam": {"type": "host-local"},
     "keyA": ["more", 1.5, {"x": null}]},
    {"type": "portmap",
     "capabilities": {"portMappings": true, "snat": false}}]})";

TEST(ParseNetworkConfig, ReadsAList) {
  ASSERT_OK_AND_ASSIGN(
      NetworkConfig config,
      ParseNetworkConfig(kList, ConfigKind::kList, "10-x.conflist"));
  EXPECT_EQ(config.name, "podnet");
  EXPECT_EQ(config.version, kVersion110);
  EXPECT_TRUE(config.disable_check);
  EXPECT_TRUE(config.disable_gc);
  EXPECT_TRUE(config.load_folder);
  ASSERT_EQ(config.plugins.size(), 2);
  EXPECT_EQ(config.plugins[0].type, "bridge");
  EXPECT_THAT(config.plugins[0].json.Dump(),
              HasSubstr(R"("keyA":["more",1.5,{"x":null}])"));
  EXPECT_THAT(config.plugins[1].capabilities, ElementsAre("portMappings"));
}

TEST(ParseNetworkConfig, ReadsOnePlugin) {
  ASSERT_OK_AND_ASSIGN(
      NetworkConfig config,
      ParseNetworkConfig(R"({"cniVersion": "0.3.1", "name": "n",
                             "type": "ptp", "mtu": 1400})",
                         ConfigKind::kPlugin, "n.conf"));
  EXPECT_EQ(config.version, (Version{0, 3, 1}));
  EXPECT_FALSE(config.load_folder);
  ASSERT_EQ(config.plugins.size(), 1);
  EXPECT_EQ(config.plugins[0].type, "ptp");
}

TEST(ParseNetworkConfig, WithoutAVersionItIsTheFirst) {
  ASSERT_OK_AND_ASSIGN(NetworkConfig config,
                       ParseNetworkConfig(R"({"name": "n", "type": "ptp"})",
                                          ConfigKind::kPlugin, "n.conf"));
  EXPECT_EQ(config.version, (Version{0, 1, 0}));
}

TEST(ParseNetworkConfig, IsTheSameReadBack) {
  ASSERT_OK_AND_ASSIGN(NetworkConfig config,
                       ParseNetworkConfig(kList, ConfigKind::kList, "f"));
  ASSERT_OK_AND_ASSIGN(
      NetworkConfig again,
      ParseNetworkConfig(ToJson(config), ConfigKind::kList, "f"));
  EXPECT_EQ(ToJson(again), ToJson(config));
  EXPECT_EQ(again.version, config.version);
  EXPECT_FALSE(again.load_folder);
  EXPECT_EQ(again.plugins[1].capabilities, config.plugins[1].capabilities);
}

TEST(ParseNetworkConfig, OfTwoKeysOfOneNameTheLastCounts) {
  ASSERT_OK_AND_ASSIGN(
      NetworkConfig config,
      ParseNetworkConfig(
          R"({"name": "a", "name": "b", "type": "../x", "type": "ptp"})",
          ConfigKind::kPlugin, "f"));
  EXPECT_EQ(config.name, "b");
  EXPECT_EQ(config.plugins[0].type, "ptp");
}

TEST(ParseNetworkConfig, WhatIsWrongIsNamedByFileAndPlace) {
  const std::string deep(1000, '[');
  const std::pair<std::string, const char*> kBad[] = {
      {"", "f: not valid JSON (line 1)"},
      {"{\n\"name\": \"x\",\n}", "f: not valid JSON (line 3)"},
      {"[]", "f: expected an object"},
      {R"({"name": 1})", "f: name: expected a string, found a number"},
      {R"({"plugins": []})", "f: has no name"},
      {R"({"name": "../x", "plugins": []})", "f: network name \"../x\""},
      {R"({"name": "n", "cniVersion": "3.0.0"})",
       "f: offers CNI version 3.0.0, none of which is spoken here"},
      {R"({"name": "n", "cniVersion": 1})", "f: cniVersion: expected a string"},
      {R"({"name": "n", "cniVersions": "1.0.0"})",
       "f: cniVersions: expected an array"},
      {R"({"name": "n", "type": "bridge"})", "name it .conf"},
      {R"({"name": "n", "loadOnlyInlinedPlugins": true})", "has no plugins"},
      {R"({"name": "n", "disableGC": "yes"})", "f: disableGC: expected true"},
      {R"({"name": "n", "plugins": {}})", "f: plugins: expected an array"},
      {R"({"name": "n", "plugins": [7]})", "f: plugins[0]: expected an object"},
      {R"({"name": "n", "plugins": [{"type": "a"}, {}]})",
       "f: plugins[1]: has no type"},
      {R"({"name": "n", "plugins": [{"type": "a/b"}]})",
       "f: plugins[0]: plugin type \"a/b\""},
      {R"({"name": "n", "plugins": [{"type": ".."}]})", "plugin type \"..\""},
      {R"({"name": "n", "plugins": [{"type": "a", "ipam": {"type": "/b"}}]})",
       "f: plugins[0]: ipam: plugin type \"/b\""},
      {R"({"name": "n", "plugins": [{"type": "a", "capabilities": {"x": 1}}]})",
       "f: plugins[0]: capabilities: x: expected a boolean"},
      {absl::StrCat(R"({"name": "n", "plugins": [{"type": "a", "x":)", deep),
       "nested deeper than 64"},
      {std::string(2 << 20, ' '), "bytes of JSON"},
  };
  for (const auto& [text, message] : kBad) {
    const absl::Status status =
        ParseNetworkConfig(text, ConfigKind::kList, "f").status();
    EXPECT_FALSE(status.ok()) << text.substr(0, 100);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message))
        << text.substr(0, 100);
  }
  EXPECT_THAT(ParseNetworkConfig(R"({"name": "n", "plugins": [{"type": "a"}]})",
                                 ConfigKind::kPlugin, "f.conf"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "f.conf: is a list of plugins: name it .conflist"));
}

TEST(ParseNetworkConfig, HasAnEndToPlugins) {
  std::string text = R"({"name": "n", "plugins": [)";
  for (int i = 0; i < 65; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ",", R"({"type": "a"})");
  }
  EXPECT_THAT(ParseNetworkConfig(text + "]}", ConfigKind::kList, "f"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("more than 64 plugins")));
}

}  // namespace
}  // namespace gantry::net::cni
