#pragma once
/// Adding synapses to accumulators.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backends/simulation/detail/lazy_neurons.hpp"
#include "backends/simulation/detail/rows.hpp"

namespace spikeloom::simulation {

/// Where the weights of a slice go: to its accumulators, or to neurons that wait for them, whose
/// accumulators are numbers of places.
struct Receivers {
  std::int32_t* accumulators = nullptr;
  /// For each kBlock accumulators the neurons that have them, or null. Empty where none do.
  std::vector<LazyNeurons*> lazy = {};
  std::vector<std::uint32_t> base = {};  ///< their first accumulator

  /// The accumulator that synapses onto this one use from now on.
  std::uint32_t place(std::uint32_t accumulator) const {
    LazyNeurons* neurons = lazy[accumulator / kBlock];
    if (neurons == nullptr) return accumulator;
    const std::uint32_t first = base[accumulator / kBlock];
    return first + neurons->place(accumulator - first);
  }
  void fetch(std::uint32_t accumulator) const {
    const LazyNeurons* neurons = lazy[accumulator / kBlock];
    if (neurons != nullptr) neurons->fetch(accumulator - base[accumulator / kBlock]);
  }
  void add(std::uint32_t accumulator, std::int32_t weight) const {
    LazyNeurons* neurons = lazy[accumulator / kBlock];
    if (neurons == nullptr) {
      accumulators[accumulator] += weight;
    } else {
      neurons->receive(accumulator - base[accumulator / kBlock], weight);
    }
  }
};

/// Spikes whose synapses have not all been delivered, and what of them is due.
///
/// A row is visited once in `together` steps, and gives what is due in all of them, each step's to
/// sums of its own: its synapses are one piece of memory, and half as many pieces are half as many
/// misses. Rows take turns, so that steps cost the same.
class Deliveries {
 public:
  static constexpr std::int32_t kMostTogether = 2;

  /// `longest` is the largest first delay of a row, `together` at most kMostTogether, `segments`
  /// that of the rows.
  Deliveries(std::int32_t longest, std::int32_t together, std::int32_t segments)
      : together_(together),
        segments_(segments),
        active_(static_cast<std::size_t>(together)),
        waiting_(static_cast<std::size_t>(longest)) {}

  /// Which of `together` arrays of sums is that of the coming step.
  std::int32_t turn() const { return turn_; }

  /// A spike `age` steps older than one of the step before the coming one. After deliver() the
  /// step that has begun is the coming one, until deliver_late().
  void add(const Rows::Row& row, std::int32_t age = 0);

  /// Adds what is due of the spikes that are known; nothing where the step has had it already.
  /// `to`: the sums of turn 0, those of turn i `stride` further on each.
  void deliver(const Receivers& to, std::size_t stride);
  /// Ends the step: adds what is due of the spikes that were added after deliver(). The number of
  /// synapses that were due in it.
  std::uint64_t deliver_late(const Receivers& to, std::size_t stride);

  void clear();

 private:
  struct Active {
    const std::uint32_t* synapse;
    const void* counts;
    std::int32_t left;  ///< counts
    bool wide;
    std::uint32_t count(std::int32_t i) const {
      return wide ? static_cast<const std::uint32_t*>(counts)[i]
                  : static_cast<const std::uint16_t*>(counts)[i];
    }
    /// Passes so many counts and their synapses; the number of these.
    std::uint32_t pass(std::int32_t number) {
      std::uint32_t sum = 0;
      for (std::int32_t i = 0; i < number; ++i) sum += count(i);
      synapse += sum;
      counts = wide ? static_cast<const void*>(static_cast<const std::uint32_t*>(counts) + number)
                    : static_cast<const void*>(static_cast<const std::uint16_t*>(counts) + number);
      left -= number;
      return sum;
    }
  };
  struct Due {
    Active from;                 ///< `left`: the counts that are due
    std::uint32_t synapses = 0;  ///< all of them
  };
  void start(const Rows::Row& row, std::int32_t skip, std::vector<Active>& to) const;
  void deliver_row(const Due& due, const Receivers& to, std::size_t stride);
  /// Adds what is due of this turn's active rows from number `from` on.
  void deliver_from(std::size_t from, const Receivers& to, std::size_t stride);

  std::int32_t together_, segments_, turn_ = 0;
  std::vector<std::vector<Active>> active_;   ///< by the turn that visits them
  std::vector<std::vector<Active>> waiting_;  ///< by steps until the shortest delay, a ring
  std::size_t wait_turn_ = 0;
  std::size_t delivered_ = 0;                 ///< so many of this turn's rows have been visited
  bool begun_ = false;                        ///< deliver() has been called in this step
  std::uint64_t events_[kMostTogether] = {};  ///< of each turn, so far
  std::vector<Due> due_;
};

}  // namespace spikeloom::simulation
