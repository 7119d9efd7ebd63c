#include "runtime/sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/spawn_child.h"

namespace gantry::sys {
namespace {

using internal::ChildFd;
using internal::SpawnPlan;
using internal::SpawnStage;

constexpr size_t kStackBytes = 32 * 1024;
constexpr size_t kGuardBytes = 64 * 1024;  // a page on any architecture

absl::string_view StageName(SpawnStage stage) {
  switch (stage) {
    case SpawnStage::kNone:
      break;
    case SpawnStage::kCloneIntermediate:
      return "clone the intermediate";
    case SpawnStage::kClone:
      return "clone";
    case SpawnStage::kGroup:
      return "make a process group";
    case SpawnStage::kSession:
      return "make a session";
    case SpawnStage::kDirectory:
      return "change directory";
    case SpawnStage::kDescriptors:
      return "place descriptors";
    case SpawnStage::kClose:
      return "close descriptors";
    case SpawnStage::kSignals:
      return "unblock signals";
    case SpawnStage::kExecute:
      return "execute";
  }
  return "start";
}

// The children's stacks, with memory that cannot be touched below each.
class Stacks {
 public:
  Stacks() = default;
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;
  ~Stacks() {
    if (memory_ != nullptr) munmap(memory_, kBytes);
  }

  absl::Status Map() {
    void* memory = mmap(nullptr, kBytes, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return ErrnoStatus(errno, "map stacks");
    memory_ = static_cast<char*>(memory);
    for (char* stack : {first(), second()}) {
      if (mprotect(stack, kStackBytes, PROT_READ | PROT_WRITE) != 0) {
        return ErrnoStatus(errno, "map stacks");
      }
    }
    return absl::OkStatus();
  }

  char* first() const { return memory_ + kGuardBytes; }
  char* second() const { return first() + kStackBytes + kGuardBytes; }

 private:
  static constexpr size_t kBytes = 2 * (kGuardBytes + kStackBytes);
  char* memory_ = nullptr;
};

// Blocks every signal of the calling thread, glibc's own two as well (which
// pthread_sigmask would leave out), for as long as it lives.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    const uint64_t all = ~uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old_, sizeof all);
  }
  ~AllSignalsBlocked() {
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old_, nullptr, sizeof old_);
  }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

 private:
  uint64_t old_ = 0;
};

bool HasNul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

absl::Status Check(const SpawnRequest& request) {
  if ((request.exec_fd >= 0) == !request.path.empty()) {
    return absl::InvalidArgumentError("need a descriptor or a path, not both");
  }
  if (request.argv.empty()) return absl::InvalidArgumentError("no arguments");
  if (HasNul(request.path) ||
      std::any_of(request.argv.begin(), request.argv.end(), HasNul) ||
      std::any_of(request.env.begin(), request.env.end(), HasNul)) {
    return absl::InvalidArgumentError(
        "NUL in the path, an argument or the environment");
  }
  if (request.cwd.has_value() && *request.cwd < 0) {
    return absl::InvalidArgumentError("the directory is no descriptor");
  }
  return absl::OkStatus();
}

// The null-terminated form that execve wants; points into `strings`.
std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& text : strings) {
    pointers.push_back(const_cast<char*>(text.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

// The descriptors by rising target, with `null_fd` (opened if needed) on those
// of 0, 1 and 2 that are not named.
absl::StatusOr<std::vector<ChildFd>> Descriptors(const SpawnRequest& request,
                                                 UniqueFd& null_fd) {
  std::vector<ChildFd> fds;
  fds.reserve(request.fds.size() + 3);
  for (const FdMapping& fd : request.fds) {
    if (fd.source < 0 || fd.target < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("bad descriptor: ", fd.source, " as ", fd.target));
    }
    fds.push_back({fd.source, fd.target, -1});
  }
  for (int standard = 0; standard <= 2; ++standard) {
    const bool named =
        std::any_of(request.fds.begin(), request.fds.end(),
                    [=](const FdMapping& fd) { return fd.target == standard; });
    if (named) continue;
    if (!null_fd) {
      ASSIGN_OR_RETURN(null_fd, OpenAt(AT_FDCWD, "/dev/null", O_RDWR));
    }
    fds.push_back({null_fd.get(), standard, -1});
  }
  std::sort(fds.begin(), fds.end(), [](const ChildFd& a, const ChildFd& b) {
    return a.target < b.target;
  });
  for (size_t i = 1; i < fds.size(); ++i) {
    if (fds[i].target != fds[i - 1].target) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("descriptor ", fds[i].target, " is given twice"));
  }
  return fds;
}

void Start(SpawnPlan& plan, bool detached) {
  const AllSignalsBlocked blocked;
  if (!detached) {
    internal::SpawnChild(&plan);
    return;
  }
  const pid_t intermediate = internal::SpawnDetached(&plan);
  if (intermediate < 0) return;
  while (waitpid(intermediate, nullptr, __WALL) < 0 && errno == EINTR) {
  }
}

absl::StatusOr<Spawned> Run(const SpawnRequest& request) {
  RETURN_IF_ERROR(Check(request));
  UniqueFd null_fd;
  ASSIGN_OR_RETURN(std::vector<ChildFd> fds, Descriptors(request, null_fd));
  const std::vector<char*> argv = Pointers(request.argv);
  const std::vector<char*> env = Pointers(request.env);
  Stacks stacks;
  RETURN_IF_ERROR(stacks.Map());

  SpawnPlan plan = {};
  plan.exec_fd = request.exec_fd;
  plan.path = request.path.c_str();
  plan.argv = argv.data();
  plan.env = env.data();
  plan.fds = fds.data();
  plan.fd_count = fds.size();
  plan.cwd_fd = request.cwd.value_or(-1);
  plan.new_group = request.group == ProcessGroup::kOwn;
  plan.new_session = request.group == ProcessGroup::kOwnSession;
  plan.stack = stacks.first();
  plan.intermediate_stack = stacks.second();
  plan.stack_bytes = kStackBytes;
  plan.pid = -1;
  plan.pidfd = -1;
  Start(plan, request.detached);

  UniqueFd pidfd(plan.pidfd);
  if (plan.error == 0 && plan.pid > 0) {
    return Spawned{plan.pid, std::move(pidfd)};
  }
  if (!request.detached && plan.pid > 0) {
    WaitPidfd(pidfd.get()).status().IgnoreError();
  }
  // Without an errno the intermediate was killed before it could say anything.
  if (plan.error == 0)
    return absl::InternalError("the intermediate was killed");
  return ErrnoStatus(plan.error, StageName(plan.failed_stage));
}

}  // namespace

absl::StatusOr<Spawned> Spawner::Spawn(const SpawnRequest& request) const {
  absl::StatusOr<Spawned> spawned = Run(request);
  if (spawned.ok()) return spawned;
  return Annotate(
      spawned.status(),
      absl::StrCat("spawn ",
                   request.argv.empty() ? request.path : request.argv.front()));
}

}  // namespace gantry::sys
