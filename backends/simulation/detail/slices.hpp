#pragma once
/// Slices of a network: neurons whose inputs add up in one small array, a range of every
/// population, so that all slices have the same neurons and the same spikes to deliver.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "snn/simulation/connectivity.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom::simulation {

/// Bits of a packed synapse that name its accumulator within a segment of the slice; the rest is
/// the weight.
inline constexpr int kTargetBits = 17;
inline constexpr std::size_t kSegment = std::size_t{1} << kTargetBits;
/// Neurons of a part are padded to whole blocks.
inline constexpr std::size_t kBlock = 64;
/// Steps of refractory time that neurons with whole numbers count; longer ones are kept as reals.
inline constexpr double kMostRefractory = 65535.0;

/// The neurons of one population in a slice.
struct Part {
  std::uint32_t population = 0;
  std::int64_t first = 0, size = 0;  ///< within the population
  std::size_t padded = 0;            ///< size, a multiple of kBlock
  std::size_t accumulator = 0;       ///< of neuron `first`
  bool split = false;  ///< inhibitory input has accumulators of its own, `padded` further on
};

struct Slice {
  std::vector<Part> parts = {};
  std::size_t accumulators = 0;
  std::size_t segments() const { return (accumulators + kSegment - 1) / kSegment; }
};

/// Whether a population's excitatory and inhibitory input must be added up apart: where their time
/// constants differ.
bool splits_inputs(const Network& network, std::uint32_t population);

/// At least `count` slices of the neurons of rank `rank` of `ranks`. `small`: more where one would
/// have several segments, so that the sums of each stay in a cache; a spike has to look at every
/// slice, though.
std::vector<Slice> make_slices(const Network& network, int rank, int ranks, std::size_t count,
                               bool small);

/// The neurons of a slice.
NeuronRanges ranges_of(const Network& network, const Slice& slice);

}  // namespace spikeloom::simulation
