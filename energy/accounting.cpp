#include "energy/accounting.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "energy/detail/pricer.hpp"

namespace spikeloom {
namespace {

using detail::Pricer;

/// Sums of weighted events are held in 32 bits, whatever the weights are.
constexpr double kAccumulatorBytes = 4.0;
/// An event in a queue: a 32-bit source and a 32-bit value.
constexpr double kEventBytes = 8.0;

/// Names of the entries for operations on numbers and on addresses.
struct Prices {
  std::string ac, mac, address_ac, address_mac;
};

Prices prices_for(const CostTable& table, NumberFormat format) {
  Prices prices;
  prices.ac = fmt::format("ac.{}", to_string(format));
  prices.mac = fmt::format("mac.{}", to_string(format));
  // Addresses are integers, whatever the numbers are.
  prices.address_ac = table.find("ac.int32") != nullptr ? "ac.int32" : prices.ac;
  prices.address_mac = table.find("mac.int32") != nullptr ? "mac.int32" : prices.mac;
  return prices;
}

double real(std::uint64_t count) { return static_cast<double>(count); }
double real(std::int64_t count) { return static_cast<double>(count); }
double operations(const NodeStats& node) { return real(node.ac) + real(node.mac); }
double ceil_ratio(std::int64_t a, std::int64_t b) { return static_cast<double>((a + b - 1) / b); }

/// A recurrent layer of gated units: weights and state in one node.
bool is_gated(const LayerDescription& layer) {
  return layer.role == LayerRole::kWeights && layer.state_values > 0;
}

/// A table of rows that is read, not multiplied: an Embedding.
bool is_look_up(const LayerDescription& layer) {
  return layer.role == LayerRole::kOther && layer.weights > 0;
}

/// Weights of the same layer with nothing pruned.
std::int64_t dense_weights(const LayerDescription& layer) {
  const bool whole = layer.kernel_rows > 0 || layer.fully_connected;
  return whole ? layer.weights : layer.dense_macs;
}

/// What Lemaire's closed formulas count for theta_in events.
struct Touches {
  double operations = 0.0;  ///< strided taps
  double accesses = 0.0;    ///< all taps
  double address_macs = 0.0;
};

Touches touches(const LayerDescription& layer, const NodeStats& node) {
  const double theta = real(node.events_in);
  const double fan_out = real(layer.out_channels) / real(layer.groups);
  if (layer.kernel_rows > 0) {
    return {theta * ceil_ratio(layer.kernel_rows, layer.stride_rows) *
                ceil_ratio(layer.kernel_columns, layer.stride_columns) * fan_out,
            theta * fan_out * real(layer.kernel_rows) * real(layer.kernel_columns), 2.0 * theta};
  }
  if (layer.fully_connected) return {theta * fan_out, theta * fan_out, 0.0};
  return {operations(node), operations(node), 0.0};
}

class RunPricing {
 public:
  RunPricing(std::span<const LayerDescription> layers, const RunStats& stats,
             const CostTable& table, const EnergyRequest& request)
      : layers_(layers),
        stats_(stats),
        table_(table),
        request_(request),
        prices_(prices_for(table, request.format)),
        is_chip_(table.find("synop") != nullptr),
        integer_(stats.arithmetic == "integer" || stats.arithmetic == "ring16"),
        pricer_(table, layers, request.inferences) {}

  Result<EnergyBreakdown> run(Accounting accounting) && {
    for (std::uint32_t i = 0; i < layers_.size(); ++i) {
      switch (accounting) {
        case Accounting::kCompute:
          compute(i);
          break;
        case Accounting::kLemaire:
          lemaire(i);
          break;
        case Accounting::kTraffic:
          is_chip_ ? chip(i) : traffic(i);
          break;
      }
    }
    if (accounting == Accounting::kTraffic) idle();
    SPIKELOOM_TRY(auto breakdown, std::move(pricer_).finish(accounting, request_.format));
    breakdown.notes = std::move(notes_);
    return breakdown;
  }

 private:
  /// Operations at the chip's price where it has one, else at the technology's.
  void add_operations(double ac, double mac) {
    if (is_chip_) {
      pricer_.add(Component::kAccumulate, ac, {"synop"});
      pricer_.add(Component::kMultiplyAccumulate, mac, {"synop"});
    } else {
      pricer_.add(Component::kAccumulate, ac, {prices_.ac});
      pricer_.add(Component::kMultiplyAccumulate, mac, {prices_.mac});
    }
  }

  void compute(std::uint32_t i) {
    pricer_.at(i, true);
    add_operations(real(stats_.nodes[i].ac), real(stats_.nodes[i].mac));
  }

  /// `count` accesses to a memory of `elements` numbers of the run's format.
  void lemaire_access(Component component, double count, std::int64_t elements) {
    const double size = real(elements) * bits(request_.format);
    pricer_.add(component, count, {"lemaire.base"});
    pricer_.add(component, count * size, {"lemaire.per_bit"});
  }

  void lemaire(std::uint32_t i) {
    const LayerDescription& layer = layers_[i];
    const NodeStats& node = stats_.nodes[i];
    const double steps = real(stats_.steps);
    if (is_look_up(layer)) {
      pricer_.at(i, true);
      lemaire_access(Component::kWeightTraffic, real(node.events_in) * real(layer.out_size),
                     layer.weights);
    }
    if (layer.role == LayerRole::kWeights) {
      const Touches touched = touches(layer, node);
      pricer_.at(i, true);
      const double graded = real(node.mac);
      pricer_.add(Component::kAccumulate, std::max(0.0, touched.operations - graded), {prices_.ac});
      pricer_.add(Component::kMultiplyAccumulate, graded, {prices_.mac});
      lemaire_access(Component::kWeightTraffic, touched.accesses, layer.weights);
      lemaire_access(Component::kStateTraffic, 2.0 * touched.accesses, layer.out_size);
      lemaire_access(Component::kEventTraffic, real(node.events_in), layer.in_size);
      pricer_.add(Component::kAddressing, touched.address_macs, {prices_.address_mac});
      pricer_.add(Component::kAddressing, touched.accesses, {prices_.address_ac});
      pricer_.at(i, false);
      pricer_.add(Component::kAccumulate, steps * real(layer.bias_adds), {prices_.ac});
      lemaire_access(Component::kWeightTraffic, steps * real(layer.bias_adds), layer.biases);
    }
    if (layer.has_neurons()) {
      const double updates = steps * real(layer.out_size);
      pricer_.at(i, false);
      pricer_.add(Component::kNeuronUpdate, updates * real(layer.update_macs), {prices_.mac});
      lemaire_access(Component::kStateTraffic, 2.0 * updates * (layer.has_current ? 2.0 : 1.0),
                     layer.state_values);
      pricer_.at(i, true);
      if (!layer.spiking) return;
      pricer_.add(Component::kNeuronUpdate, real(node.events_out), {prices_.ac});
      lemaire_access(Component::kEventTraffic, real(node.events_out), layer.out_size);
    }
  }

  void traffic(std::uint32_t i) {
    const LayerDescription& layer = layers_[i];
    const NodeStats& node = stats_.nodes[i];
    pricer_.at(i, true);
    if (layer.role != LayerRole::kWeights || layer.has_neurons()) {
      // What a weight layer hands on are its accumulators, which are counted per operation.
      pricer_.add_bytes(Component::kEventTraffic, real(node.bytes.events),
                        real(layer.out_size) * kEventBytes);
    }
    // An integer run keeps weights as narrow as they are, whatever they are multiplied with.
    const double weight_bytes = (integer_ ? layer.weight_bits : bits(request_.format)) / 8.0;
    pricer_.add_bytes(Component::kWeightTraffic, real(node.bytes.weights),
                      real(layer.weights) * weight_bytes);
    if (is_look_up(layer)) {
      pricer_.add(Component::kAddressing, real(node.events_in), {prices_.address_ac});
    }
    if (layer.role == LayerRole::kWeights) {
      const double executed = real(node.executed_ac) + real(node.executed_mac);
      const double number_bytes = bits(request_.format) / 8.0;
      add_operations(real(node.executed_ac), real(node.executed_mac));
      pricer_.add_bytes(Component::kStateTraffic, 2.0 * kAccumulatorBytes * executed,
                        real(layer.out_size) * kAccumulatorBytes);
      pricer_.add(Component::kAddressing, real(node.events_in) + executed, {prices_.address_ac});
      pricer_.at(i, false);
      const double adds = real(stats_.steps) * real(layer.bias_adds);
      pricer_.add(Component::kAccumulate, adds, {prices_.ac});
      pricer_.add_bytes(Component::kWeightTraffic, adds * number_bytes,
                        real(layer.biases) * number_bytes);
      pricer_.at(i, true);
    }
    if (layer.has_neurons()) {
      const double updates = real(node.executed_updates);
      pricer_.add(Component::kNeuronUpdate, layer.spiking ? real(node.events_out) : 0.0,
                  {prices_.ac});
      pricer_.at(i, false);
      const double additions = (layer.leaky ? 0.0 : 1.0) + (layer.spiking ? 1.0 : 0.0);
      pricer_.add(Component::kNeuronUpdate, updates * real(layer.update_macs), {prices_.mac});
      pricer_.add(Component::kNeuronUpdate, updates * additions, {prices_.ac});
      pricer_.add_bytes(Component::kStateTraffic, real(node.bytes.state),
                        real(layer.state_values) * kAccumulatorBytes);
      pricer_.at(i, true);
    }
  }

  /// A chip's synaptic operation has its memory in it; its neurons are updated at every step.
  void chip(std::uint32_t i) {
    const LayerDescription& layer = layers_[i];
    const NodeStats& node = stats_.nodes[i];
    pricer_.at(i, true);
    if (layer.role == LayerRole::kWeights) add_operations(real(node.ac), real(node.mac));
    if (is_look_up(layer) && node.events_in > 0) {
      notes_.push_back(fmt::format(
          "{} rows looked up in layer '{}' are not priced: the table has no price for a look-up",
          node.events_in, layer.name));
    }
    if (!request_.transport.empty()) {
      add_transport(real(request_.transport[i].packets), real(request_.transport[i].hops));
    } else if (layer.role == LayerRole::kWeights) {
      add_transport(real(node.events_in), real(node.events_in));
    }
    pricer_.at(i, false);
    pricer_.add(Component::kNeuronUpdate, real(node.neuron_updates), {"neuron_update"});
  }

  void add_transport(double packets, double hops) {
    if (table_.find("spike") != nullptr) pricer_.add(Component::kTransport, packets, {"spike"});
    if (table_.find("hop") != nullptr) pricer_.add(Component::kTransport, hops, {"hop"});
  }

  void idle() {
    if (is_chip_ && request_.transport.empty() && table_.find("hop") != nullptr) {
      notes_.emplace_back(
          "no mapping: one hop for a spike and target layer, the least there can be");
    }
    if (table_.find("idle") == nullptr) return;
    if (request_.step_seconds <= 0.0) {
      notes_.emplace_back("the time step is unknown, so idling is not priced");
      return;
    }
    pricer_.at(kWholeChip, false);
    pricer_.add(Component::kIdle, real(stats_.steps) * request_.step_seconds * request_.chips,
                {"idle"});
  }

  std::span<const LayerDescription> layers_;
  const RunStats& stats_;
  const CostTable& table_;
  const EnergyRequest& request_;
  Prices prices_;
  bool is_chip_, integer_;
  Pricer pricer_;
  std::vector<std::string> notes_;
};

class DensePricing {
 public:
  DensePricing(std::span<const LayerDescription> layers, const CostTable& table,
               const DenseRequest& request)
      : layers_(layers),
        request_(request),
        prices_(prices_for(table, request.format)),
        is_chip_(table.find("synop") != nullptr),
        pricer_(table, layers, 1.0) {}

  Result<EnergyBreakdown> run(Accounting accounting) && {
    for (std::uint32_t i = 0; i < layers_.size(); ++i) {
      pricer_.at(i, false);
      if (accounting == Accounting::kLemaire) {
        lemaire(layers_[i]);
      } else {
        pricer_.add(Component::kMultiplyAccumulate, request_.passes * real(layers_[i].dense_macs),
                    {prices_.mac});
        if (accounting == Accounting::kTraffic && !is_chip_) traffic(layers_[i]);
      }
    }
    return std::move(pricer_).finish(accounting, request_.format);
  }

 private:
  void access(Component component, double count, std::int64_t elements) {
    const double size = real(elements) * bits(request_.format);
    pricer_.add(component, request_.passes * count, {"lemaire.base"});
    pricer_.add(component, request_.passes * count * size, {"lemaire.per_bit"});
  }

  void lemaire(const LayerDescription& layer) {
    if (is_look_up(layer)) access(Component::kWeightTraffic, real(layer.out_size), layer.weights);
    if (layer.role != LayerRole::kWeights) return;
    const bool convolution = layer.kernel_rows > 0;
    double macs = real(layer.dense_macs);
    double addresses = macs;
    if (convolution) {  // the formula does not exclude padding
      const double taps = real(layer.kernel_rows) * real(layer.kernel_columns);
      macs = real(layer.out_size) * real(layer.in_channels) / real(layer.groups) * taps;
      addresses = real(layer.in_size) + real(layer.out_size) + real(layer.out_channels) * taps;
    }
    pricer_.add(Component::kMultiplyAccumulate, request_.passes * macs, {prices_.mac});
    pricer_.add(Component::kAccumulate, request_.passes * real(layer.bias_adds), {prices_.ac});
    access(Component::kWeightTraffic, macs, dense_weights(layer));
    access(Component::kEventTraffic, macs, layer.in_size);
    access(Component::kEventTraffic, real(layer.out_size), layer.out_size);
    pricer_.add(Component::kAddressing, request_.passes * addresses, {prices_.address_ac});
  }

  void traffic(const LayerDescription& layer) {
    const double bytes = bits(request_.format) / 8.0;
    const auto move = [&](Component component, std::int64_t elements, std::int64_t held = 0) {
      pricer_.add_bytes(component, request_.passes * real(elements) * bytes,
                        real(std::max(elements, held)) * bytes);
    };
    if (is_look_up(layer)) move(Component::kWeightTraffic, layer.out_size, layer.weights);
    if (layer.role == LayerRole::kWeights) {
      pricer_.add(Component::kAccumulate, request_.passes * real(layer.bias_adds), {prices_.ac});
      move(Component::kWeightTraffic, dense_weights(layer) + layer.biases);
      move(Component::kEventTraffic, layer.in_size);
      move(Component::kEventTraffic, layer.out_size);
      if (is_gated(layer)) {  // a dense unit's update is the same, and its value stays in memory
        pricer_.add(Component::kNeuronUpdate,
                    request_.passes * real(layer.out_size) * real(layer.update_macs),
                    {prices_.mac});
        move(Component::kStateTraffic, 2 * layer.out_size);
      }
    } else if (layer.role == LayerRole::kNeurons) {
      // A rectifier in the place of a neuron: one comparison.
      pricer_.add(Component::kNeuronUpdate, request_.passes * real(layer.out_size), {prices_.ac});
    }
  }

  std::span<const LayerDescription> layers_;
  const DenseRequest& request_;
  Prices prices_;
  bool is_chip_;
  Pricer pricer_;
};

bool has_operations(const CostTable& table, NumberFormat format) {
  const std::string name = to_string(format);
  return table.find("synop") != nullptr ||
         (table.find("ac." + name) != nullptr && table.find("mac." + name) != nullptr);
}

}  // namespace

const char* to_string(Component component) {
  constexpr std::array<const char*, kComponents> kNames = {
      "accumulates",    "multiply-accumulates", "neuron updates",
      "weight traffic", "state traffic",        "event traffic",
      "transport",      "addressing",           "idle",
      "pixels",         "conversion",           "transmission"};
  return kNames[static_cast<std::size_t>(component)];
}

std::string_view leaves_out(Accounting accounting) {
  switch (accounting) {
    case Accounting::kCompute:
      return "memory, addressing, neuron updates, bias, spike transport and idling";
    case Accounting::kLemaire:
      return "spike transport, idling, control; every access is one number wide";
    case Accounting::kTraffic:
      return "control, instruction fetch, leakage of memories; transport and idling without a chip";
  }
  return "";
}

double EnergyBreakdown::total() const {
  double sum = 0.0;
  for (const EnergyItem& item : items) sum += item.joules;
  return sum;
}

double EnergyBreakdown::dynamic() const {
  double sum = 0.0;
  for (const EnergyItem& item : items) sum += item.dynamic ? item.joules : 0.0;
  return sum;
}

double EnergyBreakdown::of_layer(std::uint32_t layer) const {
  double sum = 0.0;
  for (const EnergyItem& item : items) sum += item.layer == layer ? item.joules : 0.0;
  return sum;
}

double EnergyBreakdown::of_component(Component component) const {
  double sum = 0.0;
  for (const EnergyItem& item : items) sum += item.component == component ? item.joules : 0.0;
  return sum;
}

double EnergyBreakdown::of(std::uint32_t layer, Component component) const {
  double sum = 0.0;
  for (const EnergyItem& item : items) {
    sum += item.layer == layer && item.component == component ? item.joules : 0.0;
  }
  return sum;
}

double EnergyBreakdown::unverified(const CostTable& table) const {
  double sum = 0.0;
  for (const EnergyItem& item : items) {
    if (table.entries[item.entry].status == CostStatus::kUnverified) sum += item.joules;
  }
  return sum;
}

NumberFormat format_of(std::span<const LayerDescription> layers, const RunStats& stats,
                       const CostTable& table) {
  int widest = 8;
  for (const LayerDescription& layer : layers) {
    if (layer.role == LayerRole::kWeights) widest = std::max(widest, layer.weight_bits);
    // Gated units hand on values of 16 bits (docs/integer.md).
    if (is_gated(layer)) widest = std::max(widest, 16);
  }
  std::vector<NumberFormat> wanted = {NumberFormat::kFp32};
  if (stats.arithmetic == "integer" || stats.arithmetic == "ring16") {
    wanted = {NumberFormat::kInt8, NumberFormat::kInt16, NumberFormat::kInt32};
    if (widest > 8 || stats.arithmetic == "ring16") wanted.erase(wanted.begin());
  }
  for (const NumberFormat format : wanted) {
    if (has_operations(table, format)) return format;
  }
  // A technology without such numbers is priced with those it has, and the output names them.
  for (const NumberFormat format : kNumberFormats) {
    if (has_operations(table, format)) return format;
  }
  return wanted.front();
}

Result<EnergyBreakdown> price_run(Accounting accounting, std::span<const LayerDescription> layers,
                                  const RunStats& stats, const CostTable& table,
                                  const EnergyRequest& request) {
  if (!(request.inferences > 0.0)) {
    return Error{.what = "energy per inference needs at least one inference",
                 .got = fmt::format("{}", request.inferences)};
  }
  const bool fits =
      stats.nodes.size() == layers.size() &&
      std::equal(layers.begin(), layers.end(), stats.nodes.begin(),
                 [](const auto& layer, const auto& node) { return layer.name == node.name; });
  if (!fits || (!request.transport.empty() && request.transport.size() != layers.size())) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the counts are not of this network",
                 .expected = fmt::format("{} layers in the network's order", layers.size()),
                 .got = fmt::format("{} layers", stats.nodes.size())};
  }
  return RunPricing(layers, stats, table, request).run(accounting);
}

Result<EnergyBreakdown> price_dense(Accounting accounting, std::span<const LayerDescription> layers,
                                    const CostTable& table, const DenseRequest& request) {
  return DensePricing(layers, table, request).run(accounting);
}

}  // namespace spikeloom
