// Repeats a system call that a signal interrupted (signal(7), EINTR).
// Not for close(2), which has done its work even then.

#ifndef GANTRY_RUNTIME_SYS_RETRY_H_
#define GANTRY_RUNTIME_SYS_RETRY_H_

#include <errno.h>

namespace gantry::sys {

template <typename Call>
auto Retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_RETRY_H_
