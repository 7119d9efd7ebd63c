#include "runtime/net/chosen_network.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::net {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Notes what it is asked.
class Noting : public PodNetwork {
 public:
  Noting(std::string name, std::vector<std::string>& calls)
      : name_(std::move(name)), calls_(calls) {}
  std::string ProviderForNewPods() const override { return name_; }
  absl::StatusOr<std::vector<IpAddress>> Attach(
      const AttachRequest& request) override {
    Note("attach ", request.pod_id);
    return std::vector<IpAddress>();
  }
  absl::Status Detach(const std::string& pod_id, absl::string_view) override {
    Note("detach ", pod_id);
    return absl::OkStatus();
  }
  bool KeepsFiles() const override { return keeps_files; }
  absl::Status Recover(const std::vector<AttachedPod>& pods) override {
    Note("recover ", absl::StrCat(pods.size()));
    return recovered;
  }
  absl::Status Check() override {
    Note("check", "");
    return absl::OkStatus();
  }
  void Mend() override { Note("mend", ""); }
  bool HasDebts() const override { return debts; }
  void Close() override { Note("close", ""); }
  std::vector<std::pair<std::string, std::string>> Facts() const override {
    return {{"provider", name_}};
  }

  bool keeps_files = false;
  bool debts = false;
  absl::Status recovered;

 private:
  void Note(absl::string_view what, absl::string_view which) {
    calls_.push_back(absl::StrCat(name_, " ", what, which));
  }
  const std::string name_;
  std::vector<std::string>& calls_;
};

class ChosenNetworkTest : public ::testing::Test {
 protected:
  ChosenNetworkTest() {
    ChosenNetwork::Providers providers;
    for (auto [name, provider] :
         {std::pair("bridge", &bridge_), std::pair("cni", &cni_)}) {
      auto made = std::make_unique<Noting>(name, calls_);
      *provider = made.get();
      providers[name] = std::move(made);
    }
    network_ = std::make_unique<ChosenNetwork>(std::move(providers),
                                               [this] { return choice_; });
  }
  std::vector<std::string> Calls() { return std::exchange(calls_, {}); }

  std::vector<std::string> calls_;
  std::string choice_ = "bridge";
  Noting* bridge_ = nullptr;
  Noting* cni_ = nullptr;
  std::unique_ptr<ChosenNetwork> network_;
};

TEST_F(ChosenNetworkTest, APodStaysWithTheOneThatAttachedIt) {
  AttachRequest request;
  request.pod_id = "p";
  request.provider = network_->ProviderForNewPods();
  choice_ = "cni";
  ASSERT_OK(network_->Attach(request));
  ASSERT_OK(network_->Detach("p", request.provider));
  EXPECT_THAT(Calls(), ElementsAre("bridge attach p", "bridge detach p"));
  EXPECT_EQ(network_->ProviderForNewPods(), "cni");
  EXPECT_EQ(network_->Facts()[0].second, "cni");
}

TEST_F(ChosenNetworkTest, WhoeverKnowsAPodOfNoProviderDetachesIt) {
  ASSERT_OK(network_->Detach("p", ""));
  EXPECT_THAT(Calls(), ElementsAre("bridge detach p", "cni detach p"));
}

TEST_F(ChosenNetworkTest, AProviderOfAnotherBuildIsAnError) {
  EXPECT_THAT(network_->Detach("p", "other"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(network_->Attach({"p", -1, {}, "other"}),
              StatusIs(absl::StatusCode::kInternal));
}

TEST_F(ChosenNetworkTest, OneWithoutPodsThatIsNotInUseIsNotTouched) {
  ASSERT_OK(network_->Recover({}));
  EXPECT_THAT(Calls(), ElementsAre("bridge recover 0"));
  choice_ = "cni";
  ASSERT_OK(network_->Recover({}));
  EXPECT_THAT(Calls(), ElementsAre("cni recover 0"));
  ASSERT_OK(network_->Recover({{"old", {}, {}, ""}, {"p", {}, {}, "cni"}}));
  EXPECT_THAT(Calls(), ElementsAre("bridge recover 1", "cni recover 1"));
}

TEST_F(ChosenNetworkTest, OneThatKeepsFilesIsAlwaysRecovered) {
  cni_->keeps_files = true;
  cni_->recovered = absl::FailedPreconditionError("no configuration");
  EXPECT_OK(network_->Recover({}));
  EXPECT_THAT(Calls(), ElementsAre("bridge recover 0", "cni recover 0"));
  choice_ = "cni";
  EXPECT_THAT(network_->Recover({}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ChosenNetworkTest, DebtsAreMendedWhoeverIsInUse) {
  network_->Mend();
  EXPECT_THAT(Calls(), ElementsAre("bridge mend"));
  cni_->debts = true;
  EXPECT_TRUE(network_->HasDebts());
  network_->Mend();
  EXPECT_THAT(Calls(), ElementsAre("bridge mend", "cni mend"));
  ASSERT_OK(network_->Check());
  network_->Close();
  EXPECT_THAT(Calls(),
              ElementsAre("bridge check", "bridge close", "cni close"));
}

}  // namespace
}  // namespace gantry::net
