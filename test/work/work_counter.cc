#include "test/work/work_counter.h"

#include <utility>

namespace gantry::work_count {

Counts WorkCounter::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(counts_, {});
}

bool WorkCounter::Follows(const std::string& program) {
  return follows_(program);
}

bool WorkCounter::Entry(pid_t /*thread*/, const trace::Tracee& tracee,
                        const trace::Call& call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++counts_[tracee.kind][trace::CallName(call.number)];
  return true;
}

void WorkCounter::Step(const trace::Tracee& tracee) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++counts_[tracee.kind]["instructions"];
}

}  // namespace gantry::work_count
