#include "server/work/thread.h"

#include <pthread.h>

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::work {
namespace {

// prctl(2): the kernel keeps 15 characters, and refuses more.
constexpr size_t kMaxThreadName = 15;

}  // namespace

absl::StatusOr<std::thread> StartThread(const std::string& name,
                                        absl::AnyInvocable<void()> body) {
  try {
    return std::thread([name = name.substr(0, kMaxThreadName),
                        body = std::move(body)]() mutable {
      pthread_setname_np(pthread_self(), name.c_str());
      body();
    });
  } catch (const std::system_error& error) {
    // pthread_create(3): EAGAIN, whichever limit it was. That of the status is
    // not UNAVAILABLE, for it is not the other side that is missing.
    return absl::ResourceExhaustedError(
        absl::StrCat("start thread ", name, ": ", error.code().message()));
  }
}

}  // namespace gantry::work
