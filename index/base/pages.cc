#include "index/base/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

namespace nestor {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

PageBuffer::PageBuffer(size_t bytes, bool huge) {
  if (bytes == 0) return;
  huge = huge && bytes >= kHugePage;
  // Mapped with a huge page too many, then cut to an aligned piece.
  const size_t mapped = huge ? bytes + kHugePage : bytes;
  void* p = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(p);
  bytes_ = bytes;
  if (huge) {
    const size_t misaligned = reinterpret_cast<uintptr_t>(p) % kHugePage;
    const size_t head = misaligned == 0 ? 0 : kHugePage - misaligned;
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = (bytes + page - 1) / page * page;
    if (head != 0) munmap(p, head);
    if (mapped > head + bytes_) munmap(data_ + head + bytes_, mapped - head - bytes_);
    data_ += head;
    madvise(data_, bytes_, MADV_HUGEPAGE);
  }
}

PageBuffer::~PageBuffer() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

void ReleasePages(std::byte* data, size_t bytes) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace nestor
