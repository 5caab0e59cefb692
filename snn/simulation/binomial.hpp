#pragma once
/// Binomial numbers, and how many of n fall to each of several parts, from counter-based draws.

#include <cstdint>

#include "base/random.hpp"

namespace spikeloom::simulation {

/// How many of `n` tries succeed with probability `p`: inversion where fewer than 10 successes or
/// failures are expected, else transformed rejection (BTRS; W. Hoermann, J. Stat. Comput. Simul.
/// 46:101, 1993). Uses words [2^24 index, 2^24 (index + 1)) of the stream; index < 2^40.
std::int64_t binomial(const RandomStream& stream, std::uint64_t index, std::int64_t n, double p);

/// Calls f(part, count) for the parts of [first, last) that get at least one when each of `n` items
/// falls to one of `parts` parts, of width 1 but for the last one, `last_width` in (0, 1].
///
/// The range is halved again and again, and a binomial number says how many fall to the left half:
/// the counts of a few parts need no other's, and every caller finds the same. Half i of the
/// binary tree (root 1) draws with index i; parts <= 2^32.
template <typename F>
void split(const RandomStream& stream, std::int64_t n, std::uint64_t parts, double last_width,
           std::uint64_t first, std::uint64_t last, F&& f) {
  struct Range {
    std::uint64_t low, high, node;
    std::int64_t items;
  };
  const auto width = [&](std::uint64_t low, std::uint64_t high) {
    return static_cast<double>(high - low) - (high == parts ? 1.0 - last_width : 0.0);
  };
  Range open[80];  // as deep as the tree, one waiting half a level
  int depth = 0;
  open[depth++] = {0, parts, 1, n};
  while (depth > 0) {
    const Range r = open[--depth];
    if (r.items == 0 || r.low >= last || r.high <= first || r.low >= r.high) continue;
    if (r.high - r.low == 1) {
      f(r.low, r.items);
      continue;
    }
    const std::uint64_t middle = r.low + (r.high - r.low) / 2;
    const double share = width(r.low, middle) / width(r.low, r.high);
    const std::int64_t left = binomial(stream, r.node, r.items, share);
    open[depth++] = {middle, r.high, 2 * r.node + 1, r.items - left};
    open[depth++] = {r.low, middle, 2 * r.node, left};
  }
}

}  // namespace spikeloom::simulation
