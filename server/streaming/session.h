// What is done with the streams of one connection: an exec, an attach, a port
// forwarding. A session knows streams (StreamEvents, StreamCodec), not the
// protocol or transport below them.
//
// Thread safety: none; all on the streaming thread, where nothing may block.

#ifndef GANTRY_SERVER_STREAMING_SESSION_H_
#define GANTRY_SERVER_STREAMING_SESSION_H_

#include "boost/asio/io_context.hpp"
#include "server/streaming/stream_codec.h"

namespace gantry::streaming {

// A session's side of its connection.
class Link {
 public:
  virtual ~Link() = default;
  virtual boost::asio::io_context& io() = 0;
  virtual StreamCodec& streams() = 0;
  // Whether more may be written now. After false Session::OnRoom tells; what
  // is written all the same is queued.
  virtual bool HasRoom() const = 0;
  // Stops reading from the client until every hold was let go of.
  virtual void HoldInput() = 0;
  virtual void ReleaseInput() = 0;
  // The session is over: closes once everything written was sent.
  virtual void Finish() = 0;
  // Closes at once.
  virtual void Abort() = 0;
};

class Session : public StreamEvents {
 public:
  // Before any event. `link` may be used until OnGone.
  virtual void Start(Link& link) = 0;
  // The link has room again.
  virtual void OnRoom() = 0;
  // The connection has ended, whoever ended it. Called once, last.
  virtual void OnGone() = 0;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_SESSION_H_
