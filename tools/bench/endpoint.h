// A CRI endpoint under measurement: pods driven through their whole life, each
// call timed.
//
// Every pod carries the run's label, so that all of them can be found and
// removed at the end, whatever was answered or not. Ownership: an Endpoint owns
// its connection. Thread safety: any number of threads at once, on that one
// connection. Blocking: calls, each limited to half a minute.

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

  // A program that no other process of the machine runs, so that its argv tells
  // the containers' own processes from a runtime's: sleep for a number of
  // seconds (decades) that comes from the id.
  std::vector<std::string> UniqueSleep() const;

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
  const EndpointOptions& options() const { return options_; }
  ctl::Client& client() { return *client_; }

  // Runs, asks about, stops and removes one pod with one container. `number`
  // must differ between the pods that are there at a time.
  absl::StatusOr<Life> WholeLife(int number);
  // The same of a pod without a container: runs, stops and removes it.
  absl::StatusOr<Life> PodLife(int number);

  // The calls of a life one by one; each adds what it took to `life`, also when
  // it failed. They return ids.
  absl::StatusOr<std::string> RunPod(int number, Life* life);
  // `pod_number`: as RunPod was given it. `number` must differ between the
  // containers of a run that write logs.
  absl::StatusOr<std::string> CreateContainer(const std::string& pod,
                                              int pod_number, int number,
                                              Life* life);
  absl::Status StartContainer(const std::string& container, Life* life);
  // ExecSync of `true`, which must end with 0.
  absl::Status ExecTrue(const std::string& container, Life* life);
  // At once: how long a program takes to end is not the runtime's affair.
  absl::Status StopContainer(const std::string& container, Life* life);
  absl::Status RemoveContainer(const std::string& container, Life* life);
  absl::Status StopPod(const std::string& pod, Life* life);
  absl::Status RemovePod(const std::string& pod, Life* life);

  // Where a container's output goes.
  std::string LogPath(int number) const;

  // The label that all pods and containers of the run have.
  std::pair<std::string, std::string> Label() const;

  // Stops and removes every pod of the run, so many at once.
  absl::Status RemoveAll(int at_once = 1);

 private:
  Endpoint(EndpointOptions options, const RunMark& mark);
  absl::Status Greet();
  ctl::v1::PodSandboxConfig PodConfig(int number) const;
  ctl::v1::ContainerConfig ContainerConfig(int number) const;
  // Calls, and adds what it took under `name`.
  template <typename Response, typename Request>
  absl::StatusOr<Response> Timed(const char* name, const Request& request,
                                 Life* life);
  absl::Status Ask(const std::string& pod, const std::string& container,
                   Life* life);
  absl::StatusOr<Life> LiveOnce(int number);
  absl::Status RemoveOne(const std::string& pod);

  const EndpointOptions options_;
  const RunMark& mark_;
  std::unique_ptr<ctl::Client> client_;
  std::string server_;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_ENDPOINT_H_
