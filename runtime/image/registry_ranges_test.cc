#include "runtime/image/registry_ranges.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/digest.h"
#include "runtime/image/reference.h"
#include "runtime/image/registry_client.h"
#include "runtime/image/testing/fake_registry.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Answer = FakeRegistry::Answer;

constexpr int64_t kRange = 10'000;
constexpr int64_t kSize = 25 * kRange + 1234;

std::string Noise() {
  std::string noise;
  for (uint32_t x = 1; noise.size() < kSize; x = x * 1664525 + 1013904223) {
    noise.push_back(static_cast<char>(x >> 24));
  }
  return noise;
}

class RegistryRangesTest : public ::testing::Test {
 protected:
  RegistryRangesTest() {
    registry_.Add(blob_);
    options_.sleep = [](absl::Duration) {};
    options_.parallel_ranges = 4;
    options_.range_bytes = kRange;
  }
  ~RegistryRangesTest() override { Join(); }

  void Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  RegistryClient Client(Credentials credentials = {}) {
    return RegistryClient(&registry_, options_, std::move(credentials));
  }
  absl::StatusOr<std::unique_ptr<BlobStream>> Open(
      RegistryClient* client, int64_t offset = 0,
      std::function<bool()> cancelled = nullptr) {
    return client->OpenBlob(*ParseReference("r.example/a/b:v1"),
                            {.digest = DigestOf(blob_), .size = kSize},
                            std::move(cancelled),
                            {.offset = offset, .run_aside = run_aside_});
  }
  absl::StatusOr<std::string> Read(Credentials credentials = {}) {
    RegistryClient client = Client(std::move(credentials));
    ASSIGN_OR_RETURN(auto source, Open(&client));
    return ReadAll(source.get(), kSize);
  }
  // Until so many requests were made, and a moment longer.
  size_t RequestsSoon(size_t count) {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    while (registry_.requests().size() < count && absl::Now() < end) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    absl::SleepFor(absl::Milliseconds(20));
    return registry_.requests().size();
  }
  // What is to be answered to the requests from this byte on.
  void From(int64_t first,
            std::function<std::optional<Answer>(const http::Request&)> answer) {
    registry_.always =
        [=](const http::Request& request) -> std::optional<Answer> {
      if (!request.range || request.range->first < first) return std::nullopt;
      return answer(request);
    };
  }

  const std::string blob_ = Noise();
  FakeRegistry registry_{"r.example"};
  RegistryOptions options_;
  std::vector<std::thread> threads_;
  RunAside run_aside_ = [this](std::function<void()> work) {
    threads_.emplace_back(std::move(work));
  };
};

TEST_F(RegistryRangesTest, ConsecutiveRangesComeOutInOrder) {
  EXPECT_TRUE(*Read() == blob_);
  Join();
  std::vector<int64_t> firsts;
  for (const http::Request& request : registry_.requests()) {
    ASSERT_TRUE(request.range);
    firsts.push_back(request.range->first);
    if (request.range->last) {
      EXPECT_EQ(*request.range->last,
                std::min(request.range->first + kRange, kSize) - 1);
    }
  }
  std::sort(firsts.begin(), firsts.end());
  ASSERT_THAT(firsts, SizeIs(26));
  for (size_t i = 0; i < firsts.size(); ++i) {
    EXPECT_EQ(firsts[i], i * kRange);
  }
}

TEST_F(RegistryRangesTest, SoManyAtOnceAndNoMore) {
  RegistryClient client = Client();
  ASSERT_OK_AND_ASSIGN(auto source, Open(&client));
  EXPECT_EQ(RequestsSoon(4), 4u);
  // The first range is read, and so another one may come.
  int64_t read = 0;
  while (read <= kRange) {
    ASSERT_OK_AND_ASSIGN(absl::string_view chunk, source->Next());
    read += chunk.size();
  }
  EXPECT_EQ(RequestsSoon(5), 5u);
}

TEST_F(RegistryRangesTest, SmallBlobsTakeOneConnection) {
  options_.range_bytes = kSize / 2 + 1;
  EXPECT_TRUE(*Read() == blob_);
  ASSERT_THAT(registry_.requests(), SizeIs(1));
  EXPECT_FALSE(registry_.requests()[0].range);
}

TEST_F(RegistryRangesTest, RestOfABlob) {
  RegistryClient client = Client();
  ASSERT_OK_AND_ASSIGN(auto source, Open(&client, 3 * kRange + 7));
  EXPECT_TRUE(*ReadAll(source.get(), kSize) == blob_.substr(3 * kRange + 7));
}

TEST_F(RegistryRangesTest, RegistryWithoutRangesIsReadToItsEnd) {
  registry_.ranges = false;
  EXPECT_TRUE(*Read() == blob_);
  EXPECT_THAT(registry_.requests(), SizeIs(1));
}

TEST_F(RegistryRangesTest, RangesThatEndHalfWay) {
  From(5 * kRange,
       [this](const http::Request&) { return Answer{.body = blob_}; });
  EXPECT_TRUE(*Read() == blob_);
  Join();
  // What was under way, and one that reads it all.
  EXPECT_LE(registry_.requests().size(), 5u + 4 + 1);
}

TEST_F(RegistryRangesTest, WrongRangesAreNotBelieved) {
  int asked_for_all = 0;
  for (const char* range :
       {"bytes 70001-79999/251234", "bytes 0-9999/251234",
        "bytes 70000-79999/251233", "bytes 70000-80000/251234", "", "70000"}) {
    From(7 * kRange, [this, range](const http::Request& request) {
      Answer answer = FakeRegistry::Part(blob_, *request.range);
      answer.headers = {{"Content-Range", range}};
      for (char& c : answer.body) c ^= 1;
      return answer;
    });
    EXPECT_TRUE(*Read() == blob_) << range;
    Join();
    const auto requests = registry_.requests();
    EXPECT_EQ(std::count_if(requests.begin(), requests.end(),
                            [](const auto& one) { return !one.range; }),
              ++asked_for_all)
        << range;
  }
}

TEST_F(RegistryRangesTest, WrongRangeAtTheBeginningIsNotBelieved) {
  From(0, [this](const http::Request& request) {
    Answer answer = FakeRegistry::Part(blob_, *request.range);
    answer.headers = {{"Content-Range", "bytes 0-9/10"}};
    return answer;
  });
  EXPECT_TRUE(*Read() == blob_);
  EXPECT_THAT(registry_.requests(), SizeIs(2));
}

TEST_F(RegistryRangesTest, LongerOrShorterThanAskedFor) {
  From(4 * kRange, [this](const http::Request& request) {
    Answer answer = FakeRegistry::Part(blob_, *request.range);
    if (request.range->first == 4 * kRange) answer.body += "more";
    if (request.range->first == 5 * kRange) answer.body.resize(100);
    return answer;
  });
  EXPECT_TRUE(*Read() == blob_);
}

TEST_F(RegistryRangesTest, RangeThatBreaksOffIsTakenUpWhereItBroke) {
  From(6 * kRange, [this](const http::Request& request) {
    Answer answer = FakeRegistry::Part(blob_, *request.range);
    if (request.range->first == 6 * kRange) answer.breaks_after = 3000;
    return answer;
  });
  EXPECT_TRUE(*Read() == blob_);
  Join();
  const auto requests = registry_.requests();
  EXPECT_EQ(std::count_if(requests.begin(), requests.end(),
                          [](const http::Request& request) {
                            return request.range->first == 6 * kRange + 3000;
                          }),
            1);
  EXPECT_THAT(requests, SizeIs(27));
}

TEST_F(RegistryRangesTest, EveryRangeThatBreaksOffIsMended) {
  // As many failures as ranges, should the reader fetch them all.
  options_.max_attempts = 30;
  registry_.always = [this](const http::Request& request) {
    Answer answer = FakeRegistry::Part(blob_, *request.range);
    if (request.range->first % kRange == 0) answer.breaks_after = 9000;
    return answer;
  };
  EXPECT_TRUE(*Read() == blob_);
}

TEST_F(RegistryRangesTest, CrumbsDoNotLastForEver) {
  registry_.always = [this](const http::Request& request) {
    Answer answer = FakeRegistry::Part(blob_, *request.range);
    answer.breaks_after = 1;
    return answer;
  };
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr("after 5 failures")));
  Join();
  EXPECT_LE(registry_.requests().size(), 3u + 5);
}

TEST_F(RegistryRangesTest, OutageInTheMiddleIsBounded) {
  From(8 * kRange, [](const http::Request&) { return Answer{.status = 503}; });
  EXPECT_THAT(Read(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("HTTP 503")));
  Join();
  // Eight ranges, at most four in vain aside, and five by who reads.
  EXPECT_LE(registry_.requests().size(), 8u + 4 + 5);
}

TEST_F(RegistryRangesTest, OutageThatPassesIsWaitedFor) {
  int left = 4;
  From(8 * kRange, [&](const http::Request&) -> std::optional<Answer> {
    if (left-- <= 0) return std::nullopt;
    return Answer{.status = 503};
  });
  EXPECT_TRUE(*Read() == blob_);
}

TEST_F(RegistryRangesTest, WithoutAThreadTheReaderFetchesAll) {
  std::vector<std::function<void()>> late;
  run_aside_ = [&](std::function<void()> work) {
    late.push_back(std::move(work));
  };
  EXPECT_TRUE(*Read() == blob_);
  EXPECT_THAT(registry_.requests(), SizeIs(26));
  // They come when nothing of it is left.
  for (const auto& work : late) work();
  EXPECT_THAT(registry_.requests(), SizeIs(26));
}

TEST_F(RegistryRangesTest, OneThatIsLeftWaitsForNobody) {
  RegistryClient client = Client();
  ASSERT_OK_AND_ASSIGN(auto source, Open(&client));
  ASSERT_OK(source->Next());
  source.reset();
  Join();
  EXPECT_LE(registry_.requests().size(), 4u);
}

// Answers stop in the middle until their request is cancelled.
class Silent : public http::Client {
 public:
  explicit Silent(http::Client* inner) : inner_(inner) {}
  absl::StatusOr<std::unique_ptr<http::Response>> Send(
      const http::Request& request) override {
    if (request.range->first > 0) {
      ++waiting_;
      while (!request.cancelled()) absl::SleepFor(absl::Milliseconds(1));
      ++ended_;
      return absl::CancelledError("cancelled");
    }
    return inner_->Send(request);
  }
  int waiting() const { return waiting_; }
  int ended() const { return ended_; }

 private:
  http::Client* const inner_;
  std::atomic<int> waiting_ = 0;
  std::atomic<int> ended_ = 0;
};

TEST_F(RegistryRangesTest, CancellingAndLeavingEndAllConnections) {
  for (const bool leave : {false, true}) {
    Silent silent(&registry_);
    RegistryClient client(&silent, options_, {});
    std::atomic<bool> cancelled = false;
    ASSERT_OK_AND_ASSIGN(auto source,
                         Open(&client, 0, [&] { return cancelled.load(); }));
    if (leave) {
      source.reset();
    } else {
      std::thread soon([&] {
        while (silent.waiting() < 3) absl::SleepFor(absl::Milliseconds(1));
        cancelled = true;
      });
      EXPECT_THAT(ReadAll(source.get(), kSize),
                  StatusIs(absl::StatusCode::kCancelled));
      soon.join();
      source.reset();
    }
    // Those that had begun, and the reader's own; the others never will.
    EXPECT_EQ(silent.ended(), silent.waiting());
    EXPECT_LE(silent.ended(), 4 + 1);
    Join();
    EXPECT_EQ(silent.ended(), silent.waiting());
  }
}

class MirrorRangesTest : public RegistryRangesTest {
 protected:
  MirrorRangesTest() {
    std::filesystem::create_directories(dir_.path() + "/r.example");
    std::ofstream(dir_.path() + "/r.example/hosts.toml")
        << "[host.\"https://mirror.example\"]\n";
    options_.config_paths = {dir_.path()};
    registry_.more_hosts = {"mirror.example"};
  }
  std::vector<std::string> SentTo(absl::string_view host) {
    std::vector<std::string> out;
    for (const http::Request& request : registry_.requests()) {
      if (absl::StartsWith(request.url, absl::StrCat("https://", host, "/"))) {
        out.push_back(request.headers.Get("Authorization"));
      }
    }
    return out;
  }
  sys::testing::TempDir dir_;
};

TEST_F(MirrorRangesTest, NoRangeTakesCredentialsToAMirror) {
  registry_.token = "s3cret";
  EXPECT_TRUE(*Read({.registry_token = "s3cret"}) == blob_);
  EXPECT_THAT(SentTo("mirror.example"), SizeIs(26));
  EXPECT_THAT(SentTo("mirror.example"), Each(IsEmpty()));
}

TEST_F(MirrorRangesTest, WhatAMirrorCannotFinishComesFromTheRegistry) {
  registry_.token = "s3cret";
  From(9 * kRange, [](const http::Request& request) -> std::optional<Answer> {
    if (!absl::StrContains(request.url, "mirror.example")) return std::nullopt;
    return Answer{.status = 404};
  });
  RegistryClient client = Client({.registry_token = "s3cret"});
  ASSERT_OK_AND_ASSIGN(auto source, Open(&client));
  EXPECT_TRUE(*ReadAll(source.get(), kSize) == blob_);
  // Should it be wrong, all that is left is the registry.
  EXPECT_EQ(source->origin().NextHost(), std::optional<size_t>(1));
  source.reset();
  Join();
  EXPECT_THAT(SentTo("r.example"), Each(std::string("Bearer s3cret")));
  EXPECT_THAT(SentTo("r.example"), SizeIs(17));
  EXPECT_THAT(SentTo("mirror.example"), Each(IsEmpty()));
}

}  // namespace
}  // namespace gantry::image
