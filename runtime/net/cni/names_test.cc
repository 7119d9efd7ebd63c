#include "runtime/net/cni/names.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::net::cni {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

TEST(Version, TheSpokenOnesAreReadAndOrdered) {
  EXPECT_THAT(ParseVersion("1.1.0"), IsOkAndHolds(kVersion110));
  EXPECT_THAT(ParseVersion("0.3.1"), IsOkAndHolds(Version{0, 3, 1}));
  EXPECT_LT(kVersion040, kVersion100);
  EXPECT_LT(*ParseVersion("0.3.1"), kVersion040);
  for (const char* text : {"", "1", "1.1", "1.2.0", "2.0.0", "1.1.0 ", "01.1.0",
                           "-1.0.0", "1.0.0-rc1", "99999999999999999999.0.0"}) {
    EXPECT_THAT(ParseVersion(text), StatusIs(kInvalid)) << text;
  }
}

TEST(CheckPluginType, IsABareNameAndNeverAPath) {
  for (const char* type : {"bridge", "host-local", "my_plugin.sh", "..a"}) {
    EXPECT_OK(CheckPluginType(type)) << type;
  }
  for (const std::string& type :
       {std::string(""), std::string("."), std::string(".."),
        std::string("../bridge"), std::string("/bin/sh"), std::string("a/b"),
        std::string("a\\b"), std::string("a\nb"), std::string("a\0b", 3),
        std::string(256, 'a')}) {
    EXPECT_THAT(CheckPluginType(type), StatusIs(kInvalid)) << type;
  }
}

TEST(CheckNetworkName, IsSafeAsAPartOfAFileName) {
  for (const char* name : {"podnet", "0", "a.b_c-d"}) {
    EXPECT_OK(CheckNetworkName(name)) << name;
  }
  for (const char* name :
       {"", ".hidden", "-x", "_x", "a/b", "a b", "\xc3\xa9"}) {
    EXPECT_THAT(CheckNetworkName(name), StatusIs(kInvalid)) << name;
  }
}

TEST(CheckInterfaceName, IsOneThatTheKernelTakes) {
  EXPECT_OK(CheckInterfaceName("eth0"));
  EXPECT_OK(CheckInterfaceName("veth12345678901"));
  for (const char* name : {"", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\x01",
                           "sixteen_letters_"}) {
    EXPECT_THAT(CheckInterfaceName(name), StatusIs(kInvalid)) << name;
  }
}

TEST(Printable, IsOneLineOfBoundedLength) {
  EXPECT_EQ(Printable("  a\nb\x1b[31mc\n"), "a b?[31mc");
  EXPECT_EQ(Printable("abcdef", 3), "abc...");
  EXPECT_EQ(Printable(""), "");
}

}  // namespace
}  // namespace gantry::net::cni
