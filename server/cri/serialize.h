// A request's configuration as bytes to be kept and compared.

#ifndef GANTRY_SERVER_CRI_SERIALIZE_H_
#define GANTRY_SERVER_CRI_SERIALIZE_H_

#include <string>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/message_lite.h"

namespace gantry::cri {

// Equal messages give equal bytes: maps come in order of their keys, which
// plain serialization does not promise, and a repeated request must be known
// again.
inline std::string SerializeForComparison(
    const google::protobuf::MessageLite& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_SERIALIZE_H_
