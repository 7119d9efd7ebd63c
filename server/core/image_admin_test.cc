#include "server/core/image_admin.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/record.pb.h"

namespace gantry::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

record::ImageRecord Image(const std::string& id, const std::string& tag) {
  record::ImageRecord image;
  image.set_id(id);
  if (!tag.empty()) image.add_repo_tags(tag);
  return image;
}

std::vector<std::string> Chosen(const std::vector<record::ImageRecord>& images,
                                const std::multiset<std::string>& used,
                                const PruneRequest& request) {
  std::vector<std::string> ids;
  for (const auto& image : ChooseToPrune(images, used, request)) {
    ids.push_back(image.id());
  }
  return ids;
}

TEST(ChooseToPrune, TakesWhatNoContainerUsesAndNobodyPinned) {
  record::ImageRecord pinned = Image("pinned", "p:1");
  pinned.set_pinned(true);
  const std::vector<record::ImageRecord> images = {
      Image("used", "u:1"), Image("named", "n:1"), Image("bare", ""), pinned,
      Image("by-configuration", "c:1")};
  PruneRequest request = {.pinned = {"c:1"}};
  EXPECT_THAT(Chosen(images, {"used"}, request), ElementsAre("named", "bare"));
  request.dangling_only = true;
  EXPECT_THAT(Chosen(images, {"used"}, request), ElementsAre("bare"));
  EXPECT_THAT(Chosen(images, {"used", "bare"}, request), IsEmpty());
}

TEST(ImagesInUse, CountsContainersAndImagesMountedIntoThem) {
  ContainerIndex containers("container");
  for (const char* id : {"a", "b"}) {
    record::ContainerRecord container;
    container.set_id(id);
    container.set_name(id);
    container.set_image_id("of-both");
    spec::ContainerSpec& spec = *container.mutable_spec();
    spec.add_mounts()->mutable_image()->set_image_id("of-both");
    if (id[0] == 'a') {
      spec.add_mounts()->mutable_image()->set_image_id("mounted");
    }
    containers.Put(container);
  }
  EXPECT_THAT(ImagesInUse(containers),
              ElementsAre("mounted", "of-both", "of-both"));
}

}  // namespace
}  // namespace gantry::core
