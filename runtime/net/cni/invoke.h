// Running a plugin: one program, its configuration on standard input, its
// answer on standard output.
//
// The program gets what CNI says and no more: a fresh environment, three
// descriptors, a process group of its own. It is given a deadline; what does
// not end by then, or prints without end, is killed with its whole process
// group. Nothing sleeps: a wait is woken by the program's output and its end.
// Thread safety: any thread, any number at once. Blocks for the program's time.

#ifndef GANTRY_RUNTIME_NET_CNI_INVOKE_H_
#define GANTRY_RUNTIME_NET_CNI_INVOKE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::net::cni {

inline constexpr size_t kMaxOutputBytes = size_t{1} << 20;

// The program of a plugin of that type (CheckPluginType) in the first
// directory that has it. NOT_FOUND names the directories.
absl::StatusOr<std::string> FindPlugin(
    absl::string_view type, const std::vector<std::string>& directories);

struct Invocation {
  std::string program;  // a path
  std::vector<std::string> env;
  // Borrowed; read from where it stands.
  int stdin_fd = -1;
  // On Clock::BootNanos().
  int64_t deadline = 0;
  // If there is one: called once, while the program runs, by the thread that
  // waits for it. What it takes is added only beyond the program's time.
  std::function<void()> meanwhile;
};

struct Outcome {
  // 0 to 255, or of the signal that killed it.
  int exit_code = 0;
  int signal = 0;
  std::string output;
  // The end of it, for people.
  std::string error_output;
};

// Errors are those of running it; how it ended is the outcome's. NOT_FOUND: no
// such program (any more); DEADLINE_EXCEEDED, or RESOURCE_EXHAUSTED if it
// printed more than kMaxOutputBytes: it was killed, with its process group.
absl::StatusOr<Outcome> Invoke(const Invocation& invocation);

}  // namespace gantry::net::cni

#endif  // GANTRY_RUNTIME_NET_CNI_INVOKE_H_
