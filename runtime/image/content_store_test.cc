#include "runtime/image/content_store.h"

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

}  // namespace
}  // namespace gantry::image
