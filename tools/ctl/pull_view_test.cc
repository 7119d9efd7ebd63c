#include "tools/ctl/pull_view.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::ctl {
namespace {

using admin::v1::LayerProgress;
using admin::v1::PullProgress;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

void Add(PullProgress& to, int index, LayerProgress::Phase phase,
         int64_t done = 0) {
  LayerProgress& layer = *to.add_layers();
  layer.set_index(index);
  layer.set_digest(absl::StrCat("sha256:", index, "23456789abcdef"));
  layer.set_phase(phase);
  layer.set_done(done);
  layer.set_total(2 << 20);
}

TEST(PullView, BarShowsHowFarALayerIs) {
  PullView view;
  PullProgress progress;
  Add(progress, 0, LayerProgress::PULLING, 1 << 20);
  Add(progress, 1, LayerProgress::WAITING);
  Add(progress, 2, LayerProgress::PRESENT);
  view.Update(progress);
  EXPECT_THAT(
      view.Bars(68, 10),
      ElementsAre("023456789abc pulling  [==========          ] 1.0 MiB / 2.0 "
                  "MiB",
                  "123456789abc waiting  [                    ] 2.0 MiB",
                  "223456789abc present  [====================] 2.0 MiB"));
}

TEST(PullView, NeverWiderOrHigherThanTheTerminal) {
  PullView view;
  PullProgress progress;
  for (int i = 0; i < 9; ++i) {
    Add(progress, i, i == 7 ? LayerProgress::PULLING : LayerProgress::DONE);
  }
  view.Update(progress);
  for (int columns : {0, 1, 20, 40, 200}) {
    for (int lines : {0, 1, 3, 9}) {
      const auto bars = view.Bars(columns, lines);
      EXPECT_LE(bars.size(), static_cast<size_t>(lines));
      for (const std::string& bar : bars) {
        EXPECT_LE(bar.size(), static_cast<size_t>(columns));
      }
    }
  }
  const auto bars = view.Bars(80, 3);
  EXPECT_THAT(bars[0], StartsWith("723456789abc pulling"));
  EXPECT_EQ(bars[2], "8 of 9 layers are there");
}

TEST(PullView, LinesTellOfEachChangeOnce) {
  PullView view;
  PullProgress progress;
  Add(progress, 0, LayerProgress::WAITING);
  Add(progress, 1, LayerProgress::PRESENT);
  view.Update(progress);
  EXPECT_THAT(view.TakeLines(), ElementsAre("123456789abc present (2.0 MiB)"));
  for (int done : {1, 2, 3}) {
    PullProgress more;
    Add(more, 0, LayerProgress::PULLING, done);
    view.Update(more);
  }
  EXPECT_THAT(view.TakeLines(), ElementsAre("023456789abc pulling (2.0 MiB)"));
  EXPECT_THAT(view.TakeLines(), IsEmpty());
}

TEST(PullView, WhatTheServerSaysCannotSteerTheTerminal) {
  PullView view;
  PullProgress progress;
  Add(progress, 0, LayerProgress::PULLING);
  progress.mutable_layers(0)->set_digest("\x1b[2Jx");
  view.Update(progress);
  EXPECT_THAT(view.Bars(80, 5)[0], StartsWith("?[2Jx"));
  EXPECT_THAT(view.TakeLines()[0], StartsWith("?[2Jx"));
}

}  // namespace
}  // namespace gantry::ctl
