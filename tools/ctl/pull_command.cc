// gantryctl pull: fetches an image and shows how far it is.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "tools/ctl/command.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/format.h"
#include "tools/ctl/interrupt.h"
#include "tools/ctl/pull_view.h"

namespace gantry::ctl {
namespace {

struct PullWords {
  std::string image;
  // Files with one secret each; "-": standard input.
  std::string credentials;
  std::string identity_token;
  std::string registry_token;
  bool quiet = false;
};

// The first line of a file that holds a secret. Errors do not show it.
absl::StatusOr<std::string> ReadSecret(const std::string& file) {
  absl::StatusOr<std::string> text =
      file == "-" ? sys::ReadFd(STDIN_FILENO) : sys::ReadFileAt(AT_FDCWD, file);
  RETURN_IF_ERROR(text) << "read " << file;
  std::string line = text->substr(0, text->find_first_of("\r\n"));
  if (!line.empty()) return line;
  return absl::InvalidArgumentError(
      absl::StrCat("read ", file, ": its first line is empty"));
}

absl::Status AddCredentials(const PullWords& words, v1::AuthConfig& auth) {
  if (!words.credentials.empty()) {
    ASSIGN_OR_RETURN(std::string line, ReadSecret(words.credentials));
    const size_t colon = line.find(':');
    if (colon == std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("--creds ", words.credentials,
                       ": expected a line \"user:password\""));
    }
    auth.set_username(line.substr(0, colon));
    auth.set_password(line.substr(colon + 1));
  }
  if (!words.identity_token.empty()) {
    ASSIGN_OR_RETURN(*auth.mutable_identity_token(),
                     ReadSecret(words.identity_token));
  }
  if (!words.registry_token.empty()) {
    ASSIGN_OR_RETURN(*auth.mutable_registry_token(),
                     ReadSecret(words.registry_token));
  }
  return absl::OkStatus();
}

// Draws bars over the ones drawn before, on a terminal.
class Screen {
 public:
  explicit Screen(std::ostream& out) : out_(out) {}

  void Draw(const PullView& view) {
    winsize size = {};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) {
      size.ws_row = 24;
      size.ws_col = 80;
    }
    if (drawn_ > 0) out_ << "\x1b[" << drawn_ << 'A';
    // One line less than there are, for the cursor.
    const auto bars = view.Bars(size.ws_col - 1, size.ws_row - 1);
    for (const std::string& bar : bars) out_ << "\r\x1b[K" << bar << '\n';
    // A terminal that has become smaller leaves lines below.
    out_ << "\x1b[J" << std::flush;
    drawn_ = bars.size();
  }

 private:
  std::ostream& out_;
  size_t drawn_ = 0;
};

absl::StatusOr<std::string> PullShown(
    Context& context, Client& client,
    const admin::v1::PullWithProgressRequest& request, bool quiet) {
  const bool bars = !quiet && isatty(STDERR_FILENO) == 1;
  PullView view;
  Screen screen(context.err);
  std::string image_ref;
  RETURN_IF_ERROR(client.Pull(
      request,
      [&](const admin::v1::PullProgress& progress) {
        view.Update(progress);
        if (!progress.image_ref().empty()) image_ref = progress.image_ref();
        if (bars) screen.Draw(view);
        if (bars || quiet) return absl::OkStatus();
        for (const std::string& line : view.TakeLines()) {
          context.err << line << '\n';
        }
        context.err << std::flush;
        return absl::OkStatus();
      },
      Interrupted));
  return image_ref;
}

absl::Status Pull(Context& context, Client& client, const PullWords& words) {
  admin::v1::PullWithProgressRequest request;
  request.mutable_pull()->mutable_image()->set_image(words.image);
  RETURN_IF_ERROR(
      AddCredentials(words, *request.mutable_pull()->mutable_auth()));
  absl::StatusOr<std::string> pulled =
      PullShown(context, client, request, words.quiet || context.json);
  v1::PullImageResponse response;
  if (absl::IsUnimplemented(pulled.status())) {
    // Not a gantryd, or an older one: then without a word until it is done.
    ASSIGN_OR_RETURN(response, client.Call(request.pull()));
  } else if (pulled.ok()) {
    response.set_image_ref(*std::move(pulled));
  } else if (Interrupted()) {
    return absl::CancelledError("interrupted; what is there of layers is kept");
  } else {
    return WithHint(pulled.status(),
                    "an image in a file is loaded with: gantryctl load FILE");
  }
  if (context.json) return context.PrintJson(response);
  context.out << "pulled " << Printable(words.image) << ": "
              << Printable(response.image_ref()) << '\n';
  return absl::OkStatus();
}

}  // namespace

void AddPullCommand(CLI::App& app, Context& context) {
  const auto words = std::make_shared<PullWords>();
  CLI::App* pull = app.add_subcommand("pull", "Fetch an image from a registry");
  pull->add_option("IMAGE", words->image, "Name with a tag or digest")
      ->required();
  pull->add_option("--creds", words->credentials,
                   "File with a line user:password; - for standard input");
  pull->add_option("--identity-token", words->identity_token,
                   "File with a refresh token; - for standard input");
  pull->add_option("--registry-token", words->registry_token,
                   "File with a bearer token; - for standard input");
  pull->add_flag("-q,--quiet", words->quiet, "Show only the result");
  pull->callback([&context, words] {
    RunWithClient(context, [&](Client& c) { return Pull(context, c, *words); });
  });
}

}  // namespace gantry::ctl
