// The program to run: found in PATH as execvp(3) does, inside the rootfs.
//
// Thread safety: pure, but for Execute.

#ifndef GANTRY_SHIM_INIT_PROGRAM_H_
#define GANTRY_SHIM_INIT_PROGRAM_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry::init {

inline constexpr absl::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// The value of a variable, the last one if it is there more than once; null if
// it is not there.
const char* FindVariable(const std::vector<std::string>& env,
                         absl::string_view name);

// The paths to try for `program`, in order: itself if it has a slash, else one
// per element of `path` (an empty one is the working directory).
std::vector<std::string> CandidatesFor(absl::string_view program,
                                       absl::string_view path);

// What is executed, built beforehand: between the seccomp filter and execve
// nothing is allocated.
class Program {
 public:
  // PATH is that of `env`, kDefaultPath if it has none.
  Program(std::vector<std::string> args, std::vector<std::string> env);

  // Returns only if it failed. NOT_FOUND: no such program, or its interpreter;
  // PERMISSION_DENIED: there, but not executable; the message is
  // `exec "args[0]": ENOENT: ...`.
  absl::Status Execute() const;

 private:
  std::vector<std::string> args_;
  std::vector<std::string> env_;
  std::vector<std::string> candidates_;
  std::vector<char*> argv_;
  std::vector<char*> envp_;
};

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_PROGRAM_H_
