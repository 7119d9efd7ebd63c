// Status helpers: errno to absl::Status, early return with context.
//
// Thread safety: everything here is a value or a pure function.
// Messages read "verb object: cause", lower case, no full stop, outermost
// context first: "start container c1: mount overlay on /run/x: EINVAL: ...".

#ifndef GANTRY_RUNTIME_BASE_STATUS_H_
#define GANTRY_RUNTIME_BASE_STATUS_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace gantry {

// The status code that an errno means to a caller: ENOENT is NOT_FOUND, EEXIST
// is ALREADY_EXISTS, ENOSPC is RESOURCE_EXHAUSTED, ...; INTERNAL when in doubt.
absl::StatusCode CodeOfErrno(int error_number);

// "EINVAL" for EINVAL; "errno 999" for a number without a name.
std::string ErrnoName(int error_number);

// The error of a failed system call: "what: ENOENT: No such file or directory".
// `what` names the verb and the object, e.g. "open /etc/passwd".
absl::Status ErrnoStatus(int error_number, absl::string_view what);

// The same with a code chosen by a caller who knows better than the table.
absl::Status ErrnoStatus(absl::StatusCode code, int error_number,
                         absl::string_view what);

// The errno behind a status made by ErrnoStatus (kept as a payload and carried
// along by RETURN_IF_ERROR); 0 if there is none.
int ErrnoOf(const absl::Status& status);

// `status` with "context: " put before its message; code and payloads stay.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

// Collects context behind RETURN_IF_ERROR; becomes a Status or any StatusOr.
class StatusBuilder {
 public:
  explicit StatusBuilder(absl::Status status) : status_(std::move(status)) {}

  bool ok() const { return status_.ok(); }

  template <typename T>
  StatusBuilder&& operator<<(const T& part) && {
    absl::StrAppend(&context_, part);
    return std::move(*this);
  }

  operator absl::Status() && { return Annotate(status_, context_); }
  template <typename T>
  operator absl::StatusOr<T>() && {
    return Annotate(status_, context_);
  }

 private:
  absl::Status status_;
  std::string context_;
};

inline absl::Status AsStatus(absl::Status status) { return status; }
template <typename T>
absl::Status AsStatus(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

}  // namespace gantry

// RETURN_IF_ERROR(Mount(x)) << "mount " << x;
#define RETURN_IF_ERROR(expr) GANTRY_RETURN_IF_ERROR_IMPL(return, expr)
// The same inside a coroutine.
#define CO_RETURN_IF_ERROR(expr) GANTRY_RETURN_IF_ERROR_IMPL(co_return, expr)

// The switch keeps an `if` without braces around it from losing its `else`.
#define GANTRY_RETURN_IF_ERROR_IMPL(verb, expr)        \
  switch (0)                                           \
  case 0:                                              \
  default:                                             \
    if (::gantry::StatusBuilder gantry_status_builder( \
            ::gantry::AsStatus((expr)));               \
        gantry_status_builder.ok()) {                  \
    } else                                             \
      verb std::move(gantry_status_builder)

// ASSIGN_OR_RETURN(UniqueFd fd, Open(path));
// ASSIGN_OR_RETURN(fd, Open(path), "open the log");  // with context
// More than one context does not compile: a comma would be an operator there
// and all but the last be lost. Join them with <<.
#define ASSIGN_OR_RETURN(...) \
  GANTRY_ASSIGN_IMPL(return, GANTRY_UNIQUE(gantry_status_or), __VA_ARGS__)
// The same inside a coroutine.
#define CO_ASSIGN_OR_RETURN(...) \
  GANTRY_ASSIGN_IMPL(co_return, GANTRY_UNIQUE(gantry_status_or), __VA_ARGS__)

#define GANTRY_ASSIGN_IMPL(verb, tmp, lhs, expr, ...)     \
  auto tmp = (expr);                                      \
  if (!tmp.ok())                                          \
    verb ::gantry::StatusBuilder(std::move(tmp).status()) \
        __VA_OPT__(<< GANTRY_ONE_CONTEXT(__VA_ARGS__));   \
  lhs = *std::move(tmp)
#define GANTRY_ONE_CONTEXT(context) context
#define GANTRY_UNIQUE(prefix) GANTRY_UNIQUE_1(prefix, __COUNTER__)
#define GANTRY_UNIQUE_1(prefix, n) GANTRY_UNIQUE_2(prefix, n)
#define GANTRY_UNIQUE_2(prefix, n) prefix##_##n

#endif  // GANTRY_RUNTIME_BASE_STATUS_H_
