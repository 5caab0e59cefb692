#pragma once
/// Sparse weights as bits (kernels/bit_rows.hpp), where they are dense enough and simple enough.

#include <cstdint>
#include <optional>
#include <vector>

#include "backends/backend.hpp"
#include "snn/integer.hpp"
#include "snn/program.hpp"

namespace spikeloom::cuda {

struct BitWeights {
  std::vector<std::uint32_t> bits;     ///< sources x words
  std::vector<std::uint8_t> class_of;  ///< of each source; kNoClass without targets
  std::vector<std::int32_t> weight;    ///< of each class
  std::vector<std::uint32_t> fan_out;  ///< of each source
  std::uint32_t words = 0;
};

/// Nothing where a source has several weights or reaches a target twice, where there are more than
/// 8 weights or 2^25 - 32 sources, or where rows are asked for. `kAuto`: where bits take no more
/// memory than rows, so from one pair of source and target in 32 on. `kBitmask`: nor where they
/// take more than 8 words a synapse, and 4 MiB. `first` as Share has it.
std::optional<BitWeights> bit_weights(const op::Sparse& sparse, std::int64_t first,
                                      const IntegerNode& integer, Schedule schedule);
std::optional<BitWeights> bit_weights(const op::RandomSparse& rule, std::int64_t first,
                                      const IntegerNode& integer, Schedule schedule);

}  // namespace spikeloom::cuda
