// The HTTP server that Prometheus asks: GET /metrics.
//
// 404: another path; 405: another method than GET and HEAD. One request per
// connection, which gets a few seconds; more connections than a handful are
// closed as they come. No TLS and no password: that is why the address is one
// of the loopback interface unless somebody says otherwise.
//
// Ownership: owns its thread and ends it in the destructor. Thread safety: one
// owner.

#ifndef GANTRY_SERVER_METRICS_ENDPOINT_H_
#define GANTRY_SERVER_METRICS_ENDPOINT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/metrics/address.h"

namespace gantry::metrics {

class Endpoint {
 public:
  // Serves from when this returns. `text` makes the answer, on the endpoint's
  // thread. UNAVAILABLE "serve metrics on ADDRESS: why" if the address is taken
  // or not this host's.
  static absl::StatusOr<std::unique_ptr<Endpoint>> Start(
      const Address& address, std::function<std::string()> text);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

 private:
  class Impl;
  explicit Endpoint(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::metrics

#endif  // GANTRY_SERVER_METRICS_ENDPOINT_H_
