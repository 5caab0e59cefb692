#pragma once
/// Finds tensors that were seen before, so that equal ones are kept once.

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/tensor.hpp"

namespace spikeloom::detail {

/// Tensors, each with the place where it was first seen.
class TensorPool {
 public:
  /// The equal entry that was there before, or nullptr after adding this one. Small tensors are
  /// not worth sharing and are never found.
  const std::pair<Tensor, std::string>* find_or_add(const Tensor& tensor,
                                                    const std::string& place) {
    constexpr std::size_t kLeastBytes = 64;
    const auto bytes = tensor.bytes();
    if (bytes.size() < kLeastBytes) return nullptr;
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::size_t key = std::hash<std::string_view>{}(text);
    const auto [begin, end] = entries_.equal_range(key);
    for (auto at = begin; at != end; ++at) {
      if (at->second.first == tensor) return &at->second;
    }
    entries_.emplace(key, std::make_pair(tensor, place));
    return nullptr;
  }

 private:
  std::unordered_multimap<std::size_t, std::pair<Tensor, std::string>> entries_;
};

}  // namespace spikeloom::detail
