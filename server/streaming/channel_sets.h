// Which channels a request has over WebSocket: remote commands have five, port
// forwarding has two for each port. Pure.

#ifndef GANTRY_SERVER_STREAMING_CHANNEL_SETS_H_
#define GANTRY_SERVER_STREAMING_CHANNEL_SETS_H_

#include <vector>

#include "server/core/stream_request.h"
#include "server/streaming/channel_codec.h"

namespace gantry::streaming {

std::vector<Channel> ChannelsFor(const core::StreamRequest& request);

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_CHANNEL_SETS_H_
