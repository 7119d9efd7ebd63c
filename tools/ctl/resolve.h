// What a user means by a word: a container or pod by id, by the beginning of
// its id or by name; an image by name, id or the beginning of its id.
//
// Errors: NOT_FOUND with a hint, INVALID_ARGUMENT if several fit, naming them.
// Blocking: one call to the server, for images up to two.

#ifndef GANTRY_TOOLS_CTL_RESOLVE_H_
#define GANTRY_TOOLS_CTL_RESOLVE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/ctl/client.h"

namespace gantry::ctl {

struct Candidate {
  std::string id;
  std::string name;
};

// The index of the one meant: the whole id first, then the name, then the
// beginning of an id. `kind` is for the error: "container".
absl::StatusOr<size_t> Choose(absl::string_view kind, absl::string_view word,
                              const std::vector<Candidate>& candidates);

absl::StatusOr<v1::Container> FindContainer(Client& client,
                                            absl::string_view word);
absl::StatusOr<v1::PodSandbox> FindPod(Client& client, absl::string_view word);

// The status of an image on the node.
absl::StatusOr<v1::ImageStatusResponse> FindImage(Client& client,
                                                  absl::string_view word,
                                                  bool verbose);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_RESOLVE_H_
