// The names that clients' objects are reserved under: the same metadata always
// gives the same name, so that a repeated request meets its first attempt.
//
// Pure functions.

#ifndef GANTRY_SERVER_CORE_NAMES_H_
#define GANTRY_SERVER_CORE_NAMES_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "proto/record.pb.h"

namespace gantry::core {

// "name_namespace_uid_attempt".
inline std::string PodName(const record::Metadata& pod) {
  return absl::StrCat(pod.name(), "_", pod.namespace_(), "_", pod.uid(), "_",
                      pod.attempt());
}

// "name_podname_namespace_poduid_attempt".
inline std::string ContainerName(const record::Metadata& container,
                                 const record::Metadata& pod) {
  return absl::StrCat(container.name(), "_", pod.name(), "_", pod.namespace_(),
                      "_", pod.uid(), "_", container.attempt());
}

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_NAMES_H_
