#include "runtime/image/content_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::image {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ContentStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen() {
    store_.reset();
    auto store = ContentStore::Open(dir_.fd());
    ASSERT_OK(store);
    store_ = *std::move(store);
  }
  size_t Ingesting() {
    auto entries = sys::ListDirAt(dir_.fd(), "ingest");
    return entries.ok() ? entries->size() : 999;
  }

  sys::testing::TempDir dir_;
  std::unique_ptr<ContentStore> store_;
};

TEST_F(ContentStoreTest, KeepsAVerifiedBlobPrivately) {
  const Digest digest = DigestOf("data");
  ASSERT_OK_AND_ASSIGN(auto writer, store_->Ingest(digest, 4));
  ASSERT_OK(writer->Write("da"));
  EXPECT_FALSE(store_->Has(digest));
  ASSERT_OK(writer->Write("ta"));
  ASSERT_OK(writer->Commit());
  writer.reset();
  EXPECT_TRUE(store_->Has(digest));
  EXPECT_THAT(store_->Read(digest, 100), IsOkAndHolds("data"));
  EXPECT_THAT(store_->SizeOf(digest), IsOkAndHolds(4));
  EXPECT_THAT(store_->List(), IsOkAndHolds(ElementsAre(digest)));
  EXPECT_EQ(Ingesting(), 0u);
  ASSERT_OK_AND_ASSIGN(
      struct stat blob,
      sys::StatAt(dir_.fd(), "blobs/sha256/" + digest.hex(), 0));
  EXPECT_EQ(blob.st_mode, mode_t{S_IFREG | 0600});
  ASSERT_OK_AND_ASSIGN(struct stat blobs, sys::StatAt(dir_.fd(), "blobs", 0));
  EXPECT_EQ(blobs.st_mode, mode_t{S_IFDIR | 0700});
}

TEST_F(ContentStoreTest, WrongContentOrSizeNeverBecomesVisible) {
  const Digest digest = DigestOf("data");
  {
    ASSERT_OK_AND_ASSIGN(auto writer, store_->Ingest(digest, -1));
    ASSERT_OK(writer->Write("dato"));
    EXPECT_THAT(writer->Commit(), StatusIs(absl::StatusCode::kDataLoss));
  }
  {
    ASSERT_OK_AND_ASSIGN(auto writer, store_->Ingest(digest, 4));
    EXPECT_THAT(writer->Write("data!"),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  {
    ASSERT_OK_AND_ASSIGN(auto writer, store_->Ingest(digest, 5));
    ASSERT_OK(writer->Write("data"));
    EXPECT_THAT(writer->Commit(), StatusIs(absl::StatusCode::kDataLoss));
  }
  EXPECT_FALSE(store_->Has(digest));
  EXPECT_EQ(Ingesting(), 0u);
}

TEST_F(ContentStoreTest, HalfMadeBlobsGoWithTheNextOpen) {
  ASSERT_OK_AND_ASSIGN(auto writer, store_->Ingest(DigestOf("x"), -1));
  ASSERT_OK(writer->Write("half"));
  UniqueFd scratch;
  ASSERT_OK(store_->MakeScratch(&scratch));
  EXPECT_EQ(Ingesting(), 2u);
  // As if the process had been killed: nothing is cleaned up by destructors.
  ContentStore* killed = store_.release();
  BlobWriter* killed_writer = writer.release();
  Reopen();
  EXPECT_EQ(Ingesting(), 0u);
  delete killed_writer;
  delete killed;
}

TEST_F(ContentStoreTest, DamageIsNoticedOnReading) {
  const Digest digest = DigestOf("data");
  ASSERT_OK(store_->Put(digest, "data"));
  ASSERT_OK(store_->Verify(digest));
  ASSERT_OK(
      sys::WriteFileAt(dir_.fd(), "blobs/sha256/" + digest.hex(), "dat0"));
  EXPECT_THAT(store_->Read(digest, 100), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(store_->Verify(digest), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ContentStoreTest, HeldBlobsStay) {
  const Digest digest = DigestOf("data");
  ASSERT_OK(store_->Put(digest, "data"));
  std::optional<HoldTable::Hold> first = store_->Hold(digest);
  std::optional<HoldTable::Hold> second = store_->Hold(digest);
  first.reset();
  EXPECT_THAT(store_->Remove(digest), IsOkAndHolds(false));
  EXPECT_TRUE(store_->Has(digest));
  second.reset();
  EXPECT_THAT(store_->Remove(digest), IsOkAndHolds(true));
  EXPECT_THAT(store_->Remove(digest), IsOkAndHolds(true));
  EXPECT_THAT(store_->List(), IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(Ingesting(), 0u);
}

TEST_F(ContentStoreTest, BothAlgorithms) {
  DigestHasher hasher(Digest::Algorithm::kSha512);
  hasher.Update("data");
  const Digest digest = hasher.Finish();
  ASSERT_OK(store_->Put(digest, "data"));
  EXPECT_THAT(store_->Read(digest, 4), IsOkAndHolds("data"));
  EXPECT_THAT(store_->Read(digest, 3),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

// The first `bytes` of what an interrupted attempt got.
class PartialBlobTest : public ContentStoreTest {
 protected:
  PartialBlobTest() : data_(3 << 20, 'x') {
    for (size_t i = 0; i < data_.size(); i += 997) data_[i] = 'a' + i % 23;
  }
  void Interrupt(size_t bytes, bool keep = true) {
    ASSERT_OK_AND_ASSIGN(auto writer, store_->Resume(digest(), data_.size()));
    ASSERT_OK(writer->Write(data_.substr(0, bytes)));
    if (keep) writer->KeepPart();
  }
  Digest digest() const { return DigestOf(data_); }
  size_t Parts() { return sys::ListDirAt(dir_.fd(), "partial")->size(); }
  std::string PartPath() const { return "partial/sha256-" + digest().hex(); }

  std::string data_;
};

TEST_F(PartialBlobTest, IsGoneOnWithAfterARestart) {
  Interrupt(2 << 20);
  Reopen();
  ASSERT_OK_AND_ASSIGN(auto writer, store_->Resume(digest(), data_.size()));
  EXPECT_EQ(writer->kept(), 2 << 20);
  ASSERT_OK_AND_ASSIGN(auto kept, writer->OpenKept());
  ASSERT_OK_AND_ASSIGN(std::string beginning, ReadAll(kept.get(), 4 << 20));
  EXPECT_EQ(beginning, data_.substr(0, 2 << 20));
  // In pieces that do not end where the part does.
  ASSERT_OK(writer->Write(beginning + data_.substr(2 << 20, 100)));
  ASSERT_OK(writer->Write(data_.substr((2 << 20) + 100)));
  ASSERT_OK(writer->Commit());
  writer.reset();
  EXPECT_THAT(store_->Read(digest(), 4 << 20), IsOkAndHolds(data_));
  EXPECT_EQ(Parts(), 0u);
}

TEST_F(PartialBlobTest, AKilledWritersPartIsFoundASmallOneIsNot) {
  Interrupt(2 << 20);
  ASSERT_OK_AND_ASSIGN(auto small, store_->Resume(DigestOf("x"), 2 << 20));
  ASSERT_OK(small->Write("x"));
  // As a kill leaves it: nobody tidies up.
  ASSERT_OK_AND_ASSIGN(
      UniqueFd fd,
      sys::OpenAt(dir_.fd(), "partial/sha256-small", O_WRONLY | O_CREAT, 0600));
  small.reset();
  Reopen();
  EXPECT_EQ(Parts(), 1u);
  EXPECT_EQ((*store_->Resume(digest(), data_.size()))->kept(), 2 << 20);
}

TEST_F(PartialBlobTest, IsThrownAwayUnlessItIsToBeKept) {
  Interrupt(2 << 20, false);
  EXPECT_EQ(Parts(), 0u);
  Interrupt(1000);
  EXPECT_EQ(Parts(), 0u);
}

TEST_F(PartialBlobTest, DamagedPartFailsOnceAndIsForgotten) {
  Interrupt(2 << 20);
  ASSERT_OK(sys::WriteFileAt(dir_.fd(), PartPath(), std::string(2 << 20, 'y')));
  {
    ASSERT_OK_AND_ASSIGN(auto writer, store_->Resume(digest(), data_.size()));
    ASSERT_OK_AND_ASSIGN(auto kept, writer->OpenKept());
    ASSERT_OK(writer->Write(*ReadAll(kept.get(), 4 << 20)));
    ASSERT_OK(writer->Write(data_.substr(2 << 20)));
    EXPECT_THAT(writer->Commit(), StatusIs(absl::StatusCode::kDataLoss));
  }
  EXPECT_FALSE(store_->Has(digest()));
  EXPECT_EQ((*store_->Resume(digest(), data_.size()))->kept(), 0);
}

TEST_F(PartialBlobTest, TwoWritersDoNotShareAPart) {
  Interrupt(2 << 20);
  ASSERT_OK_AND_ASSIGN(auto first, store_->Resume(digest(), data_.size()));
  ASSERT_OK_AND_ASSIGN(auto second, store_->Resume(digest(), data_.size()));
  EXPECT_EQ(first->kept(), 2 << 20);
  EXPECT_EQ(second->kept(), 0);
  ASSERT_OK(second->Write(data_));
  ASSERT_OK(second->Commit());
  first.reset();
  second.reset();
  EXPECT_TRUE(store_->Has(digest()));
  EXPECT_EQ(Parts() + Ingesting(), 0u);
}

TEST_F(PartialBlobTest, OldPartsGo) {
  Interrupt(2 << 20);
  const timespec times[2] = {{1'000'000, 0}, {1'000'000, 0}};
  ASSERT_EQ(utimensat(dir_.fd(), PartPath().c_str(), times, 0), 0);
  Reopen();
  EXPECT_EQ(Parts(), 0u);
}

}  // namespace
}  // namespace gantry::image
