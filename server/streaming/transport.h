// An upgraded connection to a client: bytes over TCP or TLS, or the messages of
// a WebSocket over either.
//
// Everything is asynchronous on the io_context's thread; no method calls the
// handler from within. Ownership: keeps itself alive while operations are under
// way, and its handler until OnClosed. Thread safety: none.

#ifndef GANTRY_SERVER_STREAMING_TRANSPORT_H_
#define GANTRY_SERVER_STREAMING_TRANSPORT_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry::streaming {

class Transport {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    // `end_of_message`: of a WebSocket's; always true otherwise.
    virtual void OnBytes(absl::string_view bytes, bool end_of_message) = 0;
    // Some of what was queued is sent.
    virtual void OnSent() = 0;
    // Once, last: the connection is closed. OK: as Finish asked.
    virtual void OnClosed(const absl::Status& why) = 0;
  };

  virtual ~Transport() = default;

  virtual void Start(std::shared_ptr<Handler> handler) = 0;
  // Queues without bound: who sends asks Queued before. A message, for a
  // WebSocket.
  virtual void Send(std::string bytes) = 0;
  // Bytes that are not sent yet.
  virtual size_t Queued() const = 0;
  // While held nothing is read, so that the client's sending stands still.
  virtual void Hold(bool hold) = 0;
  // Sends what is queued, says goodbye and closes; for at most some seconds
  // waits for the client to do the same, so that it loses nothing.
  virtual void Finish() = 0;
  // Closes at once.
  virtual void Abort() = 0;
  // Whether the client has closed its end, which nobody notices while the
  // connection is held.
  virtual bool PeerHasClosed() const = 0;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_TRANSPORT_H_
