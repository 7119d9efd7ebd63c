// A shim that is a thread of the test: it listens on shim.sock of a directory,
// takes socket pairs as first connections, and answers as it is told.
//
// Thread safety: all methods from any thread; the handler runs on the fake's
// thread and may not call them.

#ifndef GANTRY_SERVER_SHIM_TESTING_FAKE_SHIM_H_
#define GANTRY_SERVER_SHIM_TESTING_FAKE_SHIM_H_

#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"
#include "server/shim/envelope.h"

namespace gantry::shim_client {

class FakeShim {
 public:
  // What is sent in answer, with the request's id unless it has one; nothing
  // if the body is empty.
  using Handler = std::function<Incoming(Incoming request)>;

  // `run_dir` is borrowed. Answers every request with Done, StateRequest with
  // an empty State.
  explicit FakeShim(int run_dir);
  ~FakeShim();

  void SetHandler(Handler handler);

  // The server's end of a connection.
  UniqueFd Handshake();
  // Readable once Die was called: stands for the shim's pidfd.
  UniqueFd Pidfd() const;

  // To every connection.
  void Send(const shim::Envelope& envelope);
  void SendRaw(absl::string_view bytes);
  void DropConnections();
  // Drops them and accepts no other.
  void StopListening();
  // Stops reading requests until called with false.
  void Pause(bool paused);
  void Die();

  int connections();

 private:
  void Run();
  void Serve(size_t connection) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake();

  const int run_dir_;
  UniqueFd death_;
  UniqueFd wake_;
  UniqueFd listener_;
  absl::Mutex mutex_;
  Handler handler_ ABSL_GUARDED_BY(mutex_);
  std::vector<UniqueFd> connections_ ABSL_GUARDED_BY(mutex_);
  bool listening_ ABSL_GUARDED_BY(mutex_) = true;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_TESTING_FAKE_SHIM_H_
