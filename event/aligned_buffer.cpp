#include "event/aligned_buffer.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace spikeloom::detail {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

#ifdef __linux__
constexpr bool kMapsLargeArrays = true;

/// Fresh pages are zero, and a huge page needs an aligned start: map more, give the ends back.
void* map_huge(std::size_t bytes) {
  const std::size_t mapped = bytes + kHugePage;
  void* const raw =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  auto* const start = static_cast<std::byte*>(raw);
  const std::size_t head =
      (kHugePage - reinterpret_cast<std::uintptr_t>(start) % kHugePage) % kHugePage;
  if (head != 0) ::munmap(start, head);
  ::munmap(start + head + bytes, mapped - head - bytes);
  ::madvise(start + head, bytes, MADV_HUGEPAGE);
  return start + head;
}

void unmap(void* memory, std::size_t bytes) { ::munmap(memory, bytes); }
#else
constexpr bool kMapsLargeArrays = false;
void* map_huge(std::size_t) { throw std::bad_alloc(); }
void unmap(void*, std::size_t) {}
#endif

std::size_t rounded(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

bool is_mapped(std::size_t bytes) { return kMapsLargeArrays && bytes >= kHugePage; }

}  // namespace

void* allocate_aligned(std::size_t count, std::size_t size) {
  if (count == 0) return nullptr;
  if (count > (SIZE_MAX / 4) / size) throw std::bad_alloc();
  const std::size_t bytes = count * size;
  if (is_mapped(bytes)) return map_huge(rounded(bytes, kHugePage));
  void* const memory = std::aligned_alloc(kLine, rounded(bytes, kLine));
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, rounded(bytes, kLine));
  return memory;
}

void release_aligned(void* memory, std::size_t bytes) noexcept {
  if (memory == nullptr) return;
  if (is_mapped(bytes)) return unmap(memory, rounded(bytes, kHugePage));
  std::free(memory);
}

}  // namespace spikeloom::detail
