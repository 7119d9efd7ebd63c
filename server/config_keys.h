// What the parts of the configuration's parser share: keys of several tables,
// and the tables that have a file of their own.
//
// Thread safety: reentrant. Errors say file, line and key (runtime/conf).

#ifndef GANTRY_SERVER_CONFIG_KEYS_H_
#define GANTRY_SERVER_CONFIG_KEYS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "runtime/conf/table.h"
#include "server/config.h"

namespace gantry::server {

// Absolute, of something below "/", without "..", "." and empty parts.
absl::Status CheckPath(const conf::Where& where, const std::string& path);

// A time of 1 to 3600 whole seconds.
absl::Status TakeSeconds(conf::Table& table, absl::string_view key,
                         absl::Duration& time);

// The table "containers".
absl::Status TakeContainers(conf::Table& top, Config::Containers& containers);

// The table "network".
absl::Status TakeNetwork(conf::Table& top, Config::Network& network);

}  // namespace gantry::server

#endif  // GANTRY_SERVER_CONFIG_KEYS_H_
