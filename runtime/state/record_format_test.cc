#include "runtime/state/record_format.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::state {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

TEST(RecordFormat, ChecksumIsThatOfRfc3720) {
  // Appendix B.4 and the usual check value of CRC-32C.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aa);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283);
  EXPECT_EQ(Crc32c("56789", Crc32c("1234")), 0xe3069283);
}

TEST(RecordFormat, LayoutIsFixed) {
  const std::string file = EncodeRecord("123456789");
  EXPECT_EQ(file.substr(0, 12), std::string("GREC\x01\0\0\0\x09\0\0\0", 12));
  EXPECT_EQ(file.substr(16), "123456789");
}

TEST(RecordFormat, AnyPayloadComesBack) {
  std::string all;
  for (int i = 0; i < 100'000; ++i) all.push_back(static_cast<char>(i * 7));
  for (const std::string& payload :
       {std::string(), std::string(1, '\0'), all}) {
    EXPECT_THAT(DecodeRecord(EncodeRecord(payload)), IsOkAndHolds(payload));
  }
}

TEST(RecordFormat, EveryCutAndEveryChangedBitIsDamage) {
  const std::string file = EncodeRecord("the state of a container");
  for (size_t i = 0; i < file.size(); ++i) {
    EXPECT_THAT(DecodeRecord(file.substr(0, i)),
                StatusIs(absl::StatusCode::kDataLoss));
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = file;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      EXPECT_THAT(DecodeRecord(changed), StatusIs(absl::StatusCode::kDataLoss));
    }
  }
  EXPECT_THAT(DecodeRecord(file + "x"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(RecordFormat, TheLastUpdateCounts) {
  std::string file = EncodeRecord("first");
  EXPECT_EQ(EncodeUpdate("abc").substr(0, 12),
            std::string("GREC\x02\0\0\0\x03\0\0\0", 12));
  for (const std::string& payload :
       {std::string("second"), std::string(), std::string(5000, '\0')}) {
    file += EncodeUpdate(payload);
    EXPECT_THAT(DecodeRecord(file), IsOkAndHolds(payload));
  }
}

TEST(RecordFormat, AnUpdateThatWasNotWrittenToItsEndIsPassedOver) {
  const std::string before = EncodeRecord("old") + EncodeUpdate("newer");
  const std::string update = EncodeUpdate("the newest of all of them");
  for (size_t i = 0; i < update.size(); ++i) {
    EXPECT_THAT(DecodeRecord(before + update.substr(0, i)),
                IsOkAndHolds("newer"));
  }
  for (size_t zeros : {1, 19, 20, 4096}) {
    EXPECT_THAT(DecodeRecord(before + std::string(zeros, '\0')),
                IsOkAndHolds("newer"));
  }
}

TEST(RecordFormat, EveryChangedBitOfAnUpdateIsDamage) {
  const std::string file = EncodeRecord("old") + EncodeUpdate("newer") +
                           EncodeUpdate("the newest of all");
  for (size_t i = 0; i < file.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = file;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      EXPECT_THAT(DecodeRecord(changed), StatusIs(absl::StatusCode::kDataLoss))
          << i;
    }
  }
  EXPECT_THAT(DecodeRecord(file + "GREX"),
              StatusIs(absl::StatusCode::kDataLoss));
}

// A record whose header is as that of updates, and whatever behind it.
std::string OfVersion(char version) {
  std::string file("GREC\0\0\0\0\x05\0\0\0", 12);
  file[4] = version;
  const uint32_t crc = Crc32c(file.substr(4));
  for (int shift = 0; shift < 32; shift += 8) {
    file.push_back(static_cast<char>(crc >> shift));
  }
  return file + "what is not known here";
}

TEST(RecordFormat, ANewerVersionIsNoDamage) {
  const std::string newer = OfVersion(3);
  for (const std::string& file :
       {newer, OfVersion('\xff'), EncodeRecord("old") + newer,
        EncodeRecord("old") + EncodeUpdate("newer") + newer}) {
    EXPECT_THAT(DecodeRecord(file),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("known are 1 to 2")));
  }
  // Its version is believed only with the checksum.
  for (size_t i = 0; i < 16; ++i) {
    std::string changed = newer;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    EXPECT_THAT(DecodeRecord(changed), StatusIs(absl::StatusCode::kDataLoss))
        << i;
  }
}

TEST(RecordFormat, DamageIsSaidByKind) {
  const auto message = [](const std::string& file) {
    return std::string(DecodeRecord(file).status().message());
  };
  const std::string file = EncodeRecord("abc");
  EXPECT_THAT(message(""), HasSubstr("only 0 bytes"));
  EXPECT_THAT(message(std::string(4096, '\0')), HasSubstr("not a record"));
  std::string other = file;
  other[4] = 2;
  EXPECT_THAT(message(other), HasSubstr("format version 2, known is 1"));
  EXPECT_THAT(message(file.substr(0, 17)),
              HasSubstr("1 bytes of payload instead of 3"));
  std::string changed = file;
  changed.back() = 'x';
  EXPECT_THAT(message(changed), HasSubstr("the checksum differs"));
}

}  // namespace
}  // namespace gantry::state
