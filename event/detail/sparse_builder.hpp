#pragma once
/// Builds SparseRows from two passes of a generator.

#include <array>
#include <bit>
#include <cmath>
#include <type_traits>

#include "event/sparse_rows.hpp"

namespace spikeloom::detail {

/// Distinct float weights and their numbers, up to 65,536 of them.
class WeightNumbers {
 public:
  static constexpr std::size_t kMost = 65536;

  WeightNumbers() : slots_(kSlots, Slot{}) {}

  /// The number of `weight`, given at its first appearance; nothing to rely on once full().
  std::uint32_t number(float weight) {
    const auto bits = std::bit_cast<std::uint32_t>(weight);
    if (bits == last_bits_ && !weights_.empty()) return last_;
    std::size_t at = (bits * 0x9E3779B1U) >> (32 - kSlotBits);
    while (slots_[at].used && slots_[at].bits != bits) at = (at + 1) % kSlots;
    if (!slots_[at].used) {
      if (weights_.size() == kMost) {
        full_ = true;
        return 0;
      }
      slots_[at] = {bits, static_cast<std::uint32_t>(weights_.size()), true};
      weights_.push_back(weight);
    }
    last_bits_ = bits;
    return last_ = slots_[at].number;
  }
  bool full() const { return full_; }
  const std::vector<float>& weights() const { return weights_; }

 private:
  static constexpr unsigned kSlotBits = 18;
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
  struct Slot {
    std::uint32_t bits = 0, number = 0;
    bool used = false;
  };
  std::vector<Slot> slots_;
  std::vector<float> weights_;
  std::uint32_t last_bits_ = 0, last_ = 0;
  bool full_ = false;
};

template <typename A>
class SparseBuilder {
 public:
  static constexpr std::uint32_t kBlock = 65536;

  Result<SparseRows<A>> build(const SparseSize& size,
                              const typename SparseRows<A>::Generator& generator);
  void synapse(std::uint32_t source, std::uint32_t target, A weight, std::uint32_t slot);

 private:
  enum class Fault { kNone, kRange, kWeight, kPasses };
  /// Of row_weight_ before the first synapse; no weight has this value.
  static constexpr A kNoWeight =
      std::is_same_v<A, float> ? std::numeric_limits<A>::infinity() : std::numeric_limits<A>::min();

  void count(std::size_t row, std::size_t part, A weight);
  void fill(std::size_t part, std::uint16_t target, A weight);
  void allocate();
  void sort_rows();
  Error error() const;

  SparseRows<A> rows_;
  std::size_t blocks_ = 0;
  std::vector<std::uint32_t> left_;  ///< by part (row and block): counted, then still to come
  WeightNumbers numbers_;
  bool counting_ = true, uniform_ = true;
  std::array<bool, 256> seen_ = {};  ///< integers within 8 bits, by their byte
  bool small_ = true;                ///< there are no others
  Fault fault_ = Fault::kNone;
  std::array<std::int64_t, 3> faulty_ = {};
};

}  // namespace spikeloom::detail
