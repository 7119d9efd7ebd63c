#include "shim/process/exec_template.h"

#include <linux/sched.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::shim {
namespace {

using plan::NamespacePlan;
using ::testing::ElementsAre;

plan::ContainerPlan Plan() {
  plan::ContainerPlan plan;
  plan::InitPlan* init = plan.mutable_init();
  init->add_env("PATH=/bin");
  init->add_env("PATHS=x");
  init->set_cwd("/work");
  init->set_oom_score_adj(500);
  init->mutable_identity()->mutable_user()->set_user("app");
  init->mutable_identity()->set_no_new_privs(true);
  NamespacePlan* namespaces = plan.mutable_namespaces();
  namespaces->set_mount(NamespacePlan::NEW);
  namespaces->set_pid(NamespacePlan::NEW);
  namespaces->set_ipc(NamespacePlan::JOIN);
  namespaces->set_cgroup(NamespacePlan::NEW);
  return plan;
}

TEST(ExecTemplate, NamespacesAreThoseThatDifferFromTheHosts) {
  EXPECT_EQ(MakeExecTemplate(Plan()).namespaces,
            CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWCGROUP);
  EXPECT_EQ(CloneNamespaces(Plan().namespaces()),
            uint64_t{CLONE_NEWNS | CLONE_NEWPID});
}

TEST(ExecTemplate, ExecIsTheContainersOwnByDefault) {
  ExecRequest request;
  request.add_args("ls");
  init::ExecPlan exec = MakeExecPlan(MakeExecTemplate(Plan()), request);
  EXPECT_THAT(exec.args, ElementsAre("ls"));
  EXPECT_THAT(exec.env, ElementsAre("PATH=/bin", "PATHS=x"));
  EXPECT_EQ(exec.cwd, "/work");
  EXPECT_EQ(exec.identity.user().user(), "app");
  EXPECT_TRUE(exec.identity.no_new_privs());
  EXPECT_EQ(exec.oom_score_adj, 500);
}

TEST(ExecTemplate, RequestReplacesOrAdds) {
  ExecRequest request;
  request.add_env("PATH=/sbin");
  request.add_env("NEW=1=2");
  request.set_cwd("/");
  request.mutable_user()->set_user("0:0");
  request.set_terminal(true);
  request.set_width(80);
  request.set_height(24);
  init::ExecPlan exec = MakeExecPlan(MakeExecTemplate(Plan()), request);
  EXPECT_THAT(exec.env, ElementsAre("PATH=/sbin", "PATHS=x", "NEW=1=2"));
  EXPECT_EQ(exec.cwd, "/");
  EXPECT_EQ(exec.identity.user().user(), "0:0");
  EXPECT_TRUE(exec.identity.no_new_privs());
  EXPECT_TRUE(exec.terminal);
  EXPECT_EQ(exec.width, 80u);
  EXPECT_EQ(exec.height, 24u);
}

}  // namespace
}  // namespace gantry::shim
