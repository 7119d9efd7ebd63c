// A fixed piece of memory that exists only while it is needed.
//
// Mapped at the first use and unmapped by Release, so that an idle shim does
// not pay for it and a small use touches few pages. Bytes are appended at the
// back and consumed from the front. Thread safety: none. Never blocks.

#ifndef GANTRY_SHIM_IO_PAGE_BUFFER_H_
#define GANTRY_SHIM_IO_PAGE_BUFFER_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace gantry::shim {

class PageBuffer {
 public:
  explicit PageBuffer(size_t capacity) : capacity_(capacity) {}
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;
  ~PageBuffer();

  // Maps the memory if it isn't; false if there is none to be had.
  bool Acquire();
  // Unmaps the memory. Only when empty.
  void Release();
  bool acquired() const { return data_ != nullptr; }

  bool empty() const { return begin_ == end_; }
  // What waits, oldest first.
  absl::string_view pending() const {
    return absl::string_view(data_ + begin_, end_ - begin_);
  }
  // Everything since the buffer was last empty: what was consumed, then
  // pending().
  absl::string_view history() const { return absl::string_view(data_, end_); }

  // Room at the back.
  char* tail() { return data_ + end_; }
  size_t room() const { return data_ == nullptr ? 0 : capacity_ - end_; }
  // `size` bytes were written at tail().
  void Append(size_t size) { end_ += size; }

  // `size` bytes of pending() are done with.
  void Consume(size_t size) {
    begin_ += size;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Takes the last `size` consumed bytes back.
  void Unconsume(size_t size) { begin_ -= size; }

 private:
  const size_t capacity_;
  char* data_ = nullptr;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_IO_PAGE_BUFFER_H_
