#pragma once
/// joules = f(static descriptors, RunStats, cost table): pure, no clock, no device.
///
///     SPIKELOOM_TRY(const CostTable table, load_cost_table("45nm"));
///     const auto layers = describe_layers(program);
///     SPIKELOOM_TRY(const EnergyBreakdown e,
///                   price_run(Accounting::kTraffic, layers, stats, table, {.inferences = 10}));
///     e.total();                       // joules per inference
///
/// Three accountings. theta: events, T: steps, N: neurons, e: prices of the table.
///
/// `compute`: only the synaptic operations of docs/counting.md: ac e_ac + mac e_mac. What most
/// papers print. Leaves out memory, addressing, neuron updates, transport and idling.
///
/// `lemaire` (Lemaire et al., ICONIP 2022, arXiv 2210.13107, as its group's qualia-plugin-snn has
/// it): operations, memory and addressing from closed formulas, per layer
///     operations  theta_in ceil(Kh/S) ceil(Kw/S) Co (Nout where fully connected), padding not
///                 excluded; bias T Nout; reset theta_out; leak T N multiply-accumulates
///     reads       weights and potentials theta_in Co Kh Kw (Nout), biases T Nout, leak T N,
///                 input queue theta_in; writes: as potentials, output queue theta_out
///     addressing  2 theta_in multiply-accumulates + theta_in Co Kh Kw accumulates (theta_in Nout)
/// Every access costs lemaire.base + lemaire.per_bit * (bits of that memory). Leaves out transport
/// and idling. Graded events multiply where the original knows only spikes.
///
/// `traffic`, ours: what the backend executed and moved (executed_ac, executed_mac,
/// executed_updates, bytes), each byte at the price of the smallest memory that holds its array;
/// accumulators are read and written once an operation; one integer add an event and an
/// operation for addresses; packets and hops where there is a chip; idling where the table has
/// `idle` and the step is known. A table with `synop` prices a synaptic operation with its memory
/// at once. Leaves out control, instruction fetch and the memory's own leakage.
///
/// An item is caused by events (dynamic) or by steps (bias, leak, state updates, idling).

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "energy/cost_table.hpp"
#include "energy/layer_description.hpp"
#include "snn/run_stats.hpp"

namespace spikeloom {

enum class Component {
  kAccumulate,
  kMultiplyAccumulate,
  kNeuronUpdate,
  kWeightTraffic,
  kStateTraffic,
  kEventTraffic,  ///< queues of spikes; activations of a dense layer
  kTransport,     ///< packets and hops
  kAddressing,
  kIdle,
  kPixel,
  kConversion,
  kTransmission,
};
inline constexpr std::size_t kComponents = 12;
const char* to_string(Component component);

/// The layer of an item that belongs to no layer: idling.
inline constexpr std::uint32_t kWholeChip = 0xFFFFFFFF;

/// One product: joules = count * price of `entry`.
struct EnergyItem {
  std::uint32_t layer = 0;
  Component component = Component::kAccumulate;
  std::uint32_t entry = 0;  ///< index into the table's entries
  double count = 0.0;       ///< per inference: operations, bytes, bits, packets, seconds
  bool dynamic = true;      ///< caused by events; else by steps
  double joules = 0.0;
};

struct EnergyBreakdown {
  Accounting accounting = Accounting::kCompute;
  NumberFormat format = NumberFormat::kFp32;
  std::string table;
  std::vector<EnergyItem> items;
  std::vector<std::string> notes;

  double total() const;
  double dynamic() const;
  double of_layer(std::uint32_t layer) const;
  double of_component(Component component) const;
  double of(std::uint32_t layer, Component component) const;
  /// Joules that rest on unverified entries of `table`.
  double unverified(const CostTable& table) const;
};

/// What a chip moved for a node: an emulator or a mapping fills it in.
struct NodeTransport {
  std::uint64_t packets = 0, hops = 0;
};

struct EnergyRequest {
  NumberFormat format = NumberFormat::kFp32;
  double inferences = 1.0;    ///< every figure is a mean over so many
  double step_seconds = 0.0;  ///< 0: unknown, nothing is said about idling
  double chips = 1.0;
  /// One per node; empty without a chip: a packet and a hop per spike and target layer then.
  std::vector<NodeTransport> transport = {};
};

/// The format of a run's arithmetic: fp32 for float32 and double, int8 or int16 by the weights for
/// integer, int16 for ring16; the next wider one the table has operations for.
NumberFormat format_of(std::span<const LayerDescription> layers, const RunStats& stats,
                       const CostTable& table);

/// kShape: layers and counts are not of one network. kUnsupported: the table has no price for
/// something the run did; the message lists what, where and how often.
Result<EnergyBreakdown> price_run(Accounting accounting, std::span<const LayerDescription> layers,
                                  const RunStats& stats, const CostTable& table,
                                  const EnergyRequest& request);

/// The same layers dense, no spikes: every input element of every pass.
struct DenseRequest {
  NumberFormat format = NumberFormat::kFp32;
  double passes = 1.0;  ///< per inference
};

/// compute: macs. lemaire: its formulas for formal networks. traffic: each weight, input and
/// output moved once a pass, partial sums in registers: the best any dense machine could do.
Result<EnergyBreakdown> price_dense(Accounting accounting, std::span<const LayerDescription> layers,
                                    const CostTable& table, const DenseRequest& request);

/// What an accounting leaves out, one sentence.
std::string_view leaves_out(Accounting accounting);

/// {accounting, format, total_j, dynamic_j, unverified_j, components, layers: [{name, ...}]}.
Value to_value(const EnergyBreakdown& breakdown, std::span<const LayerDescription> layers,
               const CostTable& table);

}  // namespace spikeloom
