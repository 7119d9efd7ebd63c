#include "runtime/image/tar_reader.h"

#include <sys/sysmacros.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/image/testing/tar_builder.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

struct Read {
  TarEntry entry;
  std::string data;
};

// In small chunks, so that every seam inside a header is met.
absl::StatusOr<std::vector<Read>> ReadTar(std::string tar, size_t chunk = 100) {
  StringSource source(std::move(tar), chunk);
  TarReader reader(&source);
  std::vector<Read> out;
  while (true) {
    Read read;
    ASSIGN_OR_RETURN(bool more, reader.Next(&read.entry));
    if (!more) return out;
    TarBlock block;
    while (true) {
      ASSIGN_OR_RETURN(bool data, reader.NextBlock(&block));
      if (!data) break;
      read.data.resize(block.offset, '.');
      read.data += std::string(block.data);
    }
    out.push_back(std::move(read));
  }
}

TEST(TarReader, ReadsEveryKindOfEntry) {
  TarBuilder tar;
  tar.Dir("d/", {.mode = 01777, .uid = 5, .gid = 6})
      .File("d/f", "hello", {.mode = 04755, .mtime = 1234})
      .Symlink("d/s", "/target")
      .HardLink("d/h", "d/f")
      .Device('3', "c", {.mode = 0600, .major = 1, .minor = 3})
      .Device('4', "b", {.mode = 0600, .major = 8, .minor = 1})
      .Device('6', "p", {.mode = 0600});
  ASSERT_OK_AND_ASSIGN(auto read, ReadTar(tar.Done()));
  ASSERT_EQ(read.size(), 7u);
  EXPECT_EQ(read[0].entry.type, mode_t{S_IFDIR});
  EXPECT_EQ(read[0].entry.mode, mode_t{01777});
  EXPECT_EQ(read[0].entry.uid, 5);
  EXPECT_EQ(read[0].entry.gid, 6);
  EXPECT_EQ(read[1].entry.mode, mode_t{04755});
  EXPECT_EQ(read[1].entry.mtime.tv_sec, 1234);
  EXPECT_EQ(read[1].data, "hello");
  EXPECT_EQ(read[2].entry.link, "/target");
  EXPECT_FALSE(read[2].entry.hard_link);
  EXPECT_TRUE(read[3].entry.hard_link);
  EXPECT_EQ(read[3].entry.link, "d/f");
  EXPECT_EQ(read[4].entry.type, mode_t{S_IFCHR});
  EXPECT_EQ(major(read[4].entry.device), 1u);
  EXPECT_EQ(minor(read[4].entry.device), 3u);
  EXPECT_EQ(read[5].entry.type, mode_t{S_IFBLK});
  EXPECT_EQ(read[6].entry.type, mode_t{S_IFIFO});
}

TEST(TarReader, PaxHeadersCarryWhatUstarCannot) {
  const std::string path = std::string(200, 'a') + "/" + std::string(150, 'b');
  TarBuilder tar;
  tar.File(path, "x",
           {.pax = {{"mtime", "1600000000.123456789"},
                    {"uid", "3000000000"},
                    {"SCHILY.xattr.user.k", std::string("v\0w", 3)}}});
  ASSERT_OK_AND_ASSIGN(auto read, ReadTar(tar.Done()));
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].entry.path, path);
  EXPECT_EQ(read[0].entry.mtime.tv_nsec, 123456789);
  EXPECT_EQ(read[0].entry.uid, 3'000'000'000);
  EXPECT_THAT(read[0].entry.xattrs,
              ElementsAre(Pair("user.k", std::string("v\0w", 3))));
}

TEST(TarReader, GnuLongNames) {
  const std::string path(300, 'n');
  const std::string target(200, 't');
  TarBuilder tar;
  tar.Header('L', "././@LongLink", "", path.size() + 1, {})
      .Body(path + std::string(1, '\0'))
      .Header('K', "././@LongLink", "", target.size() + 1, {})
      .Body(target + std::string(1, '\0'))
      .Symlink("short", "short");
  ASSERT_OK_AND_ASSIGN(auto read, ReadTar(tar.Done()));
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].entry.path, path);
  EXPECT_EQ(read[0].entry.link, target);
}

TEST(TarReader, NamesAreBytesWhateverTheirCharset) {
  for (const std::string name : {"F\xc5\x91tan.crt", "lat\xe9in",
                                 "a\xff"
                                 "b"}) {
    TarBuilder tar;
    tar.File("short", "1", {.pax = {{"path", name}}})
        .File(name, "2")
        .Entry('2', "l", "x", "", {.pax = {{"linkpath", name}}});
    ASSERT_OK_AND_ASSIGN(auto read, ReadTar(tar.Done()));
    ASSERT_EQ(read.size(), 3u);
    EXPECT_EQ(read[0].entry.path, name);
    EXPECT_EQ(read[1].entry.path, name);
    EXPECT_EQ(read[2].entry.link, name);
  }
}

TEST(TarReader, PaxSparseFileKeepsItsHoles) {
  // GNU sparse format 1.0: the map stands before the data.
  const std::string map = "2\n4096\n3\n10000\n2\n";
  std::string body = map + std::string(512 - map.size(), '\0') + "abcde";
  TarBuilder tar;
  tar.File("GNUSparseFile.0/s", body,
           {.pax = {{"GNU.sparse.major", "1"},
                    {"GNU.sparse.minor", "0"},
                    {"GNU.sparse.name", "s"},
                    {"GNU.sparse.realsize", "20000"}}});
  ASSERT_OK_AND_ASSIGN(auto read, ReadTar(tar.Done()));
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].entry.path, "s");
  EXPECT_EQ(read[0].entry.size, 20000);
  EXPECT_EQ(read[0].data.substr(4096, 3), "abc");
  EXPECT_EQ(read[0].data.substr(10000, 2), "de");
}

// Fails without kMaxHeaderBytes: each pair would take memory for good.
TEST(TarReader, SparseMapBeyondItsBoundIsAnError) {
  // 16 MiB of map.
  std::string map = "9999999\n";
  while (map.size() < (16u << 20)) map += "0\n0\n0\n0\n0\n0\n0\n0\n";
  map.resize(map.size() / 512 * 512);
  TarBuilder tar;
  tar.File("GNUSparseFile.0/s", map,
           {.pax = {{"GNU.sparse.major", "1"},
                    {"GNU.sparse.minor", "0"},
                    {"GNU.sparse.name", "s"},
                    {"GNU.sparse.realsize", "20000"}}});
  EXPECT_THAT(ReadTar(tar.Done(), kChunkBytes),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

// The bound is libarchive's own, 1 MiB for each: fails once the library has
// none below kMaxHeaderBytes.
TEST(TarReader, PaxHeadersAndLongNamesBeyondTheirBoundAreErrors) {
  const std::string long_text(5 << 18, 'c');
  for (char type : {'x', 'g', 'L', 'K'}) {
    TarBuilder tar;
    const std::string body = type == 'x' || type == 'g'
                                 ? TarBuilder::PaxRecord("comment", long_text)
                                 : long_text;
    tar.Header(type, "special", "", body.size(), {}).Body(body).File("f", "x");
    EXPECT_THAT(
        ReadTar(tar.Done(), kChunkBytes),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too large")))
        << type;
  }
}

// Whatever the library allows, each of them and many together. Fails without
// kMaxHeaderBytes.
TEST(TarReader, HeadersOfOneEntryAreBoundedTogether) {
  const std::string body =
      TarBuilder::PaxRecord("comment", std::string(900 << 10, 'c'));
  for (const auto& [count, good] :
       std::initializer_list<std::pair<int, bool>>{{1, true}, {8, false}}) {
    TarBuilder tar;
    for (int i = 0; i < count; ++i) {
      tar.Header('g', "special", "", body.size(), {}).Body(body);
    }
    const auto read = ReadTar(tar.File("f", "x").Done(), kChunkBytes);
    if (good) {
      EXPECT_OK(read);
    } else {
      EXPECT_THAT(read, StatusIs(absl::StatusCode::kResourceExhausted,
                                 HasSubstr("headers of one entry")));
    }
  }
}

TEST(TarReader, TruncationAnywhereIsAnErrorOrAnEarlierEnd) {
  TarBuilder tar;
  tar.File("long", std::string(700, 'd'), {.pax = {{"path", "longer"}}})
      .Dir("d");
  const std::string whole = tar.Open();
  for (size_t cut = 1; cut < whole.size(); cut += 37) {
    absl::StatusOr<std::vector<Read>> read = ReadTar(whole.substr(0, cut));
    if (!read.ok()) continue;
    for (const Read& r : *read) {
      if (r.entry.path == "longer") {
        EXPECT_EQ(r.data.size(), 700u) << cut;
      }
    }
  }
}

TEST(TarReader, GarbageIsInvalid) {
  EXPECT_THAT(ReadTar(std::string(5000, 'g')),
              StatusIs(absl::StatusCode::kInvalidArgument));
  std::string broken = TarBuilder().File("f", "x").Done();
  broken[0] = 'z';  // the checksum no longer fits
  EXPECT_THAT(ReadTar(broken), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(TarReader, EmptyArchivesHaveNoEntries) {
  for (const std::string& tar : std::initializer_list<std::string>{
           std::string(), std::string(1024, '\0')}) {
    ASSERT_OK_AND_ASSIGN(auto read, ReadTar(tar));
    EXPECT_TRUE(read.empty());
  }
}

class FailingSource : public ByteSource {
 public:
  absl::StatusOr<absl::string_view> Next() override {
    return absl::UnavailableError("the network went away");
  }
};

TEST(TarReader, ErrorOfTheSourceIsPassedOn) {
  FailingSource source;
  TarReader reader(&source);
  TarEntry entry;
  EXPECT_THAT(reader.Next(&entry),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("the network went away")));
}

}  // namespace
}  // namespace gantry::image
