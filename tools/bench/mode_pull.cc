#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/http/curl_client.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/manifest.h"
#include "runtime/image/reference.h"
#include "runtime/image/registry_client.h"
#include "runtime/sys/file.h"
#include "tools/bench/floor_child.h"
#include "tools/bench/lanes.h"
#include "tools/bench/mode.h"
#include "tools/bench/pull_floor.h"
#include "tools/bench/stopwatch.h"
#include "tools/ctl/client.h"
#include "tools/ctl/error_text.h"

namespace gantry::bench {
namespace {

namespace v1 = ctl::v1;

constexpr size_t kMaxBlobBytes = size_t{4} << 30;
constexpr int kMaxIndexDepth = 4;

absl::StatusOr<image::Manifest> FetchManifest(
    image::RegistryClient& registry, const image::Reference& reference) {
  std::optional<image::Digest> digest;
  for (int depth = 0; depth < kMaxIndexDepth; ++depth) {
    ASSIGN_OR_RETURN(image::FetchedManifest fetched,
                     registry.FetchManifest(reference, digest, nullptr));
    ASSIGN_OR_RETURN(auto document, image::ParseManifestOrIndex(
                                        fetched.body, fetched.media_type));
    if (auto* manifest = std::get_if<image::Manifest>(&document)) {
      return std::move(*manifest);
    }
    ASSIGN_OR_RETURN(image::Descriptor chosen,
                     image::ChoosePlatform(std::get<image::Index>(document),
                                           image::HostPlatform()));
    digest = chosen.digest;
  }
  return absl::InvalidArgumentError("image index: nested too deep");
}

// The layers' blobs, from the registry that the server pulls from too.
absl::StatusOr<std::vector<std::string>> FetchLayers(const std::string& name) {
  ASSIGN_OR_RETURN(image::Reference reference, image::ParseReference(name));
  const std::unique_ptr<http::Client> http = http::NewCurlClient();
  image::RegistryClient registry(http.get(), {}, {});
  ASSIGN_OR_RETURN(image::Manifest manifest,
                   FetchManifest(registry, reference));
  std::vector<std::string> blobs;
  for (const image::Descriptor& layer : manifest.layers) {
    ASSIGN_OR_RETURN(std::unique_ptr<image::ByteSource> source,
                     registry.OpenBlob(reference, layer, nullptr));
    ASSIGN_OR_RETURN(std::string blob,
                     image::ReadAll(source.get(), kMaxBlobBytes));
    blobs.push_back(std::move(blob));
  }
  return blobs;
}

// A server whose pulls are measured.
class Server {
 public:
  static absl::StatusOr<Server> Connect(const std::string& socket) {
    Server server;
    ASSIGN_OR_RETURN(server.client_, ctl::Client::For(socket));
    ASSIGN_OR_RETURN(v1::VersionResponse version,
                     server.client_->Call(v1::VersionRequest()));
    server.name_ =
        absl::StrCat(version.runtime_name(), " ", version.runtime_version());
    return server;
  }
  const std::string& name() const { return name_; }
  void Rename(const std::string& name) { name_ = name; }

  // An image that is there is somebody's: it is not ours to remove.
  absl::Status CheckAbsent(const std::string& image) {
    v1::ImageStatusRequest request;
    request.mutable_image()->set_image(image);
    ASSIGN_OR_RETURN(v1::ImageStatusResponse status, client_->Call(request));
    if (!status.has_image()) return absl::OkStatus();
    return ctl::WithHint(absl::FailedPreconditionError(absl::StrCat(
                             "image ", image, " is on the node of ", name_)),
                         "a cold pull needs it gone: remove it first");
  }

  absl::StatusOr<int64_t> Pull(const std::string& image) {
    v1::PullImageRequest request;
    request.mutable_image()->set_image(image);
    const int64_t start = MonotonicNanos();
    RETURN_IF_ERROR(client_->Call(request).status())
        << "pull " << image << " with " << name_;
    return MonotonicNanos() - start;
  }

  absl::Status Remove(const std::string& image) {
    v1::RemoveImageRequest request;
    request.mutable_image()->set_image(image);
    RETURN_IF_ERROR(client_->Call(request).status())
        << "remove " << image << " from " << name_;
    return absl::OkStatus();
  }

 private:
  std::unique_ptr<ctl::Client> client_;
  std::string name_;
};

std::string RowOf(const Server& server) {
  return absl::StrCat("pull, ", server.name());
}

// What was removed is not written to the disk during the next measurement.
absl::Status Settle(const std::string& scratch) {
  ASSIGN_OR_RETURN(UniqueFd dir,
                   sys::OpenAt(AT_FDCWD, scratch, O_RDONLY | O_DIRECTORY));
  return syncfs(dir.get()) == 0 ? absl::OkStatus()
                                : ErrnoStatus(errno, "sync the scratch");
}

void AddPullFloor(const PullFloorCosts& costs, const std::string& floor_row,
                  Report* report) {
  report->Row(floor_row).Add(costs.all_cores);
  report->Row("  on one core").Add(costs.one_core);
  report->Row("    SHA-256 of the blobs").Add(costs.hash_blobs);
  report->Row("    inflate").Add(costs.inflate);
  report->Row("    SHA-256 of the tars").Add(costs.hash_plain);
  report->Row("    write the files").Add(costs.write);
  report->Row("  not in it: sync them").Add(costs.sync);
}

// One cold pull with each server in turn, and the floor between.
absl::Status MeasureOnce(const ModeOptions& options, const std::string& image,
                         std::vector<Server>& servers, PullFloor& floor,
                         Report* report) {
  ASSIGN_OR_RETURN(PullFloorCosts costs, floor.Measure());
  AddPullFloor(costs, kFloorRow, report);
  for (Server& server : servers) {
    const absl::StatusOr<int64_t> nanos = server.Pull(image);
    const absl::Status removed = server.Remove(image);
    RETURN_IF_ERROR(nanos.status());
    RETURN_IF_ERROR(removed);
    RETURN_IF_ERROR(Settle(options.scratch));
    report->Row(RowOf(server)).Add(*nanos);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Report> Pull(const ModeOptions& options) {
  const std::string& image = options.endpoint.image;
  std::vector<Server> servers;
  for (const std::string& socket : options.pull_endpoints) {
    ASSIGN_OR_RETURN(Server server, Server::Connect(socket));
    RETURN_IF_ERROR(server.CheckAbsent(image));
    // Two of a kind are told apart by their sockets.
    for (const Server& other : servers) {
      if (other.name() == server.name()) server.Rename(socket);
    }
    servers.push_back(std::move(server));
  }
  ASSIGN_OR_RETURN(std::vector<std::string> blobs, FetchLayers(image),
                   "the floor's layers");
  ASSIGN_OR_RETURN(std::unique_ptr<PullFloor> floor,
                   PullFloor::Make(std::move(blobs), options.scratch));
  Report report("pull");
  report.SetFact("image", image);
  report.SetFact("layers", floor->Description());
  report.SetFloor(kFloorRow);
  const Stopwatch watch(options.longest);
  int done = 0;
  for (; done < options.count && watch.GoesOn(); ++done) {
    RETURN_IF_ERROR(MeasureOnce(options, image, servers, *floor, &report));
  }
  if (done == 0) return absl::CancelledError("interrupted");
  report.SetFact("count", absl::StrCat(done));
  for (size_t i = 1; i < servers.size(); ++i) {
    const double times =
        static_cast<double>(report.Row(RowOf(servers[i])).Median()) /
        report.Row(RowOf(servers[0])).Median();
    report.SetFact(
        absl::StrCat(servers[i].name(), " against ", servers[0].name()),
        absl::StrFormat("%.2f times as long", times));
  }
  return report;
}

}  // namespace gantry::bench
