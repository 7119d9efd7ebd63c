// An in-process CRI server with pods and containers that are only remembered:
// for tests of a client's side.
//
// A container's "program" is its first argument: "echo" logs the others as one
// line of stdout and exits with 0, "exit" exits with the code that follows,
// "sleep" runs until it is stopped. ExecSync answers what `exec_answer` says,
// but not in a container that has ended. Each pod has the same statistics.
// Thread safety: as a gRPC service. Ends with its object.

#ifndef GANTRY_TOOLS_CTL_TESTING_FAKE_CRI_SERVER_H_
#define GANTRY_TOOLS_CTL_TESTING_FAKE_CRI_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "proto/cri/v1/api.pb.h"
#include "tools/ctl/testing/fake_admin.h"

namespace gantry::ctl::testing {

class FakeCriServer {
 public:
  // Serves until destroyed, on a socket in a directory of its own below /tmp:
  // a socket's path has at most 107 bytes, which a test's own directory may
  // exceed.
  FakeCriServer();
  ~FakeCriServer();

  std::string socket_path() const { return directory_ + "/s"; }

  void AddImage(const std::string& name, const std::string& id);
  // What ImageStatus says below "info" in its verbose info.
  void SetImageInfo(const std::string& json);
  void SetExecAnswer(const ::runtime::v1::ExecSyncResponse& answer);
  // What GetContainerEvents tells before it ends.
  void AddEvent(const ::runtime::v1::ContainerEventResponse& event);
  // CreateContainer fails with this message from now on.
  void FailCreate(const std::string& message);

  size_t pods() const;
  size_t containers() const;
  // The config of the container made last, and the command run last.
  ::runtime::v1::ContainerConfig last_config() const;
  std::vector<std::string> last_exec() const;
  // Of PullImage; PullWithProgress is the admin service's.
  ::runtime::v1::PullImageRequest last_pull() const;
  FakeAdmin& admin();

 private:
  struct State;
  struct Services;
  std::string directory_;
  std::unique_ptr<State> state_;
  std::unique_ptr<Services> services_;
};

}  // namespace gantry::ctl::testing

#endif  // GANTRY_TOOLS_CTL_TESTING_FAKE_CRI_SERVER_H_
