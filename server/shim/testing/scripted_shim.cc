// A program in the place of gantry-shim: what it does is named by its argument,
// the container's id, or for `pin` by the host name. Its descriptors are those
// of docs/shim_protocol.md.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/shim.pb.h"
#include "runtime/sys/file.h"
#include "runtime/sys/seqpacket.h"
#include "server/shim/envelope.h"
#include "shim/donation.h"

namespace gantry::shim_client {
namespace {

using shim::kHandshakeFd;

void Say(const shim::Envelope& envelope) {
  SendEnvelope(kHandshakeFd, envelope, {}).IgnoreError();
}

void SayStarted() {
  shim::Envelope envelope;
  envelope.mutable_started()->set_pid(42);
  envelope.mutable_started()->set_shim_pid(::getpid());
  // What it was given, for the test to compare.
  for (int fd = 0; fd < 64; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) continue;
    struct stat info;
    ::fstat(fd, &info);
    envelope.mutable_started()->add_degraded(
        absl::StrCat(fd, ":", info.st_ino));
  }
  Say(envelope);
}

void SayError(shim::Error& error) {
  error.set_code(5);
  error.set_message("mount overlay on /x: EINVAL");
  error.set_errno_value(22);
}

[[noreturn]] void Sleep() {
  for (;;) ::pause();
}

// Serves requests with Done; ends at SIGKILL asked for over the socket.
[[noreturn]] void Serve() {
  for (;;) {
    pollfd polled = {kHandshakeFd, POLLIN, 0};
    ::poll(&polled, 1, -1);
    absl::StatusOr<Incoming> request = ReceiveEnvelope(kHandshakeFd);
    if (!request.ok()) Sleep();
    shim::Envelope answer;
    answer.set_id(request->envelope.id());
    answer.mutable_done();
    Say(answer);
    if (request->envelope.signal_request().signal() == SIGKILL) ::_exit(0);
  }
}

void Container(const std::string& what) {
  if (what == "starts") {
    SayStarted();
    Serve();
  } else if (what == "waits") {
    // To be placed; what it was told becomes its degraded[0].
    absl::StatusOr<sys::Message> told = sys::Receive(kHandshakeFd, 1024);
    shim::Envelope envelope;
    envelope.mutable_started()->set_pid(42);
    envelope.mutable_started()->set_shim_pid(::getpid());
    envelope.mutable_started()->add_degraded(told.ok() ? told->data : "");
    Say(envelope);
    Serve();
  } else if (what == "fails") {
    shim::Envelope envelope;
    SayError(*envelope.mutable_start_failed()->mutable_error());
    Say(envelope);
  } else if (what == "gives-up") {
    Serve();
  } else if (what == "hangs") {
    Sleep();
  } else if (what == shim::kStartedAhead) {
    // Is lost in the moment it is wanted.
    if (!sys::Send(kHandshakeFd, shim::kReady).ok()) return;
    pollfd polled = {kHandshakeFd, POLLIN, 0};
    ::poll(&polled, 1, -1);
  } else if (what == "babbles") {
    shim::Envelope envelope;
    envelope.mutable_done();
    Say(envelope);
    Serve();
  }
  // Else it dies without a word.
}

void Pin(const std::string& args) {
  shim::Envelope envelope;
  if (absl::StrContains(args, "hangs")) Sleep();
  if (absl::StrContains(args, "dies")) return;
  if (absl::StrContains(args, "fails")) {
    SayError(*envelope.mutable_error());
  } else {
    sys::WriteAll(
        sys::OpenAt(shim::kPinDirectoryFd, "args", O_WRONLY | O_CREAT, 0600)
            .value()
            .get(),
        args)
        .IgnoreError();
    envelope.mutable_done();
  }
  Say(envelope);
}

}  // namespace
}  // namespace gantry::shim_client

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::string args;
  for (int i = 2; i < argc; ++i) absl::StrAppend(&args, argv[i], "\n");
  if (argv[1] == std::string(gantry::shim::kContainerMode)) {
    gantry::shim_client::Container(args.substr(0, args.find('\n')));
  } else {
    gantry::shim_client::Pin(args);
  }
  return 0;
}
