// The configuration in force as a JSON object, for people to see. Without what
// may hold a password.

#ifndef GANTRY_SERVER_CONFIG_JSON_H_
#define GANTRY_SERVER_CONFIG_JSON_H_

#include <string>

#include "server/config.h"

namespace gantry::server {

std::string ConfigJson(const Config& config);

}  // namespace gantry::server

#endif  // GANTRY_SERVER_CONFIG_JSON_H_
