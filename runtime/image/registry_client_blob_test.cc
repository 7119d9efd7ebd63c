#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/image/testing/registry_client_case.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(RegistryClientTest, BrokenTransferIsTakenUpWhereItBroke) {
  Break(3, 3000);
  RegistryClient client = Client();
  EXPECT_TRUE(*ReadBlob(&client) == blob_);
  const auto requests = registry_.requests();
  ASSERT_THAT(requests, SizeIs(4));
  EXPECT_EQ(requests[1].range->first, 3000);
  EXPECT_EQ(requests[2].range->first, 6000);
  EXPECT_EQ(requests[3].range->first, 9000);
}

TEST_F(RegistryClientTest, ServerWithoutRangesBeginsAnew) {
  Break(1, 3000);
  registry_.ranges = false;
  RegistryClient client = Client();
  EXPECT_TRUE(*ReadBlob(&client) == blob_);
}

TEST_F(RegistryClientTest, TransferWithoutProgressFailsInTheEnd) {
  Break(100, 0);
  RegistryClient client = Client();
  EXPECT_THAT(ReadBlob(&client), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_LE(registry_.requests().size(), 10u);
}

// Fails without the comparison with the blob's size in NextOnce.
TEST_F(RegistryClientTest, LiesAboutTheLengthAreNoticed) {
  RegistryClient client = Client();
  Fail(1, {.body = blob_ + "more"});
  EXPECT_THAT(ReadBlob(&client), StatusIs(absl::StatusCode::kDataLoss));
  // Always too short, with a clean end.
  Fail(100, {.body = blob_.substr(0, 10)});
  EXPECT_THAT(ReadBlob(&client), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(RegistryClientTest, WrongRangesAreNotBelieved) {
  for (const char* range : {"bytes 2000-9999/10000", "bytes 3000-9999/9999",
                            "bytes 3000-10000/10000", "3000-9999/10000", ""}) {
    Break(1, 3000);
    Fail(1, {.status = 206,
             .body = blob_.substr(2000),
             .headers = {{"Content-Range", range}}});
    RegistryClient client = Client();
    EXPECT_TRUE(*ReadBlob(&client) == blob_) << range;
    EXPECT_FALSE(registry_.requests().back().range) << range;
  }
}

TEST_F(RegistryClientTest, RangeThatNobodyAskedForIsRefused) {
  Fail(1, {.status = 206, .body = blob_});
  RegistryClient client = Client();
  EXPECT_THAT(ReadBlob(&client), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(RegistryClientTest, OutageInTheMiddleOfABlobIsBounded) {
  Break(1, 3000);
  Fail(100, {.status = 503});
  RegistryClient client = Client();
  EXPECT_THAT(ReadBlob(&client),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("HTTP 503")));
  EXPECT_THAT(registry_.requests(), SizeIs(1 + 5));
}

// Fails without the bound of attempts in Next.
TEST_F(RegistryClientTest, CrumbsDoNotLastForEver) {
  Break(1000, 1);
  RegistryClient client = Client();
  EXPECT_THAT(ReadBlob(&client), StatusIs(absl::StatusCode::kUnavailable,
                                          HasSubstr("after 5 failures")));
  EXPECT_THAT(registry_.requests(), SizeIs(5));
}

TEST_F(RegistryClientTest, BreakBehindTheLastByteDoesNotMatter) {
  Break(1, blob_.size());
  RegistryClient client = Client();
  EXPECT_TRUE(*ReadBlob(&client) == blob_);
  EXPECT_THAT(registry_.requests(), SizeIs(1));
}

}  // namespace
}  // namespace gantry::image
