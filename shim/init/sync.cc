#include "shim/init/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/sys/seqpacket.h"

namespace gantry::init {
namespace {

// First byte of a message.
constexpr char kGo = 'G';
constexpr char kConsole = 'C';
constexpr char kReady = 'R';
constexpr char kFailed = 'F';

constexpr size_t kMaxDetail = 4000;
// Bounds what a child can make the shim allocate.
constexpr size_t kMaxMessage = 64 << 10;

// Both ends are one program: host byte order and layout.
struct FailedRecord {
  char type = kFailed;
  int32_t stage = 0;
  int32_t code = 0;
  int32_t error_number = 0;
  char detail[kMaxDetail] = {};
};
constexpr size_t kFailedHead = offsetof(FailedRecord, detail);

// A status with this text that ErrnoOf answers for.
absl::Status MakeStatus(absl::StatusCode code, int error_number,
                        absl::string_view message) {
  absl::Status status(code, message);
  if (error_number != 0) {
    ErrnoStatus(code, error_number, "")
        .ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
          status.SetPayload(url, payload);
        });
  }
  return status;
}

// Sets `failure` to what the child reported.
absl::Status ParseFailed(absl::string_view data, absl::Status& failure) {
  if (data.size() < kFailedHead || data.size() > sizeof(FailedRecord)) {
    return absl::InternalError(
        absl::StrCat("sync: FAILED of ", data.size(), " bytes"));
  }
  FailedRecord record;
  memcpy(static_cast<void*>(&record), data.data(), data.size());
  auto code = static_cast<absl::StatusCode>(record.code);
  if (record.code <= 0 || record.code > 16) code = absl::StatusCode::kInternal;
  const bool known =
      record.stage >= 0 && record.stage <= static_cast<int>(Stage::kExec);
  absl::string_view name =
      known ? StageName(static_cast<Stage>(record.stage)) : "set up";
  absl::string_view detail(record.detail, data.size() - kFailedHead);
  failure = MakeStatus(
      code, record.error_number,
      name.empty() ? std::string(detail) : absl::StrCat(name, ": ", detail));
  return absl::OkStatus();
}

absl::Status Bad(absl::string_view what) {
  return absl::InternalError(absl::StrCat("sync: ", what));
}

absl::StatusOr<Report> Parse(sys::Message message) {
  Report report;
  absl::string_view body = absl::string_view(message.data).substr(1);
  const bool console = message.data[0] == kConsole;
  if (message.fds.size() != (console ? 1 : 0)) {
    return Bad("wrong number of descriptors");
  }
  switch (message.data[0]) {
    case kConsole:
      report.kind = Report::Kind::kConsole;
      report.console = std::move(message.fds[0]);
      return report;
    case kReady:
      report.kind = Report::Kind::kReady;
      if (!report.ready.ParseFromArray(body.data(), body.size())) {
        return Bad("READY does not parse");
      }
      return report;
    case kFailed: {
      report.kind = Report::Kind::kFailed;
      RETURN_IF_ERROR(ParseFailed(message.data, report.failure));
      return report;
    }
    default:
      return Bad("unknown report");
  }
}

}  // namespace

const char* StageName(Stage stage) {
  switch (stage) {
    case Stage::kSync:
      return "wait for the shim";
    case Stage::kNamespaces:
      return "set up namespaces";
    case Stage::kRootfs:
      return "set up rootfs";
    case Stage::kMounts:
      return "set up mounts";
    case Stage::kDevices:
      return "set up devices";
    case Stage::kPaths:
      return "protect paths";
    case Stage::kSysctl:
      return "set kernel parameters";
    case Stage::kConsole:
      return "set up terminal";
    case Stage::kUser:
      return "resolve user";
    case Stage::kIdentity:
      return "set up identity";
    case Stage::kSeccomp:
      return "load seccomp filter";
    case Stage::kWorkingDirectory:
      return "set working directory";
    case Stage::kExec:
      return "";
  }
  return "set up";
}

std::string StepName(Stage stage) {
  return absl::StrCat(
      "init: ", stage == Stage::kExec ? "run the program" : StageName(stage));
}

absl::StatusOr<SyncPair> MakeSyncPair() {
  ASSIGN_OR_RETURN(auto pair, sys::SocketPair());
  SyncPair sync{std::move(pair.first), std::move(pair.second)};
  // Only this end: the flag belongs to the open file, each end is one.
  int flags = fcntl(sync.parent.get(), F_GETFL);
  if (flags < 0 || fcntl(sync.parent.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "make the sync socket non-blocking");
  }
  return sync;
}

absl::Status SendGo(int parent_fd) {
  const absl::Status sent = sys::Send(parent_fd, absl::string_view(&kGo, 1));
  if (ErrnoOf(sent) == EPIPE) {
    // It has ended before, and may have told why.
    absl::StatusOr<std::optional<Report>> report = ReadReport(parent_fd);
    if (report.ok() && report->has_value() &&
        (*report)->kind == Report::Kind::kFailed) {
      return (*report)->failure;
    }
    return absl::UnavailableError("the process died during its set-up");
  }
  RETURN_IF_ERROR(sent) << "sync: send GO";
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Report>> ReadReport(int parent_fd) {
  absl::StatusOr<sys::Message> message = sys::Receive(parent_fd, kMaxMessage);
  if (!message.ok()) {
    const int error_number = ErrnoOf(message.status());
    if (error_number == EAGAIN) return std::optional<Report>();
    // A child that dies with GO unread resets the connection.
    if (sys::IsEndOfStream(message.status()) || error_number == ECONNRESET ||
        error_number == EPIPE) {
      return std::optional<Report>(Report{});
    }
    return Annotate(message.status(), "sync: read report");
  }
  ASSIGN_OR_RETURN(Report report, Parse(*std::move(message)));
  return std::optional<Report>(std::move(report));
}

absl::Status WaitForGo(int child_fd) {
  absl::StatusOr<sys::Message> message = sys::Receive(child_fd, 16);
  if (sys::IsEndOfStream(message.status())) {
    return absl::CancelledError("the shim is gone");
  }
  if (!message.ok()) return message.status();
  if (message->data != absl::string_view(&kGo, 1)) return Bad("no GO");
  return absl::OkStatus();
}

absl::Status SendConsole(int child_fd, int master_fd) {
  int fds[] = {master_fd};
  return sys::Send(child_fd, absl::string_view(&kConsole, 1), fds);
}

absl::Status SendReady(int child_fd, const shim::Started& ready) {
  return sys::Send(child_fd, absl::StrCat(absl::string_view(&kReady, 1),
                                          ready.SerializeAsString()));
}

void SendFailed(int child_fd, Stage stage, const absl::Status& failure) {
  FailedRecord record{};
  record.stage = static_cast<int32_t>(stage);
  record.code = static_cast<int32_t>(failure.code());
  record.error_number = ErrnoOf(failure);
  const size_t size = std::min(failure.message().size(), kMaxDetail);
  memcpy(record.detail, failure.message().data(), size);
  iovec part = {&record, kFailedHead + size};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  while (sendmsg(child_fd, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

}  // namespace gantry::init
