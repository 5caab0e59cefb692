#pragma once
/// Adding synapses to accumulators.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backends/simulation/detail/rows.hpp"

namespace spikeloom::simulation {

/// Spikes whose synapses have not all been delivered, and what of them is due.
class Deliveries {
 public:
  /// `longest` is the largest first delay of a row.
  explicit Deliveries(std::int32_t longest) : waiting_(static_cast<std::size_t>(longest)) {}

  /// A spike `age` steps older than one of the step before the coming one. After deliver() the
  /// step that has begun is the coming one, until deliver_late().
  void add(const Rows::Row& row, std::int32_t age = 0);

  /// Adds what is due in the coming step of the spikes that are known; the number of synapses.
  std::uint64_t deliver(std::int32_t* accumulators);
  /// Ends the step: adds what is due of the spikes that were added after deliver().
  std::uint64_t deliver_late(std::int32_t* accumulators);

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
  std::uint64_t deliver_from(std::size_t from, std::int32_t* accumulators);

  std::vector<Active> active_;
  std::vector<std::vector<Active>> waiting_;  ///< by steps until the shortest delay, a ring
  std::size_t turn_ = 0;
  std::size_t delivered_ = 0;  ///< so many of active_ have had this step's synapses
  std::vector<Due> due_;
};

}  // namespace spikeloom::simulation
