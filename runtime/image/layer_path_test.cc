#include "runtime/image/layer_path.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;
using Kind = LayerPath::Kind;

LayerPath Parsed(absl::string_view name) {
  absl::StatusOr<LayerPath> path = ParseLayerPath(name);
  EXPECT_OK(path) << name;
  return path.ok() ? *path : LayerPath();
}

TEST(LayerPath, CleansNames) {
  for (absl::string_view name : {"a/b/c", "/a/b/c", "./a//b/./c/", "//a/b/c"}) {
    LayerPath path = Parsed(name);
    EXPECT_EQ(path.kind, Kind::kNode);
    EXPECT_EQ(path.dir, "a/b");
    EXPECT_EQ(path.base, "c");
  }
  EXPECT_EQ(Parsed("..a/b..").base, "b..");
}

TEST(LayerPath, TheRootHasManyNames) {
  for (absl::string_view name : {"/", "./", ".", "//.//"}) {
    EXPECT_EQ(Parsed(name).kind, Kind::kRoot) << name;
  }
}

TEST(LayerPath, Whiteouts) {
  LayerPath path = Parsed("d/.wh.f");
  EXPECT_EQ(path.kind, Kind::kWhiteout);
  EXPECT_EQ(path.dir, "d");
  EXPECT_EQ(path.base, "f");
  EXPECT_EQ(Parsed("d/.wh..wh..opq").kind, Kind::kOpaque);
  EXPECT_EQ(Parsed("d/.wh..wh..opq").dir, "d");
  EXPECT_EQ(Parsed(".wh..wh.plnk").kind, Kind::kIgnored);
  EXPECT_EQ(Parsed(".wh").kind, Kind::kNode);
}

// Fails without each of the refusals.
TEST(LayerPath, RefusesHostileNames) {
  for (const std::string& name : std::initializer_list<std::string>{
           std::string(".."),
           std::string("../x"),
           std::string("a/../../x"),
           std::string("a/.."),
           std::string("/.."),
           std::string(".wh."),
           std::string("a/.wh.."),
           std::string(".wh..."),
           std::string(".wh./a"),
           std::string(".wh.a/b"),
           std::string(".wh..wh..opq/b"),
           std::string("a\0b", 3),
           std::string(256, 'a'),
           std::string(4097, '/'),
       }) {
    EXPECT_THAT(ParseLayerPath(name),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << name.substr(0, 40);
  }
}

}  // namespace
}  // namespace gantry::image
