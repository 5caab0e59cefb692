#pragma once
/// The stored synapses of a slice: a row for each source, sorted by delay, 4 bytes a synapse.
///
///     synapse     accumulator in the low kTargetBits bits, weight in units above (signed)
///     counts      of each source: synapses of each delay from the shortest to the longest one of
///                 its population, and of these onto each segment of the slice, 2 bytes each (4
///                 where a row has over 65,535 synapses)
///     start       of each source, 4 bytes, from the start of its group of kGroup sources
///
/// Synapses of one source and delay lie together, those of the next delay behind them: what is due
/// in a step follows what was due in the step before, where the processor's own prefetching has
/// been.

#include <cstdint>
#include <span>
#include <vector>

#include "backends/simulation/detail/slices.hpp"
#include "base/result.hpp"
#include "event/aligned_buffer.hpp"
#include "snn/simulation/connectivity.hpp"

namespace spikeloom::simulation {

/// Weights and delays of a projection as whole numbers.
struct WholeValues {
  WholeDraw weight = {}, delay = {};
  const ExplicitList* list = nullptr;
  double unit = 1.0, dt = 1.0;

  std::int32_t weight_of(const Synapse& synapse) const;
  std::int32_t delay_of(const Synapse& synapse) const;
};
std::vector<WholeValues> whole_values(const Network& network);

/// Delays, in steps, of the synapses that the neurons of a population may have.
struct DelayRange {
  std::int32_t first = 1, count = 0;  ///< count 0: no synapses
};
std::vector<DelayRange> delay_ranges(const Network& network);

/// The accumulator of a synapse, which depends on the sign of its weight.
class AccumulatorOf {
 public:
  AccumulatorOf(const Network& network, const Slice& slice);
  std::uint32_t operator()(std::uint32_t target_population, std::uint32_t neuron,
                           std::int32_t weight) const {
    const Place& place = places_[target_population];
    return neuron - place.shift + (weight < 0 ? place.inhibitory : 0);
  }

 private:
  struct Place {
    std::uint32_t shift = 0, inhibitory = 0;
  };
  std::vector<Place> places_;
};

class Rows {
 public:
  /// Makes the rows on `threads` threads. kResource: no memory.
  static Result<Rows> make(const Network& network, const Slice& slice,
                           const Connectivity& connectivity, std::size_t threads);

  /// Bytes of a slice, from the expected number of synapses; the second number: those that only
  /// make() needs, Connectivity apart.
  static std::pair<double, double> expected_bytes(const Network& network, const Slice& slice,
                                                  std::size_t threads);

  /// Where a source's synapses begin, and how many there are of each delay.
  struct Row {
    const std::uint32_t* synapse = nullptr;
    /// Delay by delay, for each delay all segments; std::uint16_t, or std::uint32_t if wide.
    const void* counts = nullptr;
    std::int32_t first_delay = 1, delays = 0;
    bool wide = false;
    std::uint32_t count(std::size_t i) const {
      return wide ? static_cast<const std::uint32_t*>(counts)[i]
                  : static_cast<const std::uint16_t*>(counts)[i];
    }
  };
  /// `source` is a neuron of the network.
  Row row(std::uint32_t source) const;
  /// Asks the memory for what row(source) will read.
  void fetch(std::uint32_t source) const;

  /// Calls place(accumulator) for every synapse of a source, which gives its new one in the same
  /// segment; the first time only.
  template <typename F>
  void renumber_once(std::uint32_t source, const F& place);

  /// Every row, one behind the other.
  const std::uint32_t* begin() const { return synapse_.data(); }

  std::uint64_t synapses() const { return synapse_.size(); }
  std::uint64_t bytes() const;

 private:
  static constexpr std::size_t kGroup = 1024;
  struct Sources {
    std::int64_t first = 0, last = 0;  ///< neurons of the network
    DelayRange delays = {};
    bool wide = false;
    AlignedBuffer<std::uint16_t> narrow_counts = {};
    AlignedBuffer<std::uint32_t> wide_counts = {};
  };
  const Sources& sources_of(std::uint32_t source) const;
  /// The first count of a source.
  const void* counts(const Sources& sources, std::uint32_t source) const {
    const std::size_t at = (source - static_cast<std::size_t>(sources.first)) *
                           static_cast<std::size_t>(sources.delays.count) * segments_;
    return sources.wide ? static_cast<const void*>(sources.wide_counts.data() + at)
                        : static_cast<const void*>(sources.narrow_counts.data() + at);
  }

  std::size_t segments_ = 1;
  std::vector<Sources> sources_;
  std::vector<std::uint64_t> group_start_;
  AlignedBuffer<std::uint32_t> start_;
  AlignedBuffer<std::uint32_t> synapse_;
  std::vector<bool> renumbered_;  ///< sources; empty: none
};

template <typename F>
void Rows::renumber_once(std::uint32_t source, const F& place) {
  if (renumbered_.empty()) renumbered_.resize(start_.size());
  if (renumbered_[source]) return;
  renumbered_[source] = true;
  constexpr std::uint32_t kMask = kSegment - 1;
  const Row all = row(source);
  std::uint32_t* synapse = synapse_.data() + group_start_[source / kGroup] + start_[source];
  const std::size_t counts = static_cast<std::size_t>(all.delays) * segments_;
  for (std::size_t i = 0; i < counts; ++i) {
    const auto base = static_cast<std::uint32_t>(i % segments_) << kTargetBits;
    for (std::uint32_t left = all.count(i); left > 0; --left, ++synapse) {
      *synapse = (*synapse & ~kMask) | (place(base | (*synapse & kMask)) & kMask);
    }
  }
}

}  // namespace spikeloom::simulation
