// Keeps the standard streams out of the static shim.
//
// Abseil's headers include <iostream>, so that every object file constructs
// std::ios_base::Init at start: eight streams and a locale, some twenty KiB of
// written memory in each shim, for nobody here uses them. Defined here first,
// these two keep libstdc++'s own from being linked; std::cout and its kin then
// are never constructed and must not be used (string streams may be).

#include <ios>

namespace std {

ios_base::Init::Init() {}
ios_base::Init::~Init() {}

}  // namespace std
