// Reads from a registry: OCI distribution-spec v1.1 "Pull", with the token
// authentication of the Docker registry (distribution docs/spec/auth/token.md)
// and Basic.
//
// HTTPS always, except for hosts that are configured insecure or are loopback.
// Credentials go to the registry itself and to the https token server it names
// (a loopback one may speak http), never along with a redirect to another
// origin, and never into an error text. Thread safety: thread-safe. Blocks.

#ifndef GANTRY_RUNTIME_IMAGE_REGISTRY_CLIENT_H_
#define GANTRY_RUNTIME_IMAGE_REGISTRY_CLIENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "runtime/http/client.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/manifest.h"
#include "runtime/image/reference.h"
#include "runtime/image/registry_auth.h"

namespace gantry::image {

struct Credentials {
  std::string username;
  std::string password;
  // An OAuth2 refresh token, exchanged at the token server.
  std::string identity_token;
  std::string registry_token;  // a bearer token, sent as it is

  bool empty() const {
    return username.empty() && identity_token.empty() && registry_token.empty();
  }
};

struct RegistryOptions {
  // Hosts ("host" or "host:port") that are spoken to by plain HTTP.
  std::set<std::string> insecure_hosts;
  http::TlsOptions tls;
  std::string proxy;
  absl::Duration connect_timeout = absl::Seconds(15);
  absl::Duration stall_timeout = absl::Seconds(30);
  // After UNAVAILABLE, a stall, 429 or 5xx; the waits double from back_off.
  // What stays without one new byte this often fails.
  int max_attempts = 5;
  absl::Duration back_off = absl::Milliseconds(250);
  absl::Duration max_back_off = absl::Seconds(10);
  // Waits between attempts; replaced in tests.
  std::function<void(absl::Duration)> sleep;
};

struct FetchedManifest {
  std::string body;
  std::string media_type;
  Digest digest;
};

class RegistryClient {
 public:
  // Borrows `client`. One RegistryClient is one user: its credentials are used
  // for every registry it is asked about, so make one per pull.
  RegistryClient(http::Client* client, RegistryOptions options,
                 Credentials credentials);

  // The manifest or index that `ref` names (the digest wins over the tag), or
  // that `digest` of the same repository is. Verified against the digest asked
  // for; a Docker-Content-Digest that contradicts the body is DATA_LOSS.
  absl::StatusOr<FetchedManifest> FetchManifest(
      const Reference& ref, const std::optional<Digest>& digest,
      const std::function<bool()>& cancelled);

  // What digest the tag of `ref` has now (HEAD); no body is moved. Not
  // verified: good for "is it the one I have", for nothing else.
  absl::StatusOr<Digest> HeadManifest(const Reference& ref,
                                      const std::function<bool()>& cancelled);

  // The blob as a stream that mends itself: a broken or stalled transfer is
  // taken up where it broke (Range). Not verified here. `cancelled` is kept.
  absl::StatusOr<std::unique_ptr<ByteSource>> OpenBlob(
      const Reference& ref, const Descriptor& blob,
      std::function<bool()> cancelled);

 private:
  class BlobSource;

  absl::StatusOr<std::unique_ptr<http::Response>> Get(
      const Reference& ref, http::Method method, absl::string_view path,
      const http::Headers& headers, std::optional<http::ByteRange> range,
      const std::function<bool()>& cancelled);
  absl::Status Authorize(const Reference& ref, const http::Url& origin,
                         const http::Response& response,
                         const http::Request& like);
  absl::StatusOr<std::string> FetchToken(const Reference& ref,
                                         const http::Url& origin,
                                         const Challenge& challenge,
                                         const http::Request& like);
  absl::Status Wait(int attempt, absl::Duration at_least,
                    const std::function<bool()>& cancelled);
  http::Url OriginOf(const Reference& ref) const;
  std::string KnownAuthorization(const Reference& ref);

  http::Client* client_;
  RegistryOptions options_;
  Credentials credentials_;
  absl::Mutex mutex_;
  // The Authorization header per "domain/path".
  std::map<std::string, std::string> authorization_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_REGISTRY_CLIENT_H_
