// Reads one CDI specification file.
//
// Strict, as the format asks for: a field that is not known, or that the
// declared version does not have yet, makes the whole file invalid, for a
// device must not be handed out half prepared. Thread safety: pure functions.

#ifndef GANTRY_RUNTIME_CDI_SPEC_H_
#define GANTRY_RUNTIME_CDI_SPEC_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/cdi/edits.h"

namespace gantry::cdi {

struct Device {
  std::string name;
  Edits edits;
};

struct Spec {
  std::string kind;  // "vendor.com/class"
  Edits edits;       // for every container that uses a device of this file
  std::vector<Device> devices;
};

enum class Format { kJson, kYaml };

// `file` names it in errors. INVALID_ARGUMENT names file and field.
absl::StatusOr<Spec> ParseSpec(absl::string_view text, Format format,
                               absl::string_view file);

// "vendor.com/class=device".
struct QualifiedName {
  std::string kind;
  std::string device;
};

// INVALID_ARGUMENT for what is not of that form.
absl::StatusOr<QualifiedName> ParseQualifiedName(absl::string_view name);

}  // namespace gantry::cdi

#endif  // GANTRY_RUNTIME_CDI_SPEC_H_
