// The built-in network in network namespaces of its own: the "host" is a new
// one, the pods are others.

#include "runtime/net/bridge/bridge_network.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/net/bridge/nftables.h"
#include "runtime/net/netlink/route.h"
#include "runtime/net/netlink/socket.h"
#include "runtime/sys/file.h"
#include "runtime/sys/namespaces.h"

namespace gantry::net {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

IpAddress Ip(absl::string_view text) { return *ParseIp(text); }

UniqueFd OwnNamespace() {
  return *sys::OpenAt(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY);
}

void BringLoopbackUp() {
  netlink::Socket socket = *netlink::Socket::Open(NETLINK_ROUTE);
  netlink::Batch batch;
  netlink::SetLinkUp(batch, netlink::GetLink(socket, "lo")->index, 65536);
  ASSERT_OK(socket.Send(batch));
}

// Runs `body` on a thread that is in the namespace `fd`; -1: a new one.
void InNamespace(int fd, const std::function<void()>& body) {
  std::thread([fd, &body] {
    if (fd < 0) {
      ASSERT_OK(sys::Unshare(CLONE_NEWNET));
      BringLoopbackUp();
    } else {
      ASSERT_OK(sys::SetNs(fd, CLONE_NEWNET));
    }
    body();
  }).join();
}

UniqueFd NewNamespace() {
  UniqueFd fd;
  InNamespace(-1, [&fd] { fd = OwnNamespace(); });
  return fd;
}

sockaddr_in6 Address(const IpAddress& ip, uint16_t port, socklen_t& size) {
  sockaddr_in6 six{};
  if (ip.v6) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    std::copy_n(ip.octets.begin(), 16, six.sin6_addr.s6_addr);
    size = sizeof six;
    return six;
  }
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  std::copy_n(ip.octets.begin(), 4, reinterpret_cast<uint8_t*>(&four.sin_addr));
  memcpy(&six, &four, sizeof four);
  size = sizeof four;
  return six;
}

// A lost solicitation for a neighbour is repeated after a second (RFC 4861,
// RETRANS_TIMER), and so is one of ARP.
constexpr int kPatienceMs = 3000;

// Who sends something to `ip`:`port` inside namespace `fd`.
class Listener {
 public:
  Listener(int fd, const IpAddress& ip, uint16_t port, int type) {
    InNamespace(fd, [&] {
      fd_ =
          UniqueFd(socket(ip.v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
      socklen_t size;
      const sockaddr_in6 address = Address(ip, port, size);
      ASSERT_EQ(
          bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0)
          << strerror(errno);
      if (type == SOCK_STREAM) {
        ASSERT_EQ(listen(fd_.get(), 8), 0);
      }
    });
  }

  // The sender's address as seen here, within kPatienceMs; "nobody".
  std::string Sender() {
    pollfd ready{fd_.get(), POLLIN, 0};
    if (poll(&ready, 1, kPatienceMs) != 1) return "nobody";
    sockaddr_in6 from{};
    socklen_t size = sizeof from;
    char byte;
    if (recvfrom(fd_.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from),
                 &size) < 0 &&
        errno == ENOTCONN) {
      UniqueFd connection(accept4(fd_.get(), reinterpret_cast<sockaddr*>(&from),
                                  &size, SOCK_CLOEXEC));
      if (!connection.valid()) return "nobody";
    }
    IpAddress ip{from.sin6_family == AF_INET6, {}};
    if (ip.v6) {
      std::copy_n(from.sin6_addr.s6_addr, 16, ip.octets.begin());
    } else {
      sockaddr_in four;
      memcpy(&four, &from, sizeof four);
      std::copy_n(reinterpret_cast<uint8_t*>(&four.sin_addr), 4,
                  ip.octets.begin());
    }
    return ip.ToString();
  }

 private:
  UniqueFd fd_;
};

// Sends a byte from namespace `fd`; whether that went as far as can be told:
// a TCP connection was made.
bool SendTo(int fd, const IpAddress& ip, uint16_t port, int type) {
  bool sent = false;
  InNamespace(fd, [&] {
    UniqueFd out(socket(ip.v6 ? AF_INET6 : AF_INET,
                        type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    socklen_t size;
    const sockaddr_in6 to = Address(ip, port, size);
    if (connect(out.get(), reinterpret_cast<const sockaddr*>(&to), size) != 0 &&
        errno != EINPROGRESS) {
      return;
    }
    pollfd ready{out.get(), POLLOUT, 0};
    if (poll(&ready, 1, kPatienceMs) != 1) return;
    sent = send(out.get(), "x", 1, MSG_NOSIGNAL) == 1;
  });
  return sent;
}

class BridgeNetworkTest : public ::testing::Test {
 protected:
  BridgeNetworkTest()
      : host_(NewNamespace()), pod_(NewNamespace()), other_(NewNamespace()) {
    settings_.subnets = {*ParsePrefix("10.97.0.0/24"),
                         *ParsePrefix("fd97::/64")};
    Start();
  }

  void OnHost(const std::function<void()>& body) {
    InNamespace(host_.get(), body);
  }
  // A new one, as after a start of the server.
  void Start() { network_ = std::make_unique<BridgeNetwork>(settings_); }
  void Recover(const std::vector<AttachedPod>& pods = {}) {
    OnHost([&] { ASSERT_OK(network_->Recover(pods)); });
  }
  absl::StatusOr<std::vector<IpAddress>> Attach(
      const std::string& id, int fd, std::vector<PortMapping> ports = {}) {
    absl::StatusOr<std::vector<IpAddress>> ips = absl::UnknownError("");
    OnHost([&] { ips = network_->Attach({id, fd, std::move(ports)}); });
    return ips;
  }
  void Detach(const std::string& id) {
    OnHost([&] { EXPECT_OK(network_->Detach(id, "")); });
  }
  std::vector<std::string> Veths() {
    std::vector<std::string> names;
    OnHost([&] {
      netlink::Socket socket = *netlink::Socket::Open(NETLINK_ROUTE);
      ASSERT_OK_AND_ASSIGN(const std::vector<netlink::Link> links,
                           netlink::ListLinks(socket));
      for (const netlink::Link& link : links) {
        if (link.kind == "veth") names.push_back(link.name);
      }
    });
    return names;
  }
  void ExpectVeths(const std::vector<std::string>& names) {
    for (int i = 0; i < 500 && Veths() != names; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(Veths(), names);
  }

  UniqueFd host_, pod_, other_;
  BridgeSettings settings_;
  std::unique_ptr<BridgeNetwork> network_;
};

constexpr char kPodId[] = "0123456789abcdef";
constexpr char kOtherId[] = "fedcba9876543210";

TEST_F(BridgeNetworkTest, PodsReachEachOtherAndTheHostByBothFamilies) {
  Recover();
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> one, Attach(kPodId, pod_.get()));
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> two,
                       Attach(kOtherId, other_.get()));
  EXPECT_EQ(one[0], Ip("10.97.0.2"));
  EXPECT_EQ(two[1], Ip("fd97::3"));
  for (int family : {0, 1}) {
    for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
      Listener in_pod(pod_.get(), one[family], 7000, type);
      EXPECT_TRUE(SendTo(other_.get(), one[family], 7000, type));
      EXPECT_EQ(in_pod.Sender(), two[family].ToString());
      EXPECT_TRUE(SendTo(host_.get(), one[family], 7000, type));
      EXPECT_EQ(in_pod.Sender(), settings_.subnets[family].At(1).ToString());
      Listener on_host(host_.get(), settings_.subnets[family].At(1), 7001,
                       type);
      EXPECT_TRUE(
          SendTo(pod_.get(), settings_.subnets[family].At(1), 7001, type));
      EXPECT_EQ(on_host.Sender(), one[family].ToString());
    }
  }
}

TEST_F(BridgeNetworkTest, HostPortsLeadToThePod) {
  Recover();
  std::vector<PortMapping> ports;
  for (Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
    ports.push_back({protocol, 8080, 80, Ip("0.0.0.0")});
    ports.push_back({protocol, 8080, 80, Ip("::")});
    ports.push_back({protocol, 8081, 81, Ip("127.0.0.1")});
  }
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> one,
                       Attach(kPodId, pod_.get(), ports));
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> two,
                       Attach(kOtherId, other_.get()));
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    for (int family : {0, 1}) {
      Listener in_pod(pod_.get(), one[family], 80, type);
      const IpAddress gateway = settings_.subnets[family].At(1);
      // From another pod, from the host, and from the pod itself.
      for (int from : {other_.get(), host_.get(), pod_.get()}) {
        EXPECT_TRUE(SendTo(from, gateway, 8080, type)) << family << from;
        EXPECT_EQ(in_pod.Sender(), gateway.ToString());
      }
    }
    Listener in_pod(pod_.get(), one[0], 81, type);
    EXPECT_TRUE(SendTo(host_.get(), Ip("127.0.0.1"), 8081, type));
    EXPECT_EQ(in_pod.Sender(), "10.97.0.1");
    // Of that address only, and on the host only.
    SendTo(host_.get(), Ip("10.97.0.1"), 8081, type);
    SendTo(other_.get(), Ip("127.0.0.1"), 8081, type);
    EXPECT_EQ(in_pod.Sender(), "nobody");
  }
  // An address that is not the host's is not taken over.
  Listener elsewhere(other_.get(), two[0], 8080, SOCK_STREAM);
  EXPECT_TRUE(SendTo(host_.get(), two[0], 8080, SOCK_STREAM));
  EXPECT_EQ(elsewhere.Sender(), "10.97.0.1");
}

TEST_F(BridgeNetworkTest, ATakenPortIsRefusedAndLeavesNothing) {
  Recover();
  const PortMapping mapping{Protocol::kTcp, 8080, 80, Ip("0.0.0.0")};
  ASSERT_OK(Attach(kPodId, pod_.get(), {mapping}));
  EXPECT_THAT(Attach(kOtherId, other_.get(), {mapping}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(absl::StrCat("taken by pod ", kPodId))));
  Detach(kPodId);
  Listener listener(host_.get(), Ip("127.0.0.1"), 8080, SOCK_STREAM);
  EXPECT_THAT(Attach(kOtherId, other_.get(), {mapping}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("a program of the host")));
  EXPECT_OK(Attach(kOtherId, other_.get()));
  pod_.Reset();
  ExpectVeths({HostInterfaceOf(kOtherId)});
}

TEST_F(BridgeNetworkTest, ADetachedPodIsCutOffAndItsPortIsFree) {
  Recover();
  const PortMapping mapping{Protocol::kTcp, 8080, 80, Ip("0.0.0.0")};
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> one,
                       Attach(kPodId, pod_.get(), {mapping}));
  {
    Listener in_pod(pod_.get(), one[0], 80, SOCK_STREAM);
    Detach(kPodId);
    Detach(kPodId);
    Detach("unknown");
    EXPECT_FALSE(SendTo(host_.get(), one[0], 80, SOCK_STREAM));
    EXPECT_FALSE(SendTo(host_.get(), Ip("127.0.0.1"), 8080, SOCK_STREAM));
  }
  pod_.Reset();
  ExpectVeths({});
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> two,
                       Attach(kOtherId, other_.get(), {mapping}));
  EXPECT_NE(two[0], one[0]);
  Listener in_other(other_.get(), two[0], 80, SOCK_STREAM);
  EXPECT_TRUE(SendTo(host_.get(), Ip("127.0.0.1"), 8080, SOCK_STREAM));
}

TEST_F(BridgeNetworkTest, RecoveryKeepsThePodsItIsToldOfAndSweepsOthers) {
  Recover();
  const PortMapping mapping{Protocol::kTcp, 8080, 80, Ip("0.0.0.0")};
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> one,
                       Attach(kPodId, pod_.get(), {mapping}));
  ASSERT_OK(Attach(kOtherId, other_.get(),
                   {{Protocol::kTcp, 8081, 80, Ip("0.0.0.0")}}));
  Start();
  Recover({{kPodId, one, {mapping}}});
  EXPECT_EQ(Veths(), std::vector<std::string>{HostInterfaceOf(kPodId)});
  Listener in_pod(pod_.get(), one[0], 80, SOCK_STREAM);
  EXPECT_TRUE(SendTo(host_.get(), Ip("127.0.0.1"), 8080, SOCK_STREAM));
  EXPECT_FALSE(SendTo(host_.get(), Ip("127.0.0.1"), 8081, SOCK_STREAM));
  UniqueFd third = NewNamespace();
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> ips,
                       Attach("third", third.get()));
  EXPECT_EQ(ips[0], Ip("10.97.0.3"));
  EXPECT_THAT(Attach("fourth", other_.get(), {mapping}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(BridgeNetworkTest, APodOfAnEarlierRangeKeepsItsWay) {
  Recover();
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> one, Attach(kPodId, pod_.get()));
  settings_.subnets = {*ParsePrefix("10.98.0.0/24")};
  Start();
  Recover({{kPodId, one, {}}});
  Listener on_host(host_.get(), Ip("10.97.0.1"), 7001, SOCK_STREAM);
  EXPECT_TRUE(SendTo(pod_.get(), Ip("10.97.0.1"), 7001, SOCK_STREAM));
  Start();
  Recover();
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> two,
                       Attach(kOtherId, other_.get()));
  EXPECT_THAT(two, ::testing::ElementsAre(Ip("10.98.0.2")));
  OnHost([] {
    netlink::Socket socket = *netlink::Socket::Open(NETLINK_ROUTE);
    const int bridge = netlink::GetLink(socket, "gantry0")->index;
    ASSERT_OK_AND_ASSIGN(auto addresses,
                         netlink::ListAddresses(socket, bridge, false));
    ASSERT_EQ(addresses.size(), 1u);
    EXPECT_EQ(addresses[0].address.ToString(), "10.98.0.1/24");
  });
}

TEST_F(BridgeNetworkTest, ARouteInTheWayIsToldAndNothingIsMade) {
  OnHost([&] {
    netlink::Socket socket = *netlink::Socket::Open(NETLINK_ROUTE);
    netlink::Batch batch;
    netlink::AddBridge(batch, "lan0", {2, 0, 0, 0, 0, 1}, 1500);
    ASSERT_OK(socket.Send(batch));
    netlink::Batch address;
    netlink::AddAddress(address, netlink::GetLink(socket, "lan0")->index,
                        *ParsePrefix("10.97.0.77/16"));
    ASSERT_OK(socket.Send(address));
    EXPECT_THAT(network_->Recover({}),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("10.97.0.0/16 by lan0")));
    EXPECT_THAT(network_->Check(),
                StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(netlink::GetLink(socket, "gantry0"),
                StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT(network_->Attach({kPodId, pod_.get(), {}}),
                StatusIs(absl::StatusCode::kFailedPrecondition));
    netlink::Batch removal;
    netlink::DeleteLink(removal, "lan0");
    ASSERT_OK(socket.Send(removal));
    network_->Mend();
    EXPECT_OK(network_->Check());
    EXPECT_OK(network_->Attach({kPodId, pod_.get(), {}}));
  });
}

TEST_F(BridgeNetworkTest, ABridgeThatWasTakenAwayIsMadeAgainForAllPods) {
  Recover();
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> one, Attach(kPodId, pod_.get()));
  OnHost([] {
    netlink::Socket socket = *netlink::Socket::Open(NETLINK_ROUTE);
    netlink::Batch batch;
    netlink::DeleteLink(batch, "gantry0");
    ASSERT_OK(socket.Send(batch));
  });
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> two,
                       Attach(kOtherId, other_.get()));
  EXPECT_NE(one[0], two[0]);
  Listener in_pod(pod_.get(), one[0], 80, SOCK_STREAM);
  EXPECT_TRUE(SendTo(host_.get(), one[0], 80, SOCK_STREAM));
  EXPECT_TRUE(SendTo(other_.get(), one[0], 80, SOCK_STREAM));
}

TEST_F(BridgeNetworkTest, AFlushedTableIsMadeAgainForAllPods) {
  Recover();
  const PortMapping mapping{Protocol::kTcp, 8080, 80, Ip("0.0.0.0")};
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> one,
                       Attach(kPodId, pod_.get(), {mapping}));
  Listener in_pod(pod_.get(), one[0], 80, SOCK_STREAM);
  OnHost([] { ASSERT_OK(nft::DeleteTable("gantry")); });
  EXPECT_FALSE(SendTo(host_.get(), Ip("127.0.0.1"), 8080, SOCK_STREAM));
  ASSERT_OK(Attach(kOtherId, other_.get()));
  EXPECT_TRUE(SendTo(host_.get(), Ip("127.0.0.1"), 8080, SOCK_STREAM));
}

TEST_F(BridgeNetworkTest, PodsHaveTheMtuAsked) {
  settings_.mtu = 1400;
  Start();
  Recover();
  for (int i = 0; i < 2; ++i) {
    UniqueFd pod = NewNamespace();
    ASSERT_OK(Attach(kPodId, pod.get()));
    InNamespace(pod.get(), [] {
      netlink::Socket socket = *netlink::Socket::Open(NETLINK_ROUTE);
      EXPECT_EQ(netlink::GetLink(socket, "eth0")->mtu, 1400u);
    });
    Detach(kPodId);
    pod.Reset();
    // Without a port the bridge has another one.
    ExpectVeths({});
  }
}

TEST_F(BridgeNetworkTest, UdpFollowsAPortToItsNextPod) {
  Recover();
  const PortMapping mapping{Protocol::kUdp, 8080, 80, Ip("0.0.0.0")};
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> one,
                       Attach(kPodId, pod_.get(), {mapping}));
  UniqueFd client;
  OnHost([&] {
    client = UniqueFd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    socklen_t size;
    const sockaddr_in6 to = Address(Ip("10.97.0.1"), 8080, size);
    ASSERT_EQ(
        connect(client.get(), reinterpret_cast<const sockaddr*>(&to), size), 0);
  });
  Listener in_pod(pod_.get(), one[0], 80, SOCK_DGRAM);
  ASSERT_EQ(send(client.get(), "x", 1, 0), 1);
  EXPECT_EQ(in_pod.Sender(), "10.97.0.1");
  Detach(kPodId);
  ASSERT_OK_AND_ASSIGN(std::vector<IpAddress> two,
                       Attach(kOtherId, other_.get(), {mapping}));
  Listener in_other(other_.get(), two[0], 80, SOCK_DGRAM);
  // The same flow: the kernel knows where it went before.
  send(client.get(), "x", 1, 0);
  send(client.get(), "x", 1, 0);
  EXPECT_EQ(in_other.Sender(), "10.97.0.1");
}

TEST_F(BridgeNetworkTest, ClosingTakesTheBridgeAwayUnlessAPodNeedsIt) {
  Recover();
  ASSERT_OK(Attach(kPodId, pod_.get()));
  auto has_bridge = [] {
    netlink::Socket socket = *netlink::Socket::Open(NETLINK_ROUTE);
    return netlink::GetLink(socket, "gantry0").ok();
  };
  OnHost([&] {
    network_->Close();
    EXPECT_TRUE(has_bridge());
  });
  Detach(kPodId);
  pod_.Reset();
  ExpectVeths({});
  OnHost([&] {
    network_->Close();
    EXPECT_FALSE(has_bridge());
  });
}

}  // namespace
}  // namespace gantry::net
