#include "runtime/cdi/spec.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cdi {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

constexpr char kYaml[] = R"(---
cdiVersion: "0.7.0"
kind: vendor.com/gpu
containerEdits:
  env:
  - VENDOR_DRIVER=1.2
  mounts:
  - hostPath: /usr/lib/libvendor.so
    containerPath: /usr/lib/libvendor.so
    options: [ro, nosuid, nodev, bind]
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/vendor0
      hostPath: /dev/host0
      type: c
      major: 195
      minor: 0x10
      fileMode: 0660
      permissions: rw
      uid: 0
      gid: 44
    additionalGids: [44, 0]
- name: all
  annotations: {note: every one}
  containerEdits:
    deviceNodes:
    - path: /dev/vendor0
)";

constexpr char kJson[] = R"({"cdiVersion": "0.3.0", "kind": "v.org/net",
  "devices": [{"name": "a", "containerEdits": {"env": ["A=b"],
    "deviceNodes": [{"path": "/dev/a", "major": 5, "fileMode": 432}]}}]})";

TEST(ParseSpec, ReadsYaml) {
  ASSERT_OK_AND_ASSIGN(Spec spec, ParseSpec(kYaml, Format::kYaml, "f.yaml"));
  EXPECT_EQ(spec.kind, "vendor.com/gpu");
  EXPECT_THAT(spec.edits.env, ElementsAre("VENDOR_DRIVER=1.2"));
  ASSERT_EQ(spec.edits.mounts.size(), 1);
  EXPECT_THAT(spec.edits.mounts[0].options,
              ElementsAre("ro", "nosuid", "nodev", "bind"));
  ASSERT_EQ(spec.devices.size(), 2);
  EXPECT_EQ(spec.devices[0].name, "0");
  const Edits& edits = spec.devices[0].edits;
  ASSERT_EQ(edits.device_nodes.size(), 1);
  const DeviceNode& node = edits.device_nodes[0];
  EXPECT_EQ(node.path, "/dev/vendor0");
  EXPECT_EQ(node.host_path, "/dev/host0");
  EXPECT_EQ(node.type, "c");
  EXPECT_EQ(node.major, 195);
  EXPECT_EQ(node.minor, 16);
  EXPECT_EQ(node.file_mode, 0660u);
  EXPECT_EQ(node.permissions, "rw");
  EXPECT_EQ(node.uid, 0u);
  EXPECT_EQ(node.gid, 44u);
  EXPECT_THAT(edits.additional_gids, ElementsAre(44u));
  EXPECT_FALSE(spec.devices[1].edits.device_nodes[0].major.has_value());
}

TEST(ParseSpec, ReadsJson) {
  ASSERT_OK_AND_ASSIGN(Spec spec, ParseSpec(kJson, Format::kJson, "f.json"));
  EXPECT_EQ(spec.devices[0].edits.device_nodes[0].major, 5);
  EXPECT_EQ(spec.devices[0].edits.device_nodes[0].file_mode, 0660u);
}

struct BadSpec {
  const char* from;
  const char* to;
  const char* error;
};

TEST(ParseSpec, NamesFileAndFieldOfWhatIsWrong) {
  const BadSpec kCases[] = {
      {"\"0.3.0\"", "\"2.0.0\"", "cdiVersion: \"2.0.0\" is none of 0.3.0"},
      {"\"0.3.0\"", "3", "f.json: cdiVersion"},
      {"v.org/net", "v.org", "kind: is no vendor/class"},
      {"v.org/net", "../net", "kind: is no vendor/class"},
      {"v.org/net", "v.org/n.t", "needs cdiVersion 0.6.0"},
      {"\"name\": \"a\"", "\"name\": \"0\"", "needs cdiVersion 0.5.0"},
      {"\"name\": \"a\"", "\"name\": \"a/b\"", "devices[0]"},
      {"\"name\": \"a\"", "\"nome\": \"a\"", "unknown field \"nome\""},
      {"A=b", "A", "env: expected NAME=value"},
      {"\"major\": 5", "\"major\": \"5\"", "deviceNodes[0]: major"},
      {"\"major\": 5", "\"major\": -1", "deviceNodes[0]: major: is out of"},
      {"\"major\": 5", "\"type\": \"x\"", "deviceNodes[0]: type: is none"},
      {"\"major\": 5", "\"permissions\": \"rwx\"", "permissions: are not of"},
      {"\"major\": 5", "\"uid\": 2147483648", "uid: is out of range"},
      {"\"major\": 5", "\"hostPath\": \"/dev/b\"", "needs cdiVersion 0.5.0"},
      {"/dev/a", "dev/a", "path: is no absolute path"},
      {"\"env\": [\"A=b\"]", "\"additionalGids\": [1]", "needs cdiVersion"},
      {"\"env\": [\"A=b\"]", "\"mounts\": [{\"hostPath\": \"/a\"}]",
       "mounts[0]: containerPath: is no absolute path"},
      {"\"env\": [\"A=b\"]", "\"hooks\": [{\"hookName\": \"x\"}]",
       "hookName: is no hook"},
      {"\"devices\"", "\"annotations\": {\"a\": \"b\"}, \"devices\"",
       "annotations needs cdiVersion 0.6.0"},
  };
  for (const BadSpec& test : kCases) {
    const std::string text = absl::StrReplaceAll(kJson, {{test.from, test.to}});
    ASSERT_NE(text, kJson) << test.from;
    EXPECT_THAT(
        ParseSpec(text, Format::kJson, "f.json"),
        StatusIs(kInvalid, AllOf(HasSubstr("f.json"), HasSubstr(test.error))))
        << text;
  }
  EXPECT_THAT(ParseSpec("", Format::kYaml, "f"), StatusIs(kInvalid));
  EXPECT_THAT(ParseSpec("[]", Format::kJson, "f"), StatusIs(kInvalid));
}

TEST(ParseSpec, EmptyAndRepeatedDevicesAreErrors) {
  constexpr absl::string_view kHead =
      R"({"cdiVersion": "1.0.0", "kind": "v/c", "devices": [)";
  constexpr absl::string_view kDevice =
      R"({"name": "a", "containerEdits": {"env": ["A=b"]}})";
  EXPECT_THAT(ParseSpec(absl::StrCat(kHead, kDevice, "]}"), Format::kJson, "f"),
              IsOk());
  EXPECT_THAT(ParseSpec(absl::StrCat(kHead, kDevice, ",", kDevice, "]}"),
                        Format::kJson, "f"),
              StatusIs(kInvalid, HasSubstr("devices[1]: name: appears more")));
  EXPECT_THAT(ParseSpec(absl::StrCat(kHead, "]}"), Format::kJson, "f"),
              StatusIs(kInvalid, HasSubstr("devices: is empty")));
  EXPECT_THAT(
      ParseSpec(absl::StrCat(kHead, R"({"name":"a","containerEdits":{}}]})"),
                Format::kJson, "f"),
      StatusIs(kInvalid, HasSubstr("devices[0]: containerEdits: is empty")));
}

TEST(ParseSpec, WhatIsNotDoneIsRemembered) {
  constexpr absl::string_view kSpec =
      R"({"cdiVersion": "1.1.0", "kind": "v/c", "devices": [{"name": "a",
          "containerEdits": {$0}}]})";
  const struct {
    const char* edits;
    const char* unsupported;
  } kCases[] = {
      {R"("hooks": [{"hookName": "createContainer", "path": "/bin/x",
           "args": ["x", "y"]}])",
       "the createContainer hook /bin/x to be run"},
      {R"("intelRdt": {"closID": "x"})", "intelRdt"},
      {R"("netDevices": [{"hostInterfaceName": "eth9", "name": "eth0"}])",
       "netDevices"},
  };
  for (const auto& test : kCases) {
    ASSERT_OK_AND_ASSIGN(
        Spec spec, ParseSpec(absl::StrReplaceAll(kSpec, {{"$0", test.edits}}),
                             Format::kJson, "f"));
    EXPECT_EQ(spec.devices[0].edits.unsupported, test.unsupported);
  }
}

// What the parser says does not matter here; that it stays within its input
// does (run under AddressSanitizer).
TEST(ParseSpec, AnyCutAndAnyChangedByteIsSurvived) {
  for (const auto& [text, format] :
       {std::pair(std::string(kYaml), Format::kYaml),
        std::pair(std::string(kJson), Format::kJson)}) {
    int refused = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      refused += !ParseSpec(text.substr(0, i), format, "f").ok();
      for (const char c : {'\0', '\xff', '&', '*', '{', ':', '\n', '"'}) {
        std::string changed = text;
        changed[i] = c;
        refused += !ParseSpec(changed, format, "f").ok();
      }
    }
    EXPECT_GT(refused, 0);
  }
}

TEST(ParseQualifiedName, TakesVendorClassAndName) {
  ASSERT_OK_AND_ASSIGN(QualifiedName name,
                       ParseQualifiedName("vendor.com/gpu=gpu0:1"));
  EXPECT_EQ(name.kind, "vendor.com/gpu");
  EXPECT_EQ(name.device, "gpu0:1");
  EXPECT_THAT(ParseQualifiedName("nvidia.com/gpu=0"), IsOk());
  for (const char* bad :
       {"", "=", "/=", "v/c", "v/c=", "/c=a", "v/=a", "v=a", "1v/c=a", "v/1=a",
        "v/c/d=a", "v/c=a b", "v/c=../a", "v/c=a.", "v/c=a\n", "v-/c=a"}) {
    EXPECT_THAT(ParseQualifiedName(bad), StatusIs(kInvalid)) << bad;
  }
}

}  // namespace
}  // namespace gantry::cdi
