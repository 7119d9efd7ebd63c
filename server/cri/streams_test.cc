// The lists that are streamed, over a unix socket.

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "server/cri/item_stream.h"
#include "server/cri/testing/rpc_case.h"

namespace gantry::cri {
namespace {

namespace api = ::runtime::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StreamsTest : public testing::RpcCase {
 protected:
  // What one stream of pods gave.
  struct Pods {
    std::vector<std::string> ids;
    size_t messages = 0;
    grpc::Status status;
  };
  Pods StreamPods(const api::PodSandboxFilter& filter) {
    grpc::ClientContext context;
    api::StreamPodSandboxesRequest request;
    *request.mutable_filter() = filter;
    auto reader = runtime_->StreamPodSandboxes(&context, request);
    Pods pods;
    api::StreamPodSandboxesResponse message;
    while (reader->Read(&message)) {
      ++pods.messages;
      EXPECT_GT(message.pod_sandboxes_size(), 0);
      // The items and what is around each of them.
      EXPECT_LE(message.ByteSizeLong(), kStreamMessageBytes * 11 / 10);
      for (const auto& pod : message.pod_sandboxes()) {
        pods.ids.push_back(pod.id());
      }
    }
    pods.status = reader->Finish();
    return pods;
  }
};

TEST_F(StreamsTest, EmptyListsEndAtOnce) {
  Pods pods = StreamPods({});
  EXPECT_TRUE(pods.status.ok());
  EXPECT_EQ(pods.messages, 0);
  grpc::ClientContext c1, c2, c3;
  api::StreamContainersResponse containers;
  auto r1 = runtime_->StreamContainers(&c1, {});
  EXPECT_FALSE(r1->Read(&containers));
  EXPECT_TRUE(r1->Finish().ok());
  api::StreamContainerStatsResponse stats;
  auto r2 = runtime_->StreamContainerStats(&c2, {});
  EXPECT_FALSE(r2->Read(&stats));
  EXPECT_TRUE(r2->Finish().ok());
  api::StreamImagesResponse images;
  auto r3 = images_->StreamImages(&c3, {});
  EXPECT_FALSE(r3->Read(&images));
  EXPECT_TRUE(r3->Finish().ok());
}

TEST_F(StreamsTest, PodsAreFilteredAsInAList) {
  PutPod("aa1", record::PodRecord::READY);
  PutPod("aa2", record::PodRecord::NOT_READY);
  PutPod("bb1", record::PodRecord::CREATING);
  api::PodSandboxFilter filter;
  EXPECT_THAT(StreamPods(filter).ids, ElementsAre("aa1", "aa2"));
  filter.mutable_state()->set_state(api::SANDBOX_READY);
  EXPECT_THAT(StreamPods(filter).ids, ElementsAre("aa1"));
  filter.set_id("b");
  EXPECT_THAT(StreamPods(filter).ids, IsEmpty());
}

TEST_F(StreamsTest, ManyLargeItemsComeOnceInSeveralMessages) {
  const std::string note(40 << 10, 'x');
  for (int i = 0; i < 50; ++i) {
    record::PodRecord pod =
        PutPod("pod" + std::to_string(i), record::PodRecord::READY);
    (*pod.mutable_annotations())["note"] = note;
    services_.node().pods.Put(pod);
  }
  Pods pods = StreamPods({});
  EXPECT_TRUE(pods.status.ok());
  EXPECT_EQ(pods.ids.size(), 50);
  EXPECT_EQ(std::set<std::string>(pods.ids.begin(), pods.ids.end()).size(), 50);
  EXPECT_GE(pods.messages, 50 * note.size() / kStreamMessageBytes);
  EXPECT_LT(pods.messages, 50);
}

TEST_F(StreamsTest, AnItemLargerThanAMessageComesAlone) {
  record::PodRecord pod = PutPod("a", record::PodRecord::READY);
  PutPod("b", record::PodRecord::READY);
  (*pod.mutable_annotations())["note"] =
      std::string(2 * kStreamMessageBytes, 'x');
  services_.node().pods.Put(pod);
  grpc::ClientContext context;
  auto reader = runtime_->StreamPodSandboxes(&context, {});
  api::StreamPodSandboxesResponse message;
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_EQ(message.pod_sandboxes_size(), 1);
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_EQ(message.pod_sandboxes(0).id(), "b");
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(StreamsTest, ContainersOfAPod) {
  PutContainer("c1", "p1");
  PutContainer("c2", "p2");
  grpc::ClientContext context;
  api::StreamContainersRequest request;
  request.mutable_filter()->set_pod_sandbox_id("p2");
  auto reader = runtime_->StreamContainers(&context, request);
  api::StreamContainersResponse message;
  ASSERT_TRUE(reader->Read(&message));
  ASSERT_EQ(message.containers_size(), 1);
  EXPECT_EQ(message.containers(0).id(), "c2");
  EXPECT_EQ(message.containers(0).image_ref(), "sha256:1");
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(StreamsTest, AClientThatLeavesEndsItsStream) {
  const std::string note(200 << 10, 'x');
  for (int i = 0; i < 50; ++i) {
    record::PodRecord pod =
        PutPod("pod" + std::to_string(i), record::PodRecord::READY);
    (*pod.mutable_annotations())["note"] = note;
    services_.node().pods.Put(pod);
  }
  grpc::ClientContext context;
  auto reader = runtime_->StreamPodSandboxes(&context, {});
  api::StreamPodSandboxesResponse message;
  ASSERT_TRUE(reader->Read(&message));
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::CANCELLED);
  // A stream that went on would hold this up to its patience.
  const absl::Time begin = absl::Now();
  server_->Shutdown(absl::Seconds(30));
  server_.reset();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
}

}  // namespace
}  // namespace gantry::cri
