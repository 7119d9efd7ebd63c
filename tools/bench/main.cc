// gantry-bench: how long a CRI server takes (tools/bench/README.md).

#include <fcntl.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "tools/bench/arguments.h"
#include "tools/bench/svg_plot.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/interrupt.h"

namespace gantry::bench {
namespace {

absl::Status WriteSvg(const std::string& path, const Report& report) {
  std::vector<Curve> curves;
  for (const auto& [name, samples] : report.rows()) {
    curves.push_back({name, samples.Sorted()});
  }
  ASSIGN_OR_RETURN(
      const UniqueFd file,
      sys::OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  return Annotate(
      sys::WriteAll(file.get(),
                    SvgPlot("gantry-bench " + report.mode(), curves)),
      path);
}

int Tell(const absl::Status& error) {
  std::cerr << "gantry-bench: " << error.message() << '\n';
  const std::string hint = ctl::HintOf(error);
  if (!hint.empty()) std::cerr << "  " << hint << '\n';
  return absl::IsCancelled(error) ? 130 : 1;
}

int Run(int argc, char** argv) {
  Arguments arguments;
  const std::unique_ptr<CLI::App> parser = NewParser(&arguments);
  CLI11_PARSE(*parser, argc, argv);
  ctl::CatchInterrupts();
  const absl::StatusOr<Report> report = arguments.mode(OptionsOf(arguments));
  if (!report.ok()) return Tell(report.status());
  std::cout << (arguments.json ? report->Json() + "\n" : report->Table());
  if (!arguments.svg.empty()) {
    const absl::Status written = WriteSvg(arguments.svg, *report);
    if (!written.ok()) return Tell(written);
  }
  return report->failures().empty() ? 0 : 1;
}

}  // namespace
}  // namespace gantry::bench

int main(int argc, char** argv) { return gantry::bench::Run(argc, argv); }
