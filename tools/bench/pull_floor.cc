#include "tools/bench/pull_floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/decompress.h"
#include "runtime/image/digest.h"
#include "runtime/image/tar_reader.h"
#include "runtime/sys/file.h"
#include "tools/bench/floor_child.h"

namespace gantry::bench {
namespace {

constexpr int64_t kMaxPlainBytes = int64_t{8} << 30;

// Hands out a string it borrows.
class ViewSource : public image::ByteSource {
 public:
  explicit ViewSource(absl::string_view data) : data_(data) {}
  absl::StatusOr<absl::string_view> Next() override {
    const absl::string_view chunk = data_.substr(0, image::kChunkBytes);
    data_.remove_prefix(chunk.size());
    return chunk;
  }

 private:
  absl::string_view data_;
};

// Hashes what passes, and counts the time that takes.
class TimedHash : public image::ByteSource {
 public:
  TimedHash(image::ByteSource* from, int64_t* nanos)
      : from_(from),
        hasher_(image::Digest::Algorithm::kSha256),
        nanos_(nanos) {}
  absl::StatusOr<absl::string_view> Next() override {
    ASSIGN_OR_RETURN(absl::string_view chunk, from_->Next());
    const int64_t start = MonotonicNanos();
    hasher_.Update(chunk);
    *nanos_ += MonotonicNanos() - start;
    return chunk;
  }

 private:
  image::ByteSource* from_;
  image::DigestHasher hasher_;
  int64_t* nanos_;
};

}  // namespace

absl::StatusOr<PullFloor::Layer> PullFloor::Read(std::string blob) {
  Layer layer = {.blob = std::move(blob)};
  ViewSource source(layer.blob);
  ASSIGN_OR_RETURN(std::unique_ptr<image::ByteSource> plain,
                   image::NewDecompressor(&source, kMaxPlainBytes));
  image::ObservedSource counted(plain.get(), [&](absl::string_view chunk) {
    layer.plain_bytes += chunk.size();
    return absl::OkStatus();
  });
  image::TarReader tar(&counted);
  image::TarEntry entry;
  while (true) {
    ASSIGN_OR_RETURN(bool more, tar.Next(&entry));
    if (!more) break;
    if (!S_ISREG(entry.type) || entry.hard_link) continue;
    const size_t before = layer.data.size();
    image::TarBlock block;
    while (true) {
      ASSIGN_OR_RETURN(bool data, tar.NextBlock(&block));
      if (!data) break;
      absl::StrAppend(&layer.data, block.data);
    }
    layer.sizes.push_back(layer.data.size() - before);
  }
  return layer;
}

absl::StatusOr<std::unique_ptr<PullFloor>> PullFloor::Make(
    std::vector<std::string> blobs, std::string scratch) {
  auto floor = std::unique_ptr<PullFloor>(new PullFloor);
  floor->scratch_ = std::move(scratch);
  for (std::string& blob : blobs) {
    ASSIGN_OR_RETURN(Layer layer, Read(std::move(blob)));
    floor->layers_.push_back(std::move(layer));
  }
  return floor;
}

absl::Status PullFloor::Inflate(const Layer& layer, PullFloorCosts* costs) {
  const int64_t start = MonotonicNanos();
  int64_t hash_blob = 0;
  int64_t hash_plain = 0;
  ViewSource source(layer.blob);
  TimedHash hashed(&source, &hash_blob);
  ASSIGN_OR_RETURN(std::unique_ptr<image::ByteSource> plain,
                   image::NewDecompressor(&hashed, kMaxPlainBytes));
  TimedHash hashed_plain(plain.get(), &hash_plain);
  RETURN_IF_ERROR(image::Drain(&hashed_plain));
  costs->hash_blobs += hash_blob;
  costs->hash_plain += hash_plain;
  costs->inflate += MonotonicNanos() - start - hash_blob - hash_plain;
  return absl::OkStatus();
}

absl::Status PullFloor::Write(const Layer& layer, int dirfd, int number,
                              PullFloorCosts* costs) {
  const int64_t start = MonotonicNanos();
  const std::string name = absl::StrCat(number);
  RETURN_IF_ERROR(sys::MkdirAt(dirfd, name, 0700));
  ASSIGN_OR_RETURN(UniqueFd dir,
                   sys::OpenAt(dirfd, name, O_RDONLY | O_DIRECTORY));
  absl::string_view data = layer.data;
  for (size_t i = 0; i < layer.sizes.size(); ++i) {
    ASSIGN_OR_RETURN(UniqueFd file,
                     sys::OpenAt(dir.get(), absl::StrCat(i),
                                 O_WRONLY | O_CREAT | O_EXCL, 0600));
    RETURN_IF_ERROR(sys::WriteAll(file.get(), data.substr(0, layer.sizes[i])));
    data.remove_prefix(layer.sizes[i]);
  }
  costs->write += MonotonicNanos() - start;
  return absl::OkStatus();
}

absl::Status PullFloor::OnOneCore(int dirfd, PullFloorCosts* costs) const {
  const int64_t start = MonotonicNanos();
  for (size_t i = 0; i < layers_.size(); ++i) {
    RETURN_IF_ERROR(Inflate(layers_[i], costs));
    RETURN_IF_ERROR(Write(layers_[i], dirfd, i, costs));
  }
  costs->one_core = MonotonicNanos() - start;
  return absl::OkStatus();
}

absl::Status PullFloor::OnAllCores(int dirfd, PullFloorCosts* costs) const {
  std::vector<Task> tasks;
  for (const Layer& layer : layers_) {
    tasks.push_back({&layer, false, layer.plain_bytes});
    tasks.push_back({&layer, true, layer.plain_bytes});
  }
  std::stable_sort(
      tasks.begin(), tasks.end(),
      [](const Task& a, const Task& b) { return a.weight > b.weight; });
  std::atomic<size_t> next = 0;
  absl::Mutex mutex;
  absl::Status failure;
  const auto work = [&] {
    for (size_t i = next++; i < tasks.size(); i = next++) {
      PullFloorCosts ignored;
      absl::Status status = tasks[i].write
                                ? Write(*tasks[i].layer, dirfd, i, &ignored)
                                : Inflate(*tasks[i].layer, &ignored);
      absl::MutexLock lock(&mutex);
      failure.Update(status);
    }
  };
  const int64_t start = MonotonicNanos();
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(std::thread::hardware_concurrency(), 1u);
       ++i) {
    threads.emplace_back(work);
  }
  for (std::thread& thread : threads) thread.join();
  costs->all_cores = MonotonicNanos() - start;
  return failure;
}

absl::Status PullFloor::InScratch(
    absl::Status (PullFloor::*run)(int, PullFloorCosts*) const,
    PullFloorCosts* costs) const {
  std::string name = absl::StrCat(scratch_, "/gantry-bench-pull.XXXXXX");
  if (mkdtemp(name.data()) == nullptr) {
    return ErrnoStatus(errno, absl::StrCat("make a directory in ", scratch_));
  }
  ASSIGN_OR_RETURN(UniqueFd parent,
                   sys::OpenAt(AT_FDCWD, scratch_, O_RDONLY | O_DIRECTORY));
  absl::StatusOr<UniqueFd> dir =
      sys::OpenAt(AT_FDCWD, name, O_RDONLY | O_DIRECTORY);
  absl::Status status = dir.status();
  if (dir.ok()) status = (this->*run)(dir->get(), costs);
  const int64_t start = MonotonicNanos();
  if (syncfs(parent.get()) != 0) return ErrnoStatus(errno, "sync the scratch");
  costs->sync = MonotonicNanos() - start;
  const absl::Status removed =
      sys::RemoveTreeAt(parent.get(), name.substr(name.rfind('/') + 1));
  // So that nothing of it is left to be written during what comes next.
  if (syncfs(parent.get()) != 0) return ErrnoStatus(errno, "sync the scratch");
  RETURN_IF_ERROR(status);
  return removed;
}

absl::StatusOr<PullFloorCosts> PullFloor::Measure() {
  PullFloorCosts costs;
  RETURN_IF_ERROR(InScratch(&PullFloor::OnOneCore, &costs));
  RETURN_IF_ERROR(InScratch(&PullFloor::OnAllCores, &costs));
  return costs;
}

std::string PullFloor::Description() const {
  int64_t blob_bytes = 0;
  int64_t plain_bytes = 0;
  size_t files = 0;
  for (const Layer& layer : layers_) {
    blob_bytes += layer.blob.size();
    plain_bytes += layer.plain_bytes;
    files += layer.sizes.size();
  }
  return absl::StrFormat("%d layer%s, %.1f MB, inflated %.1f MB in %d files",
                         layers_.size(), layers_.size() == 1 ? "" : "s",
                         blob_bytes / 1e6, plain_bytes / 1e6, files);
}

}  // namespace gantry::bench
