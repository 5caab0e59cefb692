#pragma once
/// What a machine has given out and not got back.

#include <cstddef>
#include <cstdint>
#include <map>

namespace spikeloom::cuda {

class HeldMemory {
 public:
  void add(void* memory, std::size_t bytes) {
    sizes_[memory] = bytes;
    bytes_ += bytes;
  }
  void remove(void* memory) noexcept {
    const auto found = sizes_.find(memory);
    if (found == sizes_.end()) return;
    bytes_ -= found->second;
    sizes_.erase(found);
  }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::map<void*, std::size_t> sizes_;
  std::uint64_t bytes_ = 0;
};

}  // namespace spikeloom::cuda
