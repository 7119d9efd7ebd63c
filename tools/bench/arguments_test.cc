#include "tools/bench/arguments.h"

#include <CLI/CLI.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::bench {
namespace {

class ArgumentsTest : public ::testing::Test {
 protected:
  // Whether the words are a command line; what they say is in options().
  bool Parse(std::vector<std::string> words) {
    arguments_ = Arguments();
    const std::unique_ptr<CLI::App> parser = NewParser(&arguments_);
    // CLI11 takes them from the back.
    std::reverse(words.begin(), words.end());
    try {
      parser->parse(words);
    } catch (const CLI::Error&) {
      return false;
    }
    return true;
  }
  ModeOptions options() const { return OptionsOf(arguments_); }

  Arguments arguments_;
};

TEST_F(ArgumentsTest, EachModeHasItsDefaults) {
  ASSERT_TRUE(Parse({"latency"}));
  EXPECT_EQ(arguments_.mode, &Latency);
  EXPECT_EQ(options().count, 100);
  EXPECT_FALSE(options().endpoint.host_network);
  ASSERT_TRUE(Parse({"list"}));
  EXPECT_EQ(arguments_.mode, &List);
  EXPECT_EQ(options().count, 1000);
  EXPECT_TRUE(options().endpoint.host_network);
  ASSERT_TRUE(Parse({"list", "--count", "7", "--network", "pod"}));
  EXPECT_EQ(options().count, 7);
  EXPECT_FALSE(options().endpoint.host_network);
  ASSERT_TRUE(Parse({"soak", "--seconds", "90", "--seed", "5"}));
  EXPECT_EQ(options().soak, absl::Seconds(90));
  EXPECT_EQ(options().seed, 5);
}

TEST_F(ArgumentsTest, SeveralServersHaveTitlesAndOneHasNone) {
  ASSERT_TRUE(Parse({"latency", "--server", "a=host@/x", "--server",
                     "b=pod@/y=z", "--image", "i"}));
  ASSERT_EQ(options().servers.size(), 2);
  EXPECT_EQ(options().servers[0].title, "a");
  EXPECT_TRUE(options().servers[0].endpoint.host_network);
  EXPECT_EQ(options().servers[1].endpoint.socket, "/y=z");
  EXPECT_FALSE(options().servers[1].endpoint.host_network);
  EXPECT_EQ(options().servers[1].endpoint.image, "i");
  EXPECT_EQ(NameOf(options().servers[0], "whole life"), "a: whole life");
  ASSERT_TRUE(Parse({"latency", "--server", "a=host@/x"}));
  EXPECT_EQ(NameOf(options().servers[0], "whole life"), "whole life");
}

TEST_F(ArgumentsTest, WhatIsNoCommandLineIsRefused) {
  EXPECT_FALSE(Parse({}));
  EXPECT_FALSE(Parse({"recover"}));  // lacks --restart
  EXPECT_FALSE(Parse({"latency", "--server", "a=moon@/x"}));
  EXPECT_FALSE(Parse({"latency", "--server", "=host@/x"}));
  EXPECT_FALSE(Parse({"latency", "--server", "a=host@/x", "--network", "pod"}));
  EXPECT_FALSE(Parse({"latency", "--count", "0"}));
  EXPECT_FALSE(Parse({"networks"}));
}

}  // namespace
}  // namespace gantry::bench
