#include "server/core/pod_attach.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::core {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Pair;

TEST(AttachedOf, APortOfAllAddressesIsOneOfEachFamily) {
  record::PodRecord pod;
  pod.set_id("p");
  pod.add_ips("10.92.0.2");
  pod.add_ips("fd92::2");
  record::PortMapping* all = pod.add_port_mappings();
  all->set_host_port(8080);
  all->set_pod_port(80);
  record::PortMapping* one = pod.add_port_mappings();
  one->set_protocol(record::PortMapping::UDP);
  one->set_host_port(53);
  one->set_pod_port(5353);
  one->set_host_ip("127.0.0.1");
  const net::AttachedPod attached = AttachedOf(pod);
  EXPECT_EQ(attached.pod_id, "p");
  EXPECT_EQ(attached.provider, "");
  EXPECT_THAT(attached.ips, ElementsAre(*net::ParseIp("10.92.0.2"),
                                        *net::ParseIp("fd92::2")));
  EXPECT_THAT(attached.ports,
              ElementsAre(net::PortMapping{net::Protocol::kTcp, 8080, 80,
                                           *net::ParseIp("0.0.0.0")},
                          net::PortMapping{net::Protocol::kTcp, 8080, 80,
                                           *net::ParseIp("::")},
                          net::PortMapping{net::Protocol::kUdp, 53, 5353,
                                           *net::ParseIp("127.0.0.1")}));
}

TEST(RequestOf, PluginsAreToldWhoseNamespaceItIs) {
  record::PodRecord pod;
  pod.set_id("p");
  pod.set_network_provider("cni");
  pod.set_cgroup_path("/pods/p");
  pod.mutable_metadata()->set_name("web");
  pod.mutable_metadata()->set_namespace_("shop");
  pod.mutable_metadata()->set_uid("1-2");
  (*pod.mutable_annotations())["a"] = "b";
  const net::AttachRequest request =
      RequestOf(pod, {{"10.0.0.10"}, {"svc"}, {}}, "10.5.0.0/24,fd05::/64");
  EXPECT_EQ(request.pod_id, "p");
  EXPECT_EQ(request.provider, "cni");
  EXPECT_EQ(request.cgroup_path, "/pods/p");
  EXPECT_EQ(request.name, "web");
  EXPECT_EQ(request.name_space, "shop");
  EXPECT_EQ(request.uid, "1-2");
  EXPECT_THAT(request.annotations, ElementsAre(Pair("a", "b")));
  EXPECT_THAT(request.dns.servers, ElementsAre("10.0.0.10"));
  EXPECT_THAT(request.pod_cidrs, ElementsAre(*net::ParsePrefix("10.5.0.0/24"),
                                             *net::ParsePrefix("fd05::/64")));
  EXPECT_TRUE(RequestOf(pod, {}, "").pod_cidrs.empty());
}

TEST(NetworkSysctls, RoutersAreNotListenedTo) {
  EXPECT_THAT(NetworkSysctls(true),
              Contains(Pair("net.ipv6.conf.default.accept_ra", "0")));
  for (const auto& [key, value] : NetworkSysctls(false)) {
    EXPECT_EQ(key.find("ipv6"), std::string::npos) << key;
  }
}

}  // namespace
}  // namespace gantry::core
