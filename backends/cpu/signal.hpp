#pragma once
/// What flows between the stages of the cpu backend: event lists and touched dense arrays.
///
/// A signal is one of two forms, fixed at compile time. Events: ascending logical indices with a
/// value each (none when all are 1). Dense: one value per element in the node's physical order
/// (convolutions keep channels last), in blocks of 64 of which only the touched ones were written
/// since they were last cleared; the others hold 0.

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "event/aligned_buffer.hpp"

namespace spikeloom::cpu {

inline constexpr std::size_t kBlock = 64;

inline std::size_t block_count(std::size_t elements) { return (elements + kBlock - 1) / kBlock; }

/// A set of blocks, one bit each.
class BlockSet {
 public:
  BlockSet() = default;
  explicit BlockSet(std::size_t blocks) : words_((blocks + 63) / 64), blocks_(blocks) {}

  void insert(std::size_t block) { words_[block / 64] |= std::uint64_t{1} << (block % 64); }
  void erase(std::size_t block) { words_[block / 64] &= ~(std::uint64_t{1} << (block % 64)); }
  bool contains(std::size_t block) const { return words_[block / 64] >> (block % 64) & 1; }
  void clear() { std::fill(words_.begin(), words_.end(), 0); }
  void fill() {
    std::fill(words_.begin(), words_.end(), ~std::uint64_t{0});
    if (blocks_ % 64 != 0) words_.back() = (std::uint64_t{1} << (blocks_ % 64)) - 1;
  }
  /// Becomes the union of two sets of one size.
  void unite(const BlockSet& a, const BlockSet& b) {
    if (words_.size() != a.words_.size()) words_.resize(a.words_.size());
    blocks_ = a.blocks_;
    for (std::size_t w = 0; w < words_.size(); ++w) words_[w] = a.words_[w] | b.words_[w];
  }
  BlockSet& operator|=(const BlockSet& other) {
    for (std::size_t w = 0; w < words_.size(); ++w) words_[w] |= other.words_[w];
    return *this;
  }
  template <typename F>
  void for_each(F&& f) const {
    for_each_in(0, words_.size(), f);
  }
  /// Those of the words [first, last), 64 blocks each.
  template <typename F>
  void for_each_in(std::size_t first, std::size_t last, F&& f) const {
    for (std::size_t w = first; w < last; ++w) {
      for (std::uint64_t bits = words_[w]; bits != 0; bits &= bits - 1) {
        f(w * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
      }
    }
  }
  std::size_t size() const {
    std::size_t count = 0;
    for (const std::uint64_t word : words_) count += static_cast<std::size_t>(std::popcount(word));
    return count;
  }
  std::size_t blocks() const { return blocks_; }
  std::span<std::uint64_t> words() { return words_; }
  std::span<const std::uint64_t> words() const { return words_; }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t blocks_ = 0;
};

/// Events of one step. `value` is empty when every value is 1, and as long as `index` otherwise.
template <typename V>
struct Events {
  std::vector<std::uint32_t> index;
  std::vector<V> value;

  void clear() {
    index.clear();
    value.clear();
  }
  std::size_t size() const { return index.size(); }
  bool empty() const { return index.empty(); }
  V at(std::size_t i) const { return value.empty() ? V{1} : value[i]; }
  /// Drops the values if all of them are 1.
  void normalise() {
    for (const V v : value) {
      if (v != V{1}) return;
    }
    value.clear();
  }
};

/// One value per element, physical order; padded with zeros to whole blocks.
template <typename V>
struct DenseArray {
  AlignedBuffer<V> data;
  BlockSet touched;
  std::uint64_t nonzero = 0;  ///< of the complete values, as docs/counting.md counts them
  double sum = 0.0;

  void resize(std::size_t elements) {
    data = AlignedBuffer<V>(block_count(elements) * kBlock);
    touched = BlockSet(block_count(elements));
  }
  /// Back to all zeros, at the cost of what was touched.
  void clear() {
    if (!data.empty()) {
      touched.for_each(
          [&](std::size_t block) { std::fill_n(data.data() + block * kBlock, kBlock, V{0}); });
    }
    touched.clear();
    nonzero = 0;
    sum = 0.0;
  }
};

/// Physical order of a node's elements: as in the file, or channels last.
struct Order {
  /// physical position -> logical index; empty when they are the same.
  std::vector<std::uint32_t> to_logical;
  /// logical index -> physical position; empty when they are the same.
  std::vector<std::uint32_t> to_physical;
  bool same() const { return to_logical.empty(); }
  std::uint32_t logical(std::size_t position) const {
    return same() ? static_cast<std::uint32_t>(position) : to_logical[position];
  }
  std::size_t physical(std::size_t index) const { return same() ? index : to_physical[index]; }
  friend bool operator==(const Order& a, const Order& b) { return a.to_logical == b.to_logical; }
};

/// (channels, plane) stored as (plane, channels).
Order channels_last(std::size_t channels, std::size_t plane);

/// What completes a dense value on reading: value scale + bias, physical order; null where absent.
template <typename V>
struct Finish {
  const V* scale = nullptr;
  const V* bias = nullptr;
  bool empty() const { return scale == nullptr && bias == nullptr; }
  V operator()(std::size_t i, V value) const {
    if (scale != nullptr) value *= scale[i];
    if (bias != nullptr) value += bias[i];
    return value;
  }
};

/// A signal as a consumer sees it: exactly one of `events` and `dense` is set.
template <typename V>
struct View {
  const Events<V>* events = nullptr;
  const DenseArray<V>* dense = nullptr;
  Finish<V> finish = {};
  const Order* order = nullptr;
};

}  // namespace spikeloom::cpu
