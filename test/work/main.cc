// work-counter instructions|syscalls PID: counts what the server PID and its
// shims do. For each line on its input a line of JSON: what was counted since
// the one before. The first line, "{}", says that it counts. Ends with the last
// of the traced processes.
//
// work-counter instructions|syscalls PROGRAM COMMAND...: counts what the
// command does with all that it executes, but for what has PROGRAM in its path,
// the container's; one line of JSON at the end of all.

#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "test/work/work_counter.h"

namespace gantry::work_count {
namespace {

// Names of kinds and of system calls need no escapes.
std::string Json(const Counts& counts) {
  std::string text = "{";
  for (const auto& [kind, by_name] : counts) {
    absl::StrAppend(&text, text.size() > 1 ? ", " : "", "\"", kind, "\": {");
    absl::string_view comma = "";
    for (const auto& [name, count] : by_name) {
      absl::StrAppend(&text, comma, "\"", name, "\": ", count);
      comma = ", ";
    }
    absl::StrAppend(&text, "}");
  }
  return absl::StrCat(text, "}");
}

void Answer(WorkCounter* counter) {
  std::cout << "{}" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << Json(counter->Take()) << std::endl;
  }
}

absl::Status CountCommand(Unit unit, const std::vector<std::string>& words) {
  WorkCounter counter(unit, [&words](const std::string& program) {
    return !absl::StrContains(program, words[0]);
  });
  RETURN_IF_ERROR(counter.Start({words.begin() + 1, words.end()}));
  RETURN_IF_ERROR(counter.Run());
  std::cout << Json(counter.Take()) << std::endl;
  return absl::OkStatus();
}

int Run(int argc, char** argv) {
  const absl::string_view name = argc >= 3 ? argv[1] : "";
  pid_t server = 0;
  if ((name != "instructions" && name != "syscalls") ||
      (argc == 3 && !absl::SimpleAtoi(argv[2], &server))) {
    std::cerr
        << "usage: work-counter instructions|syscalls PID|PROGRAM COMMAND\n";
    return 2;
  }
  const Unit unit =
      name == "syscalls" ? Unit::kSystemCalls : Unit::kInstructions;
  if (argc > 3) {
    absl::Status counted = CountCommand(unit, {argv + 2, argv + argc});
    if (!counted.ok()) std::cerr << counted.message() << '\n';
    return counted.ok() ? 0 : 1;
  }
  WorkCounter counter(unit, [](const std::string& program) {
    return absl::StrContains(program, "gantry-shim");
  });
  absl::Status status = counter.Attach(server);
  if (status.ok()) {
    // It ends with the input, or with the program.
    std::thread(Answer, &counter).detach();
    status = counter.Run();
  }
  if (!status.ok()) std::cerr << "work-counter: " << status.message() << '\n';
  // The other thread may still read.
  std::cout.flush();
  std::_Exit(status.ok() ? 0 : 1);
}

}  // namespace
}  // namespace gantry::work_count

int main(int argc, char** argv) { return gantry::work_count::Run(argc, argv); }
