#include "shim/init/program.h"

#include <errno.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::init {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

const char* FindVariable(const std::vector<std::string>& env,
                         absl::string_view name) {
  for (auto it = env.rbegin(); it != env.rend(); ++it) {
    if (it->size() > name.size() && (*it)[name.size()] == '=' &&
        absl::string_view(*it).substr(0, name.size()) == name) {
      return it->c_str() + name.size() + 1;
    }
  }
  return nullptr;
}

std::vector<std::string> CandidatesFor(absl::string_view program,
                                       absl::string_view path) {
  if (program.empty()) return {};
  if (program.find('/') != absl::string_view::npos) {
    return {std::string(program)};
  }
  std::vector<std::string> candidates;
  while (true) {
    size_t colon = path.find(':');
    absl::string_view directory = path.substr(0, colon);
    candidates.push_back(directory.empty()
                             ? absl::StrCat("./", program)
                             : absl::StrCat(directory, "/", program));
    if (colon == absl::string_view::npos) return candidates;
    path.remove_prefix(colon + 1);
  }
}

Program::Program(std::vector<std::string> args, std::vector<std::string> env)
    : args_(std::move(args)), env_(std::move(env)) {
  const char* path = FindVariable(env_, "PATH");
  if (!args_.empty()) {
    candidates_ = CandidatesFor(
        args_[0], path == nullptr ? kDefaultPath : absl::string_view(path));
  }
  argv_ = Pointers(args_);
  envp_ = Pointers(env_);
}

absl::Status Program::Execute() const {
  int error_number = ENOENT;
  for (const std::string& candidate : candidates_) {
    execve(candidate.c_str(), argv_.data(), envp_.data());
    // As execvp: look on for what is not there, and for what may not be
    // executed, but remember the latter.
    if (errno == EACCES) {
      error_number = EACCES;
    } else if (errno != ENOENT && errno != ENOTDIR) {
      error_number = errno;
      break;
    }
  }
  return ErrnoStatus(
      error_number,
      absl::StrCat("exec \"", args_.empty() ? "" : args_[0], "\""));
}

}  // namespace gantry::init
