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

TEST(NetworkSysctls, RoutersAreNotListenedTo) {
  EXPECT_THAT(NetworkSysctls(true),
              Contains(Pair("net.ipv6.conf.default.accept_ra", "0")));
  for (const auto& [key, value] : NetworkSysctls(false)) {
    EXPECT_EQ(key.find("ipv6"), std::string::npos) << key;
  }
}

}  // namespace
}  // namespace gantry::core
