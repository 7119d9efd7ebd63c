#include "runtime/image/archive_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"
#include "runtime/image/decompress.h"
#include "runtime/image/tar_reader.h"
#include "runtime/sys/file.h"
#include "runtime/sys/in_root.h"

namespace gantry::image {
namespace {

constexpr size_t kMaxMembers = 100'000;
constexpr int kMaxLinks = 8;

absl::StatusOr<std::unique_ptr<ByteSource>> SourceOf(UniqueFd fd,
                                                     absl::string_view name) {
  ASSIGN_OR_RETURN(struct stat file, sys::StatAt(fd.get(), "", AT_EMPTY_PATH));
  if (!S_ISREG(file.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("archive: ", name, " is not a regular file"));
  }
  return std::make_unique<FdSource>(std::move(fd));
}

class DirectoryFiles : public ArchiveFiles {
 public:
  explicit DirectoryFiles(UniqueFd dir) : dir_(std::move(dir)) {}
  absl::StatusOr<std::unique_ptr<ByteSource>> Open(
      absl::string_view name) const override {
    // Not to hang on a fifo.
    ASSIGN_OR_RETURN(UniqueFd fd,
                     sys::OpenBeneath(dir_.get(), name, O_RDONLY | O_NONBLOCK));
    return SourceOf(std::move(fd), name);
  }

 private:
  UniqueFd dir_;
};

// `name` as seen from the directory of `from`, without "." and ".."; empty if
// it leads out of the archive.
std::string Resolve(absl::string_view from, absl::string_view name) {
  std::vector<absl::string_view> parts;
  if (name.empty() || name.front() != '/') {
    parts = absl::StrSplit(from, '/');
    parts.pop_back();
  }
  for (absl::string_view part : absl::StrSplit(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (parts.empty()) return "";
      parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  return absl::StrJoin(parts, "/");
}

class SpooledFiles : public ArchiveFiles {
 public:
  SpooledFiles(ContentStore* content, std::string scratch, UniqueFd dir)
      : content_(content), scratch_(std::move(scratch)), dir_(std::move(dir)) {}
  ~SpooledFiles() override { content_->RemoveScratch(scratch_).IgnoreError(); }

  absl::Status Spool(ByteSource* tar, int64_t max_bytes,
                     const std::function<bool()>& cancelled);

  absl::StatusOr<std::unique_ptr<ByteSource>> Open(
      absl::string_view name) const override {
    std::string at(name);
    for (int hops = 0; hops < kMaxLinks; ++hops) {
      auto it = members_.find(at);
      if (it == members_.end()) break;
      if (!it->second.link) {
        ASSIGN_OR_RETURN(UniqueFd fd, sys::OpenAt(dir_.get(), it->second.name,
                                                  O_RDONLY | O_NOFOLLOW));
        return SourceOf(std::move(fd), name);
      }
      at = it->second.name;
    }
    return absl::NotFoundError(absl::StrCat(
        "archive: there is no file ", absl::CHexEscape(name.substr(0, 300))));
  }

 private:
  struct Member {
    bool link = false;
    std::string name;  // of the spooled file, or of the link's target
  };
  absl::Status SpoolFile(const std::string& name, TarReader* reader,
                         int64_t max_bytes,
                         const std::function<bool()>& cancelled);

  ContentStore* content_;
  std::string scratch_;
  UniqueFd dir_;
  std::map<std::string, Member> members_;
  int64_t bytes_ = 0;
};

absl::Status SpooledFiles::SpoolFile(const std::string& name, TarReader* reader,
                                     int64_t max_bytes,
                                     const std::function<bool()>& cancelled) {
  ASSIGN_OR_RETURN(UniqueFd fd, sys::OpenAt(dir_.get(), name,
                                            O_WRONLY | O_CREAT | O_EXCL, 0600));
  int64_t at = 0;
  TarBlock block;
  while (true) {
    ASSIGN_OR_RETURN(bool more, reader->NextBlock(&block));
    if (!more) return absl::OkStatus();
    if (block.offset != at) {
      return absl::InvalidArgumentError("archive: a sparse member");
    }
    at += block.data.size();
    bytes_ += block.data.size();
    if (bytes_ > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("archive: more than the ", max_bytes, " bytes allowed"));
    }
    RETURN_IF_ERROR(sys::WriteAll(fd.get(), block.data));
    if (cancelled && cancelled()) {
      return absl::CancelledError("read archive: cancelled");
    }
  }
}

absl::Status SpooledFiles::Spool(ByteSource* tar, int64_t max_bytes,
                                 const std::function<bool()>& cancelled) {
  TarReader reader(tar);
  TarEntry entry;
  size_t count = 0;
  while (true) {
    ASSIGN_OR_RETURN(bool more, reader.Next(&entry));
    if (!more) return absl::OkStatus();
    if (++count > kMaxMembers) {
      return absl::ResourceExhaustedError(
          absl::StrCat("archive: more than ", kMaxMembers, " members"));
    }
    const std::string path = Resolve("", entry.path);
    if (path.empty()) continue;
    if (entry.hard_link || entry.type == S_IFLNK) {
      // A hard link's target counts from the top of the archive.
      members_[path] = {
          .link = true,
          .name = Resolve(entry.hard_link ? "" : path, entry.link)};
    } else if (entry.type == S_IFREG) {
      const std::string spooled = absl::StrCat(count);
      RETURN_IF_ERROR(SpoolFile(spooled, &reader, max_bytes, cancelled));
      members_[path] = {.name = spooled};
    }
  }
}

}  // namespace

absl::StatusOr<std::string> ArchiveFiles::Read(absl::string_view name,
                                               size_t max_bytes) const {
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source, Open(name));
  absl::StatusOr<std::string> data = ReadAll(source.get(), max_bytes);
  if (!data.ok()) return Annotate(data.status(), absl::StrCat("read ", name));
  return data;
}

std::unique_ptr<ArchiveFiles> FilesOfDirectory(UniqueFd dir) {
  return std::make_unique<DirectoryFiles>(std::move(dir));
}

absl::StatusOr<std::unique_ptr<ArchiveFiles>> FilesOfTar(
    UniqueFd tar, ContentStore* content, int64_t max_bytes,
    const std::function<bool()>& cancelled) {
  UniqueFd dir;
  ASSIGN_OR_RETURN(std::string scratch, content->MakeScratch(&dir));
  auto files = std::make_unique<SpooledFiles>(content, std::move(scratch),
                                              std::move(dir));
  FdSource file(std::move(tar));
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> inflated,
                   NewDecompressor(&file, max_bytes));
  RETURN_IF_ERROR(files->Spool(inflated.get(), max_bytes, cancelled));
  RETURN_IF_ERROR(Drain(inflated.get()));
  return files;
}

}  // namespace gantry::image
