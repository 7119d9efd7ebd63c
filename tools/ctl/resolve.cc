#include "tools/ctl/resolve.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/status.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/format.h"

namespace gantry::ctl {
namespace {

absl::Status NoSuch(absl::string_view kind, absl::string_view word) {
  const absl::string_view list = kind == "pod" ? "pods" : "ps -a";
  return WithHint(
      absl::NotFoundError(absl::StrCat("no ", kind, " \"", word, "\"")),
      absl::StrCat("see what there is with: gantryctl ", list));
}

// An image by the beginning of its id; hexadecimal digits, with or without the
// algorithm before them.
absl::StatusOr<std::string> ImageIdByPrefix(Client& client,
                                            absl::string_view word) {
  ASSIGN_OR_RETURN(v1::ListImagesResponse images,
                   client.Call(v1::ListImagesRequest()));
  std::vector<Candidate> candidates;
  for (const v1::Image& image : images.images()) {
    const absl::string_view id = image.id();
    candidates.push_back({std::string(absl::StartsWith(word, "sha256:")
                                          ? id
                                          : id.substr(id.find(':') + 1)),
                          ""});
  }
  const absl::StatusOr<size_t> index = Choose("image", word, candidates);
  if (absl::IsNotFound(index.status())) {
    return WithHint(
        absl::NotFoundError(
            absl::StrCat("image \"", word, "\" is not on this node")),
        absl::StrCat("fetch it with: gantryctl pull ", word,
                     " (or gantryctl load FILE); see what there is with: "
                     "gantryctl images"));
  }
  RETURN_IF_ERROR(index.status());
  return images.images(static_cast<int>(*index)).id();
}

}  // namespace

absl::StatusOr<size_t> Choose(absl::string_view kind, absl::string_view word,
                              const std::vector<Candidate>& candidates) {
  std::vector<size_t> by_name;
  std::vector<size_t> by_prefix;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (word.empty()) break;
    if (candidates[i].id == word) return i;
    if (candidates[i].name == word) by_name.push_back(i);
    if (absl::StartsWith(candidates[i].id, word)) by_prefix.push_back(i);
  }
  const std::vector<size_t>& found = by_name.empty() ? by_prefix : by_name;
  if (found.empty()) return NoSuch(kind, word);
  if (found.size() == 1) return found[0];
  std::string ids = absl::StrJoin(
      found.begin(), found.begin() + std::min<size_t>(found.size(), 5), ", ",
      [&](std::string* out, size_t i) {
        absl::StrAppend(out, ShortId(candidates[i].id));
      });
  if (found.size() > 5) absl::StrAppend(&ids, ", ...");
  return WithHint(
      absl::InvalidArgumentError(absl::StrCat(
          "\"", word, "\" fits ", found.size(), " ", kind, "s: ", ids)),
      "give more of the id");
}

absl::StatusOr<v1::Container> FindContainer(Client& client,
                                            absl::string_view word) {
  ASSIGN_OR_RETURN(v1::ListContainersResponse list,
                   client.Call(v1::ListContainersRequest()));
  std::vector<Candidate> candidates;
  for (const v1::Container& container : list.containers()) {
    candidates.push_back({container.id(), container.metadata().name()});
  }
  ASSIGN_OR_RETURN(size_t index, Choose("container", word, candidates));
  return std::move(*list.mutable_containers(static_cast<int>(index)));
}

absl::StatusOr<v1::PodSandbox> FindPod(Client& client, absl::string_view word) {
  ASSIGN_OR_RETURN(v1::ListPodSandboxResponse list,
                   client.Call(v1::ListPodSandboxRequest()));
  std::vector<Candidate> candidates;
  for (const v1::PodSandbox& pod : list.items()) {
    candidates.push_back({pod.id(), pod.metadata().name()});
  }
  ASSIGN_OR_RETURN(size_t index, Choose("pod", word, candidates));
  return std::move(*list.mutable_items(static_cast<int>(index)));
}

absl::StatusOr<v1::ImageStatusResponse> FindImage(Client& client,
                                                  absl::string_view word,
                                                  bool verbose) {
  v1::ImageStatusRequest request;
  request.mutable_image()->set_image(std::string(word));
  request.set_verbose(verbose);
  absl::StatusOr<v1::ImageStatusResponse> status = client.Call(request);
  // A word that the server cannot read as a reference may still begin an id.
  if (!status.ok() && !absl::IsInvalidArgument(status.status()) &&
      !absl::IsNotFound(status.status())) {
    return status.status();
  }
  if (status.ok() && status->has_image()) return status;
  ASSIGN_OR_RETURN(*request.mutable_image()->mutable_image(),
                   ImageIdByPrefix(client, word));
  ASSIGN_OR_RETURN(v1::ImageStatusResponse by_id, client.Call(request));
  // It was removed between the two calls.
  if (!by_id.has_image()) return NoSuch("image", word);
  return by_id;
}

}  // namespace gantry::ctl
