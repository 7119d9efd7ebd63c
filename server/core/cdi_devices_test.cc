#include "server/core/cdi_devices.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::core {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ApplyCdiEdits, EverythingFindsItsPlace) {
  cdi::Edits edits;
  edits.env = {"A=1"};
  edits.additional_gids = {44, 45};
  edits.device_nodes = {{.path = "/dev/a"},
                        {.path = "/dev/b",
                         .host_path = "/dev/host_b",
                         .type = "c",
                         .major = 195,
                         .minor = 0,
                         .file_mode = 0600,
                         .permissions = "r",
                         .uid = 0,
                         .gid = 7}};
  edits.mounts = {{.host_path = "/lib/x",
                   .container_path = "/lib/y",
                   .type = "bind",
                   .options = {"ro", "nosuid", "nodev", "rbind", "rslave"}}};
  spec::ContainerSpec spec;
  spec.mutable_process()->mutable_user()->set_user("1000:1001");
  ASSERT_OK(ApplyCdiEdits(edits, spec));
  EXPECT_THAT(spec.process().env(), ElementsAre("A=1"));
  EXPECT_THAT(spec.process().user().supplemental_gids(), ElementsAre(44, 45));
  ASSERT_EQ(spec.devices_size(), 2);
  EXPECT_EQ(spec.devices(0).host_path(), "/dev/a");
  EXPECT_EQ(spec.devices(0).container_path(), "/dev/a");
  EXPECT_EQ(spec.devices(0).permissions(), "rwm");
  EXPECT_EQ(spec.devices(0).type(), "");
  EXPECT_FALSE(spec.devices(0).has_mode());
  EXPECT_EQ(spec.devices(0).uid(), 1000u);
  EXPECT_EQ(spec.devices(0).gid(), 1001u);
  EXPECT_EQ(spec.devices(1).host_path(), "/dev/host_b");
  EXPECT_EQ(spec.devices(1).type(), "c");
  EXPECT_EQ(spec.devices(1).major(), 195u);
  EXPECT_EQ(spec.devices(1).mode(), 0600u);
  EXPECT_TRUE(spec.devices(1).has_uid());
  EXPECT_EQ(spec.devices(1).uid(), 0u);
  EXPECT_EQ(spec.devices(1).gid(), 7u);
  ASSERT_EQ(spec.mounts_size(), 1);
  EXPECT_TRUE(spec.mounts(0).read_only());
  EXPECT_EQ(spec.mounts(0).propagation(), spec::HOST_TO_CONTAINER);
  EXPECT_THAT(spec.mounts(0).options(), ElementsAre("nosuid", "nodev"));
}

TEST(ApplyCdiEdits, ANamedUserOwnsNoDevice) {
  cdi::Edits edits;
  edits.device_nodes = {{.path = "/dev/a"}};
  for (const char* user : {"", "app", "0:0", "app:0"}) {
    spec::ContainerSpec spec;
    spec.mutable_process()->mutable_user()->set_user(user);
    ASSERT_OK(ApplyCdiEdits(edits, spec));
    EXPECT_FALSE(spec.devices(0).has_uid()) << user;
    EXPECT_FALSE(spec.devices(0).has_gid()) << user;
  }
}

TEST(ApplyCdiEdits, WhatCannotBeMountedIsSaid) {
  cdi::Edits edits;
  edits.mounts = {{.host_path = "/a", .container_path = "/b", .type = "tmpfs"}};
  spec::ContainerSpec spec;
  EXPECT_THAT(ApplyCdiEdits(edits, spec),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("at /b: type \"tmpfs\"")));
  edits.mounts[0].type = "";
  edits.mounts[0].options = {"size=1"};
  EXPECT_THAT(ApplyCdiEdits(edits, spec),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("option \"size=1\" is not known")));
}

}  // namespace
}  // namespace gantry::core
