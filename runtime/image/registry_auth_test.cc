#include "runtime/image/registry_auth.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::image {
namespace {

using ::testing::IsEmpty;

TEST(Challenges, ReadsWhatRegistriesSend) {
  auto challenges = ParseChallenges(
      R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push")");
  ASSERT_EQ(challenges.size(), 1u);
  EXPECT_EQ(challenges[0].scheme, "bearer");
  EXPECT_EQ(challenges[0].parameters["realm"], "https://auth.docker.io/token");
  EXPECT_EQ(challenges[0].parameters["scope"], "repository:a/b:pull,push");
}

TEST(Challenges, ReadsSeveralInOneHeader) {
  auto challenges =
      ParseChallenges(R"(Negotiate, Basic realm="a\"b", Bearer realm=x)");
  ASSERT_EQ(challenges.size(), 3u);
  EXPECT_EQ(challenges[1].scheme, "basic");
  EXPECT_EQ(challenges[1].parameters["realm"], "a\"b");
  EXPECT_EQ(challenges[2].parameters["realm"], "x");
}

TEST(Challenges, HostileHeadersEnd) {
  EXPECT_THAT(ParseChallenges(""), IsEmpty());
  EXPECT_THAT(ParseChallenges("\"\"\"\""), IsEmpty());
  EXPECT_THAT(ParseChallenges("=x"), IsEmpty());
  std::string many = "Bearer ";
  for (int i = 0; i < 100'000; ++i) many += "k" + std::to_string(i) + "=v,";
  EXPECT_LE(ParseChallenges(many)[0].parameters.size(), 16u);
  std::string schemes;
  for (int i = 0; i < 100'000; ++i) schemes += "Basic ,";
  EXPECT_LE(ParseChallenges(schemes).size(), 8u);
  // Unfinished in every place.
  const std::string whole = R"(Bearer realm="a\"b",service=x)";
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    ParseChallenges(whole.substr(0, cut));
  }
}

TEST(QueryEscape, EscapesAllButUnreserved) {
  EXPECT_EQ(QueryEscape("a/b:pull&x=1 ~"), "a%2Fb%3Apull%26x%3D1%20~");
  EXPECT_EQ(QueryEscape("\r\n\xff"), "%0D%0A%FF");
}

}  // namespace
}  // namespace gantry::image
