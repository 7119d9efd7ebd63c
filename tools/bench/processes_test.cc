#include "tools/bench/processes.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::vector<std::string> kWorkload = {"sleep", "1234567890"};

// A /proc in which each program is a file of its own.
class FakeProc {
 public:
  // `argv`: words with NULs behind; an empty `program` is a kernel thread's.
  void Add(int pid, int parent, const std::string& program,
           const std::string& argv, char state = 'S') {
    const std::string dir = absl::StrCat(pid, "/");
    tree_.Write(dir + "stat",
                absl::StrCat(pid, " (x) ", std::string(1, state), " ", parent,
                             " 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 "
                             "0 ",
                             1000 + pid, " 0 0\n"));
    tree_.Write(dir + "cmdline", argv);
    if (program.empty() || state == 'Z') return;
    tree_.Write("programs/" + program, "");
    tree_.Add({sys::testing::Symlink(dir + "exe", "../programs/" + program)});
  }
  void AddWorkload(int pid, int parent) {
    Add(pid, parent, "sleep",
        std::string("sleep\0"
                    "1234567890\0",
                    17));
  }
  std::vector<Process> Read() {
    auto processes = ReadProcesses(tree_.fd());
    EXPECT_OK(processes);
    return *processes;
  }
  sys::testing::FakeTree& tree() { return tree_; }

 private:
  sys::testing::FakeTree tree_;
};

std::vector<pid_t> Pids(const std::vector<Process>& processes) {
  std::vector<pid_t> pids;
  for (const Process& process : processes) pids.push_back(process.id.pid);
  return pids;
}

TEST(Processes, AreReadWithoutKernelThreads) {
  FakeProc proc;
  proc.Add(2, 0, "", "");
  proc.Add(7, 1, "server", std::string("server\0-v\0\0", 11));
  proc.Add(8, 7, "", "", 'Z');
  proc.tree().Write("meminfo", "");
  const std::vector<Process> all = proc.Read();
  ASSERT_THAT(Pids(all), UnorderedElementsAre(7, 8));
  const Process& server = all[0].id.pid == 7 ? all[0] : all[1];
  EXPECT_EQ(server.parent, 1);
  EXPECT_EQ(server.id.start_ticks, 1007);
  EXPECT_THAT(server.argv, ElementsAre("server", "-v", ""));
  EXPECT_NE(server.program, ProgramId());
}

TEST(Processes, TheRuntimesAreAboveTheWorkloadOrBelowTheServerOrOfTheirKind) {
  FakeProc proc;
  proc.Add(10, 1, "init", "init");
  proc.Add(20, 10, "server", "server");
  proc.Add(21, 20, "helper", "helper");
  const std::vector<Process> before = proc.Read();
  // A shim of init's with the workload and a pause below it.
  proc.Add(30, 10, "shim", "shim");
  proc.AddWorkload(31, 30);
  proc.Add(32, 30, "pause", "pause");
  // What the server started, and a shim that init adopted.
  proc.Add(33, 20, "worker", "worker");
  proc.Add(34, 10, "shim", "shim");
  // Others that came meanwhile: one of the server's kind, and a stranger.
  proc.Add(40, 10, "server", "server");
  proc.Add(41, 10, "compiler", "compiler");
  const std::vector<Process> now = proc.Read();
  EXPECT_THAT(Pids(RuntimeProcesses(before, now, 20, kWorkload)),
              UnorderedElementsAre(30, 32, 33, 34));
  EXPECT_THAT(RuntimeProcesses(now, now, 20, kWorkload), IsEmpty());
}

TEST(Processes, OfATreeOrOfPrograms) {
  FakeProc proc;
  proc.Add(20, 1, "server", "server");
  proc.Add(19, 30, "shim", "shim");
  proc.Add(30, 20, "shim", "shim");
  proc.Add(40, 1, "other", "other");
  const std::vector<Process> all = proc.Read();
  EXPECT_THAT(Pids(TreeOf(all, 20)), UnorderedElementsAre(19, 20, 30));
  std::set<ProgramId> programs;
  for (const Process& process : all) {
    if (process.id.pid == 30) programs.insert(process.program);
  }
  EXPECT_THAT(Pids(Running(all, programs)), UnorderedElementsAre(19, 30));
}

}  // namespace
}  // namespace gantry::bench
