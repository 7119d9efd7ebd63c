// The HTTP client over libcurl (HTTP/1.1 and, where the peer speaks it over
// TLS, HTTP/2). Connections are kept and used again.
//
// Thread safety and errors: as http::Client. It starts no thread but what
// libcurl's resolver may.

#ifndef GANTRY_RUNTIME_HTTP_CURL_CLIENT_H_
#define GANTRY_RUNTIME_HTTP_CURL_CLIENT_H_

#include <memory>

#include "runtime/http/client.h"

namespace gantry::http {

std::unique_ptr<Client> NewCurlClient();

}  // namespace gantry::http

#endif  // GANTRY_RUNTIME_HTTP_CURL_CLIENT_H_
