// work-counter instructions|syscalls PID: counts what the server PID and its
// shims do. For each line on its input a line of JSON: what was counted since
// the one before. The first line, "{}", says that it counts. Ends with the last
// of the traced processes.

#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
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

int Run(int argc, char** argv) {
  const absl::string_view unit = argc == 3 ? argv[1] : "";
  pid_t server = 0;
  if ((unit != "instructions" && unit != "syscalls") ||
      !absl::SimpleAtoi(argv[2], &server)) {
    std::cerr << "usage: work-counter instructions|syscalls PID\n";
    return 2;
  }
  WorkCounter counter(unit == "syscalls" ? Unit::kSystemCalls
                                         : Unit::kInstructions);
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
