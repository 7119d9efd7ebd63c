#include "server/core/exits.h"

#include "gtest/gtest.h"
#include "server/work/executor.h"

namespace gantry::core {
namespace {

TEST(Exits, WakesAllWhoWaitForThatContainerAndNobodyElse) {
  work::Executor executor("test", 1);
  Exits exits(executor);
  work::OneShot<bool> a1 = exits.Watch("a");
  work::OneShot<bool> a2 = exits.Watch("a");
  work::OneShot<bool> b = exits.Watch("b");
  exits.NoteEnd("a");
  EXPECT_TRUE(a1.IsSet());
  EXPECT_TRUE(a2.IsSet());
  EXPECT_FALSE(b.IsSet());
  exits.NoteEnd("nobody waits for this one");
}

TEST(Exits, WhoGaveUpKeepsTheirOwnAnswer) {
  work::Executor executor("test", 1);
  Exits exits(executor);
  work::OneShot<bool> gave_up = exits.Watch("a");
  EXPECT_TRUE(gave_up.Set(false));
  exits.NoteEnd("a");
  EXPECT_FALSE(gave_up.Set(true));
}

}  // namespace
}  // namespace gantry::core
