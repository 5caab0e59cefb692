#pragma once
/// RunStats: what a run did, per node and in total. docs/counting.md defines every count.
///
/// Operations (ac, mac) are a property of network and spikes: equal on every backend, thread
/// count and schedule. What kernels really executed stands apart in executed_*.

#include <cstdint>
#include <string>
#include <vector>

#include "base/value.hpp"

namespace spikeloom {

/// Bytes moved, by what they were. Lower bounds from the data touched, not a measurement.
struct TrafficBytes {
  std::uint64_t weights = 0, state = 0, events = 0;
};

/// Totals of one node since the session's last reset.
struct NodeStats {
  std::string name, kind;
  std::uint64_t events_in = 0;   ///< pairs of step and input element with a non-zero value
  double value_sum = 0.0;        ///< sum of those values
  std::uint64_t events_out = 0;  ///< pairs of step and output element with a non-zero value
  std::uint64_t ac = 0, mac = 0;
  std::uint64_t dense_macs = 0;  ///< what a dense layer would have done (padding excluded)
  std::uint64_t neuron_updates = 0;
  std::uint64_t executed_ac = 0, executed_mac = 0, executed_updates = 0;
  /// Steps in which a projection was added up by rows, bitmasks or a dense product.
  std::uint64_t steps_rows = 0, steps_bitmask = 0, steps_dense = 0;
  std::uint64_t saturated = 0;  ///< ring16: slots that stopped at their limit
  TrafficBytes bytes;
};

/// What happened to input that did not arrive in time or in order.
struct InputStats {
  std::uint64_t late = 0;          ///< events for a step that was already computed
  std::uint64_t out_of_order = 0;  ///< events earlier than one pushed before them
  std::uint64_t dropped = 0;       ///< late or overflowing events that the policy dropped
};

/// Wall-clock seconds per phase.
struct PhaseSeconds {
  double input = 0.0, compute = 0.0, record = 0.0;
};

struct RunStats {
  std::string backend, arithmetic;
  std::uint64_t steps = 0;
  std::vector<NodeStats> nodes;  ///< in execution order
  InputStats input;
  PhaseSeconds seconds;
  std::uint64_t peak_memory_bytes = 0;  ///< of the session's own state and queues

  std::uint64_t synaptic_operations() const;  ///< ac + mac over all nodes
  std::uint64_t total(std::uint64_t NodeStats::*count) const;
  /// Adds another run of the same program (counts, seconds; the larger peak).
  void add(const RunStats& other);
};

Value to_value(const NodeStats& stats);
Value to_value(const RunStats& stats);

}  // namespace spikeloom
