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

  /// A spike of the step before the next call of deliver(), or `age` steps before that.
  void add(const Rows::Row& row, std::int32_t age = 0);

  /// Adds what is due in this step; the number of synapses.
  std::uint64_t deliver(std::int32_t* accumulators);

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

  std::vector<Active> active_;
  std::vector<std::vector<Active>> waiting_;  ///< by steps until the shortest delay, a ring
  std::size_t turn_ = 0;
  std::vector<Due> due_;
};

}  // namespace spikeloom::simulation
