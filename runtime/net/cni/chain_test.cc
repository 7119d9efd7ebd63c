#include "runtime/net/cni/chain.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/clock.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/json/json.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::net::cni {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Notes command, environment and input; answers with what the file "answer"
// beside it holds, and ends with what "status" holds.
constexpr char kPlugin[] = R"(#!/bin/sh
me=$(basename $0); dir=$(dirname $0)
echo "$CNI_COMMAND $me" >>$dir/log
env >$dir/$me.env; cat >$dir/$me.$CNI_COMMAND
cat $dir/$me.answer 2>/dev/null
exit $(cat $dir/$me.status 2>/dev/null || echo 0)
)";
constexpr char kAnswer[] =
    R"({"cniVersion":"1.1.0","ips":[{"address":"10.1.0.5/16"}]})";
constexpr char kError[] = R"({"code": 7, "msg": "no", "details": "why"})";

class ChainTest : public ::testing::Test {
 protected:
  ChainTest() {
    for (const char* name : {"one", "two", "three"}) {
      tree_.Add({sys::testing::File(name, kPlugin, 0755)});
      tree_.Write(absl::StrCat(name, ".answer"), kAnswer);
    }
    attachment_.pod_id = "pod";
    attachment_.netns_path = "/run/net";
    attachment_.args = "IgnoreUnknown=1";
    attachment_.capabilities = {{"portMappings", R"([{"hostPort":1}])"},
                                {"dns", "{}"}};
  }

  NetworkConfig Config(const std::string& version = "1.1.0",
                       const std::string& more = "") {
    return *ParseNetworkConfig(
        absl::StrCat(R"({"cniVersion":")", version, R"(","name":"net",)", more,
                     R"("plugins":[
            {"type":"one","x":{"y":1},"cni.dev/z":1,"prevResult":{"lie":1}},
            {"type":"two","capabilities":{"portMappings":true,"dns":false}},
            {"type":"three"}]})"),
        ConfigKind::kList, "f");
  }
  int64_t Deadline() { return RealClock().BootNanos() + 20'000'000'000; }
  absl::StatusOr<Result> Add() {
    AddSteps steps;
    steps.keep = [this](const std::string& result) {
      kept_.push_back(result);
      return absl::OkStatus();
    };
    steps.meanwhile = [this] {
      ++meanwhile_calls_;
      return meanwhile_;
    };
    return chain_.Add(Config(), attachment_, Deadline(), progress_, steps);
  }
  std::string Log() {
    return tree_.Exists("log") ? tree_.Read("log") : std::string();
  }

  sys::testing::FakeTree tree_;
  Inputs inputs_{tree_.path() + "/inputs"};
  Chain chain_{{{tree_.path()}, "/usr/bin:/bin"}, inputs_};
  Attachment attachment_;
  Progress progress_;
  std::vector<std::string> kept_;
  absl::Status meanwhile_;
  int meanwhile_calls_ = 0;
};

TEST_F(ChainTest, AddRunsAllInOrderAndHandsResultsOn) {
  tree_.Write("one.answer",
              R"({"ips":[{"address":"10.1.0.9/16"}],"first":true})");
  ASSERT_OK_AND_ASSIGN(Result result, Add());
  EXPECT_THAT(result.ips, ElementsAre(*ParseIp("10.1.0.5")));
  EXPECT_EQ(Log(), "ADD one\nADD two\nADD three\n");
  EXPECT_EQ(progress_.begun, 3);
  EXPECT_THAT(kept_, ElementsAre(HasSubstr("10.1.0.9"), kAnswer));
  EXPECT_EQ(meanwhile_calls_, 1);
  EXPECT_EQ(tree_.Read("one.ADD"),
            R"({"cniVersion":"1.1.0","name":"net","type":"one","x":{"y":1}})");
  EXPECT_THAT(
      tree_.Read("two.ADD"),
      AllOf(HasSubstr(R"("runtimeConfig":{"portMappings":[{"hostPort":1}]})"),
            HasSubstr(R"("prevResult":{"cniVersion":"1.1.0","first":true)"),
            Not(HasSubstr("capabilities"))));
  EXPECT_THAT(tree_.Read("three.ADD"), AllOf(HasSubstr(R"("prevResult")"),
                                             Not(HasSubstr("runtimeConfig"))));
  const std::string env = tree_.Read("one.env");
  for (const char* line :
       {"CNI_COMMAND=ADD\n", "CNI_CONTAINERID=pod\n", "CNI_NETNS=/run/net\n",
        "CNI_IFNAME=eth0\n", "CNI_ARGS=IgnoreUnknown=1\n"}) {
    EXPECT_THAT(env, HasSubstr(line));
  }
  EXPECT_THAT(env, HasSubstr(absl::StrCat("CNI_PATH=", tree_.path(), "\n")));
}

TEST_F(ChainTest, AddStopsAtTheFirstFailure) {
  tree_.Write("two.answer", kError);
  tree_.Write("two.status", "1");
  EXPECT_THAT(Add(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "CNI plugin two (ADD, network net): failed with code 7: "
                       "no: why"));
  EXPECT_EQ(Log(), "ADD one\nADD two\n");
  EXPECT_EQ(progress_.begun, 2);
  EXPECT_EQ(progress_.result, kAnswer);
}

TEST_F(ChainTest, FailuresAreToldForWhatTheyAre) {
  const auto add = [this] {
    progress_ = Progress();
    return Add();
  };
  tree_.Write("one.answer", R"({"code": 11, "msg": "busy"})");
  tree_.Write("one.status", "1");
  EXPECT_THAT(add(), StatusIs(absl::StatusCode::kUnavailable,
                              HasSubstr("code 11: busy")));
  tree_.Write("one.answer", "panic: nil\nmore");
  EXPECT_THAT(add(), StatusIs(absl::StatusCode::kInternal,
                              HasSubstr("ended with status 1: panic: nil")));
  tree_.Write("one.answer", "");
  EXPECT_THAT(add(), StatusIs(absl::StatusCode::kInternal,
                              HasSubstr("status 1 and said nothing")));
  tree_.Write("one.status", "0");
  EXPECT_THAT(add(), StatusIs(absl::StatusCode::kInternal,
                              HasSubstr("answered what is no result: result: "
                                        "not valid JSON")));
  tree_.Write("one.answer", R"({"ips":[{"address":"300.0.0.1/8"}]})");
  EXPECT_THAT(add(), StatusIs(absl::StatusCode::kInternal,
                              HasSubstr("ips[0]: address")));
  tree_.Add({sys::testing::File("one", "#!/bin/sh\nkill -9 $$\n", 0755)});
  EXPECT_THAT(add(), StatusIs(absl::StatusCode::kInternal,
                              HasSubstr("was killed by signal 9")));
}

TEST_F(ChainTest, WhatFailsMeanwhileStopsAddBehindThePlugin) {
  meanwhile_ = absl::DataLossError("the disk is gone");
  EXPECT_THAT(Add(), StatusIs(absl::StatusCode::kDataLoss, "the disk is gone"));
  EXPECT_EQ(Log(), "ADD one\n");
  EXPECT_EQ(progress_.begun, 1);
  EXPECT_EQ(progress_.result, kAnswer);
  EXPECT_THAT(kept_, IsEmpty());
}

TEST_F(ChainTest, WithoutAnAddressThePodIsNotOnTheNetwork) {
  tree_.Write("three.answer", "{}");
  EXPECT_THAT(Add(), StatusIs(absl::StatusCode::kFailedPrecondition,
                              HasSubstr("gave eth0 no address")));
}

TEST_F(ChainTest, DelGoesBackwardWithTheLastResult) {
  Deletion deletion =
      chain_.Del(Config(), attachment_, kAnswer, 3, OnError::kStop, Deadline());
  EXPECT_OK(deletion.status);
  EXPECT_THAT(deletion.missing, IsEmpty());
  EXPECT_EQ(Log(), "DEL three\nDEL two\nDEL one\n");
  for (const char* file : {"one.DEL", "two.DEL", "three.DEL"}) {
    EXPECT_THAT(tree_.Read(file),
                HasSubstr(absl::StrCat(R"("prevResult":)", kAnswer)));
  }
  EXPECT_THAT(tree_.Read("two.DEL"), HasSubstr("hostPort"));
}

TEST_F(ChainTest, OldVersionsAreNotToldTheResultByDel) {
  chain_.Del(Config("0.3.1"), attachment_, kAnswer, 1, OnError::kStop,
             Deadline());
  EXPECT_EQ(Log(), "DEL one\n");
  EXPECT_THAT(tree_.Read("one.DEL"), Not(HasSubstr("prevResult")));
}

TEST_F(ChainTest, DelStopsOrGoesOnAfterAnError) {
  tree_.Write("two.status", "1");
  tree_.Write("two.answer", kError);
  EXPECT_THAT(
      chain_.Del(Config(), attachment_, "", 3, OnError::kStop, Deadline())
          .status,
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("two (DEL")));
  EXPECT_EQ(Log(), "DEL three\nDEL two\n");
  EXPECT_FALSE(
      chain_.Del(Config(), attachment_, "", 3, OnError::kGoOn, Deadline())
          .status.ok());
  EXPECT_EQ(Log(), "DEL three\nDEL two\nDEL three\nDEL two\nDEL one\n");
}

TEST_F(ChainTest, DelPassesOverPluginsThatAreGone) {
  ASSERT_EQ(::unlink((tree_.path() + "/two").c_str()), 0);
  Deletion deletion =
      chain_.Del(Config(), attachment_, kAnswer, 3, OnError::kStop, Deadline());
  EXPECT_OK(deletion.status);
  EXPECT_THAT(deletion.missing, ElementsAre("two"));
  EXPECT_EQ(Log(), "DEL three\nDEL one\n");
}

TEST_F(ChainTest, CheckIsAskedWhereThereIsOne) {
  EXPECT_OK(chain_.Check(Config(), attachment_, kAnswer, Deadline()));
  EXPECT_EQ(Log(), "CHECK one\nCHECK two\nCHECK three\n");
  EXPECT_THAT(tree_.Read("one.CHECK"), HasSubstr("prevResult"));
  EXPECT_OK(chain_.Check(Config("0.3.1"), attachment_, "", Deadline()));
  EXPECT_OK(chain_.Check(Config("1.0.0", R"("disableCheck":true,)"),
                         attachment_, "", Deadline()));
  EXPECT_EQ(Log(), "CHECK one\nCHECK two\nCHECK three\n");
  tree_.Write("two.status", "1");
  EXPECT_FALSE(chain_.Check(Config(), attachment_, kAnswer, Deadline()).ok());
}

TEST_F(ChainTest, GcTellsAllWhatIsValid) {
  tree_.Write("one.status", "1");
  EXPECT_THAT(chain_.Gc(Config(), {{"a", "eth0"}, {"b", "eth0"}}, Deadline()),
              SizeIs(1));
  EXPECT_EQ(Log(), "GC one\nGC two\nGC three\n");
  EXPECT_THAT(tree_.Read("two.GC"),
              HasSubstr(R"("cni.dev/valid-attachments":)"
                        R"([{"containerID":"a","ifname":"eth0"},)"
                        R"({"containerID":"b","ifname":"eth0"}])"));
  EXPECT_THAT(tree_.Read("two.env"), Not(HasSubstr("CNI_CONTAINERID")));
  EXPECT_THAT(chain_.Gc(Config("1.0.0"), {}, Deadline()), IsEmpty());
  EXPECT_THAT(
      chain_.Gc(Config("1.1.0", R"("disableGC":true,)"), {}, Deadline()),
      IsEmpty());
  EXPECT_EQ(Log(), "GC one\nGC two\nGC three\n");
}

TEST_F(ChainTest, StatusIsWhatPluginsSay) {
  EXPECT_OK(chain_.GetStatus(Config(), Deadline()));
  EXPECT_EQ(Log(), "STATUS one\nSTATUS two\nSTATUS three\n");
  tree_.Write("two.answer", R"({"code": 50, "msg": "no addresses"})");
  tree_.Write("two.status", "1");
  EXPECT_THAT(chain_.GetStatus(Config(), Deadline()),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("two (STATUS, network net): failed with code "
                                 "50: no addresses")));
  EXPECT_OK(chain_.GetStatus(Config("1.0.0"), Deadline()));
  ASSERT_EQ(::unlink((tree_.path() + "/three").c_str()), 0);
  EXPECT_THAT(chain_.GetStatus(Config("1.0.0"), Deadline()),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("there is no plugin three")));
}

}  // namespace
}  // namespace gantry::net::cni
