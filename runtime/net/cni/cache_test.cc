#include "runtime/net/cni/cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/id.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::net::cni {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CacheTest : public ::testing::Test {
 protected:
  CacheTest() {
    pod_.attachment.pod_id = NewId();
    pod_.attachment.netns_path = "/run/x/net";
    pod_.attachment.args = "A=\"b\"";
    pod_.attachment.capabilities = {{"portMappings", R"([{"hostPort":1}])"}};
    pod_.config = *ParseNetworkConfig(
        R"({"cniVersion":"1.1.0","name":"n","plugins":[
            {"type":"a","capabilities":{"portMappings":true}},{"type":"b"}]})",
        ConfigKind::kList, "f");
    pod_.result = R"({"cniVersion":"1.1.0","ips":[]})";
  }

  void Write(const std::string& text) {
    ASSERT_OK(cache_.Put(pod_));
    const std::string path = dir_.path() + "/cni/" + pod_.attachment.pod_id;
    ASSERT_OK_AND_ASSIGN(UniqueFd fd,
                         sys::OpenAt(AT_FDCWD, path, O_WRONLY | O_TRUNC));
    ASSERT_OK(sys::WriteAll(fd.get(), text));
  }

  sys::testing::TempDir dir_;
  Cache cache_{dir_.path() + "/cni"};
  CachedPod pod_;
};

TEST_F(CacheTest, WhatReplacesTheFileIsThereAlone) {
  ASSERT_OK(cache_.Put(pod_));
  ASSERT_OK(cache_.AddResult(pod_.attachment.pod_id, "{}"));
  pod_.failed_deletions = 3;
  ASSERT_OK(cache_.Replace(pod_));
  ASSERT_OK_AND_ASSIGN(CachedPod got, cache_.Get(pod_.attachment.pod_id));
  EXPECT_EQ(got.failed_deletions, 3);
  EXPECT_EQ(got.result, pod_.result);
  EXPECT_EQ(sys::ListDirAt(dir_.fd(), "cni")->size(), 1u);
}

TEST_F(CacheTest, WhatIsPutIsThereAgain) {
  pod_.failed_deletions = 2;
  pod_.owed = true;
  ASSERT_OK(cache_.Put(pod_));
  ASSERT_OK(cache_.Sync(pod_.attachment.pod_id));
  ASSERT_OK_AND_ASSIGN(CachedPod got, cache_.Get(pod_.attachment.pod_id));
  EXPECT_EQ(got.attachment, pod_.attachment);
  EXPECT_EQ(ToJson(got.config), ToJson(pod_.config));
  EXPECT_EQ(got.result, pod_.result);
  EXPECT_EQ(got.failed_deletions, 2);
  EXPECT_TRUE(got.owed);
  EXPECT_THAT(cache_.List(), IsOkAndHolds(ElementsAre(pod_.attachment.pod_id)));
  ASSERT_OK_AND_ASSIGN(struct stat info,
                       sys::StatAt(dir_.fd(), "cni/" + pod_.attachment.pod_id));
  EXPECT_EQ(info.st_mode & 0777, 0600);
  ASSERT_OK(cache_.Remove(pod_.attachment.pod_id));
  ASSERT_OK(cache_.Remove(pod_.attachment.pod_id));
  EXPECT_THAT(cache_.List(), IsOkAndHolds(IsEmpty()));
}

TEST_F(CacheTest, WithoutADirectoryThereIsNothing) {
  EXPECT_THAT(cache_.List(), IsOkAndHolds(IsEmpty()));
  EXPECT_OK(cache_.Clean());
  EXPECT_OK(cache_.Remove(pod_.attachment.pod_id));
  EXPECT_THAT(cache_.Sync(pod_.attachment.pod_id),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(cache_.Get(pod_.attachment.pod_id),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(cache_.Get("../../etc/passwd"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CacheTest, AnAddThatDidNotEndHasNoResult) {
  pod_.result.clear();
  ASSERT_OK(cache_.Put(pod_));
  ASSERT_OK_AND_ASSIGN(CachedPod got, cache_.Get(pod_.attachment.pod_id));
  EXPECT_EQ(got.result, "");
}

TEST_F(CacheTest, TheLastResultAddedCounts) {
  ASSERT_OK(cache_.Put(pod_));
  const std::string& id = pod_.attachment.pod_id;
  const std::string first = R"({"ips":[1]})", last = R"({"ips":[1,2]})";
  ASSERT_OK(cache_.AddResult(id, first));
  ASSERT_OK(cache_.AddResult(id, last));
  ASSERT_OK_AND_ASSIGN(CachedPod got, cache_.Get(id));
  EXPECT_EQ(got.result, last);
  EXPECT_EQ(got.attachment, pod_.attachment);
  // What is put takes the place of all that was added.
  ASSERT_OK(cache_.Put(got));
  EXPECT_THAT(cache_.Get(id), IsOkAndHolds(Field(&CachedPod::result, last)));
  EXPECT_THAT(cache_.AddResult(NewId(), last),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CacheTest, AResultThatWasNotWrittenToItsEndIsNone) {
  const std::string whole = ToText(pod_) + "{\"result\":{\"a\":1}}\n";
  for (const std::string& tail :
       {std::string("{\"result\":{\"a\":2}}"), std::string("{\"result\":{"),
        std::string(100, '\0'), std::string(100, '\0') + "\n",
        std::string("{}\n{\"result\":{\"a\":2}}\n")}) {
    ASSERT_OK_AND_ASSIGN(CachedPod got, FromText(whole + tail, "f"));
    EXPECT_EQ(got.result, "{\"a\":1}") << tail;
  }
}

TEST_F(CacheTest, DamageIsTold) {
  const std::string good = ToText(pod_);
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("{}"),
        std::string(R"({"kind":"gantry-cni-1"})"),
        std::string(R"({"kind":"cni-cache-v1"})"),
        good.substr(0, good.size() / 2)}) {
    Write(text);
    EXPECT_THAT(cache_.Get(pod_.attachment.pod_id),
                StatusIs(absl::StatusCode::kDataLoss))
        << text;
  }
  CachedPod other = pod_;
  other.attachment.pod_id = NewId();
  Write(ToText(other));
  EXPECT_THAT(
      cache_.Get(pod_.attachment.pod_id),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("is another pod's")));
}

}  // namespace
}  // namespace gantry::net::cni
