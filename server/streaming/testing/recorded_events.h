// Writes down what a codec tells, for its tests. Thread safety: none.

#ifndef GANTRY_SERVER_STREAMING_TESTING_RECORDED_EVENTS_H_
#define GANTRY_SERVER_STREAMING_TESTING_RECORDED_EVENTS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/streaming/stream_codec.h"

namespace gantry::streaming::testing {

class RecordedEvents : public StreamEvents {
 public:
  absl::Status OnOpen(StreamId id, const StreamHeaders& headers) override {
    const std::string type = HeaderOf(headers, kStreamTypeHeader);
    if (refuse == type && !type.empty()) {
      return absl::InvalidArgumentError("refused");
    }
    log.push_back(absl::StrCat("open ", id, " ", type));
    if (on_open) on_open(id);
    return absl::OkStatus();
  }
  void OnData(StreamId id, absl::string_view data) override {
    log.push_back(absl::StrCat("data ", id, " ", data));
    bytes += data.size();
  }
  void OnEnd(StreamId id) override { log.push_back(absl::StrCat("end ", id)); }
  void OnReset(StreamId id) override {
    log.push_back(absl::StrCat("reset ", id));
  }

  // Streams of this type are refused.
  std::string refuse;
  std::function<void(StreamId)> on_open;
  std::vector<std::string> log;
  size_t bytes = 0;
};

}  // namespace gantry::streaming::testing

#endif  // GANTRY_SERVER_STREAMING_TESTING_RECORDED_EVENTS_H_
