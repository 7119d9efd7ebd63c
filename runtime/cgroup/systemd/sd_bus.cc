#include "runtime/cgroup/systemd/sd_bus.h"

#include <errno.h>
#include <signal.h>
#include <systemd/sd-bus.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"

namespace gantry::cgroup::systemd {

namespace {

constexpr char kService[] = "org.freedesktop.systemd1";
constexpr char kManagerPath[] = "/org/freedesktop/systemd1";
constexpr char kManager[] = "org.freedesktop.systemd1.Manager";
constexpr char kUnit[] = "org.freedesktop.systemd1.Unit";
// What a newly queued job does with one that is in the way.
constexpr char kReplace[] = "replace";
// systemctl's way, for root.
constexpr char kPrivateAddress[] = "unix:path=/run/systemd/private";
constexpr absl::Duration kCallTime = absl::Seconds(25);
constexpr absl::Duration kJobTime = absl::Seconds(30);
// How often a job is asked after whose end was not told: a signal can be lost
// while systemd executes itself anew.
constexpr absl::Duration kJobCheck = absl::Milliseconds(500);

// Not the wall's, which may be set.
absl::Duration BootTime() { return absl::Nanoseconds(RealClock().BootNanos()); }

struct CloseBus {
  void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};
struct UnrefMessage {
  void operator()(sd_bus_message* message) const {
    sd_bus_message_unref(message);
  }
};
struct UnrefSlot {
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};
struct Free {
  void operator()(char* text) const { ::free(text); }
};
using BusPtr = std::unique_ptr<sd_bus, CloseBus>;
using MessagePtr = std::unique_ptr<sd_bus_message, UnrefMessage>;
using SlotPtr = std::unique_ptr<sd_bus_slot, UnrefSlot>;
using TextPtr = std::unique_ptr<char, Free>;

class BusError {
 public:
  BusError() = default;
  ~BusError() { sd_bus_error_free(&error_); }
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;

  sd_bus_error* get() { return &error_; }
  absl::string_view name() const { return error_.name ? error_.name : ""; }
  absl::string_view message() const {
    return error_.message ? error_.message : "";
  }

 private:
  sd_bus_error error_ = SD_BUS_ERROR_NULL;
};

constexpr std::pair<absl::string_view, absl::StatusCode> kCodes[] = {
    {"org.freedesktop.systemd1.NoSuchUnit", absl::StatusCode::kNotFound},
    {"org.freedesktop.systemd1.UnitExists", absl::StatusCode::kAlreadyExists},
    {"org.freedesktop.systemd1.UnitMasked",
     absl::StatusCode::kFailedPrecondition},
    {"org.freedesktop.DBus.Error.AccessDenied",
     absl::StatusCode::kPermissionDenied},
    {"org.freedesktop.DBus.Error.InvalidArgs",
     absl::StatusCode::kInvalidArgument},
    {"System.Error.EINVAL", absl::StatusCode::kInvalidArgument},
    {"System.Error.ERANGE", absl::StatusCode::kInvalidArgument},
    // It is executing itself anew, or shuts down, or the bus restarts.
    {"org.freedesktop.DBus.Error.NoReply", absl::StatusCode::kUnavailable},
    {"org.freedesktop.DBus.Error.Disconnected", absl::StatusCode::kUnavailable},
    {"org.freedesktop.DBus.Error.NoServer", absl::StatusCode::kUnavailable},
    {"org.freedesktop.DBus.Error.ServiceUnknown",
     absl::StatusCode::kUnavailable},
    {"org.freedesktop.DBus.Error.NameHasNoOwner",
     absl::StatusCode::kUnavailable},
    {"org.freedesktop.DBus.Error.Timeout", absl::StatusCode::kUnavailable},
    {"org.freedesktop.DBus.Error.TimedOut", absl::StatusCode::kUnavailable},
};

bool IsLost(int error_number) {
  return error_number == ENOTCONN || error_number == ECONNRESET ||
         error_number == EPIPE || error_number == ECONNREFUSED ||
         error_number == ESHUTDOWN || error_number == ETIMEDOUT;
}

// `result`: negative errno of a call whose error, if the other side sent one,
// is `error`.
absl::Status Failure(int result, const BusError& error,
                     absl::string_view what) {
  if (error.name().empty()) {
    return IsLost(-result)
               ? ErrnoStatus(absl::StatusCode::kUnavailable, -result, what)
               : ErrnoStatus(-result, what);
  }
  absl::StatusCode code = absl::StatusCode::kInternal;
  for (const auto& [name, known] : kCodes) {
    if (name == error.name()) code = known;
  }
  return absl::Status(code, absl::StrCat(what, ": systemd: ", error.message(),
                                         " (", error.name(), ")"));
}

absl::Status Check(int result, absl::string_view what) {
  if (result >= 0) return absl::OkStatus();
  return Failure(result, BusError(), what);
}

absl::StatusOr<BusPtr> OpenPrivate() {
  sd_bus* made = nullptr;
  RETURN_IF_ERROR(Check(sd_bus_new(&made), "make a bus connection"));
  BusPtr bus(made);
  RETURN_IF_ERROR(Check(sd_bus_set_address(made, kPrivateAddress),
                        "address systemd's socket"));
  RETURN_IF_ERROR(Check(sd_bus_start(made), "connect to systemd's socket"));
  return bus;
}

absl::StatusOr<BusPtr> Open() {
  sd_bus* opened = nullptr;
  const int result = sd_bus_open_system(&opened);
  BusPtr bus(opened);
  if (result < 0) {
    absl::StatusOr<BusPtr> own = OpenPrivate();
    if (!own.ok()) {
      // Both may be there in a moment.
      return ErrnoStatus(absl::StatusCode::kUnavailable, -result,
                         "connect to the system bus");
    }
    bus = *std::move(own);
  }
  sd_bus_set_method_call_timeout(bus.get(),
                                 absl::ToInt64Microseconds(kCallTime));
  return bus;
}

absl::StatusOr<MessagePtr> NewCall(sd_bus* bus, const char* method) {
  sd_bus_message* made = nullptr;
  RETURN_IF_ERROR(
      Check(sd_bus_message_new_method_call(bus, &made, kService, kManagerPath,
                                           kManager, method),
            absl::StrCat("make a call of ", method)));
  return MessagePtr(made);
}

absl::StatusOr<MessagePtr> Call(sd_bus* bus, sd_bus_message* message,
                                absl::string_view what) {
  BusError error;
  sd_bus_message* answer = nullptr;
  const int result = sd_bus_call(bus, message, 0, error.get(), &answer);
  if (result < 0) return Failure(result, error, what);
  return MessagePtr(answer);
}

int AppendValue(sd_bus_message* m, const Value& value) {
  return std::visit(
      [m](const auto& held) -> int {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, bool>) {
          return sd_bus_message_append(m, "v", "b", int{held});
        } else if constexpr (std::is_same_v<T, uint64_t>) {
          return sd_bus_message_append(m, "v", "t", held);
        } else if constexpr (std::is_same_v<T, std::string>) {
          return sd_bus_message_append(m, "v", "s", held.c_str());
        } else if constexpr (std::is_same_v<T, DeviceValues>) {
          int r = sd_bus_message_open_container(m, 'v', "a(st)");
          if (r >= 0) r = sd_bus_message_open_container(m, 'a', "(st)");
          for (const auto& [path, number] : held) {
            if (r < 0) return r;
            r = sd_bus_message_append(m, "(st)", path.c_str(), number);
          }
          if (r >= 0) r = sd_bus_message_close_container(m);
          return r < 0 ? r : sd_bus_message_close_container(m);
        } else {
          const char type = sizeof held[0] == 1 ? 'y' : 'u';
          const char array[] = {'a', type, '\0'};
          int r = sd_bus_message_open_container(m, 'v', array);
          if (r >= 0) {
            r = sd_bus_message_append_array(m, type, held.data(),
                                            held.size() * sizeof held[0]);
          }
          return r < 0 ? r : sd_bus_message_close_container(m);
        }
      },
      value);
}

absl::Status AppendProperties(sd_bus_message* m, const Properties& properties) {
  int r = sd_bus_message_open_container(m, 'a', "(sv)");
  for (const Property& property : properties) {
    if (r >= 0) r = sd_bus_message_open_container(m, 'r', "sv");
    if (r >= 0) r = sd_bus_message_append(m, "s", property.name.c_str());
    if (r >= 0) r = AppendValue(m, property.value);
    if (r >= 0) r = sd_bus_message_close_container(m);
    RETURN_IF_ERROR(Check(
        r, absl::StrCat("put ", property.name, " into a call of systemd")));
  }
  if (r >= 0) r = sd_bus_message_close_container(m);
  return Check(r, "put properties into a call of systemd");
}

// Jobs that have ended, by their object's path, from the moment it is made.
class JobWatch {
 public:
  static absl::StatusOr<std::unique_ptr<JobWatch>> Begin(sd_bus* bus) {
    std::unique_ptr<JobWatch> watch(new JobWatch(bus));
    sd_bus_slot* slot = nullptr;
    // On systemd's own socket messages have no sender.
    const char* sender = sd_bus_is_bus_client(bus) > 0 ? kService : nullptr;
    RETURN_IF_ERROR(
        Check(sd_bus_match_signal(bus, &slot, sender, kManagerPath, kManager,
                                  "JobRemoved", &OnRemoved, watch.get()),
              "follow systemd's jobs"));
    watch->slot_.reset(slot);
    // Without a follower systemd tells nothing.
    ASSIGN_OR_RETURN(MessagePtr call, NewCall(bus, "Subscribe"));
    RETURN_IF_ERROR(Call(bus, call.get(), "follow systemd's jobs"));
    return watch;
  }

  // The result of `job`: "done", "failed", ...; empty if it has ended and
  // nobody heard how. DEADLINE_EXCEEDED if it has not.
  absl::StatusOr<std::string> Wait(const std::string& job) {
    const absl::Duration deadline = BootTime() + kJobTime;
    absl::Duration check = BootTime() + kJobCheck;
    for (;;) {
      const int processed = sd_bus_process(bus_, nullptr);
      RETURN_IF_ERROR(Check(processed, "wait for a job of systemd's"));
      const auto ended = results_.find(job);
      if (ended != results_.end()) return ended->second;
      if (processed > 0) continue;
      const absl::Duration now = BootTime();
      if (now > deadline) {
        return absl::DeadlineExceededError(
            absl::StrCat("systemd's job ", job, " does not end"));
      }
      if (now > check) {
        check = now + kJobCheck;
        ASSIGN_OR_RETURN(const bool known, IsKnown(job));
        if (!known) return LastWord(job);
        continue;
      }
      const int waited = sd_bus_wait(
          bus_, absl::ToInt64Microseconds(std::min(check, deadline) - now) + 1);
      if (waited == -EINTR) continue;
      RETURN_IF_ERROR(Check(waited, "wait for a job of systemd's"));
    }
  }

 private:
  explicit JobWatch(sd_bus* bus) : bus_(bus) {}

  static int OnRemoved(sd_bus_message* message, void* self,
                       sd_bus_error* /*error*/) {
    uint32_t id = 0;
    const char* job = nullptr;
    const char* unit = nullptr;
    const char* result = nullptr;
    if (sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) >= 0) {
      static_cast<JobWatch*>(self)->results_[job] = result;
    }
    return 0;
  }

  absl::StatusOr<bool> IsKnown(const std::string& job) {
    BusError error;
    TextPtr state;
    char* text = nullptr;
    const int result = sd_bus_get_property_string(
        bus_, kService, job.c_str(), "org.freedesktop.systemd1.Job", "State",
        error.get(), &text);
    state.reset(text);
    if (result >= 0) return true;
    absl::Status failed = Failure(result, error, "ask after systemd's job");
    if (absl::IsUnavailable(failed)) return failed;
    return false;
  }

  // It may have come together with the answer that there is no such job.
  std::string LastWord(const std::string& job) {
    while (sd_bus_process(bus_, nullptr) > 0) {
    }
    return results_[job];
  }

  sd_bus* const bus_;
  SlotPtr slot_;
  std::map<std::string, std::string> results_;
};

// "active", "inactive", "failed", ...; of a unit that there is not: "inactive".
absl::StatusOr<std::string> ActiveState(sd_bus* bus, const std::string& unit) {
  char* encoded = nullptr;
  RETURN_IF_ERROR(Check(sd_bus_path_encode("/org/freedesktop/systemd1/unit",
                                           unit.c_str(), &encoded),
                        absl::StrCat("name unit ", unit)));
  TextPtr path(encoded);
  BusError error;
  char* text = nullptr;
  const int result = sd_bus_get_property_string(
      bus, kService, path.get(), kUnit, "ActiveState", error.get(), &text);
  TextPtr state(text);
  if (result < 0) {
    return Failure(result, error, absl::StrCat("ask after unit ", unit));
  }
  return std::string(state.get());
}

// Sends `message`, whose answer is a job, and waits for its end. `wanted`: the
// unit's state after it.
absl::Status RunJob(sd_bus* bus, sd_bus_message* message,
                    const std::string& unit, absl::string_view wanted,
                    absl::string_view what) {
  ASSIGN_OR_RETURN(const std::unique_ptr<JobWatch> watch, JobWatch::Begin(bus));
  ASSIGN_OR_RETURN(const MessagePtr answer, Call(bus, message, what));
  const char* job = nullptr;
  RETURN_IF_ERROR(Check(sd_bus_message_read(answer.get(), "o", &job), what));
  absl::StatusOr<std::string> result = watch->Wait(job);
  RETURN_IF_ERROR(result) << what;
  if (result->empty()) {
    ASSIGN_OR_RETURN(const std::string state, ActiveState(bus, unit));
    if (state == wanted) return absl::OkStatus();
    *result = absl::StrCat("unit is ", state);
  }
  if (*result == "done") return absl::OkStatus();
  return absl::Status(*result == "timeout" ? absl::StatusCode::kDeadlineExceeded
                                           : absl::StatusCode::kInternal,
                      absl::StrCat(what, ": systemd's job: ", *result));
}

class SystemBus final : public Bus {
 public:
  absl::Status StartTransient(const std::string& unit,
                              const Properties& properties) override {
    const std::string what = absl::StrCat("start unit ", unit);
    ASSIGN_OR_RETURN(const BusPtr bus, Open());
    ASSIGN_OR_RETURN(const MessagePtr call,
                     NewCall(bus.get(), "StartTransientUnit"));
    RETURN_IF_ERROR(Check(
        sd_bus_message_append(call.get(), "ss", unit.c_str(), kReplace), what));
    RETURN_IF_ERROR(AppendProperties(call.get(), properties));
    // No other units with it.
    RETURN_IF_ERROR(
        Check(sd_bus_message_append(call.get(), "a(sa(sv))", 0), what));
    return RunJob(bus.get(), call.get(), unit, "active", what);
  }

  absl::Status Stop(const std::string& unit) override {
    const std::string what = absl::StrCat("stop unit ", unit);
    ASSIGN_OR_RETURN(const BusPtr bus, Open());
    ASSIGN_OR_RETURN(const MessagePtr call, NewCall(bus.get(), "StopUnit"));
    RETURN_IF_ERROR(Check(
        sd_bus_message_append(call.get(), "ss", unit.c_str(), kReplace), what));
    return RunJob(bus.get(), call.get(), unit, "inactive", what);
  }

  absl::Status Kill(const std::string& unit) override {
    const std::string what = absl::StrCat("kill unit ", unit);
    ASSIGN_OR_RETURN(const BusPtr bus, Open());
    ASSIGN_OR_RETURN(const MessagePtr call, NewCall(bus.get(), "KillUnit"));
    RETURN_IF_ERROR(Check(
        sd_bus_message_append(call.get(), "ssi", unit.c_str(), "all", SIGKILL),
        what));
    return Call(bus.get(), call.get(), what).status();
  }

  absl::Status SetProperties(const std::string& unit,
                             const Properties& properties) override {
    const std::string what = absl::StrCat("set properties of unit ", unit);
    ASSIGN_OR_RETURN(const BusPtr bus, Open());
    ASSIGN_OR_RETURN(const MessagePtr call,
                     NewCall(bus.get(), "SetUnitProperties"));
    // Not for the next boot.
    constexpr int kRuntime = 1;
    RETURN_IF_ERROR(Check(
        sd_bus_message_append(call.get(), "sb", unit.c_str(), kRuntime), what));
    RETURN_IF_ERROR(AppendProperties(call.get(), properties));
    return Call(bus.get(), call.get(), what).status();
  }

  absl::StatusOr<std::vector<ListedUnit>> List(
      const std::vector<std::string>& patterns) override {
    constexpr absl::string_view kWhat = "list systemd's units";
    ASSIGN_OR_RETURN(const BusPtr bus, Open());
    ASSIGN_OR_RETURN(const MessagePtr call,
                     NewCall(bus.get(), "ListUnitsByPatterns"));
    // In any state.
    int r = sd_bus_message_append(call.get(), "as", 0);
    if (r >= 0) r = sd_bus_message_open_container(call.get(), 'a', "s");
    for (const std::string& pattern : patterns) {
      if (r >= 0) r = sd_bus_message_append(call.get(), "s", pattern.c_str());
    }
    if (r >= 0) r = sd_bus_message_close_container(call.get());
    RETURN_IF_ERROR(Check(r, kWhat));
    ASSIGN_OR_RETURN(const MessagePtr answer,
                     Call(bus.get(), call.get(), kWhat));
    return ReadUnits(answer.get());
  }

  absl::StatusOr<std::string> Version() override {
    ASSIGN_OR_RETURN(const BusPtr bus, Open());
    BusError error;
    char* text = nullptr;
    const int result =
        sd_bus_get_property_string(bus.get(), kService, kManagerPath, kManager,
                                   "Version", error.get(), &text);
    TextPtr version(text);
    if (result < 0) return Failure(result, error, "ask for systemd's version");
    return std::string(version.get());
  }

 private:
  static absl::StatusOr<std::vector<ListedUnit>> ReadUnits(sd_bus_message* m) {
    constexpr absl::string_view kWhat = "read the list of systemd's units";
    std::vector<ListedUnit> units;
    RETURN_IF_ERROR(
        Check(sd_bus_message_enter_container(m, 'a', "(ssssssouso)"), kWhat));
    for (;;) {
      const char* name = nullptr;
      const char* description = nullptr;
      const int r = sd_bus_message_read(m, "(ssssssouso)", &name, &description,
                                        nullptr, nullptr, nullptr, nullptr,
                                        nullptr, nullptr, nullptr, nullptr);
      RETURN_IF_ERROR(Check(r, kWhat));
      if (r == 0) return units;
      units.push_back({name, description});
    }
  }
};

}  // namespace

std::unique_ptr<Bus> NewSystemBus() { return std::make_unique<SystemBus>(); }

}  // namespace gantry::cgroup::systemd
