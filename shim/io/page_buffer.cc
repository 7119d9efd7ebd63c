#include "shim/io/page_buffer.h"

#include <sys/mman.h>

namespace gantry::shim {

PageBuffer::~PageBuffer() {
  if (data_ != nullptr) munmap(data_, capacity_);
}

bool PageBuffer::Acquire() {
  if (data_ != nullptr) return true;
  void* memory = mmap(nullptr, capacity_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  data_ = static_cast<char*>(memory);
  return true;
}

void PageBuffer::Release() {
  if (data_ == nullptr || !empty()) return;
  munmap(data_, capacity_);
  data_ = nullptr;
}

}  // namespace gantry::shim
