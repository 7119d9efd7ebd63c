#include "shim/pin/pin_args.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::shim {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

absl::StatusOr<PinRequest> RoundTrip(const PinRequest& request) {
  std::vector<std::string> argv = PinArguments(request);
  EXPECT_EQ(argv[0], "gantry-shim");
  EXPECT_EQ(argv[1], "pin");
  argv.erase(argv.begin(), argv.begin() + 2);
  return ParsePinArguments(argv);
}

TEST(PinArguments, WhatTheServerBuildsTheShimReads) {
  PinRequest request;
  request.net = request.ipc = request.uts = true;
  request.hostname = "pod=1 x";
  request.shm_size = 64 << 20;
  request.shm_context = "system_u:object_r:container_file_t:s0:c1,c2";
  request.sysctls = {{"net/ipv4/ip_forward", "1"},
                     {"net/ipv4/conf/eth0.1/forwarding", "1"},
                     {"kernel/sem", "250 32000=x"},
                     {"fs/mqueue/msg_max", "20"}};
  EXPECT_THAT(RoundTrip(request), IsOkAndHolds(request));
  request.user = UserNamespace{{0, 65536, 65535}, {0, 4294901760, 65535}};
  EXPECT_THAT(RoundTrip(request), IsOkAndHolds(request));
  EXPECT_THAT(RoundTrip(PinRequest{}), IsOkAndHolds(PinRequest{}));
}

TEST(PinArguments, UnknownArgumentIsNamed) {
  EXPECT_THAT(ParsePinArguments({"--net", "--mnt"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--mnt")));
  EXPECT_THAT(ParsePinArguments({"--shm-size=-1"}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParsePinArguments({"--sysctl=net/x"}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  for (const char* uids :
       {"--uids=", "--uids=0:1", "--uids=0:1:0", "--uids=0:-1:1",
        "--uids=0:1:2:3", "--uids=0:4294967296:1", "--uids=0:1:1"}) {
    // The last one lacks the gids.
    EXPECT_THAT(ParsePinArguments({uids}),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << uids;
  }
}

TEST(PinArguments, WhatIsMadeAheadIsNobodysYet) {
  PinRequest request;
  request.ahead = request.net = request.uts = true;
  EXPECT_THAT(RoundTrip(request), IsOkAndHolds(request));
  PinRequest named = request;
  named.hostname = "pod";
  EXPECT_THAT(RoundTrip(named), StatusIs(absl::StatusCode::kInvalidArgument));
  PinRequest owned = request;
  owned.user = UserNamespace{{0, 65536, 65536}, {0, 65536, 65536}};
  EXPECT_THAT(RoundTrip(owned), StatusIs(absl::StatusCode::kInvalidArgument));
  request.uts = false;
  EXPECT_THAT(RoundTrip(request), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(PinArguments, NothingThatWouldChangeTheHost) {
  PinRequest request;
  request.hostname = "pod";
  EXPECT_THAT(RoundTrip(request), StatusIs(absl::StatusCode::kInvalidArgument));
  for (const char* key :
       {"net/ipv4/ip_forward", "kernel/sem", "kernel/core_pattern"}) {
    PinRequest host;
    host.uts = true;
    host.sysctls = {{key, "1"}};
    EXPECT_THAT(RoundTrip(host),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(key)));
  }
}

TEST(PinArguments, SysctlKeyCannotLeaveItsNamespace) {
  for (const char* key :
       {"net/../kernel/core_pattern", "net/", "net//x", "kernel/core_pattern",
        "vm/overcommit_memory", "kernel/shmall/../core_pattern"}) {
    PinRequest request;
    request.net = request.ipc = true;
    request.sysctls = {{key, "1"}};
    EXPECT_THAT(RoundTrip(request),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << key;
  }
}

}  // namespace
}  // namespace gantry::shim
