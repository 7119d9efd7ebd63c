// The URL of a streaming server, as Exec, Attach and PortForward answer it.
//
// Pure.

#ifndef GANTRY_TOOLS_CTL_STREAM_URL_H_
#define GANTRY_TOOLS_CTL_STREAM_URL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::ctl {

struct StreamUrl {
  // Without the brackets of an IPv6 address.
  std::string host;
  std::string port;
  // "/exec/TOKEN".
  std::string path;
  // "host:port", as the Host header has it.
  std::string authority;
};

// "http://HOST:PORT/PATH"; UNIMPLEMENTED for https.
absl::StatusOr<StreamUrl> ParseStreamUrl(absl::string_view url);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_STREAM_URL_H_
