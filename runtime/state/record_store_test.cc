#include "runtime/state/record_store.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/state/record_format.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::state {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RecordStoreTest : public ::testing::TestWithParam<sys::Durability> {
 protected:
  RecordStoreTest()
      : store_(RecordStore::OpenPath(dir_.path() + "/a/store", GetParam())
                   .value()),
        fd_(sys::OpenAt(dir_.fd(), "a/store", O_RDONLY).value()) {}

  void Put(const std::string& path, const std::string& content = "") {
    const UniqueFd fd =
        sys::OpenAt(fd_.get(), path, O_WRONLY | O_CREAT | O_TRUNC, 0600)
            .value();
    ASSERT_OK(sys::WriteAll(fd.get(), content));
  }
  // "id" for a good record, "id:CODE" for a bad one.
  std::vector<std::string> Listed() {
    const std::vector<RecordStore::Listed> list = store_->List().value();
    std::vector<std::string> text;
    for (const RecordStore::Listed& entry : list) {
      text.push_back(entry.payload.ok()
                         ? absl::StrCat(entry.id, "=", *entry.payload)
                         : absl::StrCat(entry.id, ":",
                                        absl::StatusCodeToString(
                                            entry.payload.status().code())));
    }
    return text;
  }

  sys::testing::TempDir dir_;
  std::unique_ptr<RecordStore> store_;
  UniqueFd fd_;
};
INSTANTIATE_TEST_SUITE_P(, RecordStoreTest,
                         ::testing::Values(sys::Durability::kCrash,
                                           sys::Durability::kPowerCut),
                         [](const auto& durability) {
                           return durability.param == sys::Durability::kCrash
                                      ? "Crash"
                                      : "PowerCut";
                         });

TEST_P(RecordStoreTest, ARecordLivesFromCreateToRemove) {
  EXPECT_OK(store_->Create("id1", "one"));
  EXPECT_THAT(store_->Read("id1"), IsOkAndHolds("one"));
  EXPECT_OK(store_->Write("id1", "two"));
  EXPECT_THAT(store_->Read("id1"), IsOkAndHolds("two"));
  EXPECT_OK(store_->Remove("id1"));
  EXPECT_THAT(store_->Read("id1"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(store_->Remove("id1"));
  EXPECT_THAT(Listed(), IsEmpty());
}

TEST_P(RecordStoreTest, WritesAddToTheRecordUntilItIsLarge) {
  if (GetParam() == sys::Durability::kPowerCut) return;
  EXPECT_OK(store_->Create("id1", "one"));
  const ino_t first = sys::StatAt(fd_.get(), "id1/record")->st_ino;
  EXPECT_OK(store_->Write("id1", "two"));
  EXPECT_EQ(sys::StatAt(fd_.get(), "id1/record")->st_ino, first);
  off_t largest = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string payload(1000, static_cast<char>('0' + i % 10));
    EXPECT_OK(store_->Write("id1", payload));
    EXPECT_THAT(store_->Read("id1"), IsOkAndHolds(payload));
    largest = std::max(largest, sys::StatAt(fd_.get(), "id1/record")->st_size);
  }
  EXPECT_LE(largest, 32 << 10);
  EXPECT_GT(largest, 16 << 10);
}

// What is added may be torn by a power cut, and then costs what was there.
TEST_P(RecordStoreTest, NothingIsAddedToWhatAPowerCutMustNotTear) {
  if (GetParam() == sys::Durability::kCrash) return;
  EXPECT_OK(store_->Create("id1", "one"));
  const ino_t first = sys::StatAt(fd_.get(), "id1/record")->st_ino;
  EXPECT_OK(store_->Write("id1", "two"));
  EXPECT_NE(sys::StatAt(fd_.get(), "id1/record")->st_ino, first);
  EXPECT_EQ(sys::StatAt(fd_.get(), "id1/record")->st_size,
            kRecordHeaderBytes + 3);
  EXPECT_THAT(store_->Read("id1"), IsOkAndHolds("two"));
}

// What another writer left behind the good part, even if it looks complete.
TEST_P(RecordStoreTest, NothingIsAddedToWhatWasNotWrittenHere) {
  EXPECT_OK(store_->Create("id1", "one"));
  const std::string good = sys::ReadFileAt(fd_.get(), "id1/record").value();
  Put("id1/record", good + "GREC");
  EXPECT_THAT(store_->Read("id1"), IsOkAndHolds("one"));
  EXPECT_OK(store_->Write("id1", "two"));
  EXPECT_THAT(store_->Read("id1"), IsOkAndHolds("two"));
  ASSERT_OK_AND_ASSIGN(
      auto other, RecordStore::OpenPath(dir_.path() + "/a/store", GetParam()));
  EXPECT_OK(other->Write("id1", "three"));
  EXPECT_THAT(store_->Read("id1"), IsOkAndHolds("three"));
  EXPECT_OK(store_->Write("id1", "four"));
  EXPECT_THAT(other->Read("id1"), IsOkAndHolds("four"));
}

TEST_P(RecordStoreTest, AFailedWriteLeavesTheOldRecord) {
  EXPECT_OK(store_->Create("id1", "one"));
  // A file that cannot grow further (RLIMIT_FSIZE, setrlimit(2)).
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  rlimit old = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  // No room for what is added, or for a new record.
  const rlim_t room = GetParam() == sys::Durability::kCrash ? 24 : 8;
  const rlimit small = {room, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status failed = store_->Write("id1", "two");
  EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  signal(SIGXFSZ, old_handler);
  EXPECT_THAT(failed.message(), HasSubstr("write record id1"));
  EXPECT_THAT(store_->Read("id1"), IsOkAndHolds("one"));
  EXPECT_EQ(sys::StatAt(fd_.get(), "id1/record")->st_size, 19);
  EXPECT_OK(store_->Write("id1", "three"));
  EXPECT_THAT(store_->Read("id1"), IsOkAndHolds("three"));
}

TEST_P(RecordStoreTest, AnotherStoreOnTheDirectorySeesIt) {
  EXPECT_OK(store_->Create("id1", "one"));
  ASSERT_OK_AND_ASSIGN(
      auto other, RecordStore::OpenPath(dir_.path() + "/a/store", GetParam()));
  EXPECT_THAT(other->Read("id1"), IsOkAndHolds("one"));
}

TEST_P(RecordStoreTest, CreateIsOnceAndWriteNeedsARecord) {
  EXPECT_OK(store_->Create("id1", "one"));
  EXPECT_THAT(store_->Create("id1", "two"),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("create record id1")));
  EXPECT_THAT(store_->Read("id1"), IsOkAndHolds("one"));
  EXPECT_THAT(store_->Write("id2", "x"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(sys::MkdirAt(fd_.get(), "id2", 0700));
  EXPECT_THAT(store_->Write("id2", "x"), StatusIs(absl::StatusCode::kNotFound));
  // What a killed Create left is taken over.
  EXPECT_OK(store_->Create("id2", "x"));
}

TEST_P(RecordStoreTest, AFailedCreateLeavesNothing) {
  // A directory where the record should be: the rename fails.
  ASSERT_OK(sys::MkdirAllAt(fd_.get(), "id1/record/x", 0700));
  EXPECT_THAT(store_->Create("id1", "one"),
              StatusIs(absl::StatusCode::kAlreadyExists));
  const std::string large(RecordStore::kMaxPayloadBytes + 1, 'x');
  EXPECT_THAT(store_->Create("id2", large),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_FALSE(sys::ExistsAt(fd_.get(), "id2"));
}

TEST_P(RecordStoreTest, FilesArePrivate) {
  const mode_t old = umask(0);
  EXPECT_OK(store_->Create("id1", "one"));
  umask(old);
  EXPECT_EQ(sys::StatAt(fd_.get(), "id1")->st_mode & 07777, 0700);
  EXPECT_EQ(sys::StatAt(fd_.get(), "id1/record")->st_mode & 07777, 0600);
}

TEST_P(RecordStoreTest, OnlyIdsAreTaken) {
  for (const std::string& id :
       {std::string(), std::string("."), std::string(".."),
        std::string(".hidden"), std::string("a/b"), std::string("../x"),
        std::string("a b"), std::string("a\0b", 3), std::string("sha256:ab"),
        std::string(129, 'x'), std::string("\xc3\xa4")}) {
    EXPECT_FALSE(IsRecordId(id)) << id;
    for (const absl::Status& status :
         {store_->Create(id, "x"), store_->Write(id, "x"), store_->Remove(id),
          store_->Read(id).status(), store_->DirectoryOf(id).status()}) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << id;
    }
  }
  EXPECT_OK(store_->Create(std::string(128, 'x'), "x"));
  EXPECT_OK(store_->Create("aZ09_.-", "x"));
}

TEST_P(RecordStoreTest, ADamagedRecordCostsItsObjectAlone) {
  for (const char* id : {"a", "b", "c", "d"}) {
    EXPECT_OK(store_->Create(id, absl::StrCat("payload ", id)));
  }
  const std::string good = sys::ReadFileAt(fd_.get(), "b/record").value();
  Put("b/record", good.substr(0, good.size() - 1));
  ASSERT_OK(sys::UnlinkAt(fd_.get(), "c/record"));
  EXPECT_THAT(Listed(), ElementsAre("a=payload a", "b:DATA_LOSS", "c:NOT_FOUND",
                                    "d=payload d"));
  EXPECT_THAT(store_->Read("b"),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("read record b: damaged record")));
  // A damaged record can be replaced and removed.
  EXPECT_OK(store_->Write("b", "new"));
  EXPECT_THAT(store_->Read("b"), IsOkAndHolds("new"));
  EXPECT_OK(store_->Remove("c"));
}

TEST_P(RecordStoreTest, ARecordOfANewerProgramIsNotPassedOver) {
  EXPECT_OK(store_->Create("a", "x"));
  EXPECT_OK(store_->Create("b", "x"));
  std::string newer("GREC\x03\0\0\0\0\0\0\0", 12);
  const uint32_t crc = Crc32c(newer.substr(4));
  for (int shift = 0; shift < 32; shift += 8) {
    newer.push_back(static_cast<char>(crc >> shift));
  }
  Put("b/record", newer);
  EXPECT_THAT(store_->List(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr("read record b: a newer")));
  EXPECT_THAT(store_->Read("a"), IsOkAndHolds("x"));
  EXPECT_EQ(sys::ReadFileAt(fd_.get(), "b/record").value(), newer);
}

TEST_P(RecordStoreTest, NothingForeignIsTakenForARecord) {
  EXPECT_OK(store_->Create("a", "x"));
  Put("file");
  ASSERT_OK(sys::MkdirAt(fd_.get(), ".gantry-tmp-1", 0700));
  ASSERT_OK(sys::MkdirAt(fd_.get(), "lost+found", 0700));
  ASSERT_OK(sys::SymlinkAt("a", fd_.get(), "link"));
  EXPECT_THAT(Listed(), ElementsAre("a=x"));
  EXPECT_FALSE(store_->Read("link").ok());
  // A record that is no regular file hangs nobody.
  ASSERT_OK(sys::MkdirAt(fd_.get(), "fifo", 0700));
  ASSERT_EQ(mkfifoat(fd_.get(), "fifo/record", 0600), 0);
  EXPECT_THAT(Listed(), ElementsAre("a=x", "fifo:DATA_LOSS"));
}

TEST_P(RecordStoreTest, RemoveTakesWhatIsInTheDirectory) {
  EXPECT_OK(store_->Create("a", "x"));
  ASSERT_OK(sys::MkdirAllAt(fd_.get(), "a/upper/deep/tree", 0700));
  Put("a/upper/file", "content");
  ASSERT_OK_AND_ASSIGN(UniqueFd object, store_->DirectoryOf("a"));
  EXPECT_TRUE(sys::ExistsAt(object.get(), "upper/file"));
  EXPECT_OK(store_->Remove("a"));
  EXPECT_FALSE(sys::ExistsAt(fd_.get(), "a"));
}

TEST_P(RecordStoreTest, CleanUpTakesWhatKilledWritersLeft) {
  EXPECT_OK(store_->Create("a", "x"));
  Put("a/.gantry-tmp-0123456789abcdef", "half");
  EXPECT_OK(store_->CleanUp());
  EXPECT_THAT(sys::ListDirAt(fd_.get(), "a"),
              IsOkAndHolds(::testing::SizeIs(1)));
}

TEST_P(RecordStoreTest, DifferentIdsMayBeChangedAtOnce) {
  constexpr int kThreads = 4, kEach = 25;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::string id = absl::StrCat("id-", t, "-", i);
        EXPECT_OK(store_->Create(id, "x"));
        EXPECT_OK(store_->Write(id, id));
        EXPECT_OK(store_->List());
        if (i % 2 == 0) {
          EXPECT_OK(store_->Remove(id));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Listed().size(), kThreads * (kEach / 2));
}

}  // namespace
}  // namespace gantry::state
