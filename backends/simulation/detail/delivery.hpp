#pragma once
/// Adding synapses to accumulators.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backends/simulation/detail/lazy_neurons.hpp"
#include "backends/simulation/detail/rows.hpp"

namespace spikeloom::simulation {

/// Where the weights of a slice go: to its accumulators, or to neurons that wait for them.
struct Receivers {
  std::int32_t* accumulators = nullptr;
  /// For each kBlock accumulators the neurons that have them, or null. Empty where none do.
  std::vector<LazyNeurons*> lazy = {};
  std::vector<std::uint32_t> base = {};  ///< their first accumulator

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
class Deliveries {
 public:
  /// `longest` is the largest first delay of a row.
  explicit Deliveries(std::int32_t longest) : waiting_(static_cast<std::size_t>(longest)) {}

  /// A spike `age` steps older than one of the step before the coming one. After deliver() the
  /// step that has begun is the coming one, until deliver_late().
  void add(const Rows::Row& row, std::int32_t age = 0);

  /// Adds what is due in the coming step of the spikes that are known; the number of synapses.
  std::uint64_t deliver(const Receivers& to);
  /// Ends the step: adds what is due of the spikes that were added after deliver().
  std::uint64_t deliver_late(const Receivers& to);

  void clear();

 private:
  struct Active {
    const std::uint32_t* synapse;
    const void* counts;
    std::int32_t left;
    bool wide;
  };
  struct Due {
    const std::uint32_t* synapse;
    std::uint32_t count;
  };
  static void start(const Rows::Row& row, std::int32_t skip, std::vector<Active>& to);
  /// Adds what is due of active_[from] and those behind it.
  std::uint64_t deliver_from(std::size_t from, const Receivers& to);

  std::vector<Active> active_;
  std::vector<std::vector<Active>> waiting_;  ///< by steps until the shortest delay, a ring
  std::size_t turn_ = 0;
  std::size_t delivered_ = 0;  ///< so many of active_ have had this step's synapses
  std::vector<Due> due_;
};

}  // namespace spikeloom::simulation
