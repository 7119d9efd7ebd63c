// The configuration's table "containers".

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proto/spec.pb.h"
#include "runtime/base/status.h"
#include "runtime/conf/size.h"
#include "server/config_keys.h"
#include "server/core/layer_limit.h"
#include "server/core/log_policy.h"

namespace gantry::server {
namespace {

using conf::Bad;
using conf::Table;

absl::Status Expected(const Table& table, absl::string_view key,
                      absl::string_view what, absl::string_view found) {
  return Bad(table.At(key),
             absl::StrCat("expected ", what, ", found \"", found, "\""));
}

// The table "containers.log".
absl::Status TakeLog(Table& containers, Config::Containers::Log& log) {
  ASSIGN_OR_RETURN(Table table, containers.TakeTable("log"));
  std::string policy = "block";
  RETURN_IF_ERROR(table.Take("policy", policy));
  const auto when_full = core::ParseWhenFull(policy);
  if (!when_full.has_value()) {
    return Expected(table, "policy", core::kWhenFullExpected, policy);
  }
  log.drops = *when_full == spec::LogPolicy::DROP;
  std::string rate = "0";
  RETURN_IF_ERROR(table.Take("rate", rate));
  const std::optional<uint64_t> per_second = core::ParseLogRate(rate);
  if (!per_second.has_value()) {
    return Expected(table, "rate", core::kLogRateExpected, rate);
  }
  log.rate = *per_second;
  std::string size = "0";
  RETURN_IF_ERROR(table.Take("max_size", size));
  const std::optional<uint64_t> bytes = core::ParseLogSize(size);
  if (!bytes.has_value()) {
    return Expected(table, "max_size", core::kLogSizeExpected, size);
  }
  log.max_size = *bytes;
  RETURN_IF_ERROR(table.Take("max_files", core::kLeastLogFiles,
                             core::kMostLogFiles, log.max_files));
  return table.CheckAllTaken();
}

}  // namespace

absl::Status TakeContainers(Table& top, Config::Containers& containers) {
  ASSIGN_OR_RETURN(Table table, top.TakeTable("containers"));
  std::string size = "0";
  RETURN_IF_ERROR(table.Take("writable_layer_size", size));
  const std::optional<uint64_t> bytes = conf::ParseSize(size);
  if (!bytes || (*bytes != 0 && *bytes < core::kLeastLayerLimit)) {
    return Expected(table, "writable_layer_size",
                    "\"0\" or a size of at least 1Mi, such as \"10Gi\"", size);
  }
  containers.writable_layer_size = *bytes;
  RETURN_IF_ERROR(TakeLog(table, containers.log));
  return table.CheckAllTaken();
}

}  // namespace gantry::server
