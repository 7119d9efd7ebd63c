#include "tools/ctl/error_text.h"

#include <errno.h>
#include <fcntl.h>

#include <optional>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "tools/ctl/format.h"

namespace gantry::ctl {
namespace {

constexpr absl::string_view kHintUrl = "gantry.ctl/hint";

}  // namespace

absl::Status WithHint(absl::Status status, absl::string_view hint) {
  if (!status.ok() && !status.GetPayload(kHintUrl).has_value()) {
    status.SetPayload(kHintUrl, absl::Cord(hint));
  }
  return status;
}

std::string HintOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kHintUrl);
  return payload.has_value() ? std::string(*payload) : "";
}

absl::Status ExplainUnreachable(const absl::Status& status,
                                const std::string& socket_path) {
  if (status.code() != absl::StatusCode::kUnavailable) return status;
  const absl::StatusOr<struct stat> there =
      sys::StatAt(AT_FDCWD, socket_path, 0);
  if (there.ok() && !S_ISSOCK(there->st_mode)) {
    return WithHint(
        absl::UnavailableError(absl::StrCat(socket_path, " is not a socket")),
        "give the server's socket by --endpoint or in "
        "GANTRY_ENDPOINT");
  }
  if (ErrnoOf(there.status()) == EACCES) {
    return WithHint(absl::UnavailableError(
                        absl::StrCat("no permission to reach ", socket_path)),
                    "the server's socket is root's: run as root");
  }
  if (!there.ok()) {
    return WithHint(
        absl::UnavailableError(absl::StrCat("no server at ", socket_path)),
        "is gantryd running? start it with: gantryd (from a source "
        "tree: tools/quickstart); another socket: --endpoint or "
        "GANTRY_ENDPOINT");
  }
  return WithHint(
      absl::UnavailableError(absl::StrCat("the server at ", socket_path,
                                          " does not answer (",
                                          status.message(), ")")),
      "has gantryd ended? start it with: gantryd; as a user other than root "
      "the socket cannot be used");
}

std::string ErrorText(const absl::Status& status) {
  std::string text =
      absl::StrCat("gantryctl: ", Printable(status.message()), "\n");
  if (status.message().empty()) {
    text = absl::StrCat("gantryctl: ", absl::StatusCodeToString(status.code()),
                        "\n");
  }
  const std::string hint = HintOf(status);
  if (!hint.empty()) absl::StrAppend(&text, "  ", Printable(hint), "\n");
  return text;
}

}  // namespace gantry::ctl
