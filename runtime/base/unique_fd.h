// The one owner of a file descriptor in this project.
//
// Ownership: closes its descriptor exactly once, also when assigned over.
// Thread safety: as a plain value. Never blocks but for what close(2) does.

#ifndef GANTRY_RUNTIME_BASE_UNIQUE_FD_H_
#define GANTRY_RUNTIME_BASE_UNIQUE_FD_H_

#include <utility>

namespace gantry {

class UniqueFd {
 public:
  UniqueFd() = default;
  // Takes ownership of `fd`; negative means none.
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    Reset(other.Release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  explicit operator bool() const { return valid(); }

  // Gives the descriptor away; the caller closes it.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }

  // Closes what it holds (errno is preserved) and takes `fd`.
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

}  // namespace gantry

#endif  // GANTRY_RUNTIME_BASE_UNIQUE_FD_H_
