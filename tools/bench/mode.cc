#include "tools/bench/mode.h"

#include "absl/strings/str_cat.h"

namespace gantry::bench {

std::vector<NamedServer> ServersOf(const ModeOptions& options) {
  if (!options.servers.empty()) return options.servers;
  return {{"", options.endpoint}};
}

absl::StatusOr<NamedServer> OnlyServerOf(const ModeOptions& options,
                                         const char* mode) {
  const std::vector<NamedServer> servers = ServersOf(options);
  if (servers.size() == 1) return servers[0];
  return absl::FailedPreconditionError(
      absl::StrCat(mode, " measures one server, not ", servers.size()));
}

std::string NameOf(const NamedServer& server, absl::string_view name) {
  return absl::StrCat(server.title, server.title.empty() ? "" : ": ", name);
}

void SetServerFacts(const NamedServer& server, const Endpoint& endpoint,
                    Report* report) {
  const EndpointOptions& options = server.endpoint;
  const std::string network =
      options.host_network ? "the host's network" : "the pod network";
  const std::string pid = options.pod_pid ? ", one PID namespace per pod" : "";
  report->SetFact(server.title.empty() ? "server" : server.title,
                  absl::StrCat(endpoint.server(), " at ", options.socket,
                               ", pods on ", network, pid));
}

}  // namespace gantry::bench
