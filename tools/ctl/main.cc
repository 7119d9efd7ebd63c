// gantryctl: the command line of a gantryd (tools/ctl/README.md).

#include <iostream>
#include <string>
#include <vector>

#include "tools/ctl/app.h"
#include "tools/ctl/interrupt.h"

int main(int argc, char** argv) {
  gantry::ctl::CatchInterrupts();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return gantry::ctl::RunGantryctl(arguments, std::cout, std::cerr);
}
