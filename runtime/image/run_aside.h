// How the libraries here, which own no threads, are lent one.

#ifndef GANTRY_RUNTIME_IMAGE_RUN_ASIDE_H_
#define GANTRY_RUNTIME_IMAGE_RUN_ASIDE_H_

#include <functional>

namespace gantry::image {

// Runs a function on another thread, soon. The pool behind it must not be one
// whose threads may all be waiting for such functions.
using RunAside = std::function<void(std::function<void()>)>;

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_RUN_ASIDE_H_
