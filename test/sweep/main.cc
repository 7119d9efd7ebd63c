// syscall-sweeper [--at N] [--kill server|shim|both] [--after] [--error ERRNO]
//                 [--only PATTERN] [--list] PID...
//
// Follows the server, shims and pins PID and what they start, and strikes at
// the Nth system call that counts (sweeper.h). Says "ready" when it counts,
// "hit KIND CALL" when it strikes, and when its input ends "count N"; then all
// that still runs goes on by itself.

#include <errno.h>

#include <cstdlib>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "test/sweep/sweeper.h"

namespace gantry::sweep {
namespace {

constexpr std::pair<absl::string_view, int> kErrors[] = {
    {"EIO", EIO},       {"ENOSPC", ENOSPC}, {"ENOMEM", ENOMEM},
    {"EMFILE", EMFILE}, {"EINTR", EINTR},   {"EPERM", EPERM},
    {"EBUSY", EBUSY}};

constexpr std::pair<absl::string_view, Blow> kKills[] = {
    {"server", Blow::kKillServer},
    {"shim", Blow::kKillShim},
    {"both", Blow::kKillBoth}};

struct Command {
  Order order;
  std::vector<pid_t> processes;
};

template <typename Value, size_t kSize>
absl::Status Pick(const std::pair<absl::string_view, Value> (&values)[kSize],
                  absl::string_view word, Value* out) {
  for (const auto& [name, value] : values) {
    if (name != word) continue;
    *out = value;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown '", word, "'"));
}

absl::Status Parse(const std::vector<absl::string_view>& words,
                   Command* command) {
  for (size_t i = 0; i < words.size(); ++i) {
    const absl::string_view word = words[i];
    const absl::string_view next = i + 1 < words.size() ? words[i + 1] : "";
    Order& order = command->order;
    if (word == "--after") {
      order.after = true;
    } else if (word == "--list") {
      order.list = true;
    } else if (word == "--at") {
      if (!absl::SimpleAtoi(next, &order.at)) {
        return absl::InvalidArgumentError("--at wants a number");
      }
      ++i;
    } else if (word == "--only") {
      order.only = std::string(next);
      ++i;
    } else if (word == "--kill") {
      RETURN_IF_ERROR(Pick(kKills, next, &order.blow));
      ++i;
    } else if (word == "--error") {
      order.blow = Blow::kError;
      RETURN_IF_ERROR(Pick(kErrors, next, &order.error));
      ++i;
    } else {
      pid_t process = 0;
      if (!absl::SimpleAtoi(word, &process)) {
        return absl::InvalidArgumentError(absl::StrCat("unknown '", word, "'"));
      }
      command->processes.push_back(process);
    }
  }
  if (command->processes.empty()) {
    return absl::InvalidArgumentError("no process");
  }
  return absl::OkStatus();
}

// From two threads.
void Tell(const std::string& line) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  std::cout << line << std::endl;
}

void AwaitEnd(Sweeper* sweeper) {
  for (std::string line; std::getline(std::cin, line);) {
  }
  Tell(absl::StrCat("count ", sweeper->Finish()));
  std::_Exit(0);
}

absl::Status Run(const std::vector<absl::string_view>& words) {
  Command command;
  RETURN_IF_ERROR(Parse(words, &command));
  Sweeper sweeper(command.order, Tell);
  for (const pid_t process : command.processes) {
    RETURN_IF_ERROR(sweeper.Attach(process));
  }
  Tell("ready");
  std::thread end(AwaitEnd, &sweeper);
  RETURN_IF_ERROR(sweeper.Run());
  end.join();  // which ends the process
  return absl::OkStatus();
}

}  // namespace
}  // namespace gantry::sweep

int main(int argc, char** argv) {
  const absl::Status status = gantry::sweep::Run({argv + 1, argv + argc});
  if (!status.ok())
    std::cerr << "syscall-sweeper: " << status.message() << '\n';
  std::cerr.flush();
  std::_Exit(status.ok() ? 0 : 1);
}
