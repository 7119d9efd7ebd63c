#include "runtime/cgroup/systemd/units.h"

#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/id.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/systemd/testing/fake_bus.h"

namespace gantry::cgroup::systemd {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using testing::FakeBus;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class UnitsTest : public ::testing::Test {
 protected:
  UnitsTest() {
    auto bus = std::make_unique<FakeBus>();
    bus_ = bus.get();
    units_ = std::make_unique<Units>(std::move(bus), "/var/lib/gantry",
                                     std::chrono::milliseconds(50));
  }

  absl::Status MakeScope(bool has_process = false) {
    return units_->MakeScope(scope_, id_, 42, {{"MemoryMax", uint64_t{4096}}},
                             [has_process] { return has_process; });
  }

  const std::string id_ = NewId();
  const std::string pod_path_ = PodSlicePath("/gantry.slice", id_);
  const Unit slice_ = UnitOf(pod_path_).value();
  const Unit scope_ = UnitOf(ContainerPath(pod_path_, id_)).value();
  FakeBus* bus_;
  std::unique_ptr<Units> units_;
};

TEST_F(UnitsTest, AScopeIsDelegatedAndHasItsProcessSliceAndLimits) {
  ASSERT_OK(MakeScope());
  const Properties& made = bus_->units.at(scope_.name);
  EXPECT_EQ(FakeBus::Text(made, "Slice"), slice_.name);
  EXPECT_EQ(*FakeBus::Find(made, "Delegate"), Value(true));
  EXPECT_EQ(*FakeBus::Find(made, "PIDs"), Value(std::vector<uint32_t>{42}));
  EXPECT_EQ(*FakeBus::Find(made, "MemoryMax"), Value(uint64_t{4096}));
  EXPECT_EQ(FakeBus::Text(made, "CollectMode"), "inactive-or-failed");
  EXPECT_EQ(FakeBus::Text(made, "Description"),
            "Gantry container " + id_ + " of /var/lib/gantry");
}

TEST_F(UnitsTest, AScopeOfAnEarlierAttemptIsEndedFirst) {
  bus_->units[scope_.name] = {};
  ASSERT_OK(MakeScope());
  EXPECT_THAT(bus_->calls,
              ElementsAre("start " + scope_.name, "stop " + scope_.name,
                          "start " + scope_.name));
  EXPECT_NE(FakeBus::Find(bus_->units.at(scope_.name), "PIDs"), nullptr);
}

TEST_F(UnitsTest, AStartWhoseAnswerWasLostIsNotUndone) {
  bus_->lost_answers = {absl::UnavailableError("no reply")};
  ASSERT_OK(MakeScope(/*has_process=*/true));
  EXPECT_THAT(bus_->calls,
              ElementsAre("start " + scope_.name, "start " + scope_.name));
  EXPECT_NE(FakeBus::Find(bus_->units.at(scope_.name), "PIDs"), nullptr);
}

TEST_F(UnitsTest, ASystemdThatIsAwayIsAskedAgain) {
  bus_->failures = {absl::UnavailableError("reexec"),
                    absl::UnavailableError("reexec")};
  EXPECT_OK(units_->MakeSlice(slice_, id_));
  EXPECT_THAT(bus_->calls, SizeIs(3));
  bus_->failures = {absl::UnavailableError("reexec")};
  EXPECT_OK(units_->Stop(slice_.name));
  bus_->lost_answers = {absl::UnavailableError("no reply")};
  EXPECT_OK(units_->MakeSlice(slice_, id_)) << "it is there, of the first try";
}

TEST_F(UnitsTest, ButNotForever) {
  for (int i = 0; i < 10000; ++i) {
    bus_->failures.push_back(absl::UnavailableError("gone"));
  }
  EXPECT_THAT(units_->MakeSlice(slice_, id_),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(UnitsTest, WhatSystemdRefusesIsTold) {
  bus_->failures = {absl::InvalidArgumentError("MemoryMax= is out of range")};
  EXPECT_THAT(MakeScope(), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(bus_->calls, SizeIs(1));
  EXPECT_THAT(units_->SetLimits("no.slice", {{"TasksMax", uint64_t{1}}}),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(UnitsTest, NoLimitsAreNoCall) {
  EXPECT_OK(units_->SetLimits(slice_.name, {}));
  EXPECT_THAT(bus_->calls, IsEmpty());
}

TEST_F(UnitsTest, StoppingWhatThereIsNotIsOk) {
  EXPECT_OK(units_->Stop(scope_.name));
}

TEST_F(UnitsTest, WhatIsEndedIsKilledFirst) {
  bus_->units[scope_.name] = {};
  bus_->failures = {absl::InternalError("nobody in it")};
  EXPECT_OK(units_->End(scope_.name));
  EXPECT_THAT(bus_->calls,
              ElementsAre("kill " + scope_.name, "stop " + scope_.name));
}

TEST_F(UnitsTest, OnlyOnesOwnUnitsAreListed) {
  ASSERT_OK(MakeScope());
  ASSERT_OK(units_->MakeSlice(slice_, id_));
  bus_->units["gantry-x.scope"] = {
      {"Description", std::string("Gantry container x of /var/lib/gantry")}};
  bus_->units["sshd.service"] = {
      {"Description", "Gantry pod " + id_ + " of /var/lib/gantry"}};
  bus_->units["gantry-" + NewId() + ".scope"] = {
      {"Description", "Gantry container " + NewId() + " of /elsewhere"}};
  ASSERT_OK_AND_ASSIGN(const std::vector<OwnUnit> own, units_->List());
  ASSERT_THAT(own, SizeIs(2));
  EXPECT_EQ(own[0].name, scope_.name);
  EXPECT_EQ(own[1].name, slice_.name);
  EXPECT_EQ(own[0].id, id_);
  EXPECT_EQ(own[1].id, id_);
}

}  // namespace
}  // namespace gantry::cgroup::systemd
