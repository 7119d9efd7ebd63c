// HTTP(S) GET, HEAD and POST with a streamed body: the interface.
//
// Bodies are pulled: Next() moves the transfer on and blocks until bytes are
// there, so a response is hashed, inflated and unpacked in one pass on one
// thread, and a slow reader slows the sender down. Thread safety: a Client may
// be used by many threads at once; a Response by one. Errors: UNAVAILABLE for
// what a retry may mend (refused, reset, name not found, short body),
// DEADLINE_EXCEEDED for a timeout, a stall or a crawl, CANCELLED,
// PERMISSION_DENIED for a refused redirect or an unverifiable peer,
// INVALID_ARGUMENT for a bad request. An HTTP status is not an error here.
// Errors never hold credentials.

#ifndef GANTRY_RUNTIME_HTTP_CLIENT_H_
#define GANTRY_RUNTIME_HTTP_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "runtime/http/url.h"

namespace gantry::http {

enum class Method { kGet, kHead, kPost };

// In order; names compare without case.
class Headers {
 public:
  void Add(absl::string_view name, absl::string_view value);
  // Replaces all of that name.
  void Set(absl::string_view name, absl::string_view value);
  void Remove(absl::string_view name);
  // The first of that name; empty if there is none.
  std::string Get(absl::string_view name) const;
  std::vector<std::string> GetAll(absl::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const {
    return all_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> all_;
};

// Paths of PEM files; empty means the system's own.
struct TlsOptions {
  std::string ca_file;
  // PEM text of authorities that are trusted beside the system's; `ca_file` is
  // not looked at then.
  std::string more_authorities;
  std::string client_certificate;
  std::string client_key;
  bool insecure_skip_verify = false;
};

// Bytes first..last, last included; without last: to the end.
struct ByteRange {
  int64_t first = 0;
  std::optional<int64_t> last;
};

class Response;

struct Request {
  Method method = Method::kGet;
  std::string url;
  Headers headers;
  // Of kPost; its Content-Type is the caller's to set. It goes along with a
  // redirect: a caller whose body is secret allows none.
  std::string body;
  std::optional<ByteRange> range;
  TlsOptions tls;
  // "http://host:port"; empty: no proxy, whatever the environment says.
  std::string proxy;
  // Hosts that are asked without it; ".example" stands for all below it.
  // Loopback hosts need not be named.
  std::vector<std::string> no_proxy;
  absl::Duration connect_timeout = absl::Seconds(15);
  // Longest wait for the next byte, also for the first one.
  absl::Duration stall_timeout = absl::Seconds(30);
  // A body that comes more slowly, over a minute of waiting for it, has
  // stalled. 0: any speed will do.
  int64_t least_bytes_per_second = 0;
  int max_redirects = 8;
  // Asked before each redirect is followed, with the request about to be sent,
  // which it may change; an error ends the request. Independent of it,
  // Authorization, Cookie, the client certificate and `insecure_skip_verify`
  // are dropped when the origin (for the last: the host) changes, and https
  // never becomes http.
  std::function<absl::Status(const Response& from, const Url& to,
                             Request* next)>
      on_redirect;
  // Asked with each numeric address before a connection to it is made; not
  // asked where a proxy makes the connection.
  std::function<absl::Status(absl::string_view address)> check_address;
  // Connections are kept for requests of the same group only: one that a
  // milder `check_address` let through is not used under a stricter one.
  int connection_group = 0;
  // Asked several times a second while waiting.
  std::function<bool()> cancelled;
};

class Response {
 public:
  virtual ~Response() = default;
  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;
  // Where the answer came from, after redirects.
  virtual const Url& url() const = 0;
  // The numeric address it came from; empty if unknown, as with a proxy.
  virtual std::string peer_address() const { return ""; }
  // The next part of the body, valid until the next call; empty at the end. A
  // body shorter than its Content-Length ends in UNAVAILABLE.
  virtual absl::StatusOr<absl::string_view> Next() = 0;
};

class Client {
 public:
  virtual ~Client() = default;
  // Returns once the headers of the final answer are there.
  virtual absl::StatusOr<std::unique_ptr<Response>> Send(
      const Request& request) = 0;
};

// The rest of the body; RESOURCE_EXHAUSTED if it is over `max_bytes`.
absl::StatusOr<std::string> ReadBody(Response* response, size_t max_bytes);

}  // namespace gantry::http

#endif  // GANTRY_RUNTIME_HTTP_CLIENT_H_
