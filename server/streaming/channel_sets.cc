#include "server/streaming/channel_sets.h"

#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

namespace gantry::streaming {
namespace {

Channel FromClient(const char* type, bool wanted) {
  Channel channel;
  if (!wanted) return channel;
  channel.headers = {{kStreamTypeHeader, type}};
  channel.from_client = true;
  return channel;
}

Channel ToClient(const char* type, bool wanted) {
  Channel channel;
  if (!wanted) return channel;
  channel.headers = {{kStreamTypeHeader, type}};
  channel.to_client = true;
  return channel;
}

// stdin, stdout, stderr, error, resize. An empty message on the first that the
// client can read tells it that the server is there.
std::vector<Channel> ForCommand(const core::WantedStreams& wanted) {
  std::vector<Channel> channels = {
      FromClient("stdin", wanted.in), ToClient("stdout", wanted.out),
      ToClient("stderr", wanted.err), ToClient("error", true),
      FromClient("resize", true)};
  for (Channel& channel : channels) {
    if (!channel.to_client) continue;
    channel.greets = true;
    break;
  }
  return channels;
}

// Data and error of each port; both begin with the port's number, its lower
// byte first.
std::vector<Channel> ForPorts(const core::PortForwardRequest& request) {
  std::vector<Channel> channels;
  for (size_t i = 0; i < request.ports.size(); ++i) {
    const uint16_t port = request.ports[i];
    for (const char* type : {"data", "error"}) {
      Channel channel = ToClient(type, true);
      channel.headers[kPortHeader] = absl::StrCat(port);
      channel.headers[kRequestIdHeader] = absl::StrCat(i);
      channel.from_client = absl::string_view(type) == "data";
      channel.greets = true;
      channel.greeting = {static_cast<char>(port & 0xff),
                          static_cast<char>(port >> 8)};
      channels.push_back(std::move(channel));
    }
  }
  return channels;
}

}  // namespace

std::vector<Channel> ChannelsFor(const core::StreamRequest& request) {
  if (const auto* exec = std::get_if<core::ExecStreamRequest>(&request)) {
    return ForCommand(exec->streams);
  }
  if (const auto* attach = std::get_if<core::AttachRequest>(&request)) {
    return ForCommand(attach->streams);
  }
  return ForPorts(std::get<core::PortForwardRequest>(request));
}

}  // namespace gantry::streaming
