#include "server/core/layers_in_use.h"

#include "gtest/gtest.h"
#include "proto/record.pb.h"
#include "runtime/image/digest.h"

namespace gantry::core {
namespace {

TEST(LayersInUse, AnswersForTheMomentItIsAsked) {
  const image::Digest layer = image::DigestOf("layer");
  ContainerIndex containers("container");
  const image::LayerInUse in_use = LayersInUse(containers);
  EXPECT_FALSE(in_use(layer));
  record::ContainerRecord container;
  container.set_id("c");
  container.set_name("n");
  container.add_layer_diff_ids(image::DigestOf("other").ToString());
  containers.Put(container);
  EXPECT_FALSE(in_use(layer));
  container.add_layer_diff_ids(layer.ToString());
  containers.Put(container);
  EXPECT_TRUE(in_use(layer));
  containers.Erase("c");
  EXPECT_FALSE(in_use(layer));
}

}  // namespace
}  // namespace gantry::core
