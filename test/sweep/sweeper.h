// Kills a server or its shims at one of the system calls that they make, or
// lets that call fail.
//
// Counted are the calls from Run on that matter (state_calls.h), of all traced
// processes together, in the order in which they are about to be made. At the
// call with the given number it strikes, once. A kill is over, the victim's
// last thread gone, before the call is made.
//
// Thread safety: Attach and Run on one thread; Finish on any other. Blocking:
// Run, until no traced process is left.

#ifndef GANTRY_TEST_SWEEP_SWEEPER_H_
#define GANTRY_TEST_SWEEP_SWEEPER_H_

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "test/trace/tracer.h"

namespace gantry::sweep {

enum class Blow {
  kNone,  // only counts
  kKillServer,
  kKillShim,  // who makes the call, or made its caller; of the server's: all
  kKillBoth,
  kError,
};

struct Order {
  Blow blow = Blow::kNone;
  int64_t at = 0;      // the number of the call, from 1
  bool after = false;  // kills when it was made instead
  int error = 0;       // of kError
  bool list = false;   // tells of every call that it counts
  // If not empty: only calls count whose "KIND CALL" matches (fnmatch(3)).
  std::string only;
};

class Sweeper : private trace::Observer {
 public:
  // `tell` gets a line each for what is listed ("call ...") and for the call at
  // which it strikes ("hit KIND CALL"), on the thread of Run.
  using Tell = std::function<void(const std::string& line)>;
  Sweeper(const Order& order, Tell tell)
      : order_(order),
        tell_(std::move(tell)),
        tracer_(trace::Unit::kSystemCalls, this) {}

  absl::Status Attach(pid_t process) { return tracer_.Attach(process); }
  absl::Status Run() { return tracer_.Run(); }

  // How many calls there were. From here on Run does nothing more: what it has
  // begun is done, and the process can end without harm to the traced.
  int64_t Finish();

 private:
  bool Follows(const std::string& program) override;
  bool Entry(pid_t thread, const trace::Tracee& tracee,
             const trace::Call& call) override;
  bool Exit(pid_t thread, const trace::Tracee& tracee) override;
  void Gone(pid_t thread, const trace::Tracee& tracee) override;

  bool Counts(pid_t thread, const trace::Tracee& tracee,
              const std::string& name, const trace::Call& call) const;
  std::set<pid_t> Victims(const trace::Tracee& caller) const;
  // Whether the thread goes on.
  bool Kill(pid_t thread, const trace::Tracee& caller);

  const Order order_;
  const Tell tell_;
  trace::Tracer tracer_;

  std::mutex mutex_;
  std::condition_variable injected_;
  // All that follows is guarded by mutex_.
  int64_t count_ = 0;
  bool has_struck_ = false;
  pid_t returning_ = 0;  // its call returns to a kill or with an error
  pid_t held_ = 0;       // until the victims are gone
  std::set<pid_t> victims_;
};

}  // namespace gantry::sweep

#endif  // GANTRY_TEST_SWEEP_SWEEPER_H_
