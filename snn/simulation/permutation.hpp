#pragma once
/// A random order of 0 .. n - 1 of which any place can be had without the others.

#include <algorithm>
#include <bit>
#include <cstdint>

#include "base/random.hpp"

namespace spikeloom::simulation {

/// An alternating Feistel network over the smallest power of two that holds n, walked on until it
/// lands below n (Black and Rogaway, CT-RSA 2002): a bijection. Six rounds; each mixes its half
/// with a key of the stream (multiplications and shifts of MurmurHash3's finaliser). Not for
/// secrets.
class Permutation {
 public:
  /// n <= 2^62. Uses words 2^62 and after of the stream.
  Permutation(const RandomStream& stream, std::uint64_t n) : n_(n) {
    const int bits = n < 2 ? 2 : std::max(2, static_cast<int>(std::bit_width(n - 1)));
    low_bits_ = bits / 2;
    high_bits_ = bits - low_bits_;
    for (int round = 0; round < kRounds; ++round) {
      const auto w = stream.words((std::uint64_t{1} << 62) + static_cast<std::uint64_t>(round));
      key_[round] = std::uint64_t{w[0]} << 32 | w[1];
    }
  }

  /// The number at place i < n.
  std::uint64_t operator()(std::uint64_t i) const {
    do {
      i = once(i);
    } while (i >= n_);
    return i;
  }

 private:
  static constexpr int kRounds = 6;

  static std::uint64_t mixed(std::uint64_t x, std::uint64_t key) {
    x = (x ^ key) * 0xff51afd7ed558ccdULL;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
  }
  std::uint64_t once(std::uint64_t x) const {
    const std::uint64_t low_mask = (std::uint64_t{1} << low_bits_) - 1;
    const std::uint64_t high_mask = (std::uint64_t{1} << high_bits_) - 1;
    std::uint64_t low = x & low_mask, high = x >> low_bits_;
    for (int round = 0; round < kRounds; round += 2) {
      high ^= mixed(low, key_[round]) & high_mask;
      low ^= mixed(high, key_[round + 1]) & low_mask;
    }
    return high << low_bits_ | low;
  }

  std::uint64_t n_;
  int low_bits_ = 1, high_bits_ = 1;
  std::uint64_t key_[kRounds] = {};
};

}  // namespace spikeloom::simulation
