#include "server/core/index.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::core {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::SizeIs;

record::PodRecord Pod(std::string id, std::string name) {
  record::PodRecord pod;
  pod.set_id(std::move(id));
  pod.set_name(std::move(name));
  return pod;
}

TEST(Index, FindsByIdUniquePrefixAndName) {
  PodIndex index("pod");
  index.Put(Pod("abc1", "one"));
  index.Put(Pod("abd2", "two"));
  ASSERT_OK_AND_ASSIGN(PodPtr found, index.Get("abc1"));
  EXPECT_EQ(found->name(), "one");
  ASSERT_OK_AND_ASSIGN(found, index.Get("abd"));
  EXPECT_EQ(found->name(), "two");
  EXPECT_EQ(index.FindByName("one")->id(), "abc1");
  EXPECT_EQ(index.FindByName("three"), nullptr);
  EXPECT_THAT(index.List(), SizeIs(2));
}

TEST(Index, SaysWhichIdsAnAmbiguousPrefixFits) {
  PodIndex index("pod");
  index.Put(Pod("abc1", "one"));
  index.Put(Pod("abd2", "two"));
  EXPECT_THAT(index.Get("ab"), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("abc1 and abd2")));
  EXPECT_THAT(index.Get(""), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(index.Get("x"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(Index, AFullIdWinsOverLongerOnesThatBeginWithIt) {
  PodIndex index("pod");
  index.Put(Pod("ab", "one"));
  index.Put(Pod("abc", "two"));
  ASSERT_OK_AND_ASSIGN(PodPtr found, index.Get("ab"));
  EXPECT_EQ(found->name(), "one");
}

TEST(Index, SnapshotsOutliveChanges) {
  PodIndex index("pod");
  index.Put(Pod("a", "one"));
  ASSERT_OK_AND_ASSIGN(PodPtr before, index.Get("a"));
  record::PodRecord changed = *before;
  changed.set_state(record::PodRecord::READY);
  index.Put(changed);
  EXPECT_EQ(before->state(), record::PodRecord::UNKNOWN);
  index.Erase("a");
  EXPECT_EQ(before->name(), "one");
  EXPECT_EQ(index.FindByName("one"), nullptr);
  index.Erase("a");
}

}  // namespace
}  // namespace gantry::core
