#include "server/streaming/upgrade.h"

#include <algorithm>
#include <span>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace gantry::streaming {
namespace {

using Wire = Upgrade::Wire;

constexpr char kPortForwardProtocol[] = "portforward.k8s.io";

const Upgrade kCommandOverSpdy[] = {
    {Wire::kSpdy, "v4.channel.k8s.io", {}, true, true},
    {Wire::kSpdy, "v3.channel.k8s.io", {}, false, true},
    {Wire::kSpdy, "v2.channel.k8s.io", {}, false, false},
    {Wire::kSpdy, "channel.k8s.io", {}, false, false},
};
// The last is for a client that names none.
const Upgrade kCommandOverWebSocket[] = {
    {Wire::kChannels, "v5.channel.k8s.io", {false, true}, true, true},
    {Wire::kChannels, "v4.channel.k8s.io", {false, false}, true, true},
    {Wire::kChannels, "v4.base64.channel.k8s.io", {true, false}, true, true},
    {Wire::kChannels, "base64.channel.k8s.io", {true, false}, false, true},
    {Wire::kChannels, "channel.k8s.io", {false, false}, false, true},
    {Wire::kChannels, "", {false, false}, false, true},
};
const Upgrade kPortForwardOverSpdy[] = {
    {Wire::kSpdy, kPortForwardProtocol, {}, false, false},
};
const Upgrade kPortForwardOverWebSocket[] = {
    {Wire::kTunnel, "SPDY/3.1+portforward.k8s.io", {}, false, false},
    {Wire::kChannels, "v4.channel.k8s.io", {false, false}, false, false},
    {Wire::kChannels, "v4.base64.channel.k8s.io", {true, false}, false, false},
    {Wire::kChannels, "", {false, false}, false, false},
};

// The client's order decides, as Kubernetes' servers do.
absl::StatusOr<Upgrade> Choose(const UpgradeOffer& offer,
                               std::span<const Upgrade> known) {
  std::vector<std::string> names = offer.protocols;
  if (names.empty()) names.push_back("");
  std::string all;
  for (const std::string& name : names) {
    for (const Upgrade& upgrade : known) {
      if (upgrade.protocol == name) return upgrade;
    }
  }
  for (const Upgrade& upgrade : known) {
    if (upgrade.protocol.empty()) continue;
    absl::StrAppend(&all, all.empty() ? "" : ", ", upgrade.protocol);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("no known protocol is offered; known are ", all));
}

absl::StatusOr<Upgrade> ChooseFor(const UpgradeOffer& offer,
                                  std::span<const Upgrade> spdy,
                                  std::span<const Upgrade> websocket) {
  if (offer.websocket) return Choose(offer, websocket);
  if (!offer.spdy) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an upgrade to ", kSpdyProtocol, " or to a WebSocket is required"));
  }
  if (offer.protocols.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header ", kSpdyVersionHeader, " is required"));
  }
  return Choose(offer, spdy);
}

}  // namespace

void AppendListHeader(absl::string_view value, std::vector<std::string>& list) {
  for (absl::string_view entry : absl::StrSplit(value, ',')) {
    entry = absl::StripAsciiWhitespace(entry);
    if (!entry.empty()) list.emplace_back(entry);
  }
}

absl::StatusOr<Upgrade> ChooseForCommand(const UpgradeOffer& offer) {
  return ChooseFor(offer, kCommandOverSpdy, kCommandOverWebSocket);
}

absl::StatusOr<Upgrade> ChooseForPortForward(const UpgradeOffer& offer) {
  return ChooseFor(offer, kPortForwardOverSpdy, kPortForwardOverWebSocket);
}

}  // namespace gantry::streaming
