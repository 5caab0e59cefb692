#pragma once
/// One block of 64 neurons of a session.

#include <algorithm>

#include "backends/cpu/session.hpp"

namespace spikeloom::cpu {

template <typename V>
NeuronBlock<V> block_at(NodeState<V>& state, std::size_t block) {
  const std::size_t first = block * kBlock;
  const auto part = [first](auto& buffer) {
    return buffer.empty() ? nullptr : buffer.data() + first;
  };
  return {part(state.current), part(state.membrane), part(state.late), part(state.countdown),
          part(state.before)};
}

/// Lets the block sleep through the steps before `step` that it has not done.
template <typename V>
void catch_up(const Population<V>& population, NodeState<V>& state, std::size_t block,
              std::int64_t step) {
  const std::int64_t next = std::max(state.next_step[block], state.word_step[block / 64]);
  const std::int64_t behind = step - next;
  state.next_step[block] = step;
  if (behind > 0 && !population.still) {
    population.kernels.sleep(population.arrays, block * kBlock, block_at(state, block), behind);
  }
}

}  // namespace spikeloom::cpu
