// Zeroed memory straight from the kernel, 64-byte (in fact page) aligned, for the big arrays of an
// index. Pages that are never touched cost nothing. `huge` asks for huge pages (2 MiB, and aligned
// so): a scan or a random read then misses the TLB far less (+10-30 % from DRAM), but one touched
// byte costs 2 MiB.
#ifndef NESTOR_INDEX_BASE_PAGES_H_
#define NESTOR_INDEX_BASE_PAGES_H_

#include <cstddef>
#include <utility>

namespace nestor {

class PageBuffer {
 public:
  PageBuffer() = default;
  // Throws std::bad_alloc when the kernel refuses, as operator new does.
  PageBuffer(size_t bytes, bool huge);
  ~PageBuffer();
  PageBuffer(PageBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  PageBuffer& operator=(PageBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

// Gives the whole pages within [data, data + bytes), of a PageBuffer, back to the kernel: they are
// zero when they are touched again.
void ReleasePages(std::byte* data, size_t bytes);

}  // namespace nestor

#endif  // NESTOR_INDEX_BASE_PAGES_H_
