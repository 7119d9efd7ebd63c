// Shows a registry who is asking: Basic (RFC 7617), the bearer tokens of the
// distribution project (docs/spec/auth/token.md; oauth.md for identity tokens),
// or a token that the user brought.
//
// Credentials go to the registry that the reference names and to the https
// token server it tells of (http only on loopback, or on the registry's own
// host if that is plain itself); a host that stands in for it gets none. Never
// in an error. Thread-safe. Answer() blocks.

#ifndef GANTRY_RUNTIME_IMAGE_REGISTRY_TOKEN_H_
#define GANTRY_RUNTIME_IMAGE_REGISTRY_TOKEN_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "runtime/http/client.h"
#include "runtime/image/reference.h"
#include "runtime/image/registry_auth.h"
#include "runtime/image/registry_failures.h"
#include "runtime/image/registry_hosts.h"
#include "runtime/image/registry_options.h"

namespace gantry::image {

class RegistryAuthorizer {
 public:
  // Borrows all but the credentials.
  RegistryAuthorizer(http::Client* client, const RegistryOptions& options,
                     Credentials credentials)
      : client_(client),
        options_(options),
        credentials_(std::move(credentials)) {}

  // The Authorization header to send to `host` for reading `ref`; empty if none
  // is known that is still good.
  std::string Header(const RegistryHost& host, const Reference& ref);

  // What must not be in an error, even if the other side writes it.
  std::vector<std::string> Secrets();

  // Answers the challenge in a 401 to `request`, so that Header() is another
  // afterwards. What fails is a Failure as that of any other request.
  Failure Answer(const RegistryHost& host, const Reference& ref,
                 const http::Response& response, const http::Request& request);

 private:
  struct Known {
    std::string header;
    absl::Time good_until = absl::InfiniteFuture();
  };

  absl::StatusOr<http::Request> TokenRequest(const RegistryHost& host,
                                             const Reference& ref,
                                             const Challenge& challenge,
                                             const http::Response& response,
                                             const http::Request& like) const;
  Failure FetchToken(const http::Request& request, Known* known);

  http::Client* const client_;
  const RegistryOptions& options_;
  const Credentials credentials_;
  absl::Mutex mutex_;
  // Per root of a host and repository.
  std::map<std::string, Known> known_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_REGISTRY_TOKEN_H_
