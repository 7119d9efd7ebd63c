#include "tools/ctl/parse.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::ctl {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(ParseSize, UnitsArePowersOf1024) {
  EXPECT_THAT(ParseSize("100m"), IsOkAndHolds(104857600));
  EXPECT_THAT(ParseSize("4096"), IsOkAndHolds(4096));
  EXPECT_THAT(ParseSize("1.5G"), IsOkAndHolds(1610612736));
  EXPECT_THAT(ParseSize("64KiB"), IsOkAndHolds(65536));
  EXPECT_THAT(ParseSize("2kb"), IsOkAndHolds(2048));
  EXPECT_THAT(ParseSize("7b"), IsOkAndHolds(7));
}

TEST(ParseSize, WhatIsNoSizeIsRefusedByName) {
  for (const char* text : {"", "m", "-1", "1e3", "10x", "1 m", "0", "1..2",
                           "10mi", "99999999t", "nan", "inf"}) {
    EXPECT_THAT(ParseSize(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text)))
        << text;
  }
}

TEST(ParseCpuQuota, FractionsOfAPeriod) {
  EXPECT_THAT(ParseCpuQuota("0.5"), IsOkAndHolds(50000));
  EXPECT_THAT(ParseCpuQuota("2"), IsOkAndHolds(200000));
  EXPECT_THAT(ParseCpuQuota("0.29"), IsOkAndHolds(29000));
  for (const char* text : {"", "0", "0.001", "-1", "half"}) {
    EXPECT_THAT(ParseCpuQuota(text),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(ParseDuration, PlainNumbersAreSeconds) {
  EXPECT_THAT(ParseDuration("10"), IsOkAndHolds(absl::Seconds(10)));
  EXPECT_THAT(ParseDuration("1m30s"), IsOkAndHolds(absl::Seconds(90)));
  EXPECT_THAT(ParseDuration("500ms"), IsOkAndHolds(absl::Milliseconds(500)));
  for (const char* text : {"", "-1s", "10 apples", "s"}) {
    EXPECT_THAT(ParseDuration(text),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(ParseEnv, ValueMayHoldAnything) {
  const EnvLookup none = [](const char*) -> const char* { return nullptr; };
  EXPECT_THAT(ParseEnv("A=b=c", none), IsOkAndHolds(Pair("A", "b=c")));
  EXPECT_THAT(ParseEnv("A=", none), IsOkAndHolds(Pair("A", "")));
}

TEST(ParseEnv, NameAloneTakesTheCallersValue) {
  const EnvLookup home = [](const char* name) -> const char* {
    return std::string(name) == "HOME" ? "/root" : nullptr;
  };
  EXPECT_THAT(ParseEnv("HOME", home), IsOkAndHolds(Pair("HOME", "/root")));
  EXPECT_THAT(ParseEnv("OTHER", home),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ParseEnv, ErrorWithoutANameKeepsTheValueSecret) {
  const EnvLookup none = [](const char*) -> const char* { return nullptr; };
  EXPECT_THAT(ParseEnv("=hunter2", none),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::Not(HasSubstr("hunter2"))));
}

TEST(ParseMount, BindWithFlags) {
  ASSERT_OK_AND_ASSIGN(MountOption mount,
                       ParseMount("type=bind,src=/a,dst=/b,ro"));
  EXPECT_EQ(mount.source, "/a");
  EXPECT_EQ(mount.destination, "/b");
  EXPECT_TRUE(mount.read_only);
  ASSERT_OK_AND_ASSIGN(
      mount, ParseMount("source=/a,target=/b,propagation=rslave,ro=false"));
  EXPECT_FALSE(mount.read_only);
  EXPECT_EQ(mount.propagation, "rslave");
}

TEST(ParseMount, WhatIsNoBindMountIsRefused) {
  for (const char* text :
       {"", "type=tmpfs,dst=/b", "src=/a", "dst=/b", "src=a,dst=/b",
        "src=/a,dst=b", "src=/a,dst=/b,color=red", "src=/a,dst=/b,ro=maybe",
        "src=/a,dst=/b,propagation=shared"}) {
    EXPECT_THAT(ParseMount(text), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(ParseUser, NumbersAndNames) {
  ASSERT_OK_AND_ASSIGN(UserOption user, ParseUser("1000:100"));
  EXPECT_EQ(user.uid, 1000);
  EXPECT_EQ(user.gid, 100);
  ASSERT_OK_AND_ASSIGN(user, ParseUser("nobody"));
  EXPECT_EQ(user.name, "nobody");
  EXPECT_FALSE(user.uid.has_value());
  for (const char* text :
       {"", ":1", "1:", "1:2:3", "-1", "4294967295", "99999999999", "a:b"}) {
    EXPECT_THAT(ParseUser(text), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

}  // namespace
}  // namespace gantry::ctl
