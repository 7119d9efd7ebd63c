#include "runtime/image/layer_store.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/atomic_write.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::image {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LayerStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen(const LayerInUse& in_use = nullptr) {
    store_.reset();
    problems_.clear();
    auto store = LayerStore::Open(dir_.fd(), in_use, &problems_);
    ASSERT_OK(store);
    store_ = *std::move(store);
  }
  LayerInfo Publish(const Digest& diff_id) {
    auto draft = store_->Begin();
    EXPECT_OK(draft);
    EXPECT_OK(sys::MkdirAt((*draft)->fs_fd(), "made", 0755));
    auto layer = store_->Publish(*std::move(draft), diff_id);
    EXPECT_OK(layer);
    return *layer;
  }
  size_t Entries() { return sys::ListDirAt(dir_.fd(), ".")->size(); }

  const Digest a_ = DigestOf("a");
  const Digest b_ = DigestOf("b");
  sys::testing::TempDir dir_;
  std::vector<absl::Status> problems_;
  std::unique_ptr<LayerStore> store_;
};

TEST_F(LayerStoreTest, PublishedLayerHasAShortNameAndItsUsage) {
  LayerInfo layer = Publish(a_);
  EXPECT_EQ(layer.LowerDir(), "1/fs");
  EXPECT_EQ(layer.usage.inodes, 2);
  EXPECT_FALSE(layer.committed);
  EXPECT_TRUE(sys::ExistsAt(dir_.fd(), "1/fs/made"));
  EXPECT_EQ(store_->Find(a_)->name, "1");
  EXPECT_EQ(store_->Find(b_), std::nullopt);
  for (int i = 0; i < 40; ++i) Publish(DigestOf(std::to_string(i)));
  EXPECT_EQ(Publish(b_).LowerDir(), "16/fs");  // 42 in base 36
}

TEST_F(LayerStoreTest, DraftNotPublishedLeavesNothing) {
  {
    ASSERT_OK_AND_ASSIGN(auto draft, store_->Begin());
    ASSERT_OK(sys::MkdirAllAt(draft->fs_fd(), "deep/tree", 0755));
    EXPECT_EQ(Entries(), 1u);
  }
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(LayerStoreTest, SecondPublisherGetsTheFirstLayer) {
  ASSERT_OK_AND_ASSIGN(auto late, store_->Begin());
  LayerInfo first = Publish(a_);
  ASSERT_OK_AND_ASSIGN(LayerInfo second, store_->Publish(std::move(late), a_));
  EXPECT_EQ(second.name, first.name);
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(LayerStoreTest, CommittedLayersSurviveUncommittedOnesGo) {
  Publish(a_);
  Publish(b_);
  ASSERT_OK(store_->Commit({a_}));
  EXPECT_TRUE(store_->Find(a_)->committed);
  const rootfs::Usage usage = store_->Find(a_)->usage;
  Reopen();
  EXPECT_THAT(store_->List(), SizeIs(1));
  EXPECT_EQ(store_->Find(a_)->name, "1");
  EXPECT_EQ(store_->Find(a_)->usage, usage);
  EXPECT_TRUE(sys::ExistsAt(dir_.fd(), "1/fs/made"));
  EXPECT_EQ(Entries(), 1u);
  EXPECT_THAT(problems_, IsEmpty());
  // Names are not given twice while one is in use.
  EXPECT_NE(Publish(b_).name, "1");
}

// Its content may be synced with the layer; its name vouches for both.
TEST_F(LayerStoreTest, RecordHasItsNameAfterCommitOnly) {
  Publish(a_);
  EXPECT_TRUE(sys::ExistsAt(dir_.fd(), "1/record.new"));
  EXPECT_FALSE(sys::ExistsAt(dir_.fd(), "1/record"));
  ASSERT_OK(store_->Commit({a_}));
  EXPECT_FALSE(sys::ExistsAt(dir_.fd(), "1/record.new"));
  EXPECT_TRUE(sys::ExistsAt(dir_.fd(), "1/record"));
  EXPECT_OK(store_->Commit({a_}));
}

TEST_F(LayerStoreTest, DamagedRecordCostsThatLayerOnly) {
  Publish(a_);
  Publish(b_);
  ASSERT_OK(store_->Commit({a_, b_, a_}));
  ASSERT_OK(sys::WriteFileAt(dir_.fd(), "1/record", "garbage garbage garbage"));
  Reopen();
  EXPECT_THAT(problems_, SizeIs(1));
  EXPECT_FALSE(store_->Find(a_));
  EXPECT_TRUE(store_->Find(b_));
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(LayerStoreTest, LayerWhoseDirectoryIsGoneIsReported) {
  Publish(a_);
  ASSERT_OK(store_->Commit({a_}));
  ASSERT_OK_AND_ASSIGN(UniqueFd layer,
                       sys::OpenAt(dir_.fd(), "1", O_RDONLY | O_DIRECTORY));
  ASSERT_OK(sys::RemoveTreeAt(layer.get(), "fs"));
  Reopen();
  EXPECT_THAT(problems_, SizeIs(1));
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(LayerStoreTest, CommitOfAnUnknownLayerFails) {
  EXPECT_THAT(store_->Commit({a_}), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(LayerStoreTest, HeldLayersStay) {
  Publish(a_);
  {
    HoldTable::Hold hold = store_->Hold(a_);
    EXPECT_THAT(store_->Remove(a_), IsOkAndHolds(false));
    EXPECT_TRUE(store_->Find(a_));
  }
  EXPECT_THAT(store_->Remove(a_), IsOkAndHolds(true));
  EXPECT_THAT(store_->Remove(a_), IsOkAndHolds(true));
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(LayerStoreTest, OfSeveralTheHeldAndTheUsedOneStay) {
  const Digest c = DigestOf("c");
  Publish(a_);
  Publish(b_);
  Publish(c);
  HoldTable::Hold hold = store_->Hold(a_);
  const std::string used = store_->Find(b_)->LowerDir();
  ASSERT_OK(store_->Remove({a_, b_, c}, [&used](const std::string& lower_dir) {
    return lower_dir == used;
  }));
  EXPECT_TRUE(store_->Find(a_));
  EXPECT_TRUE(store_->Find(b_));
  EXPECT_FALSE(store_->Find(c));
  EXPECT_EQ(Entries(), 2u);
}

TEST_F(LayerStoreTest, WhatARemovalCouldNotTakeGoesWithTheNext) {
  const std::string name = Publish(a_).name;
  Publish(b_);
  // Cannot be replaced by a rename: it is not empty.
  const std::string in_the_way = ".old-" + name;
  ASSERT_OK(sys::MkdirAllAt(dir_.fd(), in_the_way + "/file", 0755));
  EXPECT_FALSE(store_->Remove({b_, a_}, nullptr).ok());
  ASSERT_OK(sys::RemoveTreeAt(dir_.fd(), in_the_way));
  EXPECT_NE(Entries(), 0u);
  EXPECT_OK(store_->RemoveRetired(nullptr));
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(LayerStoreTest, TwinOfALayerGoesAtOpen) {
  Publish(a_);
  ASSERT_OK(store_->Commit({a_}));
  ASSERT_OK(sys::MkdirAllAt(dir_.fd(), "2/fs/made", 0755));
  ASSERT_OK_AND_ASSIGN(UniqueFd twin,
                       sys::OpenAt(dir_.fd(), "2", O_RDONLY | O_DIRECTORY));
  ASSERT_OK(sys::AtomicWriteAt(twin.get(), "record",
                               *sys::ReadFileAt(dir_.fd(), "1/record"), 0600,
                               sys::Durability::kCrash));
  Reopen();
  EXPECT_EQ(store_->Find(a_)->name, "1");
  EXPECT_EQ(Entries(), 1u);
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(LayerStoreTest, RetiredLayerStaysBelowItsContainerAndIsFetchedAnew) {
  Publish(a_);
  ASSERT_OK(store_->Commit({a_}));
  const LayerInUse in_use = [](const std::string& dir) {
    return dir == "1/fs";
  };
  EXPECT_THAT(store_->Retire(a_, in_use), IsOkAndHolds(true));
  EXPECT_FALSE(store_->Find(a_));
  EXPECT_TRUE(sys::ExistsAt(dir_.fd(), "1/fs/made"));
  EXPECT_EQ(Publish(a_).name, "2");
  ASSERT_OK(store_->Commit({a_}));
  // So does a restart find it.
  Reopen(in_use);
  EXPECT_EQ(store_->Find(a_)->name, "2");
  EXPECT_TRUE(sys::ExistsAt(dir_.fd(), "1/fs/made"));
  EXPECT_TRUE(store_->HasRetired());
  ASSERT_OK(store_->RemoveRetired(in_use));
  EXPECT_EQ(Entries(), 2u);
  // The container has gone.
  ASSERT_OK(store_->RemoveRetired(nullptr));
  EXPECT_FALSE(store_->HasRetired());
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(LayerStoreTest, RetiredLayerThatNobodyUsesGoesAtOnce) {
  Publish(a_);
  {
    HoldTable::Hold hold = store_->Hold(a_);
    EXPECT_THAT(store_->Retire(a_, nullptr), IsOkAndHolds(false));
  }
  EXPECT_THAT(store_->Retire(a_, nullptr), IsOkAndHolds(true));
  EXPECT_THAT(store_->Retire(a_, nullptr), IsOkAndHolds(true));
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(LayerStoreTest, DamagedRecordDoesNotCostAContainerItsLayer) {
  Publish(a_);
  ASSERT_OK(store_->Commit({a_}));
  ASSERT_OK(sys::WriteFileAt(dir_.fd(), "1/record", "garbage garbage garbage"));
  const LayerInUse in_use = [](const std::string&) { return true; };
  Reopen(in_use);
  EXPECT_THAT(problems_, SizeIs(1));
  EXPECT_FALSE(store_->Find(a_));
  EXPECT_TRUE(sys::ExistsAt(dir_.fd(), "1/fs/made"));
  // Told once.
  Reopen(in_use);
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_TRUE(sys::ExistsAt(dir_.fd(), "1/fs/made"));
  Reopen();
  EXPECT_EQ(Entries(), 0u);
}

}  // namespace
}  // namespace gantry::image
