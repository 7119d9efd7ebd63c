#include "server/core/recovery.h"

#include "gtest/gtest.h"

namespace gantry::core {
namespace {

using record::ContainerRecord;
using record::PodRecord;

struct ContainerCase {
  ContainerRecord::State state;
  const char* boot_id;
  ContainerFate fate;
};

TEST(FateOf, AContainersStateAndBootDecide) {
  const ContainerCase cases[] = {
      {ContainerRecord::UNKNOWN, "now", ContainerFate::kRemove},
      {ContainerRecord::CREATING, "now", ContainerFate::kRemove},
      {ContainerRecord::CREATED, "now", ContainerFate::kKeep},
      {ContainerRecord::CREATED, "before", ContainerFate::kKeep},
      {ContainerRecord::STARTING, "now", ContainerFate::kFindShim},
      {ContainerRecord::STARTING, "before", ContainerFate::kNoteLost},
      {ContainerRecord::RUNNING, "now", ContainerFate::kFindShim},
      {ContainerRecord::RUNNING, "before", ContainerFate::kNoteLost},
      {ContainerRecord::EXITED, "before", ContainerFate::kKeep},
      {ContainerRecord::REMOVING, "now", ContainerFate::kRemove},
  };
  for (const ContainerCase& c : cases) {
    ContainerRecord container;
    container.set_state(c.state);
    container.set_boot_id(c.boot_id);
    EXPECT_EQ(FateOf(container, "now"), c.fate)
        << ContainerRecord::State_Name(c.state) << " " << c.boot_id;
  }
}

TEST(FateOf, APodsStateAndBootDecide) {
  PodRecord pod;
  pod.set_boot_id("now");
  pod.set_state(PodRecord::READY);
  EXPECT_EQ(FateOf(pod, "now"), PodFate::kKeep);
  EXPECT_EQ(FateOf(pod, "later"), PodFate::kNoteStopped);
  pod.set_state(PodRecord::NOT_READY);
  EXPECT_EQ(FateOf(pod, "later"), PodFate::kKeep);
  pod.set_state(PodRecord::CREATING);
  EXPECT_EQ(FateOf(pod, "now"), PodFate::kRemove);
  pod.set_state(PodRecord::REMOVING);
  EXPECT_EQ(FateOf(pod, "now"), PodFate::kRemove);
}

}  // namespace
}  // namespace gantry::core
