#pragma once
/// Arrays for kernels: zeroed, aligned to 64 bytes (a cache line, a vector of AVX-512).
///
/// From 2 MiB on the memory starts at a multiple of 2 MiB and asks the kernel for huge pages
/// (madvise, Linux); rows read at random then miss the translation cache far less often.

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

namespace spikeloom {

namespace detail {
/// `count` * `size` zeroed bytes, or std::bad_alloc; null for none.
void* allocate_aligned(std::size_t count, std::size_t size);
void release_aligned(void* memory, std::size_t bytes) noexcept;
}  // namespace detail

/// A fixed number of elements of a plain type. The constructor throws std::bad_alloc, as a
/// std::vector would; callers with a Result in their interface catch it.
template <typename T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 64);

 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size)
      : data_(static_cast<T*>(detail::allocate_aligned(size, sizeof(T)))), size_(size) {}
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer() { detail::release_aligned(data_, size_ * sizeof(T)); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t bytes() const { return size_ * sizeof(T); }

  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace spikeloom
