#pragma once
/// The neurons of a session, whole and in blocks of 64.

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

/// The state before the first step, at `step`.
template <typename V>
void restart(const Population<V>& population, NodeState<V>& state, std::int64_t step) {
  std::fill(state.membrane.begin(), state.membrane.end(), V{0});
  std::copy(population.initial.begin(), population.initial.end(), state.membrane.data());
  std::fill(state.current.begin(), state.current.end(), V{0});
  std::fill(state.countdown.begin(), state.countdown.end(), 0);
  std::fill(state.next_step.begin(), state.next_step.end(), step);
  if (population.starts_awake) state.awake.fill();
}

}  // namespace spikeloom::cpu
