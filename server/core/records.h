// Records on disk and in the index, in that order: the truth first. But what
// has happened is known even while the disk refuses it.
//
// Each call replaces one record atomically (runtime/state). Blocks for a few
// file system calls. Thread safety: any thread, but one writer per object at a
// time: the holder of its pod's lock, or recovery.

#ifndef GANTRY_SERVER_CORE_RECORDS_H_
#define GANTRY_SERVER_CORE_RECORDS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/record.pb.h"
#include "server/core/node.h"

namespace gantry::core {

// Adds a new object's record; ALREADY_EXISTS if the id has one.
absl::Status CreateRecord(Node& node, const record::PodRecord& pod);
absl::Status CreateRecord(Node& node, const record::ContainerRecord& container);

// Replaces the record of an object.
absl::Status SaveRecord(Node& node, const record::PodRecord& pod);
absl::Status SaveRecord(Node& node, const record::ContainerRecord& container);

// The same of what has happened and is not undone by an error: it is known at
// once, and if the disk does not take it now, it is tried again until it does.
void KeepRecord(Node& node, const record::PodRecord& pod);
void KeepRecord(Node& node, const record::ContainerRecord& container);

// Removes the object's directory and forgets it; unknown is OK.
absl::Status RemovePodRecord(Node& node, absl::string_view id);
absl::Status RemoveContainerRecord(Node& node, absl::string_view id);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_RECORDS_H_
