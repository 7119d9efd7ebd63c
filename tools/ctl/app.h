// The whole of gantryctl: command line in, exit code out.
//
// Thread safety: none. Blocks as the command does. Standard input is read by
// `load -` alone.

#ifndef GANTRY_TOOLS_CTL_APP_H_
#define GANTRY_TOOLS_CTL_APP_H_

#include <ostream>
#include <string>
#include <vector>

namespace gantry::ctl {

// `arguments`: without the program's name. Returns the exit code: 0, the code
// of the program that `run` or `exec` ran, 1 for a command that failed, 2 for a
// wrong command line, 130 if interrupted.
int RunGantryctl(const std::vector<std::string>& arguments, std::ostream& out,
                 std::ostream& err);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_APP_H_
