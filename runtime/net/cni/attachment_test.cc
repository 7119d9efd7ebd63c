#include "runtime/net/cni/attachment.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/json/json.h"

namespace gantry::net::cni {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

TEST(AttachmentOf, ArgsAreThoseOfPeers) {
  AttachRequest request;
  request.pod_id = "abc";
  request.name = "web-0";
  request.name_space = "shop";
  request.uid = "1-2";
  request.netns_path = "/run/x/net";
  ASSERT_OK_AND_ASSIGN(Attachment attachment, AttachmentOf(request));
  EXPECT_EQ(attachment.args,
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;"
            "K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=1-2");
  EXPECT_EQ(attachment.netns_path, "/run/x/net");
  EXPECT_EQ(attachment.interface, "eth0");
  EXPECT_THAT(attachment.capabilities, IsEmpty());
}

TEST(AttachmentOf, NoNameCanSayMoreThanItself) {
  for (const char* name : {"a;K8S_POD_UID=0", "a=b", "a b", "a\nb", "a\x7f"}) {
    AttachRequest request;
    request.name = name;
    EXPECT_THAT(AttachmentOf(request),
                StatusIs(kInvalid, HasSubstr("K8S_POD_NAME")))
        << name;
  }
}

TEST(AttachmentOf, APortOfAllAddressesIsOneWithoutAnAddress) {
  AttachRequest request;
  request.ports = {
      {Protocol::kTcp, 8080, 80, *ParseIp("0.0.0.0")},
      {Protocol::kTcp, 8080, 80, *ParseIp("::")},
      {Protocol::kUdp, 53, 5353, *ParseIp("127.0.0.1")},
      {Protocol::kSctp, 9, 9, *ParseIp("0.0.0.0")},
  };
  ASSERT_OK_AND_ASSIGN(Attachment attachment, AttachmentOf(request));
  EXPECT_EQ(
      attachment.capabilities["portMappings"],
      R"([{"hostPort":8080,"containerPort":80,"protocol":"tcp","hostIP":""},)"
      R"({"hostPort":53,"containerPort":5353,"protocol":"udp",)"
      R"("hostIP":"127.0.0.1"},)"
      R"({"hostPort":9,"containerPort":9,"protocol":"sctp",)"
      R"("hostIP":"0.0.0.0"}])");
}

TEST(AttachmentOf, WhatThePodIsBecomesCapabilities) {
  AttachRequest request;
  request.annotations = {{"kubernetes.io/ingress-bandwidth", "10M"},
                         {"kubernetes.io/egress-bandwidth", "1Ki"},
                         {"other", "x\"y"}};
  request.dns.servers = {"10.0.0.10"};
  request.dns.searches = {"svc"};
  request.pod_cidrs = {*ParsePrefix("10.1.0.0/24"), *ParsePrefix("fd00::/64")};
  request.cgroup_path = "/kubepods/x";
  ASSERT_OK_AND_ASSIGN(Attachment attachment, AttachmentOf(request));
  auto& got = attachment.capabilities;
  EXPECT_EQ(got["bandwidth"],
            R"({"ingressRate":10000000,"ingressBurst":4294967295,)"
            R"("egressRate":1024,"egressBurst":4294967295})");
  EXPECT_EQ(got["ipRanges"],
            R"([[{"subnet":"10.1.0.0/24"}],[{"subnet":"fd00::/64"}]])");
  EXPECT_EQ(got["dns"],
            R"({"servers":["10.0.0.10"],"searches":["svc"],"options":[]})");
  EXPECT_EQ(got["cgroupPath"], R"("/kubepods/x")");
  EXPECT_THAT(got["io.kubernetes.cri.pod-annotations"],
              HasSubstr(R"("other":"x\"y")"));
  for (const auto& [name, value] : got) {
    EXPECT_OK(json::Value::Parse(value, name));
  }
}

TEST(ParseBandwidth, ReadsKubernetesQuantities) {
  EXPECT_THAT(ParseBandwidth("1000"), IsOkAndHolds(1000));
  EXPECT_THAT(ParseBandwidth("10M"), IsOkAndHolds(10'000'000));
  EXPECT_THAT(ParseBandwidth("1.5Mi"), IsOkAndHolds(1'572'864));
  EXPECT_THAT(ParseBandwidth("2e6"), IsOkAndHolds(2'000'000));
  EXPECT_THAT(ParseBandwidth("1500500m"), IsOkAndHolds(1501));
  EXPECT_THAT(ParseBandwidth("1P"), IsOkAndHolds(1'000'000'000'000'000));
  for (const char* text : {"", "M", "x", "10X", "1 M", "inf", "nan", "0x10",
                           "-5M", "999", "2P", "1e400", "10MM"}) {
    EXPECT_THAT(ParseBandwidth(text), StatusIs(kInvalid)) << text;
  }
}

TEST(AttachmentOf, ABandwidthThatIsNoneIsAnError) {
  AttachRequest request;
  request.annotations = {{"kubernetes.io/egress-bandwidth", "fast"}};
  EXPECT_THAT(AttachmentOf(request),
              StatusIs(kInvalid,
                       HasSubstr("annotation kubernetes.io/egress-bandwidth")));
}

}  // namespace
}  // namespace gantry::net::cni
