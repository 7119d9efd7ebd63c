// The in-memory index of pods and containers: what List, Status and Version
// are answered from, without a lock held over anything that waits.
//
// Entries are immutable snapshots of records; a change puts a new one. The
// truth is on disk: callers write the record first, then Put it here.
// Thread safety: all methods from any thread. Nothing blocks.

#ifndef GANTRY_SERVER_CORE_INDEX_H_
#define GANTRY_SERVER_CORE_INDEX_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "proto/record.pb.h"

namespace gantry::core {

// Record is PodRecord or ContainerRecord.
template <typename Record>
class Index {
 public:
  using Ptr = std::shared_ptr<const Record>;

  // `kind` ("pod", "container") is the word used in errors.
  explicit Index(std::string kind) : kind_(std::move(kind)) {}

  // Adds or replaces. The name of an id never changes.
  void Put(Record record) {
    auto entry = std::make_shared<const Record>(std::move(record));
    absl::MutexLock lock(&mutex_);
    ids_by_name_[entry->name()] = entry->id();
    entries_[entry->id()] = std::move(entry);
  }

  // Forgets the id and its name; unknown is fine.
  void Erase(absl::string_view id) {
    absl::MutexLock lock(&mutex_);
    auto entry = entries_.find(std::string(id));
    if (entry == entries_.end()) return;
    auto name = ids_by_name_.find(entry->second->name());
    if (name != ids_by_name_.end() && name->second == id) {
      ids_by_name_.erase(name);
    }
    entries_.erase(entry);
  }

  // By full id or unique prefix. NOT_FOUND, or INVALID_ARGUMENT for an empty
  // or ambiguous prefix.
  absl::StatusOr<Ptr> Get(absl::string_view id_or_prefix) const {
    if (id_or_prefix.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(kind_, " id is empty"));
    }
    absl::MutexLock lock(&mutex_);
    auto first = entries_.lower_bound(std::string(id_or_prefix));
    if (first == entries_.end() || !HasPrefix(first->first, id_or_prefix)) {
      return absl::NotFoundError(
          absl::StrCat(kind_, " ", id_or_prefix, " does not exist"));
    }
    auto second = std::next(first);
    if (first->first != id_or_prefix && second != entries_.end() &&
        HasPrefix(second->first, id_or_prefix)) {
      return absl::InvalidArgumentError(absl::StrCat(
          kind_, " id prefix ", id_or_prefix, " is ambiguous: it fits ",
          first->first, " and ", second->first));
    }
    return first->second;
  }

  // The entry that holds a reserved name; null if none does.
  Ptr FindByName(absl::string_view name) const {
    absl::MutexLock lock(&mutex_);
    auto id = ids_by_name_.find(name);
    if (id == ids_by_name_.end()) return nullptr;
    auto entry = entries_.find(id->second);
    return entry == entries_.end() ? nullptr : entry->second;
  }

  // In order of id.
  std::vector<Ptr> List() const {
    absl::MutexLock lock(&mutex_);
    std::vector<Ptr> all;
    all.reserve(entries_.size());
    for (const auto& [id, entry] : entries_) all.push_back(entry);
    return all;
  }

 private:
  static bool HasPrefix(absl::string_view id, absl::string_view prefix) {
    return id.substr(0, prefix.size()) == prefix;
  }

  const std::string kind_;
  mutable absl::Mutex mutex_;
  std::map<std::string, Ptr> entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::string> ids_by_name_
      ABSL_GUARDED_BY(mutex_);
};

using PodIndex = Index<record::PodRecord>;
using ContainerIndex = Index<record::ContainerRecord>;
using PodPtr = PodIndex::Ptr;
using ContainerPtr = ContainerIndex::Ptr;

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_INDEX_H_
