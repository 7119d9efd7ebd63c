// The one rule for everything that goes wrong with a registry: which failures
// pass, how long to wait for it, when to give up.
//
// Thread safety: pure functions; only WaitToRetry blocks.

#ifndef GANTRY_RUNTIME_IMAGE_REGISTRY_FAILURES_H_
#define GANTRY_RUNTIME_IMAGE_REGISTRY_FAILURES_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "runtime/http/client.h"
#include "runtime/image/registry_options.h"

namespace gantry::image {

struct Failure {
  absl::Status status;
  // Whether the same request may succeed later.
  bool passing = false;
  // Whether it is the host's own word, and not the way to it.
  bool is_answer = false;
  // What the registry wants to be left alone for.
  absl::Duration at_least;
};

// Of a request that brought no answer, or whose body broke off.
bool IsPassing(const absl::Status& status);
Failure FailureOf(const absl::Status& status);
// Of an answer that is not what was asked for, with the registry's own words
// but for the `secrets` that it may repeat. Reads the body.
Failure FailureOf(http::Response* response, absl::Time now,
                  const std::vector<std::string>& secrets);

// Retry-After in either form, seconds or a date (RFC 9110 section 10.2.3), at
// most a minute; zero if there is none. A date is held against the answer's own
// Date, if it has one, and `now` otherwise.
absl::Duration RetryAfter(const http::Headers& headers, absl::Time now);

// Waits before the next attempt, of which `failures` (from 1) were in vain.
// CANCELLED within a tenth of a second.
absl::Status WaitToRetry(const RegistryOptions& options, int failures,
                         absl::Duration at_least,
                         const std::function<bool()>& cancelled);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_REGISTRY_FAILURES_H_
