#pragma once
/// The synapses of sparse weights, one by one.

#include "snn/integer.hpp"
#include "snn/program.hpp"
#include "snn/random_connectivity.hpp"

namespace spikeloom::cuda {

/// Calls `f(target, source, weight)` for every synapse, targets ascending; of a rule, those of the
/// outputs from `first` on.
template <typename V, typename F>
void each_synapse(const op::Sparse& sparse, std::int64_t, const IntegerNode* integer, F f) {
  for (std::int64_t target = 0; target < sparse.outputs; ++target) {
    const auto row = static_cast<std::size_t>(target);
    for (std::int64_t k = sparse.row_start[row]; k < sparse.row_start[row + 1]; ++k) {
      const auto at = static_cast<std::size_t>(k);
      const V weight = integer != nullptr ? static_cast<V>(integer->weight[at])
                                          : static_cast<V>(sparse.value[at]);
      f(target, static_cast<std::uint32_t>(sparse.column[at]), weight);
    }
  }
}
template <typename V, typename F>
void each_synapse(const op::RandomSparse& rule, std::int64_t first, const IntegerNode* integer,
                  F f) {
  for_each_synapse(rule, first, first + rule.outputs,
                   [&](std::int64_t target, std::uint32_t source, std::size_t group) {
                     const V weight = integer != nullptr
                                          ? static_cast<V>(integer->weight[group])
                                          : static_cast<V>(rule.groups[group].weight);
                     f(target - first, source, weight);
                   });
}

}  // namespace spikeloom::cuda
