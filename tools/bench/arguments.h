// The command line of gantry-bench. Not thread-safe; nothing blocks but looks
// at files that are named.

#ifndef GANTRY_TOOLS_BENCH_ARGUMENTS_H_
#define GANTRY_TOOLS_BENCH_ARGUMENTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench/mode.h"

namespace CLI {
class App;
}  // namespace CLI

namespace gantry::bench {

using Mode = absl::StatusOr<Report> (*)(const ModeOptions&);

struct Arguments {
  Mode mode = nullptr;
  ModeOptions options;
  bool json = false;
  std::string svg;  // a file; empty: none

  // As written; OptionsOf makes them `options`. A count of 0 and an empty
  // network are the mode's default.
  std::vector<std::string> servers;
  std::string network;
  std::string pid = "container";
  int64_t max_seconds = 600;
  double idle_seconds = 20;
  double soak_seconds = 60;
};

// Subcommands and options that write into `arguments`, which must outlive the
// result.
std::unique_ptr<CLI::App> NewParser(Arguments* arguments);

// What a mode is given, once parsed.
ModeOptions OptionsOf(const Arguments& arguments);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_ARGUMENTS_H_
