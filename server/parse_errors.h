// Tells a client whose request cannot be parsed what is wrong with it.
//
// gRPC's callback API answers such a call with UNIMPLEMENTED and no word;
// protobuf knows the field, for a string that is not UTF-8, but only logs it.
// Thread safety: the interceptors hold nothing; gRPC parses a request and
// fails its call on one thread.

#ifndef GANTRY_SERVER_PARSE_ERRORS_H_
#define GANTRY_SERVER_PARSE_ERRORS_H_

#include <memory>

#include "grpcpp/support/server_interceptor.h"

namespace gantry::server {

// For grpc::ServerBuilder::experimental(): INVALID_ARGUMENT with the name of
// the field in place of that answer. From the first call on what protobuf logs
// goes to the log of this process.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
ParseErrorInterceptor();

}  // namespace gantry::server

#endif  // GANTRY_SERVER_PARSE_ERRORS_H_
