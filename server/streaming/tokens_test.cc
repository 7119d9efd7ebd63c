#include "server/streaming/tokens.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::streaming {
namespace {

using ::gantry::testing::StatusIs;

class HandClock : public Clock {
 public:
  int64_t UnixNanos() const override { return 0; }
  int64_t BootNanos() const override { return now; }
  int64_t now = 1000;
};

constexpr int64_t kSecond = 1000000000;

core::StreamRequest ForPod(const std::string& id) {
  return core::PortForwardRequest{id, {}};
}

TEST(Tokens, ATokenIsGoodOnce) {
  HandClock clock;
  Tokens tokens(clock);
  ASSERT_OK_AND_ASSIGN(std::string one, tokens.Add(ForPod("one")));
  ASSERT_OK_AND_ASSIGN(std::string two, tokens.Add(ForPod("two")));
  // 128 bits in hexadecimal.
  EXPECT_EQ(one.size(), 32u);
  EXPECT_NE(one, two);
  std::optional<core::StreamRequest> request = tokens.Take(one);
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(std::get<core::PortForwardRequest>(*request).pod_id, "one");
  EXPECT_FALSE(tokens.Take(one).has_value());
  EXPECT_FALSE(tokens.Take("").has_value());
  EXPECT_FALSE(tokens.Take(two.substr(1)).has_value());
  EXPECT_TRUE(tokens.Take(two).has_value());
}

TEST(Tokens, ATokenExpiresAfterAMinute) {
  HandClock clock;
  Tokens tokens(clock);
  ASSERT_OK_AND_ASSIGN(std::string old, tokens.Add(ForPod("old")));
  clock.now += 30 * kSecond;
  ASSERT_OK_AND_ASSIGN(std::string young, tokens.Add(ForPod("young")));
  clock.now += 30 * kSecond;
  EXPECT_FALSE(tokens.Take(old).has_value());
  EXPECT_TRUE(tokens.Take(young).has_value());
}

TEST(Tokens, TheirNumberIsBounded) {
  HandClock clock;
  Tokens tokens(clock);
  std::string last;
  for (size_t i = 0; i < kMaxTokens; ++i) {
    ASSERT_OK_AND_ASSIGN(last, tokens.Add(ForPod("p")));
  }
  EXPECT_THAT(tokens.Add(ForPod("p")),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(tokens.Take(last).has_value());
  EXPECT_OK(tokens.Add(ForPod("p")));
  EXPECT_THAT(tokens.Add(ForPod("p")),
              StatusIs(absl::StatusCode::kResourceExhausted));
  clock.now += 60 * kSecond;
  EXPECT_OK(tokens.Add(ForPod("p")));
}

}  // namespace
}  // namespace gantry::streaming
