#include "runtime/base/undo_stack.h"

#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;

TEST(UndoStack, RunsNewestFirstAndGoesOnAfterAFailure) {
  std::vector<int> ran;
  UndoStack undo;
  for (int i : {1, 2, 3}) {
    undo.Push("step", [&ran, i] {
      ran.push_back(i);
      return i == 2 ? absl::InternalError("no") : absl::OkStatus();
    });
  }
  EXPECT_THAT(undo.Run(), StatusIs(absl::StatusCode::kInternal, "step: no"));
  EXPECT_THAT(ran, ElementsAre(3, 2, 1));
}

TEST(UndoStack, DestructorUndoesAndCommitForgets) {
  int undone = 0;
  auto step = [&undone] {
    ++undone;
    return absl::OkStatus();
  };
  {
    UndoStack kept;
    kept.Push("a", step);
    kept.Commit();
  }
  EXPECT_EQ(undone, 0);
  {
    UndoStack dropped;
    dropped.Push("a", step);
  }
  EXPECT_EQ(undone, 1);
}

TEST(UndoStack, AppendedStepsAreTheNewestAndRunOnce) {
  std::vector<int> ran;
  auto step = [&ran](int i) {
    return [&ran, i] {
      ran.push_back(i);
      return absl::OkStatus();
    };
  };
  UndoStack undo;
  undo.Push("old", step(1));
  {
    UndoStack more;
    more.Push("new", step(2));
    more.Push("newest", step(3));
    undo.Append(std::move(more));
  }
  EXPECT_THAT(ran, ElementsAre());
  EXPECT_OK(undo.Run());
  EXPECT_THAT(ran, ElementsAre(3, 2, 1));
}

}  // namespace
}  // namespace gantry
