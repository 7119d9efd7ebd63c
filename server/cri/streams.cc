// Lists of pods and containers in pieces, made from memory.

#include <memory>
#include <utility>
#include <vector>

#include "server/cri/call.h"
#include "server/cri/container_translator.h"
#include "server/cri/filters.h"
#include "server/cri/item_stream.h"
#include "server/cri/runtime_rpcs.h"
#include "server/cri/translate_pod.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::Container;
using ::runtime::v1::PodSandbox;
using ::runtime::v1::StreamContainersResponse;
using ::runtime::v1::StreamPodSandboxesResponse;

// The objects that match now; each is told as it is now, whatever becomes of
// it until it is sent.
template <typename Ptr, typename Filter>
std::vector<Ptr> Matching(std::vector<Ptr> objects, const Filter& filter) {
  std::erase_if(objects, [&filter](const Ptr& object) {
    return !Matches(*object, filter);
  });
  return objects;
}

}  // namespace

grpc::ServerWriteReactor<StreamPodSandboxesResponse>*
RuntimeRpcs::StreamPodSandboxes(
    grpc::CallbackServerContext* /*context*/,
    const runtime::v1::StreamPodSandboxesRequest* request) {
  using Pods = ListedItems<PodSandbox, core::PodPtr>;
  return new ItemStream<StreamPodSandboxesResponse, PodSandbox>(
      services_.node.tasks, {"StreamPodSandboxes", ""},
      std::make_unique<Pods>(
          Matching(services_.pods.List(), request->filter()),
          [](const core::PodPtr& pod) { return PodToCri(*pod); }),
      &StreamPodSandboxesResponse::mutable_pod_sandboxes);
}

grpc::ServerWriteReactor<StreamContainersResponse>*
RuntimeRpcs::StreamContainers(
    grpc::CallbackServerContext* /*context*/,
    const runtime::v1::StreamContainersRequest* request) {
  using Containers = ListedItems<Container, core::ContainerPtr>;
  auto translator = std::make_shared<ContainerTranslator>(services_.images);
  return new ItemStream<StreamContainersResponse, Container>(
      services_.node.tasks, {"StreamContainers", ""},
      std::make_unique<Containers>(
          Matching(services_.containers.List(), request->filter()),
          [translator](const core::ContainerPtr& container) {
            return translator->Listed(*container);
          }),
      &StreamContainersResponse::mutable_containers);
}

}  // namespace gantry::cri
