#include "server/cri/translate_image.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "server/cri/check.h"

namespace gantry::cri {
namespace {

// Of the image's USER: "", "uid", "name", "uid:group", "name:group".
void SetUser(absl::string_view user, runtime::v1::Image& to) {
  user = user.substr(0, user.find(':'));
  if (user.empty()) return;
  int64_t uid = 0;
  if (absl::SimpleAtoi(user, &uid)) {
    to.mutable_uid()->set_value(uid);
  } else {
    to.set_username(user.data(), user.size());
  }
}

bool HasAny(const google::protobuf::RepeatedPtrField<std::string>& names,
            const HostAbilities& host) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return host.pinned_images.count(name) != 0;
  });
}

// A registry's name without what users write around it: "https://ghcr.io/v2/".
absl::string_view HostOf(absl::string_view server) {
  if (!absl::ConsumePrefix(&server, "https://")) {
    absl::ConsumePrefix(&server, "http://");
  }
  return server.substr(0, server.find('/'));
}

// Docker's configuration names its hub in these ways.
bool IsSameRegistry(absl::string_view server, absl::string_view domain) {
  auto is_hub = [](absl::string_view host) {
    return host == "docker.io" || host == "index.docker.io" ||
           host == "registry-1.docker.io";
  };
  return server == domain || (is_hub(server) && is_hub(domain));
}

absl::StatusOr<image::Credentials> CredentialsFromCri(
    const runtime::v1::AuthConfig& auth) {
  image::Credentials credentials;
  credentials.username = auth.username();
  credentials.password = auth.password();
  credentials.identity_token = auth.identity_token();
  credentials.registry_token = auth.registry_token();
  if (auth.auth().empty() || !credentials.username.empty()) return credentials;
  std::string both;
  if (!absl::Base64Unescape(auth.auth(), &both) ||
      both.find(':') == std::string::npos) {
    return BadField("auth.auth", "is not base64 of \"username:password\"");
  }
  const size_t colon = both.find(':');
  credentials.username = both.substr(0, colon);
  // Some tools pad with zero bytes.
  credentials.password = both.substr(colon + 1);
  credentials.password.resize(
      std::min(credentials.password.size(), credentials.password.find('\0')));
  return credentials;
}

}  // namespace

runtime::v1::Image ImageToCri(const record::ImageRecord& image,
                              const HostAbilities& host) {
  runtime::v1::Image to;
  to.set_id(image.id());
  *to.mutable_repo_tags() = image.repo_tags();
  *to.mutable_repo_digests() = image.repo_digests();
  // Never 0, says CRI.
  to.set_size(std::max<int64_t>(image.size(), 1));
  SetUser(image.config().user(), to);
  to.mutable_spec()->set_image(image.id());
  to.set_pinned(image.pinned() || HasAny(image.repo_tags(), host) ||
                HasAny(image.repo_digests(), host));
  return to;
}

std::string ImageRefOf(const record::ImageRecord& image) {
  return image.repo_digests().empty() ? image.id() : image.repo_digests(0);
}

absl::StatusOr<std::string> ImageNameFromCri(const runtime::v1::ImageSpec& spec,
                                             const HostAbilities& host,
                                             absl::string_view field) {
  const std::string path = absl::StrCat(field, ".image");
  if (spec.image().empty()) return BadField(path, "is empty");
  RETURN_IF_ERROR(CheckNoNul(path, spec.image()));
  // All handlers use the same images.
  RETURN_IF_ERROR(CheckRuntimeHandler(absl::StrCat(field, ".runtime_handler"),
                                      spec.runtime_handler(), host));
  return image::Qualify(spec.image(), host.short_names);
}

absl::StatusOr<core::PullRequest> PullRequestFromCri(
    const runtime::v1::PullImageRequest& request, const HostAbilities& host) {
  core::PullRequest pull;
  ASSIGN_OR_RETURN(pull.reference,
                   ImageNameFromCri(request.image(), host, "image"));
  // What is meant for another registry stays here.
  const absl::string_view server = HostOf(request.auth().server_address());
  if (!server.empty()) {
    ASSIGN_OR_RETURN(image::Reference reference,
                     image::ParseReference(pull.reference), "image.image");
    if (!IsSameRegistry(server, reference.domain)) return pull;
  }
  ASSIGN_OR_RETURN(pull.credentials, CredentialsFromCri(request.auth()));
  return pull;
}

runtime::v1::FilesystemUsage FilesystemUsageToCri(
    const core::FilesystemUsage& usage, int64_t at) {
  runtime::v1::FilesystemUsage to;
  to.set_timestamp(at);
  to.mutable_fs_id()->set_mountpoint(usage.mount_point);
  to.mutable_used_bytes()->set_value(usage.bytes);
  to.mutable_inodes_used()->set_value(usage.inodes);
  return to;
}

}  // namespace gantry::cri
