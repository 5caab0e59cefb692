#include "backends/cuda/bit_weights.hpp"

#include <algorithm>

#include "backends/cuda/kernels/bit_rows.hpp"
#include "backends/cuda/synapses.hpp"

namespace spikeloom::cuda {
namespace {

constexpr std::size_t kMostClasses = 8;  ///< each goes through all active sources
/// Bits that were asked for take so many words a synapse at most, but in small layers.
constexpr std::uint64_t kMostWords = 8, kSmall = std::uint64_t{1} << 20;

std::uint64_t synapses_of(const op::Sparse& sparse) { return sparse.value.size(); }
std::uint64_t synapses_of(const op::RandomSparse& rule) {
  return static_cast<std::uint64_t>(synapse_count(rule));
}

template <typename Op>
std::optional<BitWeights> make(const Op& operation, std::int64_t first, const IntegerNode& integer,
                               Schedule schedule) {
  const auto sources = static_cast<std::size_t>(operation.inputs);
  const std::size_t words = (static_cast<std::size_t>(operation.outputs) + 31) / 32;
  const bool dense_enough = sources * words <= synapses_of(operation);
  if (schedule == Schedule::kRows || words == 0) return std::nullopt;
  if (sources > BitRowsKernel::kMostSources) return std::nullopt;
  if (schedule != Schedule::kBitmask && !dense_enough) return std::nullopt;
  if (sources * words > std::max(kMostWords * synapses_of(operation), kSmall)) return std::nullopt;
  BitWeights made;
  made.words = static_cast<std::uint32_t>(words);
  made.bits.assign(sources * words, 0);
  made.class_of.assign(sources, kNoClass);
  made.fan_out.assign(sources, 0);
  bool fits = true;
  each_synapse<std::int32_t>(
      operation, first, &integer,
      [&](std::int64_t target, std::uint32_t source, std::int32_t weight) {
        if (!fits) return;
        std::uint32_t& word = made.bits[source * words + static_cast<std::size_t>(target) / 32];
        const std::uint32_t bit = 1U << target % 32;
        const auto found = std::find(made.weight.begin(), made.weight.end(), weight);
        const auto own = static_cast<std::uint8_t>(found - made.weight.begin());
        if (found == made.weight.end()) made.weight.push_back(weight);
        if (made.class_of[source] == kNoClass) made.class_of[source] = own;
        fits =
            (word & bit) == 0 && made.class_of[source] == own && made.weight.size() <= kMostClasses;
        word |= bit;
        ++made.fan_out[source];
      });
  if (!fits) return std::nullopt;
  return made;
}

}  // namespace

std::optional<BitWeights> bit_weights(const op::Sparse& sparse, std::int64_t first,
                                      const IntegerNode& integer, Schedule schedule) {
  return make(sparse, first, integer, schedule);
}

std::optional<BitWeights> bit_weights(const op::RandomSparse& rule, std::int64_t first,
                                      const IntegerNode& integer, Schedule schedule) {
  return make(rule, first, integer, schedule);
}

}  // namespace spikeloom::cuda
