#include "server/cri/translate_mounts.h"

#include <cstdint>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cri {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::runtime::v1::ContainerConfig;
using ::runtime::v1::Mount;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

Mount& AddMount(ContainerConfig& config) {
  Mount& mount = *config.add_mounts();
  mount.set_host_path("/data");
  mount.set_container_path("/srv");
  return mount;
}

HostAbilities Host() {
  HostAbilities host;
  host.recursive_read_only = true;
  return host;
}

absl::StatusOr<spec::ContainerSpec> Translate(const ContainerConfig& config) {
  spec::ContainerSpec spec;
  absl::Status status = SetMounts(config, Host(), spec);
  if (!status.ok()) return status;
  return spec;
}

void AddIds(google::protobuf::RepeatedPtrField<runtime::v1::IDMapping>& ids,
            uint32_t host_id, uint32_t container_id, uint32_t length) {
  runtime::v1::IDMapping& mapping = *ids.Add();
  mapping.set_host_id(host_id);
  mapping.set_container_id(container_id);
  mapping.set_length(length);
}

TEST(SetMounts, IdMappingsAreTaken) {
  ContainerConfig config;
  Mount& mount = AddMount(config);
  AddIds(*mount.mutable_uidmappings(), 100000, 0, 65536);
  AddIds(*mount.mutable_gidmappings(), 200000, 1, 10);
  ASSERT_OK_AND_ASSIGN(spec::ContainerSpec spec, Translate(config));
  const spec::BindMount& to = spec.mounts(0);
  ASSERT_EQ(to.uid_mappings_size(), 1);
  EXPECT_EQ(to.uid_mappings(0).host_id(), 100000u);
  EXPECT_EQ(to.uid_mappings(0).container_id(), 0u);
  EXPECT_EQ(to.uid_mappings(0).length(), 65536u);
  ASSERT_EQ(to.gid_mappings_size(), 1);
  EXPECT_EQ(to.gid_mappings(0).host_id(), 200000u);
  EXPECT_EQ(to.gid_mappings(0).container_id(), 1u);
}

TEST(SetMounts, IdMappingsThatAreNoneAreNamed) {
  ContainerConfig config;
  Mount& mount = AddMount(config);
  AddIds(*mount.mutable_uidmappings(), 100000, 0, 65536);
  EXPECT_THAT(Translate(config),
              StatusIs(kInvalid, HasSubstr("config.mounts[0].gidMappings:")));
  AddIds(*mount.mutable_gidmappings(), 1, 0, 0xffffffff);
  EXPECT_THAT(
      Translate(config),
      StatusIs(kInvalid, HasSubstr("config.mounts[0].gidMappings[0]: is no "
                                   "range of ids")));
  mount.mutable_gidmappings(0)->set_length(1);
  mount.mutable_uidmappings(0)->set_length(0);
  EXPECT_THAT(Translate(config),
              StatusIs(kInvalid, HasSubstr("config.mounts[0].uidMappings[0]")));
}

TEST(SetMounts, OnlyPrivilegedContainersReachTheHostsMounts) {
  ContainerConfig config;
  AddMount(config).set_propagation(runtime::v1::PROPAGATION_BIDIRECTIONAL);
  EXPECT_THAT(Translate(config),
              StatusIs(kInvalid, HasSubstr("config.mounts[0].propagation: ")));
  config.mutable_linux()->mutable_security_context()->set_privileged(true);
  ASSERT_OK_AND_ASSIGN(spec::ContainerSpec spec, Translate(config));
  EXPECT_EQ(spec.mounts(0).propagation(), spec::BIDIRECTIONAL);
}

TEST(SetMounts, RecursiveReadOnlyNeedsItsCompanions) {
  ContainerConfig config;
  Mount& mount = AddMount(config);
  mount.set_recursive_read_only(true);
  EXPECT_THAT(Translate(config),
              StatusIs(kInvalid, HasSubstr("recursive_read_only: needs "
                                           "readonly")));
  mount.set_readonly(true);
  mount.set_propagation(runtime::v1::PROPAGATION_HOST_TO_CONTAINER);
  EXPECT_THAT(Translate(config),
              StatusIs(kInvalid, HasSubstr("needs PROPAGATION_PRIVATE")));
  mount.set_propagation(runtime::v1::PROPAGATION_PRIVATE);
  ASSERT_OK_AND_ASSIGN(spec::ContainerSpec spec, Translate(config));
  EXPECT_TRUE(spec.mounts(0).recursive_read_only());
  spec::ContainerSpec none;
  EXPECT_THAT(SetMounts(config, HostAbilities(), none),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(SetMounts, ImagesAreTakenInPlaceOfHostPaths) {
  ContainerConfig config;
  Mount& mount = *config.add_mounts();
  mount.set_container_path("/srv");
  mount.set_readonly(true);
  mount.mutable_image()->set_image("example.org/data:1");
  mount.set_image_sub_path("a/b");
  ASSERT_OK_AND_ASSIGN(spec::ContainerSpec spec, Translate(config));
  EXPECT_EQ(spec.mounts(0).image().image_ref(), "example.org/data:1");
  EXPECT_EQ(spec.mounts(0).image().sub_path(), "a/b");
  EXPECT_EQ(spec.mounts(0).host_path(), "");
}

TEST(SetMounts, ImagesThatCannotBeMountedAreNamed) {
  const auto error = [](void (*spoil)(Mount&)) {
    ContainerConfig config;
    Mount& mount = *config.add_mounts();
    mount.set_container_path("/srv");
    mount.set_readonly(true);
    mount.mutable_image()->set_image("x");
    spoil(mount);
    return Translate(config).status();
  };
  EXPECT_THAT(error([](Mount& m) { m.mutable_image()->clear_image(); }),
              StatusIs(kInvalid, HasSubstr("mounts[0].image.image: is empty")));
  EXPECT_THAT(error([](Mount& m) { m.set_host_path("/x"); }),
              StatusIs(kInvalid, HasSubstr("mounts[0].host_path: must be")));
  EXPECT_THAT(
      error([](Mount& m) { m.mutable_image()->set_runtime_handler("kata"); }),
      StatusIs(kInvalid, HasSubstr("image.runtime_handler")));
  EXPECT_THAT(error([](Mount& m) { m.set_readonly(false); }),
              StatusIs(kInvalid, HasSubstr("mounts[0].readonly: must be")));
  EXPECT_THAT(error([](Mount& m) {
                m.set_propagation(runtime::v1::PROPAGATION_HOST_TO_CONTAINER);
              }),
              StatusIs(kInvalid, HasSubstr("mounts[0].propagation: ")));
  for (const char* path : {"../x", "/x", "a/../../b", "a//b", "."}) {
    ContainerConfig config;
    Mount& mount = *config.add_mounts();
    mount.set_container_path("/srv");
    mount.set_readonly(true);
    mount.mutable_image()->set_image("x");
    mount.set_image_sub_path(path);
    EXPECT_THAT(Translate(config),
                StatusIs(kInvalid, HasSubstr("mounts[0].image_sub_path: ")))
        << path;
  }
  EXPECT_THAT(error([](Mount& m) {
                m.clear_image();
                m.set_host_path("/x");
                m.set_image_sub_path("a");
              }),
              StatusIs(kInvalid, HasSubstr("image_sub_path: needs an image")));
}

TEST(CdiDevicesFromCri, TakesQualifiedNamesOnly) {
  ContainerConfig config;
  config.add_cdi_devices()->set_name("vendor.com/gpu=0");
  EXPECT_THAT(CdiDevicesFromCri(config),
              IsOkAndHolds(ElementsAre("vendor.com/gpu=0")));
  (*config.mutable_annotations())["cdi.k8s.io/x"] = "vendor.com/gpu=1";
  EXPECT_THAT(CdiDevicesFromCri(config),
              IsOkAndHolds(ElementsAre("vendor.com/gpu=0")));
  config.add_cdi_devices()->set_name("gpu0");
  EXPECT_THAT(CdiDevicesFromCri(config),
              StatusIs(kInvalid, HasSubstr("config.CDI_devices[1].name: ")));
}

TEST(SetMounts, UnknownOptionsAreNamed) {
  ContainerConfig config;
  Mount& mount = AddMount(config);
  for (const char* option : {"noexec", "nosuid", "nodev"}) {
    mount.add_mount_options(option);
  }
  ASSERT_OK_AND_ASSIGN(spec::ContainerSpec spec, Translate(config));
  EXPECT_EQ(spec.mounts(0).options_size(), 3);
  mount.add_mount_options("upperdir=/");
  EXPECT_THAT(
      Translate(config),
      StatusIs(kInvalid, HasSubstr("config.mounts[0].mount_options[3]: ")));
}

}  // namespace
}  // namespace gantry::cri
