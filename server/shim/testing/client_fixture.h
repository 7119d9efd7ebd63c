// A ShimClient and the fake shim at its other end.

#ifndef GANTRY_SERVER_SHIM_TESTING_CLIENT_FIXTURE_H_
#define GANTRY_SERVER_SHIM_TESTING_CLIENT_FIXTURE_H_

#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "proto/shim.pb.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"
#include "server/shim/shim_client.h"
#include "server/shim/testing/await_task.h"
#include "server/shim/testing/fake_shim.h"
#include "server/work/executor.h"
#include "server/work/loop_thread.h"

namespace gantry::shim_client {

inline constexpr absl::Duration kBound = absl::Milliseconds(400);
inline constexpr absl::Duration kLong = absl::Seconds(20);

inline bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return false;
}

inline shim::Envelope ExitedEvent(int code) {
  shim::Envelope event;
  event.mutable_exited()->set_exit_code(code);
  event.mutable_exited()->set_finished_at(1);
  return event;
}

inline shim::Envelope ExecExitedEvent(const std::string& exec_id, int code) {
  shim::Envelope event;
  event.mutable_exec_exited()->set_exec_id(exec_id);
  event.mutable_exec_exited()->set_exit_code(code);
  return event;
}

inline shim::ExecRequest ExecOf(const std::string& exec_id) {
  shim::ExecRequest request;
  request.set_exec_id(exec_id);
  request.add_args("true");
  return request;
}

// What was told about the end of the container.
class Ends {
 public:
  std::function<void(ExitOutcome)> Listener() {
    return [this](ExitOutcome outcome) {
      absl::MutexLock lock(&mutex_);
      outcomes_.push_back(std::move(outcome));
    };
  }
  int count() {
    absl::MutexLock lock(&mutex_);
    return outcomes_.size();
  }
  ExitOutcome Only() {
    EXPECT_TRUE(Eventually([this] { return count() > 0; }));
    absl::SleepFor(absl::Milliseconds(50));
    absl::MutexLock lock(&mutex_);
    EXPECT_EQ(outcomes_.size(), 1);
    return outcomes_.empty() ? ExitOutcome{} : outcomes_[0];
  }

 private:
  absl::Mutex mutex_;
  std::vector<ExitOutcome> outcomes_ ABSL_GUARDED_BY(mutex_);
};

class ShimClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(loop_, work::LoopThread::Start("loop", executor_));
    fake_ = std::make_unique<FakeShim>(dir_.fd());
    options_.request_timeout = kLong;
    options_.exec_timeout = kLong;
    options_.reconnect_first = absl::Milliseconds(5);
    options_.reconnect_last = absl::Milliseconds(20);
  }

  void TearDown() override {
    client_.reset();
    loop_.reset();
  }

  // A client whose first connection is a socket pair, as after a launch.
  void Adopt() {
    ASSERT_OK_AND_ASSIGN(UniqueFd run_dir, sys::Duplicate(dir_.fd()));
    client_ =
        ShimClient::Adopt(*loop_, executor_, fake_->Handshake(), ::getpid(),
                          fake_->Pidfd(), std::move(run_dir), options_);
    client_->OnExit(ends_.Listener());
  }

  auto Connect() {
    return Await(ShimClient::Connect(*loop_, executor_, dir_.fd(), options_));
  }

  sys::testing::TempDir dir_;
  Ends ends_;
  work::Executor executor_{"test", 2};
  std::unique_ptr<work::LoopThread> loop_;
  std::unique_ptr<FakeShim> fake_;
  ShimClientOptions options_;
  std::unique_ptr<ShimClient> client_;
};

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_TESTING_CLIENT_FIXTURE_H_
