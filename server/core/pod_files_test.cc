#include "server/core/pod_files.h"

#include <fcntl.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::core {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(PodHostname, IsTheOneAskedForElseByNetworkAndId) {
  PodRequest request;
  EXPECT_EQ(PodHostname(request, "0123456789abcdef", "node"), "0123456789ab");
  request.namespaces.set_network(spec::NODE);
  EXPECT_EQ(PodHostname(request, "0123456789abcdef", "node"), "node");
  request.hostname = "web";
  EXPECT_EQ(PodHostname(request, "0123456789abcdef", "node"), "web");
}

TEST(ResolvConf, IsBuiltFromTheRequestElseTheHosts) {
  EXPECT_EQ(ResolvConf({}, "nameserver 10.0.0.1\n"), "nameserver 10.0.0.1\n");
  DnsConfig dns;
  dns.servers = {"1.1.1.1", "8.8.8.8"};
  dns.searches = {"a.local", "b.local"};
  dns.options = {"ndots:5"};
  EXPECT_EQ(ResolvConf(dns, "nameserver 10.0.0.1\n"),
            "search a.local b.local\nnameserver 1.1.1.1\n"
            "nameserver 8.8.8.8\noptions ndots:5\n");
}

TEST(HostsFile, NamesThePodUnlessItHasTheHostsNetwork) {
  EXPECT_EQ(HostsFile(true, "127.0.0.1 host\n", "", "web"), "127.0.0.1 host\n");
  EXPECT_THAT(HostsFile(false, "127.0.0.1 host\n", "10.1.0.2", "web"),
              HasSubstr("10.1.0.2\tweb\n"));
  EXPECT_THAT(HostsFile(false, "10.9.9.9 secret-host\n", "", "web"),
              Not(HasSubstr("secret-host")));
}

TEST(WritePodFiles, WritesAllThreeAndReplacesOldOnes) {
  sys::testing::TempDir dir;
  PodRequest request;
  request.dns.servers = {"1.1.1.1"};
  ASSERT_OK(WritePodFiles(dir.fd(), request, "one"));
  ASSERT_OK(WriteHostsFile(dir.fd(), request, "one", ""));
  ASSERT_OK(WritePodFiles(dir.fd(), request, "two"));
  ASSERT_OK(WriteHostsFile(dir.fd(), request, "two", "10.1.0.2"));
  ASSERT_OK_AND_ASSIGN(std::string hostname,
                       sys::ReadFileAt(dir.fd(), "hostname"));
  EXPECT_EQ(hostname, "two\n");
  ASSERT_OK_AND_ASSIGN(std::string hosts, sys::ReadFileAt(dir.fd(), "hosts"));
  EXPECT_THAT(hosts, HasSubstr("10.1.0.2\ttwo\n"));
  ASSERT_OK_AND_ASSIGN(std::string resolv,
                       sys::ReadFileAt(dir.fd(), "resolv.conf"));
  EXPECT_EQ(resolv, "nameserver 1.1.1.1\n");
  ASSERT_OK_AND_ASSIGN(auto entries, sys::ListDirAt(dir.fd(), "."));
  EXPECT_EQ(entries.size(), 3u);
}

}  // namespace
}  // namespace gantry::core
