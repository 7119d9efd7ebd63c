#include "runtime/base/status.h"

#include <errno.h>
#include <string.h>

#include <charconv>

#include "absl/strings/cord.h"

namespace gantry {
namespace {

constexpr absl::string_view kErrnoPayload = "gantry/errno";

}  // namespace

absl::StatusCode CodeOfErrno(int error_number) {
  switch (error_number) {
    case 0:
      return absl::StatusCode::kOk;
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO:
      return absl::StatusCode::kNotFound;
    case EEXIST:
    case EADDRINUSE:
      return absl::StatusCode::kAlreadyExists;
    case EINVAL:
    case ENAMETOOLONG:
    case E2BIG:
    case EDOM:
    case EDESTADDRREQ:
      return absl::StatusCode::kInvalidArgument;
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EXDEV:
    case ENOTEMPTY:
    case EBUSY:
    case ETXTBSY:
      return absl::StatusCode::kFailedPrecondition;
    case EPERM:
    case EACCES:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case ENOSYS:
    case EOPNOTSUPP:
      return absl::StatusCode::kUnimplemented;
    case EAGAIN:
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENETUNREACH:
    case EHOSTUNREACH:
      return absl::StatusCode::kUnavailable;
    case ETIMEDOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case ECANCELED:
      return absl::StatusCode::kCancelled;
    default:
      return absl::StatusCode::kInternal;
  }
}

std::string ErrnoName(int error_number) {
  const char* name = strerrorname_np(error_number);
  if (name == nullptr) return absl::StrCat("errno ", error_number);
  return name;
}

absl::Status ErrnoStatus(int error_number, absl::string_view what) {
  return ErrnoStatus(CodeOfErrno(error_number), error_number, what);
}

absl::Status ErrnoStatus(absl::StatusCode code, int error_number,
                         absl::string_view what) {
  const char* text = strerrordesc_np(error_number);
  absl::Status status(code,
                      absl::StrCat(what, ": ", ErrnoName(error_number), ": ",
                                   text == nullptr ? "unknown error" : text));
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(error_number)));
  return status;
}

int ErrnoOf(const absl::Status& status) {
  auto payload = status.GetPayload(kErrnoPayload);
  if (!payload.has_value()) return 0;
  std::string text(*payload);
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok() || context.empty()) return status;
  absl::Status annotated(status.code(),
                         absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload(
      [&annotated](absl::string_view url, const absl::Cord& payload) {
        annotated.SetPayload(url, payload);
      });
  return annotated;
}

}  // namespace gantry
