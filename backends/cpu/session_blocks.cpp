/// One step of a population, word by word of 64 blocks: what the links say, and the kernel's turn.

#include <algorithm>

#include "backends/cpu/neuron_blocks_private.hpp"
#include "backends/cpu/session.hpp"

namespace spikeloom::cpu {
namespace {

/// The blocks of a word for which a link has anything.
template <typename V>
std::uint64_t speaking(const NeuronSource<V>& source, std::size_t word) {
  return source.finish.empty() ? source.dense->touched.words()[word] : ~std::uint64_t{0};
}

}  // namespace

/// Advances `blocks` of a word, whose input and spikes are `run`'s, and takes in the results.
template <typename V>
void CpuSession<V>::advance_blocks(const NodePlan<V>& plan, BlockRun<V>& run,
                                   NeuronPart<V>& part) const {
  run.index = part.index.data();
  run.value = part.value.empty() ? nullptr : part.value.data();
  run.spikes = 0;
  plan.population->kernels.advance(plan.population->arrays, run);
  if (part.emits && run.spikes != 0) {
    const auto neurons = static_cast<std::uint32_t>(plan.population->neurons);
    std::size_t count = run.spikes;
    while (count > 0 && run.index[count - 1] >= neurons) --count;
    std::vector<std::uint32_t>& index = part.spikes.index;
    const std::size_t before = index.size();
    index.resize(before + count);
    for (std::size_t i = 0; i < count; ++i) index[before + i] = plan.order.logical(run.index[i]);
    if (run.value != nullptr) {
      part.spikes.value.insert(part.spikes.value.end(), run.value, run.value + count);
    }
  }
  if (run.counted) {
    part.nonzero += run.tally.nonzero;
    part.sum += run.tally.sum;
  }
}

/// One block that several links speak to, or one that is not complete as it lies.
template <typename V>
void CpuSession<V>::run_mixed_block(const NodePlan<V>& plan, NodeState<V>& state, std::size_t block,
                                    NeuronPart<V>& part) const {
  const NeuronKernels<V>& kernels = plan.population->kernels;
  const std::size_t word = block / 64;
  const std::uint64_t bit = std::uint64_t{1} << (block % 64);
  const std::size_t first = block * kBlock;
  alignas(64) V x[kBlock];
  alignas(64) V term[kBlock];
  std::size_t heard = 0, last = 0;
  for (std::size_t l = 0; l < state.sources.size(); ++l) {
    if ((speaking(state.sources[l], word) & bit) == 0) continue;
    ++heard;
    last = l;
  }
  bool fresh = true;
  for (std::size_t l = 0; l < state.sources.size(); ++l) {
    const NeuronSource<V>& source = state.sources[l];
    if ((speaking(source, word) & bit) == 0) continue;
    const V* values = part.input[l] + first % (64 * kBlock);
    const V* scale = source.finish.scale == nullptr ? nullptr : source.finish.scale + first;
    const V* bias = source.finish.bias == nullptr ? nullptr : source.finish.bias + first;
    if (source.owned != nullptr && heard > 1) {
      kernels.add(values, scale, bias, true, term);
      part.source_nonzero[l] += kernels.tally(term).nonzero;
    }
    kernels.add(values, scale, bias, fresh, x);
    fresh = false;
  }
  BlockRun<V> run;
  run.first = first;
  run.blocks = 1;
  run.input = x;
  run.counted = part.counts;
  run.state = block_at(state, block);
  advance_blocks(plan, run, part);
  if (heard == 1 && state.sources[last].owned != nullptr) {
    part.source_nonzero[last] += run.tally.nonzero;
  }
  for (std::size_t l = 0; l < state.sources.size(); ++l) {
    if (part.owned[l] != nullptr && state.sources[l].dense->touched.contains(block)) {
      kernels.clear(part.owned[l] + first % (64 * kBlock));
    }
  }
}

/// One step of the running blocks of a word. Blocks that one link alone speaks to, and silent ones,
/// go through the kernel in one call; a link whose block nobody touched, and that has nothing to
/// add to silence, is left out.
template <typename V>
void CpuSession<V>::run_word(const NodePlan<V>& plan, NodeState<V>& state, std::int64_t step,
                             std::size_t word, NeuronPart<V>& part) const {
  const Population<V>& population = *plan.population;
  const std::uint64_t running = state.running.words()[word];
  if (!population.still) {
    const std::size_t blocks = std::min<std::size_t>(64, state.running.blocks() - word * 64);
    const bool whole = std::popcount(running) == static_cast<int>(blocks);
    if (!whole || state.word_step[word] != step) {
      for (std::uint64_t bits = running; bits != 0; bits &= bits - 1) {
        const std::size_t block = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
        catch_up(population, state, block, step);
        state.next_step[block] = step + 1;
      }
    }
    if (whole) state.word_step[word] = step + 1;
  }
  std::uint64_t heard = 0, mixed = 0;
  for (const NeuronSource<V>& source : state.sources) {
    const std::uint64_t speaks = speaking(source, word) & running;
    mixed |= source.finish.empty() ? heard & speaks : speaks;
    heard |= speaks;
  }
  BlockRun<V> run;
  run.first = word * 64 * kBlock;
  run.state = block_at(state, word * 64);
  run.blocks = running & ~heard;
  if (run.blocks != 0) advance_blocks(plan, run, part);
  run.counted = part.counts;
  for (std::size_t l = 0; l < state.sources.size(); ++l) {
    const NeuronSource<V>& source = state.sources[l];
    run.blocks = speaking(source, word) & running & ~mixed;
    if (run.blocks == 0) continue;
    run.input = part.input[l];
    run.owned = part.owned[l];
    advance_blocks(plan, run, part);
    if (source.owned != nullptr) part.source_nonzero[l] += run.tally.nonzero;
  }
  for (std::uint64_t bits = mixed; bits != 0; bits &= bits - 1) {
    run_mixed_block(plan, state, word * 64 + static_cast<std::size_t>(std::countr_zero(bits)),
                    part);
  }
  if (!population.may_wake) return;
  for (std::uint64_t bits = running & ~population.always.words()[word]; bits != 0;
       bits &= bits - 1) {
    const std::size_t block = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
    if (population.kernels.awake(population.arrays, block * kBlock, block_at(state, block))) {
      state.awake.insert(block);
    } else {
      state.awake.erase(block);
    }
  }
}

/// The running words of [first, last), range by range: the values of ranged links are made just
/// before they are used, and are gone before the next range.
template <typename V>
void CpuSession<V>::run_words(const NodePlan<V>& plan, NodeState<V>& state, std::int64_t step,
                              std::size_t first, std::size_t last, NeuronPart<V>& part) const {
  constexpr std::size_t kWord = 64 * kBlock;
  const std::span<const std::uint64_t> running = state.running.words();
  const std::size_t range = std::max<std::size_t>(plan.population->range_words, 1);
  for (std::size_t from = first; from < last; from += range) {
    const std::size_t to = std::min(from + range, last);
    for (std::size_t l = 0; l < state.sources.size(); ++l) {
      const NeuronSource<V>& source = state.sources[l];
      if (source.ranged == nullptr) continue;
      const auto touched = source.dense->touched.words().subspan(from, to - from);
      if (std::all_of(touched.begin(), touched.end(), [](auto word) { return word == 0; }))
        continue;
      source.ranged->add_range(
          *source.announced.events, source.announced.way, static_cast<std::uint32_t>(from * kWord),
          static_cast<std::uint32_t>(to * kWord), part.cursors[l], part.sums[l].data());
    }
    for (std::size_t word = from; word < to; ++word) {
      if (running[word] == 0) continue;
      for (std::size_t l = 0; l < state.sources.size(); ++l) {
        const NeuronSource<V>& source = state.sources[l];
        V* const own = source.ranged != nullptr  ? part.sums[l].data() + (word - from) * kWord
                       : source.owned != nullptr ? source.owned->data.data() + word * kWord
                                                 : nullptr;
        part.owned[l] = own;
        part.input[l] = own != nullptr ? own : source.dense->data.data() + word * kWord;
      }
      run_word(plan, state, step, word, part);
    }
  }
}

template <typename V>
void CpuSession<V>::start_part(const NodePlan<V>& plan, NodeState<V>& state, bool emits,
                               NeuronPart<V>& part) const {
  const Population<V>& population = *plan.population;
  const equations::StepOptions& options = population.arrays.options;
  const std::size_t links = state.sources.size();
  part.spikes.clear();
  part.nonzero = 0;
  part.sum = 0.0;
  part.emits = emits;
  part.counts = links != 1 || state.sources[0].owned != nullptr;
  part.source_nonzero.assign(links, 0);
  part.input.resize(links);
  part.owned.resize(links);
  part.sums.resize(links);
  part.cursors.resize(links);
  for (std::size_t l = 0; l < links; ++l) {
    part.cursors[l].next = 0;
    if (state.sources[l].ranged == nullptr || !part.sums[l].empty()) continue;
    part.sums[l] = AlignedBuffer<V>(population.range_words * 64 * kBlock);
  }
  const bool valued =
      options.rule == SpikeRule::kMultiple || options.substep || options.sigma_delta;
  part.index.resize(64 * kBlock);
  part.value.resize(valued ? 64 * kBlock : 0);
}

#define SPIKELOOM_INSTANTIATE(V)                                                                   \
  template void CpuSession<V>::run_words(const NodePlan<V>&, NodeState<V>&, std::int64_t,          \
                                         std::size_t, std::size_t, NeuronPart<V>&) const;          \
  template void CpuSession<V>::start_part(const NodePlan<V>&, NodeState<V>&, bool, NeuronPart<V>&) \
      const;
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cpu
