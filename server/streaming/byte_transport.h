// Transports of plain bytes: for SPDY/3.1 on an upgraded HTTP connection.

#ifndef GANTRY_SERVER_STREAMING_BYTE_TRANSPORT_H_
#define GANTRY_SERVER_STREAMING_BYTE_TRANSPORT_H_

#include <memory>
#include <string>

#include "server/streaming/streams_of_beast.h"
#include "server/streaming/transport.h"

namespace gantry::streaming {

// `early`: what was read from the stream already.
std::shared_ptr<Transport> NewByteTransport(TcpStream stream,
                                            std::string early);
std::shared_ptr<Transport> NewByteTransport(TlsStream stream,
                                            std::string early);

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_BYTE_TRANSPORT_H_
