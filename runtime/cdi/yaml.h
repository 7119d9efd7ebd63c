// YAML of configuration files as JSON text, for the one JSON reader to read.
//
// What is taken: one document of mappings, sequences and scalars. Aliases and
// tags are refused: the first let a small file stand for an endless one, the
// second name types that JSON has not. Scalars become strings whatever they
// look like, but for null; whoever reads them knows what they shall be.
// Thread safety: pure function.

#ifndef GANTRY_RUNTIME_CDI_YAML_H_
#define GANTRY_RUNTIME_CDI_YAML_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::cdi {

// `what` names the document in errors. INVALID_ARGUMENT with the line.
absl::StatusOr<std::string> YamlToJson(absl::string_view text,
                                       absl::string_view what);

}  // namespace gantry::cdi

#endif  // GANTRY_RUNTIME_CDI_YAML_H_
