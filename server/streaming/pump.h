// Pumps between a descriptor (pipe, terminal's master, socket) and a stream.
//
// Both hold a bounded number of bytes: an OutputPump reads only while the
// client takes what was read before, an InputPump says when more than its share
// waits. Ownership: of the descriptor, closed by Close or at the end. A pump
// lives as long as its owner or an operation under way; its callbacks are not
// called after Close. Thread safety: none; all on the io_context's thread.

#ifndef GANTRY_SERVER_STREAMING_PUMP_H_
#define GANTRY_SERVER_STREAMING_PUMP_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/posix/stream_descriptor.hpp"
#include "boost/asio/steady_timer.hpp"
#include "runtime/base/unique_fd.h"

namespace gantry::streaming {

// From a descriptor to a stream.
class OutputPump : public std::enable_shared_from_this<OutputPump> {
 public:
  struct Callbacks {
    // Whether the client takes more now.
    std::function<bool()> has_room;
    std::function<void(absl::string_view data)> deliver;
    // Once. OK: everything was delivered (end of file, or whoever wrote is
    // gone); an error: it cannot be read further. The descriptor is closed.
    std::function<void(const absl::Status& end)> ended;
  };

  // `fd`: non-blocking.
  OutputPump(boost::asio::io_context& io, UniqueFd fd, Callbacks callbacks);

  void Start();
  // has_room may be true again.
  void OnRoom();
  // The program has ended: what it wrote is still delivered, but another that
  // keeps the other end open is not waited for.
  void Drain();
  void Close();
  bool open() const { return descriptor_.is_open(); }

 private:
  void Wait();
  void Read();
  void End(const absl::Status& end);
  void ArmQuiet();

  boost::asio::posix::stream_descriptor descriptor_;
  boost::asio::steady_timer quiet_;
  Callbacks callbacks_;
  // Why the descriptor could not be had, if so.
  absl::Status assigned_;
  bool waiting_ = false;
  bool stalled_ = false;
  bool draining_ = false;
};

// From a stream to a descriptor.
class InputPump : public std::enable_shared_from_this<InputPump> {
 public:
  struct Callbacks {
    // `hold`: more than its share waits; false: no longer.
    std::function<void(bool hold)> hold;
    // So many bytes were delivered (or thrown away).
    std::function<void(size_t size)> consumed;
    // OK: nobody reads any more; an error: it cannot be written further. Called
    // at most once. Later data is thrown away. If set, the descriptor (no
    // socket) is watched for it.
    std::function<void(const absl::Status& why)> broken;
    // After End, once everything was delivered. In place of closing the
    // descriptor, if it is set.
    std::function<void()> ended;
  };

  InputPump(boost::asio::io_context& io, Callbacks callbacks);

  // What came before waits for this. `fd`: non-blocking.
  void Start(UniqueFd fd);
  void Write(absl::string_view data);
  void End();
  void Close();
  bool open() const { return descriptor_.is_open(); }

 private:
  void WatchReader();
  void Flush();
  void Break(const absl::Status& why);
  void TellConsumed(size_t size);

  boost::asio::posix::stream_descriptor descriptor_;
  Callbacks callbacks_;
  std::string pending_;
  bool started_ = false;
  bool waiting_ = false;
  bool held_ = false;
  bool ending_ = false;
  bool broken_ = false;
  // The last write had an error that is tried over once.
  bool failed_ = false;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_PUMP_H_
