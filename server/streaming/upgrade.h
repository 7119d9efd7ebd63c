// Which protocol a client and this server speak, from the headers of the
// client's HTTP request.
//
// Pure functions.

#ifndef GANTRY_SERVER_STREAMING_UPGRADE_H_
#define GANTRY_SERVER_STREAMING_UPGRADE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/streaming/channel_codec.h"

namespace gantry::streaming {

inline constexpr char kSpdyProtocol[] = "SPDY/3.1";
inline constexpr char kSpdyVersionHeader[] = "X-Stream-Protocol-Version";

// What the client asks for.
struct UpgradeOffer {
  bool websocket = false;
  bool spdy = false;
  // Of Sec-WebSocket-Protocol or X-Stream-Protocol-Version, in the client's
  // order of preference.
  std::vector<std::string> protocols;
};

struct Upgrade {
  enum class Wire {
    kSpdy,
    // Channels over WebSocket messages.
    kChannels,
    // SPDY/3.1 whose bytes are WebSocket messages.
    kTunnel,
  };
  Wire wire = Wire::kSpdy;
  // To be named in the answer; empty: nothing is named.
  std::string protocol;
  // Of kChannels.
  ChannelFormat format;
  // Of remote commands. The error stream ends with a metav1.Status as JSON (v4
  // and later), or else with a text in case of an error only.
  bool status_as_json = false;
  // The client of a terminal opens a stream of its size (v3 and later).
  bool has_resize = true;
};

// The entries of a header that is a list ("a, b"), appended.
void AppendListHeader(absl::string_view value, std::vector<std::string>& list);

// INVALID_ARGUMENT: no upgrade is asked for. FAILED_PRECONDITION: none of the
// protocols is known; the message says which are.
absl::StatusOr<Upgrade> ChooseForCommand(const UpgradeOffer& offer);
absl::StatusOr<Upgrade> ChooseForPortForward(const UpgradeOffer& offer);

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_UPGRADE_H_
