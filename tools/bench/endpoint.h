// A CRI endpoint under measurement: pods driven through their whole life, each
// call timed.
//
// Every pod carries the run's label, so that all of them can be found and
// removed at the end, whatever was answered or not. Ownership: an Endpoint owns
// its connection. Thread safety: none; each thread has an Endpoint of its own.
// Blocking: calls, each limited to half a minute.

#ifndef GANTRY_TOOLS_BENCH_ENDPOINT_H_
#define GANTRY_TOOLS_BENCH_ENDPOINT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/ctl/client.h"

namespace gantry::bench {

struct EndpointOptions {
  std::string socket = "unix:///run/gantry/gantry.sock";
  std::string image = "localhost/busybox:latest";
  bool host_network = false;
  // Whether the pod's containers share a PID namespace.
  bool pod_pid = false;
  // A program that runs until it is killed.
  std::vector<std::string> command = {"sleep", "100000"};
};

// One run's mark: an id, and a directory for the logs of its containers, which
// is removed with the object.
class RunMark {
 public:
  // `scratch`: an existing directory.
  static absl::StatusOr<std::unique_ptr<RunMark>> Make(
      const std::string& scratch);
  ~RunMark();

  const std::string& id() const { return id_; }
  const std::string& log_directory() const { return log_directory_; }

 private:
  RunMark() = default;

  std::string id_;
  std::string scratch_;
  std::string log_directory_;
};

// What one life took, by call, in the order of the calls.
struct Life {
  std::vector<std::pair<std::string, int64_t>> steps;  // name, nanoseconds
  int64_t pod_to_running = 0;  // the first three steps together
  int64_t whole = 0;           // all but the questions
};

class Endpoint {
 public:
  // Asks for the version and the image, so that a wrong endpoint or a missing
  // image is told before anything runs. `mark` must outlive it.
  static absl::StatusOr<std::unique_ptr<Endpoint>> Connect(
      const EndpointOptions& options, const RunMark& mark);

  // "containerd 2.1.5".
  const std::string& server() const { return server_; }

  // Runs, asks about, stops and removes one pod with one container. `number`
  // must differ between the lives of a run.
  absl::StatusOr<Life> WholeLife(int number);

  // The same of a pod without a container: runs, stops and removes it.
  absl::StatusOr<Life> PodLife(int number);

  // Stops and removes every pod of the run.
  absl::Status RemoveAll();

 private:
  Endpoint(EndpointOptions options, const RunMark& mark);
  absl::Status Greet();
  ctl::v1::PodSandboxConfig PodConfig(int number) const;
  ctl::v1::ContainerConfig ContainerConfig() const;
  // Calls, and adds what it took under `name`.
  template <typename Response, typename Request>
  absl::StatusOr<Response> Timed(const char* name, const Request& request,
                                 Life* life);
  absl::Status RunPod(int number, Life* life);
  absl::Status EndPod(Life* life);
  absl::Status Begin(int number, Life* life);
  absl::Status Ask(Life* life);
  absl::Status End(Life* life);

  EndpointOptions options_;
  const RunMark& mark_;
  std::unique_ptr<ctl::Client> client_;
  std::string server_;
  std::string pod_id_;
  std::string container_id_;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_ENDPOINT_H_
