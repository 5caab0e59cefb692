#pragma once
/// The synapses of a slice, held by nobody: a source's row is made when it fires.

#include <cstdint>
#include <vector>

#include "backends/simulation/detail/delivery.hpp"
#include "backends/simulation/detail/rows.hpp"
#include "backends/simulation/detail/slices.hpp"
#include "event/aligned_buffer.hpp"
#include "snn/simulation/connectivity.hpp"

namespace spikeloom::simulation {

/// Weights on their way wait in a ring of sums, one array of accumulators for each step that the
/// longest delay spans.
class RegeneratedRows {
 public:
  /// `network` stays where it is.
  RegeneratedRows(const Network& network, const Slice& slice, Connectivity connectivity);

  /// The spike of `source` in step `step`, for the arrivals in step `from` and later.
  void add(std::uint32_t source, std::int64_t step, std::int64_t from);

  /// Adds what arrives in `step`; the number of synapses.
  std::uint64_t deliver(std::int64_t step, const Receivers& to);

  void clear();
  std::uint64_t bytes() const { return sums_.bytes(); }
  static double expected_bytes(const Network& network, const Slice& slice);

 private:
  std::size_t slot(std::int64_t step) const {
    return static_cast<std::size_t>(step) % events_.size();
  }

  const Network* network_;
  Connectivity connectivity_;
  std::vector<WholeValues> values_;
  AccumulatorOf accumulator_;
  std::vector<std::int64_t> first_;
  std::size_t accumulators_;
  AlignedBuffer<std::int32_t> sums_;
  std::vector<std::uint64_t> events_;  ///< of each slot
  Connectivity::Scratch scratch_;
  std::vector<Synapse> synapses_;
};

}  // namespace spikeloom::simulation
