#include "server/core/image_pull.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/http/client.h"
#include "runtime/image/testing/fake_registry.h"
#include "runtime/image/testing/sample_image.h"
#include "runtime/image/testing/tar_builder.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::core {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(20);

// Passes requests on to `inner`; those for blobs stop at the gate first, each
// on the thread that sends it.
class GatedClient : public http::Client {
 public:
  explicit GatedClient(http::Client* inner) : inner_(inner) {}

  // Lets all through from now on.
  void Open() {
    absl::MutexLock lock(&mutex_);
    open_ = true;
  }
  // Until `count` requests stand at the gate.
  bool WaitForWaiting(int count) {
    absl::MutexLock lock(&mutex_);
    wanted_ = count;
    return mutex_.AwaitWithTimeout(
        absl::Condition(
            +[](GatedClient* me) { return me->waiting_ >= me->wanted_; }, this),
        kLong);
  }
  int most_waiting() const {
    absl::MutexLock lock(&mutex_);
    return most_waiting_;
  }

  absl::StatusOr<std::unique_ptr<http::Response>> Send(
      const http::Request& request) override {
    if (absl::StrContains(request.url, "/blobs/")) {
      absl::MutexLock lock(&mutex_);
      most_waiting_ = std::max(most_waiting_, ++waiting_);
      // As a real client does: it asks several times a second.
      while (!open_ && !(request.cancelled && request.cancelled())) {
        mutex_.AwaitWithTimeout(absl::Condition(&open_),
                                absl::Milliseconds(20));
      }
      --waiting_;
      if (!open_) return absl::CancelledError("cancelled");
    }
    return inner_->Send(request);
  }

 private:
  http::Client* const inner_;
  mutable absl::Mutex mutex_;
  bool open_ = false;
  int waiting_ = 0;
  int wanted_ = 0;
  int most_waiting_ = 0;
};

// A pull that runs; its end can be waited for.
struct Running {
  image::RegistryClient registry;
  absl::Notification done;
  absl::StatusOr<record::ImageRecord> image = absl::UnknownError("not done");
};

class ImagePullTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = image::ImageStore::Open(dir_.fd(), nullptr);
    ASSERT_OK(store);
    store_ = *std::move(store);
    options_.observer = [this](const LayerState& state) {
      absl::MutexLock lock(&mutex_);
      seen_[state.index].push_back(state);
    };
  }
  void TearDown() override {
    gate_.Open();
    EXPECT_TRUE(tasks_.WaitIdle(kLong));
  }

  // `count` layers of one file each, none like another. The configuration is
  // in the store already, so that all blobs asked for are layers.
  image::SampleImage Serve(const std::string& tag, int count,
                           const std::string& text) {
    std::vector<std::string> tars;
    for (int i = 0; i < count; ++i) {
      tars.push_back(image::TarBuilder()
                         .File(absl::StrCat("file-", i),
                               absl::StrCat(text, std::string(i * 1000, 'x')))
                         .Done());
    }
    image::SampleImage sample = image::MakeImage(tars);
    for (const auto& [hex, data] : sample.Content()) registry_.Add(data);
    registry_.Tag(tag, sample.manifest, image::kOciManifestType);
    EXPECT_OK(store_->content().Put(sample.id(), sample.config));
    return sample;
  }

  std::unique_ptr<Running> Start(const std::string& name,
                                 const PullOptions& options) {
    image::RegistryOptions registry_options;
    registry_options.sleep = [](absl::Duration) {};
    auto run = std::unique_ptr<Running>(
        new Running{{&gate_, registry_options, image::Credentials()}});
    tasks_.Start(RunPull({.images = *store_,
                          .executor = executor_,
                          .blocking_executor = blocking_,
                          .layer_executor = layers_,
                          .receive_executor = receive_,
                          .locks = locks_,
                          .tasks = tasks_},
                         run->registry, *image::ParseReference(name), options),
                 [&run = *run](absl::StatusOr<record::ImageRecord> image) {
                   run.image = std::move(image);
                   run.done.Notify();
                 });
    return run;
  }
  static bool Ends(Running& run, absl::Duration within = kLong) {
    return run.done.WaitForNotificationWithTimeout(within);
  }
  int RequestsFor(const std::string& content) {
    const std::string digest = image::DigestOf(content).ToString();
    int count = 0;
    for (const http::Request& request : registry_.requests()) {
      count += absl::StrContains(request.url, digest);
    }
    return count;
  }
  std::vector<LayerPhase> PhasesOf(size_t layer) {
    absl::MutexLock lock(&mutex_);
    std::vector<LayerPhase> phases;
    for (const LayerState& state : seen_[layer]) {
      if (phases.empty() || phases.back() != state.phase) {
        phases.push_back(state.phase);
      }
    }
    return phases;
  }

  sys::testing::TempDir dir_;
  std::unique_ptr<image::ImageStore> store_;
  image::FakeRegistry registry_{"r.example"};
  GatedClient gate_{&registry_};
  work::Executor executor_{"core", 2};
  work::Executor blocking_{"blocking", 8};
  work::Executor layers_{"layers", 8};
  work::Executor receive_{"receive", 8};
  work::KeyedLock locks_{executor_};
  work::TaskScope tasks_;
  PullOptions options_;
  absl::Mutex mutex_;
  std::map<size_t, std::vector<LayerState>> seen_;
};

TEST_F(ImagePullTest, FetchesSoManyLayersAtOnceAndNoMore) {
  Serve("v1", 7, "a");
  options_.max_parallel_layers = 3;
  auto run = Start("r.example/a:v1", options_);
  EXPECT_TRUE(gate_.WaitForWaiting(3));
  absl::SleepFor(absl::Milliseconds(100));
  gate_.Open();
  ASSERT_TRUE(Ends(*run));
  ASSERT_OK(run->image);
  EXPECT_EQ(run->image->layers_size(), 7);
  EXPECT_EQ(gate_.most_waiting(), 3);
  EXPECT_OK(store_->Resolve("r.example/a:v1"));
}

TEST_F(ImagePullTest, TellsOfEachLayer) {
  const image::SampleImage sample = Serve("v1", 2, "a");
  gate_.Open();
  auto run = Start("r.example/a:v1", options_);
  ASSERT_TRUE(Ends(*run));
  ASSERT_OK(run->image);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_THAT(PhasesOf(i),
                ElementsAre(LayerPhase::kWaiting, LayerPhase::kPulling,
                            LayerPhase::kDone));
    absl::MutexLock lock(&mutex_);
    int64_t last = 0;
    for (const LayerState& state : seen_[i]) {
      EXPECT_EQ(state.count, 2);
      EXPECT_EQ(state.blob, image::DigestOf(sample.blobs[i]));
      EXPECT_EQ(state.total, sample.blobs[i].size());
      EXPECT_GE(state.done, last);
      last = state.done;
    }
    EXPECT_EQ(last, sample.blobs[i].size());
  }
  seen_.clear();
  auto again = Start("r.example/a:v1", options_);
  ASSERT_TRUE(Ends(*again));
  EXPECT_THAT(PhasesOf(0), ElementsAre(LayerPhase::kPresent));
}

TEST_F(ImagePullTest, ALayerThatFailsEndsTheOthersAndIsNamed) {
  const image::SampleImage sample = Serve("v1", 3, "a");
  const std::string bad = image::DigestOf(sample.blobs[2]).ToString();
  auto run = Start("r.example/a:v1", options_);
  ASSERT_TRUE(gate_.WaitForWaiting(3));
  registry_.faults.assign(3,
                          [&](const http::Request& request)
                              -> std::optional<image::FakeRegistry::Answer> {
                            if (!absl::StrContains(request.url, bad))
                              return std::nullopt;
                            return image::FakeRegistry::Answer{.status = 404};
                          });
  gate_.Open();
  ASSERT_TRUE(Ends(*run));
  EXPECT_THAT(run->image,
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("layer 3 of 3"), HasSubstr(bad))));
  EXPECT_THAT(store_->List(), ::testing::IsEmpty());
}

TEST_F(ImagePullTest, CancellingEndsItWithinASecondWhateverItWaitsFor) {
  Serve("v1", 5, "a");
  auto first = Start("r.example/a:v1", options_);
  ASSERT_TRUE(gate_.WaitForWaiting(3));
  // Of another reference: waits for the layers that the first one fetches.
  PullOptions options = options_;
  options.cancellation = work::Cancellation();
  auto second = Start("r.example/b:v1", options);
  EXPECT_FALSE(Ends(*second, absl::Milliseconds(100)));
  options.cancellation.Cancel();
  EXPECT_TRUE(Ends(*second, absl::Seconds(1)));
  EXPECT_THAT(second->image, StatusIs(absl::StatusCode::kCancelled));

  EXPECT_FALSE(Ends(*first, absl::Milliseconds(1)));
  options_.cancellation.Cancel();
  EXPECT_TRUE(Ends(*first, absl::Seconds(1)));
  EXPECT_THAT(first->image, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(store_->List(), ::testing::IsEmpty());
}

TEST_F(ImagePullTest, TwoReferencesWithTheSameLayersFetchThemOnce) {
  const image::SampleImage sample = Serve("v1", 3, "a");
  auto first = Start("r.example/a:v1", options_);
  ASSERT_TRUE(gate_.WaitForWaiting(3));
  auto second = Start("r.example/b:v1", PullOptions());
  EXPECT_FALSE(Ends(*second, absl::Milliseconds(100)));
  gate_.Open();
  ASSERT_TRUE(Ends(*first));
  ASSERT_TRUE(Ends(*second));
  EXPECT_OK(first->image);
  EXPECT_OK(second->image);
  for (const std::string& blob : sample.blobs) {
    EXPECT_EQ(RequestsFor(blob), 1);
  }
  EXPECT_OK(store_->Resolve("r.example/b:v1"));
}

TEST_F(ImagePullTest, WhoWaitsForACancelledPullTakesItsLayersOver) {
  const image::SampleImage sample = Serve("v1", 1, "a");
  auto first = Start("r.example/a:v1", options_);
  ASSERT_TRUE(gate_.WaitForWaiting(1));
  auto second = Start("r.example/b:v1", PullOptions());
  EXPECT_FALSE(Ends(*second, absl::Milliseconds(100)));
  options_.cancellation.Cancel();
  ASSERT_TRUE(Ends(*first));
  gate_.Open();
  ASSERT_TRUE(Ends(*second));
  EXPECT_OK(second->image);
}

}  // namespace
}  // namespace gantry::core
