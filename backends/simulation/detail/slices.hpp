#pragma once
/// Slices of a network: ranges of neurons whose inputs add up in one small array.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "snn/simulation/network.hpp"

namespace spikeloom::simulation {

/// Bits of a packed synapse that name its accumulator; the rest is the weight.
inline constexpr int kTargetBits = 17;
inline constexpr std::size_t kMostAccumulators = std::size_t{1} << kTargetBits;
/// Neurons of a part are padded to whole blocks.
inline constexpr std::size_t kBlock = 64;

/// The neurons of one population in a slice.
struct Part {
  std::uint32_t population = 0;
  std::int64_t first = 0, size = 0;  ///< within the population
  std::size_t padded = 0;            ///< size, a multiple of kBlock
  std::size_t accumulator = 0;       ///< of neuron `first`
  bool split = false;  ///< inhibitory input has accumulators of its own, `padded` further on
};

struct Slice {
  std::int64_t first = 0, last = 0;  ///< neurons of the network
  std::vector<Part> parts = {};
  std::size_t accumulators = 0;
};

/// Whether a population's excitatory and inhibitory input must be added up apart: where their time
/// constants differ.
bool splits_inputs(const Network& network, std::uint32_t population);

/// The neurons of a rank: a range of about the same work as that of the others.
std::pair<std::int64_t, std::int64_t> rank_range(const Network& network, int rank, int size);

/// At least `count` slices of about the same work that cover the neurons [first, last); more where
/// one would need over kMostAccumulators.
std::vector<Slice> make_slices(const Network& network, std::int64_t first, std::int64_t last,
                               std::size_t count);

}  // namespace spikeloom::simulation
