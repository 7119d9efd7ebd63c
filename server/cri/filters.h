// Which objects a client's filter lets through: all of its conditions hold; a
// condition that is not given always does.
//
// Pure functions.

#ifndef GANTRY_SERVER_CRI_FILTERS_H_
#define GANTRY_SERVER_CRI_FILTERS_H_

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/map.h"
#include "proto/cri/v1/api.pb.h"
#include "proto/record.pb.h"
#include "server/cri/translate_container.h"
#include "server/cri/translate_pod.h"

namespace gantry::cri {

using Labels = google::protobuf::Map<std::string, std::string>;

inline bool HasLabels(const Labels& labels, const Labels& wanted) {
  for (const auto& [name, value] : wanted) {
    auto found = labels.find(name);
    if (found == labels.end() || found->second != value) return false;
  }
  return true;
}

// `prefix`: the whole id or its beginning; empty matches.
inline bool HasId(absl::string_view id, absl::string_view prefix) {
  return absl::StartsWith(id, prefix);
}

// An object that is being made has no id that a client could know yet.
inline bool IsShown(const record::PodRecord& pod) {
  return pod.state() != record::PodRecord::CREATING;
}
inline bool IsShown(const record::ContainerRecord& container) {
  return container.state() != record::ContainerRecord::CREATING;
}

inline bool Matches(const record::PodRecord& pod,
                    const runtime::v1::PodSandboxFilter& filter) {
  return IsShown(pod) && HasId(pod.id(), filter.id()) &&
         (!filter.has_state() ||
          filter.state().state() == PodStateToCri(pod.state())) &&
         HasLabels(pod.labels(), filter.label_selector());
}

inline bool Matches(const record::ContainerRecord& container,
                    const runtime::v1::ContainerFilter& filter) {
  return IsShown(container) && HasId(container.id(), filter.id()) &&
         HasId(container.pod_id(), filter.pod_sandbox_id()) &&
         (!filter.has_state() ||
          filter.state().state() == ContainerStateToCri(container)) &&
         HasLabels(container.labels(), filter.label_selector());
}

// Only what runs has statistics in a list.
inline bool Matches(const record::ContainerRecord& container,
                    const runtime::v1::ContainerStatsFilter& filter) {
  return container.state() == record::ContainerRecord::RUNNING &&
         HasId(container.id(), filter.id()) &&
         HasId(container.pod_id(), filter.pod_sandbox_id()) &&
         HasLabels(container.labels(), filter.label_selector());
}

inline bool Matches(const record::PodRecord& pod,
                    const runtime::v1::PodSandboxStatsFilter& filter) {
  return pod.state() == record::PodRecord::READY &&
         HasId(pod.id(), filter.id()) &&
         HasLabels(pod.labels(), filter.label_selector());
}

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_FILTERS_H_
