#pragma once
/// Keys of slices, so that few table entries tell them apart.
///
/// A population owns an aligned block of 2^k keys; within it, each run of its slices that live on
/// one chip owns an aligned block, and each slice of a run one of them:
///
///     | population | run | slice of the run | neuron |
///
/// so one entry with a mask stands for a run, or for a population. Where that needs more bits than
/// a key has, slices are numbered one after the other.

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "mapping/placement.hpp"
#include "mapping/slices.hpp"

namespace spikeloom::mapping {

struct SliceKey {
  std::uint32_t key = 0, mask = 0;
  friend bool operator==(const SliceKey&, const SliceKey&) = default;
};

/// kResource: more keys than `key_bits` have; says how many.
Result<std::vector<SliceKey>> allocate_keys(const Slicing& slicing, std::span<const Place> places,
                                            int key_bits);

/// The fewest blocks that match all keys of `wanted` and no other of `all`; `all` holds the
/// disjoint keys of every slice, ascending, those of `wanted` too.
std::vector<SliceKey> cover_keys(std::vector<SliceKey> wanted, std::span<const SliceKey> all);

}  // namespace spikeloom::mapping
