#include "server/core/layers_in_use.h"

#include "gtest/gtest.h"
#include "proto/record.pb.h"

namespace gantry::core {
namespace {

TEST(LayersInUse, AnswersForTheMomentItIsAsked) {
  ContainerIndex containers("container");
  const image::LayerInUse in_use = LayersInUse(containers);
  EXPECT_FALSE(in_use("2/fs"));
  record::ContainerRecord container;
  container.set_id("c");
  container.set_name("n");
  container.mutable_spec()->mutable_rootfs()->add_lower_dirs("1/fs");
  containers.Put(container);
  EXPECT_FALSE(in_use("2/fs"));
  container.mutable_spec()->mutable_rootfs()->add_lower_dirs("2/fs");
  containers.Put(container);
  EXPECT_TRUE(in_use("2/fs"));
  containers.Erase("c");
  EXPECT_FALSE(in_use("2/fs"));
}

TEST(LayersInUse, ImagesMountedIntoContainersCount) {
  ContainerIndex containers("container");
  record::ContainerRecord container;
  container.set_id("c");
  container.set_name("n");
  spec::ContainerSpec& spec = *container.mutable_spec();
  spec.add_mounts()->set_host_path("/srv");
  spec.add_mounts()->mutable_image()->add_lower_dirs("3/fs");
  containers.Put(container);
  EXPECT_TRUE(LayersInUse(containers)("3/fs"));
  EXPECT_FALSE(LayersInUse(containers)("/srv"));
}

}  // namespace
}  // namespace gantry::core
