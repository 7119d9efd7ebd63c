#include "runtime/image/image_store.h"

#include <fcntl.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::image {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class ImageStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen(const LayerInUse& in_use = nullptr) {
    store_.reset();
    problems_.clear();
    auto store = ImageStore::Open(dir_.fd(), in_use, &problems_);
    ASSERT_OK(store);
    store_ = *std::move(store);
  }

  // An image with these layers; the id comes from `name`.
  record::ImageRecord Make(const std::string& name,
                           const std::vector<std::string>& layers,
                           const std::vector<std::string>& tags = {}) {
    record::ImageRecord image;
    image.set_id(DigestOf(name).ToString());
    EXPECT_OK(store_->content().Put(DigestOf(name), name));
    image.add_blobs(image.id());
    for (const std::string& layer : layers) {
      const Digest diff_id = DigestOf(layer);
      if (!store_->layers().Find(diff_id)) {
        auto draft = store_->layers().Begin();
        EXPECT_OK(draft);
        EXPECT_OK(store_->layers().Publish(*std::move(draft), diff_id));
      }
      image.add_layers()->set_diff_id(diff_id.ToString());
    }
    for (const std::string& tag : tags) image.add_repo_tags(tag);
    return image;
  }
  void Put(const std::string& name, const std::vector<std::string>& layers,
           const std::vector<std::string>& tags = {}) {
    ASSERT_OK(store_->Put(Make(name, layers, tags)));
  }
  std::string NameOf(absl::string_view ref) {
    auto image = store_->Resolve(ref);
    if (!image.ok()) return std::string(image.status().message());
    auto digest = Digest::Parse(image->id());
    return *store_->content().Read(*digest, 1000);
  }
  bool HasLayer(const std::string& layer) {
    return store_->layers().Find(DigestOf(layer)).has_value();
  }

  sys::testing::TempDir dir_;
  std::vector<absl::Status> problems_;
  std::unique_ptr<ImageStore> store_;
};

constexpr char kBusybox[] = "docker.io/library/busybox:latest";

TEST_F(ImageStoreTest, ResolvesEveryWayToNameAnImage) {
  record::ImageRecord image = Make("a", {"l1"}, {kBusybox});
  const std::string manifest = DigestOf("m").ToString();
  image.add_repo_digests("docker.io/library/busybox@" + manifest);
  ASSERT_OK(store_->Put(image));
  const std::string hex = DigestOf("a").hex();
  for (const std::string& ref : std::initializer_list<std::string>{
           kBusybox, "busybox", "busybox:latest", "docker.io/busybox",
           "busybox@" + manifest, "busybox:other@" + manifest, "sha256:" + hex,
           hex, hex.substr(0, 12), hex.substr(0, 7),
           "sha256:" + hex.substr(0, 12)}) {
    EXPECT_EQ(NameOf(ref), "a") << ref;
  }
  for (const std::string& ref : std::initializer_list<std::string>{
           "", "busybox:1", "other/busybox", hex.substr(0, 6), "sha256:",
           "busybox@" + DigestOf("x").ToString(), "../../etc", manifest}) {
    EXPECT_THAT(store_->Resolve(ref), StatusIs(absl::StatusCode::kNotFound))
        << ref;
  }
}

TEST_F(ImageStoreTest, RecordsSurviveAReopen) {
  record::ImageRecord image = Make("a", {"l1", "l2"}, {kBusybox});
  image.mutable_config()->set_user("1:2");
  image.set_pinned(true);
  ASSERT_OK_AND_ASSIGN(image, store_->Put(image));
  Reopen();
  EXPECT_THAT(problems_, IsEmpty());
  ASSERT_OK_AND_ASSIGN(record::ImageRecord again, store_->Resolve("busybox"));
  EXPECT_EQ(again.SerializeAsString(), image.SerializeAsString());
  ASSERT_OK_AND_ASSIGN(auto lowers, store_->LowersOf(again));
  EXPECT_THAT(lowers.dirs, ElementsAre("1/fs", "2/fs"));
}

TEST_F(ImageStoreTest, ImageWithoutItsLayerIsNotPut) {
  record::ImageRecord image = Make("a", {"l1"});
  image.add_layers()->set_diff_id(DigestOf("missing").ToString());
  EXPECT_THAT(store_->Put(image),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("is missing")));
  EXPECT_THAT(store_->List(), IsEmpty());
}

TEST_F(ImageStoreTest, TagMovesToTheNewImageTheOldOneDangles) {
  Put("old", {"l1"}, {kBusybox, "docker.io/library/busybox:1"});
  Put("new", {"l1"}, {kBusybox});
  EXPECT_EQ(NameOf("busybox"), "new");
  EXPECT_EQ(NameOf("busybox:1"), "old");
  Put("new", {"l1"}, {"docker.io/library/busybox:1"});
  EXPECT_THAT(store_->List(), SizeIs(2));
  ASSERT_OK_AND_ASSIGN(record::ImageRecord old,
                       store_->Resolve(DigestOf("old").ToString()));
  EXPECT_THAT(old.repo_tags(), IsEmpty());
  ASSERT_OK_AND_ASSIGN(record::ImageRecord fresh, store_->Resolve("busybox:1"));
  EXPECT_THAT(fresh.repo_tags(),
              UnorderedElementsAre(kBusybox, "docker.io/library/busybox:1"));
  Reopen();
  EXPECT_EQ(NameOf("busybox:1"), "new");
}

// At no moment has nobody the tag: its new owner is written first.
TEST_F(ImageStoreTest, TagWhoseMoveIsCutShortHasAnOwner) {
  Put("old", {"l1"}, {kBusybox, "docker.io/library/busybox:1"});
  record::ImageRecord fresh = Make("new", {"l1"}, {kBusybox});
  // The old owner's record cannot be written.
  const std::string record =
      absl::StrCat("images/", DigestOf("old").hex(), "/record");
  const std::string kept = *sys::ReadFileAt(dir_.fd(), record);
  ASSERT_OK(sys::UnlinkAt(dir_.fd(), record));
  ASSERT_OK(sys::MkdirAt(dir_.fd(), record, 0700));
  EXPECT_THAT(store_->Put(std::move(fresh)), Not(IsOk()));
  EXPECT_EQ(NameOf("busybox"), "new");
  // Both records have the tag.
  ASSERT_OK(sys::RmdirAt(dir_.fd(), record));
  ASSERT_OK_AND_ASSIGN(
      UniqueFd fd, sys::OpenAt(dir_.fd(), record, O_WRONLY | O_CREAT, 0600));
  ASSERT_OK(sys::WriteAll(fd.get(), kept));
  for (int i = 0; i < 2; ++i) {
    Reopen();
    EXPECT_EQ(NameOf("busybox"), "new");
    EXPECT_EQ(NameOf("busybox:1"), "old");
    EXPECT_THAT(problems_, IsEmpty());
  }
  // The tag does not come back with the end of its owner.
  ASSERT_OK(store_->Remove("busybox", nullptr));
  Reopen();
  EXPECT_THAT(store_->Resolve("busybox"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ImageStoreTest, AddTagAndPin) {
  Put("a", {"l1"}, {kBusybox});
  const std::string id = DigestOf("a").ToString();
  ASSERT_OK(store_->AddTag(id, "mine:v1"));
  EXPECT_EQ(NameOf("mine:v1"), "a");
  ASSERT_OK(store_->SetPinned(id, true));
  EXPECT_THAT(store_->AddTag(id, "BAD"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store_->AddTag(DigestOf("x").ToString(), "mine:v1"),
              StatusIs(absl::StatusCode::kNotFound));
  Reopen();
  EXPECT_TRUE(store_->Resolve("mine:v1")->pinned());
}

TEST_F(ImageStoreTest, RemoveTakesWhatNobodyElseUses) {
  Put("a", {"shared", "only-a"}, {kBusybox, "docker.io/library/x:y"});
  Put("b", {"shared", "only-b"}, {"docker.io/library/b:latest"});
  ASSERT_OK(store_->Remove("x:y", nullptr));
  EXPECT_THAT(store_->Resolve("busybox"), Not(IsOk()));
  EXPECT_TRUE(HasLayer("shared"));
  EXPECT_TRUE(HasLayer("only-b"));
  EXPECT_FALSE(HasLayer("only-a"));
  EXPECT_FALSE(store_->content().Has(DigestOf("a")));
  EXPECT_TRUE(store_->content().Has(DigestOf("b")));
  ASSERT_OK(store_->Remove("x:y", nullptr));
  ASSERT_OK(store_->Remove("never-was", nullptr));
  ASSERT_OK(store_->Remove("b", nullptr));
  EXPECT_THAT(store_->layers().List(), IsEmpty());
  Reopen();
  EXPECT_THAT(store_->List(), IsEmpty());
}

TEST_F(ImageStoreTest, LayersInUseOutliveTheirImage) {
  Put("a", {"used", "free"}, {kBusybox});
  const LayerInUse in_use = [](const std::string& lower_dir) {
    return lower_dir == "1/fs";
  };
  ASSERT_OK(store_->Remove("busybox", in_use));
  EXPECT_TRUE(HasLayer("used"));
  EXPECT_FALSE(HasLayer("free"));
  Reopen(in_use);
  EXPECT_TRUE(HasLayer("used"));
  ASSERT_OK(store_->CollectGarbage(nullptr));
  EXPECT_FALSE(HasLayer("used"));
}

TEST_F(ImageStoreTest, ARepeatedRemovalTakesWhatTheFirstHasLeft) {
  Put("a", {"used"}, {kBusybox});
  const LayerInUse in_use = [](const std::string&) { return true; };
  ASSERT_OK(store_->Remove("busybox", in_use));
  EXPECT_TRUE(HasLayer("used"));
  ASSERT_OK(store_->Remove("busybox", nullptr));
  EXPECT_FALSE(HasLayer("used"));
}

TEST_F(ImageStoreTest, HeldContentOutlivesACollection) {
  Put("a", {"l1"}, {kBusybox});
  ASSERT_OK_AND_ASSIGN(record::ImageRecord image, store_->Resolve("busybox"));
  {
    ASSERT_OK_AND_ASSIGN(auto lowers, store_->LowersOf(image));
    ASSERT_OK(store_->Remove("busybox", nullptr));
    EXPECT_TRUE(HasLayer("l1"));
  }
  ASSERT_OK(store_->CollectGarbage(nullptr));
  EXPECT_FALSE(HasLayer("l1"));
}

TEST_F(ImageStoreTest, KnowsWhetherImagesHaveLayers) {
  Put("a", {"l1", "l2"}, {kBusybox});
  google::protobuf::RepeatedPtrField<std::string> wanted;
  EXPECT_TRUE(store_->HaveLayers(wanted));
  *wanted.Add() = DigestOf("l2").ToString();
  EXPECT_TRUE(store_->HaveLayers(wanted));
  *wanted.Add() = DigestOf("l3").ToString();
  EXPECT_FALSE(store_->HaveLayers(wanted));
}

TEST_F(ImageStoreTest, DamagedRecordCostsThatImageOnly) {
  Put("a", {"l1"}, {kBusybox});
  Put("b", {"l2"}, {"docker.io/library/b:latest"});
  ASSERT_OK(sys::WriteFileAt(
      dir_.fd(), absl::StrCat("images/", DigestOf("a").hex(), "/record"),
      "nonsense nonsense nonsense"));
  Reopen();
  EXPECT_THAT(problems_, SizeIs(1));
  EXPECT_EQ(NameOf("b"), "b");
  EXPECT_THAT(store_->List(), SizeIs(1));
  EXPECT_FALSE(HasLayer("l1"));
}

TEST_F(ImageStoreTest, ImageWhoseLayerIsGoneWaitsForItsNextPull) {
  Put("a", {"l1", "l2"}, {kBusybox});
  Put("c", {"l2"}, {"docker.io/library/c:latest"});
  ASSERT_OK(sys::RemoveTreeAt(store_->layers().dir_fd(), "1"));
  Reopen();
  EXPECT_THAT(problems_, SizeIs(1));
  EXPECT_EQ(NameOf("c"), "c");
  // Told of, not to be used, and what is left of it stays.
  EXPECT_THAT(
      store_->Resolve("busybox"),
      StatusIs(absl::StatusCode::kNotFound,
               HasSubstr("is incomplete, layer " + DigestOf("l1").ToString())));
  const std::string id = DigestOf("a").ToString();
  EXPECT_THAT(store_->Completeness(id), Not(IsOk()));
  EXPECT_THAT(store_->List(), SizeIs(2));
  EXPECT_TRUE(HasLayer("l2"));
  Put("a", {"l1", "l2"}, {kBusybox});
  EXPECT_EQ(NameOf("busybox"), "a");
  EXPECT_OK(store_->Completeness(id));
}

TEST_F(ImageStoreTest, IncompleteImageCanBeRemoved) {
  Put("a", {"l1", "l2"}, {kBusybox});
  ASSERT_OK(sys::RemoveTreeAt(store_->layers().dir_fd(), "1"));
  Reopen();
  ASSERT_OK(store_->Remove("busybox", nullptr));
  EXPECT_THAT(store_->List(), IsEmpty());
  EXPECT_THAT(store_->layers().List(), IsEmpty());
}

TEST_F(ImageStoreTest, DamagedBlobIsRemovedAtOpenAndItsImageUsable) {
  Put("a", {"l1"}, {kBusybox});
  Put("long", {"l2"}, {"docker.io/library/b:latest"});
  // Of another size; of another content.
  ASSERT_OK(sys::WriteFileAt(dir_.fd(),
                             "blobs/sha256/" + DigestOf("long").hex(), "lo"));
  ASSERT_OK(
      sys::WriteFileAt(dir_.fd(), "blobs/sha256/" + DigestOf("a").hex(), "b"));
  EXPECT_FALSE(store_->LacksBlob(DigestOf("a")));
  Reopen();
  EXPECT_THAT(problems_, SizeIs(2));
  EXPECT_OK(store_->Resolve("busybox"));
  EXPECT_OK(store_->Resolve("b"));
  EXPECT_TRUE(store_->LacksBlob(DigestOf("a")));
  EXPECT_TRUE(store_->LacksBlob(DigestOf("long")));
  EXPECT_FALSE(store_->LacksBlob(DigestOf("never named")));
  Put("a", {"l1"}, {kBusybox});
  EXPECT_FALSE(store_->LacksBlob(DigestOf("a")));
}

TEST_F(ImageStoreTest, ReplacedLayerMakesItsImagesComplete) {
  Put("a", {"l1"}, {kBusybox});
  Put("b", {"l1", "l2"}, {"docker.io/library/b:latest"});
  ASSERT_OK(sys::RemoveTreeAt(store_->layers().dir_fd(), "1"));
  Reopen();
  EXPECT_THAT(store_->Resolve("busybox"), Not(IsOk()));
  EXPECT_THAT(store_->Resolve("b"), Not(IsOk()));
  ASSERT_OK_AND_ASSIGN(auto draft, store_->layers().Begin());
  EXPECT_THAT(store_->ReplaceLayer(std::move(draft), DigestOf("l1"), nullptr),
              IsOkAndHolds(true));
  EXPECT_EQ(NameOf("busybox"), "a");
  EXPECT_EQ(NameOf("b"), "b");
  Reopen();
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(ImageStoreTest, TagIsTakenAwayTheImageStays) {
  Put("a", {"l1"}, {kBusybox});
  EXPECT_THAT(store_->RemoveTag("busybox"), IsOkAndHolds(true));
  EXPECT_THAT(store_->RemoveTag("busybox"), IsOkAndHolds(false));
  EXPECT_THAT(store_->RemoveTag("busybox@" + DigestOf("a").ToString()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(NameOf(DigestOf("a").ToString()), "a");
  Reopen();
  EXPECT_THAT(store_->Resolve("busybox"), Not(IsOk()));
}

TEST_F(ImageStoreTest, WhatNoRecordNamesGoesAtOpen) {
  // As a process killed before Put leaves it.
  Make("a", {"l1"});
  EXPECT_TRUE(HasLayer("l1"));
  Reopen();
  EXPECT_FALSE(HasLayer("l1"));
  EXPECT_FALSE(store_->content().Has(DigestOf("a")));
}

TEST_F(ImageStoreTest, PrefixOfSeveralImagesIsAmbiguous) {
  // Two configurations whose digests share seven digits, found by search.
  std::map<std::string, std::string> seen;
  std::string one, two;
  for (int i = 0; one.empty(); ++i) {
    const std::string name = std::to_string(i);
    auto [it, fresh] = seen.emplace(DigestOf(name).hex().substr(0, 7), name);
    if (!fresh) {
      one = it->second;
      two = name;
    }
  }
  Put(one, {});
  Put(two, {});
  EXPECT_THAT(store_->Resolve(DigestOf(one).hex().substr(0, 7)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(NameOf(DigestOf(one).hex()), one);
}

TEST_F(ImageStoreTest, LayerUsedTwiceStandsInTheStackOnceAtItsTopPlace) {
  Put("a", {"x", "y", "x"}, {kBusybox});
  ASSERT_OK_AND_ASSIGN(auto lowers,
                       store_->LowersOf(*store_->Resolve("busybox")));
  EXPECT_THAT(lowers.dirs, ElementsAre("2/fs", "1/fs"));
}

TEST_F(ImageStoreTest, UsageIsWhatTheDirectoryTakes) {
  const auto taken = [&] { return *rootfs::UsageOf(dir_.fd()); };
  Put("a", {"l1"}, {kBusybox});
  EXPECT_THAT(store_->Usage(), IsOkAndHolds(taken()));
  Put("b", {"l1", "l2"}, {"docker.io/library/b:latest"});
  EXPECT_THAT(store_->Usage(), IsOkAndHolds(taken()));
  ASSERT_OK(store_->layers().Retire(DigestOf("l2"),
                                    [](const std::string&) { return true; }));
  EXPECT_THAT(store_->Usage(), IsOkAndHolds(taken()));
  ASSERT_OK(store_->Remove("b", nullptr));
  EXPECT_THAT(store_->Usage(), IsOkAndHolds(taken()));
}

}  // namespace
}  // namespace gantry::image
