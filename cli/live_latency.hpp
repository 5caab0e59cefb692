#pragma once
/// Quantiles of times in constant memory: counts in bins of 1/32 of a power of two.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace spikeloom::cli {

class LatencyHistogram {
 public:
  void add(std::int64_t ns) {
    ++counts_[bin_of(static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0)))];
    ++count_;
  }

  std::uint64_t count() const { return count_; }

  /// The upper edge, in microseconds, of the bin that holds the value which a share of all values
  /// does not exceed: at most 3.2 % above it. 0 without values.
  double quantile_us(double share) const {
    if (count_ == 0) return 0.0;
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(count_ - 1));
    std::uint64_t seen = 0;
    std::size_t bin = 0;
    while (bin + 1 < counts_.size() && seen + counts_[bin] <= rank) seen += counts_[bin++];
    return static_cast<double>(upper_edge(bin)) * 1e-3;
  }

 private:
  static constexpr unsigned kBits = 5;  ///< bins of an octave, as a power of two
  static constexpr std::uint64_t kFine = std::uint64_t{1} << kBits;

  /// Below 2^kBits every value has its bin; above, the leading kBits + 1 bits choose one.
  static std::size_t bin_of(std::uint64_t ns) {
    if (ns < kFine) return static_cast<std::size_t>(ns);
    const auto octave = static_cast<unsigned>(std::bit_width(ns)) - kBits - 1;
    return static_cast<std::size_t>((octave + 1) * kFine + ((ns >> octave) - kFine));
  }

  static std::uint64_t upper_edge(std::size_t bin) {
    if (bin < kFine) return bin;
    const std::size_t octave = bin / kFine - 1;
    return (((bin % kFine) + kFine + 1) << octave) - 1;
  }

  std::array<std::uint64_t, kFine*(65 - kBits)> counts_ = {};
  std::uint64_t count_ = 0;
};

}  // namespace spikeloom::cli
