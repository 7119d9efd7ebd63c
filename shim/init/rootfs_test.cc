#include "shim/init/rootfs.h"

#include <string>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::init {
namespace {

plan::OverlayPlan Overlay() {
  plan::OverlayPlan plan;
  plan.add_lower_dirs("top");
  plan.add_lower_dirs("bottom");
  plan.set_upper_dir("/u");
  plan.set_work_dir("/w");
  return plan;
}

TEST(OverlayOptions, LayersTopmostFirst) {
  EXPECT_EQ(*OverlayOptions(Overlay()),
            "lowerdir=top:bottom,upperdir=/u,workdir=/w,index=off");
}

TEST(OverlayOptions, WithoutAnUpperDirectoryReadOnly) {
  plan::OverlayPlan plan = Overlay();
  plan.clear_upper_dir();
  plan.clear_work_dir();
  EXPECT_EQ(*OverlayOptions(plan), "lowerdir=top:bottom");
}

TEST(OverlayOptions, WhatEndsAnOptionIsEscaped) {
  plan::OverlayPlan plan = Overlay();
  plan.set_upper_dir("/a,b\\c");
  EXPECT_EQ(*OverlayOptions(plan),
            "lowerdir=top:bottom,upperdir=/a\\,b\\\\c,workdir=/w,index=off");
}

TEST(OverlayOptions, MoreThanAPageIsAnErrorNotACut) {
  plan::OverlayPlan plan = Overlay();
  for (int i = 0; i < 100; ++i) plan.add_lower_dirs(std::string(64, 'x'));
  EXPECT_EQ(OverlayOptions(plan).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace gantry::init
