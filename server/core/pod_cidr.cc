#include "server/core/pod_cidr.h"

#include "runtime/base/status.h"
#include "runtime/state/record_format.h"
#include "runtime/sys/atomic_write.h"
#include "runtime/sys/file.h"

namespace gantry::core {
namespace {

constexpr char kFile[] = "pod_cidr";
constexpr mode_t kMode = 0600;

absl::StatusOr<std::string> Read(int directory) {
  absl::StatusOr<std::string> file = sys::ReadFileAt(directory, kFile);
  if (absl::IsNotFound(file.status())) return std::string();
  RETURN_IF_ERROR(file);
  return state::DecodeRecord(*file);
}

}  // namespace

PodCidr::PodCidr(UniqueFd directory, absl::Status* problem)
    : directory_(std::move(directory)) {
  absl::StatusOr<std::string> value = Read(directory_.get());
  *problem = Annotate(value.status(), "read the pods' range");
  absl::MutexLock lock(&mutex_);
  if (value.ok()) value_ = *std::move(value);
}

std::string PodCidr::Get() const {
  absl::MutexLock lock(&mutex_);
  return value_;
}

absl::Status PodCidr::Set(const std::string& pod_cidr) {
  absl::MutexLock lock(&mutex_);
  if (value_ == pod_cidr) return absl::OkStatus();
  RETURN_IF_ERROR(sys::AtomicWriteAt(directory_.get(), kFile,
                                     state::EncodeRecord(pod_cidr), kMode,
                                     sys::Durability::kPowerCut))
      << "keep the pods' range";
  value_ = pod_cidr;
  return absl::OkStatus();
}

}  // namespace gantry::core
