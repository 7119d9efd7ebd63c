#include "runtime/image/decompress.h"

#include <initializer_list>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/image/testing/compress.h"

namespace gantry::image {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::Not;

absl::StatusOr<std::string> Inflate(std::string data, size_t chunk = 7,
                                    int64_t max_bytes = 1 << 30) {
  StringSource source(std::move(data), chunk);
  ASSIGN_OR_RETURN(auto inflated, NewDecompressor(&source, max_bytes));
  return ReadAll(inflated.get(), size_t{1} << 30);
}

std::string Sample(size_t size) {
  std::string out;
  uint32_t seed = 7;
  while (out.size() < size) {
    seed = seed * 1664525 + 1013904223;
    out.append(seed % 40, static_cast<char>('a' + (seed >> 16) % 26));
  }
  out.resize(size);
  return out;
}

TEST(Decompress, EveryFormatInAnyChunking) {
  const std::string sample = Sample(3'000'000);
  for (size_t chunk : {size_t{1}, size_t{4095}, kChunkBytes}) {
    EXPECT_TRUE(*Inflate(sample, chunk) == sample);
    EXPECT_TRUE(*Inflate(Gzipped(sample), chunk) == sample);
    EXPECT_TRUE(*Inflate(Zstded(sample), chunk) == sample);
  }
}

TEST(Decompress, EmptyStreams) {
  EXPECT_THAT(Inflate(""), IsOkAndHolds(""));
  EXPECT_THAT(Inflate(Gzipped("")), IsOkAndHolds(""));
  EXPECT_THAT(Inflate(Zstded("")), IsOkAndHolds(""));
}

TEST(Decompress, SeveralMembersAndFramesAreOneStream) {
  EXPECT_THAT(Inflate(Gzipped("one") + Gzipped("") + Gzipped("two")),
              IsOkAndHolds("onetwo"));
  EXPECT_THAT(Inflate(Zstded("one") + Zstded("two")), IsOkAndHolds("onetwo"));
}

TEST(Decompress, ZeroPaddingAfterGzipIsAllowedGarbageIsNot) {
  EXPECT_THAT(Inflate(Gzipped("one") + std::string(100, '\0')),
              IsOkAndHolds("one"));
  EXPECT_THAT(Inflate(Gzipped("one") + "garbage"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Inflate(Gzipped("one") + std::string(9, '\0') + "garbage"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Inflate(Zstded("one") + "garbage"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

// Fails (or never ends) without the checks for an early end, of each format.
TEST(Decompress, EveryTruncationIsAnError) {
  const std::string sample = Sample(2000);
  for (const std::string& whole : {Gzipped(sample), Zstded(sample)}) {
    for (size_t cut = 6; cut < whole.size(); ++cut) {
      EXPECT_THAT(Inflate(whole.substr(0, cut), 100),
                  StatusIs(absl::StatusCode::kInvalidArgument))
          << cut;
    }
  }
}

// In small chunks too: after an error ISA-L counts input that came with an
// earlier one. Seen to end the process where that count was used.
TEST(Decompress, EveryDamagedByteIsNoticedOrHarmless) {
  const std::string sample = Sample(500);
  const std::string whole = Gzipped(sample);
  for (size_t i = 10; i < whole.size(); ++i) {
    for (const char bit : {1, 4, 0x20}) {
      std::string damaged = whole;
      damaged[i] ^= bit;
      for (size_t chunk : {size_t{1}, size_t{5}, size_t{17}, kChunkBytes}) {
        absl::StatusOr<std::string> out = Inflate(damaged, chunk);
        if (out.ok()) {
          EXPECT_EQ(*out, sample) << i;
        }
      }
    }
  }
}

// Fails without the sum in Decompressor::Next.
TEST(Decompress, BombStopsAtTheCap) {
  const std::string bomb = Gzipped(std::string(50'000'000, '\0'));
  EXPECT_LT(bomb.size(), 300'000u);
  EXPECT_THAT(Inflate(bomb, kChunkBytes, 1'000'000),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(
      Inflate(Zstded(std::string(50'000'000, '\0')), kChunkBytes, 1'000'000),
      StatusIs(absl::StatusCode::kResourceExhausted));
}

// Fails without each line of SniffCompression: they would pass for plain tars.
TEST(Decompress, KnownButUnsupportedFormatsAreNamed) {
  const std::string xz(
      "\xfd"
      "7zXZ\0more",
      10);
  for (const auto& [name, data] :
       std::initializer_list<std::pair<std::string, std::string>>{
           {"xz", xz}, {"bzip2", "BZh91AY"}, {"lz4", "\x04\x22\x4d\x18more"}}) {
    EXPECT_THAT(Inflate(data),
                StatusIs(absl::StatusCode::kUnimplemented,
                         name + " compression is not supported"));
  }
}

}  // namespace
}  // namespace gantry::image
