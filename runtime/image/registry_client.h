// Reads from a registry: OCI distribution-spec v1.1 "Pull", from the hosts that
// stand for it (registry_hosts.h), as the user it is told (registry_token.h).
//
// HTTPS always, except for hosts that are configured so or are loopback:
// nothing falls back to plain HTTP. A host that fails is followed by the next
// one; what passes is tried again (registry_failures.h); no answer leads
// further in than it came from (registry_reach.h). Thread safety: thread-safe.
// Blocks.

#ifndef GANTRY_RUNTIME_IMAGE_REGISTRY_CLIENT_H_
#define GANTRY_RUNTIME_IMAGE_REGISTRY_CLIENT_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "runtime/http/client.h"
#include "runtime/image/manifest.h"
#include "runtime/image/reference.h"
#include "runtime/image/registry_blob.h"
#include "runtime/image/registry_failures.h"
#include "runtime/image/registry_hosts.h"
#include "runtime/image/registry_options.h"
#include "runtime/image/registry_token.h"
#include "runtime/image/run_aside.h"

namespace gantry::image {

struct FetchedManifest {
  std::string body;
  std::string media_type;
  Digest digest;
};

class RegistryClient {
 public:
  // Borrows `client`. One RegistryClient is one user, and reads the settings of
  // a registry once: make one per pull.
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

  struct BlobOptions {
    int64_t offset = 0;     // of the first byte
    size_t first_host = 0;  // as BlobOrigin has it
    // Lends the threads for parallel ranges; null: there are none.
    RunAside run_aside;
  };

  // The blob as a stream that mends itself (registry_blob.h), a large one in
  // parallel ranges (registry_ranges.h); it must not outlive this. Not verified
  // here. `cancelled` is kept.
  absl::StatusOr<std::unique_ptr<BlobStream>> OpenBlob(
      const Reference& ref, const Descriptor& blob,
      std::function<bool()> cancelled, BlobOptions options);
  absl::StatusOr<std::unique_ptr<BlobStream>> OpenBlob(
      const Reference& ref, const Descriptor& blob,
      std::function<bool()> cancelled) {
    return OpenBlob(ref, blob, std::move(cancelled), BlobOptions());
  }

 private:
  // What is asked of a registry, whichever host answers.
  struct Question {
    const Reference& ref;
    http::Method method = http::Method::kGet;
    std::string path;  // "manifests/latest"
    http::Headers headers;
    std::optional<http::ByteRange> range;
    // Whether the answer tells what a tag means.
    bool resolves = false;
    std::function<bool()> cancelled;
    size_t first_host = 0;
    // Whether what passes is not tried again.
    bool once = false;
  };

  absl::StatusOr<std::vector<RegistryHost>> HostsFor(const Reference& ref);
  // Of the first host that answers with 200, or 206 if asked for a range.
  absl::StatusOr<Answered> Ask(const Question& question);
  // Once each; the failure of the last, with those before it in its text.
  absl::StatusOr<Answered> AskEach(const std::vector<RegistryHost>& hosts,
                                   const Question& question, Failure* failure);
  absl::StatusOr<std::unique_ptr<http::Response>> AskHost(
      const RegistryHost& host, const Question& question, Failure* failure);
  http::Request RequestTo(const RegistryHost& host,
                          const Question& question) const;
  absl::StatusOr<FetchedManifest> FetchManifestBy(
      const Reference& ref, const std::optional<Digest>& wanted,
      const std::function<bool()>& cancelled);
  bool IsDown(const RegistryHost& host);

  http::Client* client_;
  const RegistryOptions options_;
  RegistryAuthorizer authorizer_;
  absl::Mutex mutex_;
  // Per domain.
  std::map<std::string, std::vector<RegistryHost>> hosts_
      ABSL_GUARDED_BY(mutex_);
  // Roots of hosts that could not be reached and are not asked again, for
  // there are others after them.
  std::set<std::string> down_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_REGISTRY_CLIENT_H_
