#include "server/cri/translate_ports.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cri {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

using Config = runtime::v1::PodSandboxConfig;

void Add(Config& config, int host_port, int container_port,
         const std::string& host_ip = "",
         runtime::v1::Protocol protocol = runtime::v1::TCP) {
  runtime::v1::PortMapping& port = *config.add_port_mappings();
  port.set_protocol(protocol);
  port.set_host_port(host_port);
  port.set_container_port(container_port);
  port.set_host_ip(host_ip);
}

TEST(PortsFromCri, KeepsWhatMapsAPortOfTheHost) {
  Config config;
  Add(config, 0, 80);
  Add(config, 0, 0);
  Add(config, 8080, 80, "", runtime::v1::SCTP);
  Add(config, 8080, 81, "0:0::1", runtime::v1::UDP);
  ASSERT_OK_AND_ASSIGN(auto ports, PortsFromCri(config, {}));
  ASSERT_EQ(ports.size(), 2u);
  EXPECT_EQ(ports[0].protocol(), record::PortMapping::SCTP);
  EXPECT_EQ(ports[0].host_port(), 8080u);
  EXPECT_EQ(ports[0].pod_port(), 80u);
  EXPECT_EQ(ports[0].host_ip(), "");
  EXPECT_EQ(ports[1].host_ip(), "::1");
  // On the node's network a port is the node's anyway.
  spec::Namespaces node;
  node.set_network(spec::NODE);
  ASSERT_OK_AND_ASSIGN(ports, PortsFromCri(config, node));
  EXPECT_TRUE(ports.empty());
}

TEST(PortsFromCri, BadValuesNameTheirField) {
  struct Case {
    int host_port, container_port;
    const char* host_ip;
    int protocol;
    const char* field;
  };
  for (const Case& bad :
       std::vector<Case>{{65536, 80, "", 0, "[0].host_port"},
                         {-1, 80, "", 0, "[0].host_port"},
                         {80, 0, "", 0, "[0].container_port"},
                         {0, -1, "", 0, "[0].container_port"},
                         {80, 65536, "", 0, "[0].container_port"},
                         {80, 80, "localhost", 0, "[0].host_ip"},
                         {80, 80, "fe80::1%eth0", 0, "[0].host_ip"},
                         {80, 80, "", 7, "[0].protocol"}}) {
    Config config;
    Add(config, bad.host_port, bad.container_port, bad.host_ip,
        static_cast<runtime::v1::Protocol>(bad.protocol));
    EXPECT_THAT(
        PortsFromCri(config, {}),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.field)));
  }
}

TEST(PortsFromCri, OnePortIsMappedOnce) {
  auto both = [](const std::string& one, const std::string& other,
                 runtime::v1::Protocol protocol = runtime::v1::TCP) {
    Config config;
    Add(config, 80, 80, one);
    Add(config, 80, 81, other, protocol);
    return PortsFromCri(config, {});
  };
  EXPECT_THAT(both("", ""), StatusIs(absl::StatusCode::kInvalidArgument,
                                     HasSubstr("[1].host_port")));
  EXPECT_THAT(both("0.0.0.0", "10.0.0.1"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(both("", "fd00::1"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(both("::", "10.0.0.1"), IsOk());
  EXPECT_THAT(both("10.0.0.2", "10.0.0.1"), IsOk());
  EXPECT_THAT(both("", "", runtime::v1::UDP), IsOk());
}

}  // namespace
}  // namespace gantry::cri
