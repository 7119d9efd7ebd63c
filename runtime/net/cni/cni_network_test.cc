#include "runtime/net/cni/cni_network.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/id.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::net::cni {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

// Notes each command; "fail" beside it names commands that are to fail, "hang"
// those that are not to end.
constexpr char kPlugin[] = R"(#!/bin/sh
me=$(basename $0); dir=$(dirname $0)
cat >$dir/$me.$CNI_COMMAND.in
echo "$CNI_COMMAND $me $CNI_NETNS" >>$dir/log
if grep -qs "$CNI_COMMAND $me" $dir/hang; then sleep 1000; fi
if grep -qs "$CNI_COMMAND $me" $dir/fail; then
  echo '{"code": 99, "msg": "told to"}'; exit 1
fi
[ $CNI_COMMAND != ADD ] ||
  echo '{"cniVersion":"1.1.0","ips":[{"address":"10.1.0.5/16"}]}'
)";

class CniNetworkTest : public ::testing::Test {
 protected:
  CniNetworkTest() {
    for (const char* name : {"one", "two"}) {
      tree_.Add(
          {sys::testing::File(absl::StrCat("bin/", name), kPlugin, 0755)});
    }
    WriteConfig();
    request_.pod_id = NewId();
    request_.netns_path = "/proc/self/ns/net";
    Start();
  }

  void WriteConfig(const std::string& name = "net") {
    tree_.Write(
        "net.d/10.conflist",
        absl::StrCat(R"({"cniVersion":"1.1.0","name":")", name,
                     R"(","plugins":[{"type":"one"},{"type":"two"}]})"));
  }

  // As a server that begins.
  void Start(absl::Duration timeout = absl::Seconds(20)) {
    CniSettings settings;
    settings.config_dir = tree_.path() + "/net.d";
    settings.plugins = {{tree_.path() + "/bin"}, "/usr/bin:/bin"};
    settings.timeout = timeout;
    settings.cache_dir = tree_.path() + "/cache";
    settings.input_dir = tree_.path() + "/inputs";
    settings.mend_pause = absl::ZeroDuration();
    settings.report = [this](const absl::Status& status) {
      reports_.push_back(std::string(status.message()));
    };
    network_ = std::make_unique<CniNetwork>(std::move(settings));
  }

  // What the plugins were asked since the last look, without the namespace.
  std::string Log() {
    std::string log;
    if (tree_.Exists("bin/log")) log = tree_.Read("bin/log");
    tree_.Write("bin/log", "");
    for (size_t at; (at = log.find(" /proc/self/ns/net")) != log.npos;) {
      log.erase(at, 18);
    }
    return log;
  }
  std::vector<std::string> Files(const std::string& directory) {
    std::vector<std::string> names;
    for (const sys::DirEntry& entry :
         sys::ListDirAt(tree_.fd(), directory)
             .value_or(std::vector<sys::DirEntry>())) {
      names.push_back(entry.name);
    }
    return names;
  }
  absl::Status Detach() { return network_->Detach(request_.pod_id, "cni"); }
  void RemovePlugin(const std::string& name) {
    ASSERT_EQ(::unlink((tree_.path() + "/bin/" + name).c_str()), 0);
  }

  sys::testing::FakeTree tree_;
  std::vector<std::string> reports_;
  AttachRequest request_;
  std::unique_ptr<CniNetwork> network_;
};

TEST_F(CniNetworkTest, ThePodsCgroupIsWaitedForByWhoIsToldOfIt) {
  int waited = 0;
  bool made = true;
  request_.await_cgroup = [&] {
    ++waited;
    EXPECT_EQ(Log(), "");
    return made;
  };
  EXPECT_OK(network_->Attach(request_));
  EXPECT_EQ(waited, 0);
  EXPECT_OK(Detach());
  Log();

  tree_.Write("net.d/10.conflist",
              R"({"cniVersion":"1.1.0","name":"net","plugins":[{"type":"one"},)"
              R"({"type":"two","capabilities":{"cgroupPath":true}}]})");
  EXPECT_OK(network_->Attach(request_));
  EXPECT_EQ(waited, 1);
  EXPECT_OK(Detach());
  Log();

  made = false;
  EXPECT_THAT(network_->Attach(request_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("the pod's cgroup")));
  EXPECT_EQ(Log(), "");
  made = true;
  EXPECT_OK(network_->Attach(request_));
}

TEST_F(CniNetworkTest, APodComesAndGoes) {
  EXPECT_THAT(network_->Attach(request_),
              IsOkAndHolds(ElementsAre(*ParseIp("10.1.0.5"))));
  EXPECT_EQ(Log(), "ADD one\nADD two\n");
  EXPECT_THAT(Files("cache"), ElementsAre(request_.pod_id));
  EXPECT_THAT(Files("inputs"), IsEmpty());
  EXPECT_THAT(network_->Facts(), Contains(Pair("pods", "1")));
  EXPECT_THAT(network_->Attach(request_),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_OK(Detach());
  EXPECT_EQ(Log(), "DEL two\nDEL one\n");
  EXPECT_OK(Detach());
  EXPECT_EQ(Log(), "");
  EXPECT_THAT(Files("cache"), IsEmpty());
  EXPECT_THAT(network_->Facts(), Contains(Pair("pods", "0")));
}

TEST_F(CniNetworkTest, AFailedAddIsTakenBackInReverse) {
  tree_.Write("bin/fail", "ADD two");
  EXPECT_THAT(
      network_->Attach(request_),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr("two (ADD, network net): failed with code 99")));
  EXPECT_EQ(Log(), "ADD one\nADD two\nDEL two\nDEL one\n");
  EXPECT_THAT(Files("cache"), IsEmpty());
  EXPECT_THAT(Files("inputs"), IsEmpty());
  EXPECT_OK(Detach());
  EXPECT_EQ(Log(), "");
}

TEST_F(CniNetworkTest, WhatCannotBeTakenBackIsTakenByDetach) {
  tree_.Write("bin/fail", "ADD two\nDEL one");
  EXPECT_THAT(network_->Attach(request_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("not undone: CNI plugin one (DEL")));
  Log();
  EXPECT_FALSE(Detach().ok());
  tree_.Write("bin/fail", "");
  EXPECT_OK(Detach());
  EXPECT_THAT(Files("cache"), IsEmpty());
}

TEST_F(CniNetworkTest, AHangingPluginEndsWithTheDeadline) {
  Start(absl::Milliseconds(500));
  tree_.Write("bin/hang", "ADD two");
  EXPECT_THAT(network_->Attach(request_),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("two (ADD, network net): did not end")));
  EXPECT_EQ(Log(), "ADD one\nADD two\nDEL two\nDEL one\n");
  EXPECT_THAT(Files("cache"), IsEmpty());
}

TEST_F(CniNetworkTest, ALaterServerDetachesByTheConfigurationOfThen) {
  ASSERT_OK(network_->Attach(request_));
  WriteConfig("another");
  Start();
  ASSERT_OK(network_->Recover({{request_.pod_id, {}, {}, "cni"}}));
  Log();
  EXPECT_OK(Detach());
  EXPECT_EQ(Log(), "DEL two\nDEL one\n");
  EXPECT_THAT(tree_.Read("bin/one.DEL.in"), HasSubstr(R"("name":"net")"));
  EXPECT_THAT(tree_.Read("bin/one.DEL.in"), HasSubstr("10.1.0.5"));
}

TEST_F(CniNetworkTest, WithoutANamespacePluginsAreToldOfNone) {
  request_.netns_path = tree_.path() + "/net.d";
  ASSERT_OK(network_->Attach(request_));
  Log();
  EXPECT_OK(Detach());
  EXPECT_EQ(Log(), "DEL two \nDEL one \n");
}

TEST_F(CniNetworkTest, ADeletionThatFailsIsTriedAgainButNotForEver) {
  ASSERT_OK(network_->Attach(request_));
  Log();
  tree_.Write("bin/fail", "DEL two");
  for (int i = 1; i < kMaxDeletions; ++i) {
    EXPECT_FALSE(Detach().ok()) << i;
    EXPECT_EQ(Log(), "DEL two\n");
    Start();  // It is counted on disk.
    ASSERT_OK(network_->Recover({}));
  }
  EXPECT_OK(Detach());
  EXPECT_EQ(Log(), "DEL two\nDEL one\n");
  EXPECT_THAT(reports_, ElementsAre(HasSubstr("is let go after 5 tries")));
  EXPECT_OK(Detach());
  EXPECT_EQ(Log(), "");
  // Owed until it is done.
  EXPECT_THAT(Files("cache"), ElementsAre(request_.pod_id));
  EXPECT_THAT(network_->Facts(), Contains(Pair("owed_deletions", "1")));
  EXPECT_TRUE(network_->HasDebts());
  tree_.Write("bin/fail", "");
  network_->Mend();
  EXPECT_EQ(Log(), "DEL two\nDEL one\n");
  EXPECT_THAT(Files("cache"), IsEmpty());
  EXPECT_FALSE(network_->HasDebts());
}

TEST_F(CniNetworkTest, AMissingPluginDoesNotKeepAPod) {
  ASSERT_OK(network_->Attach(request_));
  Log();
  RemovePlugin("two");
  EXPECT_OK(Detach());
  EXPECT_EQ(Log(), "DEL one\n");
  EXPECT_THAT(reports_, ElementsAre(HasSubstr("without CNI plugin two")));
  // The next server finds the plugin back.
  tree_.Add({sys::testing::File("bin/two", kPlugin, 0755)});
  Start();
  ASSERT_OK(network_->Recover({}));
  Log();
  EXPECT_THAT(network_->Sweep({}, /*in_use=*/false), IsEmpty());
  EXPECT_EQ(Log(), "DEL two\nDEL one\n");
  EXPECT_THAT(Files("cache"), IsEmpty());
}

TEST_F(CniNetworkTest, WhatNobodyKnowsIsSwept) {
  ASSERT_OK(network_->Attach(request_));
  AttachRequest other = request_;
  other.pod_id = NewId();
  ASSERT_OK(network_->Attach(other));
  Start();
  ASSERT_OK(network_->Recover({{request_.pod_id, {}, {}, "cni"}}));
  Log();
  AttachRequest fresh = request_;
  fresh.pod_id = NewId();
  ASSERT_OK(network_->Attach(fresh));
  Log();
  EXPECT_THAT(network_->Sweep({request_.pod_id}, /*in_use=*/true), IsEmpty());
  EXPECT_EQ(Log(), "DEL two\nDEL one\nGC one \nGC two \n");
  const std::string told = tree_.Read("bin/two.GC.in");
  EXPECT_THAT(told, HasSubstr(request_.pod_id));
  EXPECT_THAT(told, HasSubstr(fresh.pod_id));
  EXPECT_EQ(told.find(other.pod_id), std::string::npos);
  EXPECT_THAT(Files("cache"), SizeIs(2));
}

TEST_F(CniNetworkTest, OnANetworkNotInUseNoGarbageIsCollected) {
  ASSERT_OK(network_->Recover({}));
  EXPECT_THAT(network_->Sweep({}, /*in_use=*/false), IsEmpty());
  EXPECT_EQ(Log(), "");
}

TEST_F(CniNetworkTest, ADamagedFileIsDetachedByWhatThereIs) {
  ASSERT_OK(network_->Attach(request_));
  Log();
  tree_.Write("cache/" + request_.pod_id, "{");
  EXPECT_OK(Detach());
  EXPECT_EQ(Log(), "DEL two \nDEL one \n");
  EXPECT_THAT(reports_, ElementsAre(HasSubstr("configuration of today")));
  EXPECT_THAT(Files("cache"), IsEmpty());
}

TEST_F(CniNetworkTest, APodIsCheckedWithItsResult) {
  EXPECT_OK(network_->CheckPod(request_.pod_id));
  ASSERT_OK(network_->Attach(request_));
  Log();
  EXPECT_OK(network_->CheckPod(request_.pod_id));
  EXPECT_EQ(Log(), "CHECK one\nCHECK two\n");
  tree_.Write("bin/fail", "CHECK one");
  EXPECT_FALSE(network_->CheckPod(request_.pod_id).ok());
}

TEST_F(CniNetworkTest, CheckTellsWhatIsInTheWay) {
  EXPECT_OK(network_->Check());
  tree_.Write("bin/fail", "STATUS two");
  EXPECT_THAT(network_->Check(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                          HasSubstr("two (STATUS")));
  RemovePlugin("two");
  EXPECT_THAT(network_->Check(), StatusIs(absl::StatusCode::kNotFound,
                                          HasSubstr("no plugin two")));
  tree_.Write("net.d/10.conflist", "{\n{");
  EXPECT_THAT(network_->Check(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                          HasSubstr("line 2")));
  EXPECT_THAT(network_->Attach(request_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_EQ(::unlink((tree_.path() + "/net.d/10.conflist").c_str()), 0);
  EXPECT_THAT(network_->Check(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("no network configuration")));
  EXPECT_FALSE(network_->HasConfig());
}

TEST_F(CniNetworkTest, PodsComeAndGoSideBySide) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this] {
      AttachRequest request = request_;
      request.pod_id = NewId();
      EXPECT_OK(network_->Attach(request));
      EXPECT_OK(network_->CheckPod(request.pod_id));
      EXPECT_OK(network_->Detach(request.pod_id, "cni"));
    });
  }
  threads.emplace_back([this] { network_->Sweep({}, /*in_use=*/true); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(Files("cache"), IsEmpty());
  EXPECT_THAT(Files("inputs"), IsEmpty());
}

}  // namespace
}  // namespace gantry::net::cni
