#include "models/quantize/detail/units.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <type_traits>

#include <fmt/format.h>

#include "models/quantize/detail/fit.hpp"
#include "models/quantize/detail/weight_view.hpp"

namespace spikeloom::detail {
namespace {

bool passes_through(const Operation& operation) {
  if (const auto* pool = std::get_if<op::Pool>(&operation)) {
    return pool->kind != op::PoolKind::kAverage;
  }
  return std::holds_alternative<op::Identity>(operation) ||
         std::holds_alternative<op::Delay>(operation);
}

bool fires(const Operation& operation) {
  const auto* neuron = std::get_if<op::Neuron>(&operation);
  return neuron != nullptr ? neuron->coefficients.spiking
                           : std::holds_alternative<op::Threshold>(operation);
}

/// Ports (inputs and outputs of nodes) whose values add up, and so share one unit.
class Wires {
 public:
  explicit Wires(const Program& program) : parent_(program.nodes.size() * 2) {
    std::iota(parent_.begin(), parent_.end(), 0U);
    for (std::uint32_t n = 0; n < program.nodes.size(); ++n) {
      if (passes_through(program.nodes[n].operation)) join(in(n), out(n));
      for (const Link& link : program.nodes[n].inputs) join(out(link.source), in(n));
    }
  }
  std::uint32_t of_input(std::uint32_t node) { return root(in(node)); }
  std::uint32_t of_output(std::uint32_t node) { return root(out(node)); }

 private:
  static std::uint32_t in(std::uint32_t node) { return 2 * node; }
  static std::uint32_t out(std::uint32_t node) { return 2 * node + 1; }
  std::uint32_t root(std::uint32_t port) {
    while (parent_[port] != port) port = parent_[port] = parent_[parent_[port]];
    return port;
  }
  void join(std::uint32_t a, std::uint32_t b) { parent_[root(a)] = root(b); }
  std::vector<std::uint32_t> parent_;
};

class Planner {
 public:
  Planner(const Program& program, const QuantizeOptions& options)
      : program_(program), options_(options), wires_(program), wire_(program.nodes.size() * 2) {}

  Result<UnitPlan> run();

 private:
  struct Wire {
    std::vector<std::uint32_t> producers, consumers;
    std::optional<Unit> unit;
    bool open = false;
  };

  Result<Unit> resolve(std::uint32_t wire);
  Result<Unit> resolve_weights(const Wire& wire);
  Result<Unit> produced(std::uint32_t node);
  Result<Unit> scaled(std::uint32_t node);
  /// The weights of a node's rows with what reaches them; nothing where that is not known.
  Result<std::vector<std::vector<FittedWeight>>> fitted_rows(std::uint32_t node,
                                                             const WeightView& view,
                                                             double unit_in) const;
  Status quantize_node(std::uint32_t node, const WeightView& view, double unit_in,
                       const Unit& scale, const std::vector<std::vector<FittedWeight>>& fitted);
  Error refuse(std::uint32_t node, std::string what, std::string next) const;

  const Program& program_;
  const QuantizeOptions& options_;
  Wires wires_;
  std::vector<Wire> wire_;
  UnitPlan plan_;
};

Error Planner::refuse(std::uint32_t node, std::string what, std::string next) const {
  return Error{.code = ErrorCode::kUnsupported,
               .what = std::move(what),
               .where = fmt::format("node \"{}\"", program_.nodes[node].name),
               .next = std::move(next)};
}

Result<UnitPlan> Planner::run() {
  const auto count = static_cast<std::uint32_t>(program_.nodes.size());
  plan_.in.resize(count);
  plan_.out.resize(count);
  plan_.weights.resize(count);
  plan_.factor.resize(count);
  for (std::uint32_t n = 0; n < count; ++n) {
    if (passes_through(program_.nodes[n].operation)) continue;
    wire_[wires_.of_output(n)].producers.push_back(n);
    wire_[wires_.of_input(n)].consumers.push_back(n);
  }
  for (std::uint32_t n = 0; n < count; ++n) {
    SPIKELOOM_TRY(plan_.in[n], resolve(wires_.of_input(n)));
    SPIKELOOM_TRY(plan_.out[n], resolve(wires_.of_output(n)));
  }
  const auto position = [&](const QuantizedLayer& layer) { return program_.find(layer.name); };
  std::sort(plan_.layers.begin(), plan_.layers.end(),
            [&](const auto& a, const auto& b) { return position(a) < position(b); });
  return std::move(plan_);
}

Result<Unit> Planner::resolve(std::uint32_t id) {
  Wire& wire = wire_[id];
  if (wire.unit) return *wire.unit;
  if (wire.open) {
    return refuse(wire.producers.empty() ? 0 : wire.producers.front(),
                  "its values depend on themselves without a spiking neuron in between",
                  "put a spiking neuron into the cycle");
  }
  wire.open = true;
  const auto holds_weights = [&](std::uint32_t n) {
    return is_weight_operation(program_.nodes[n].operation);
  };
  Unit unit;
  if (!wire.producers.empty() &&
      std::all_of(wire.producers.begin(), wire.producers.end(), holds_weights)) {
    SPIKELOOM_TRY(unit, resolve_weights(wire));
  } else {
    bool first = true;
    for (const std::uint32_t n : wire.producers) {
      if (std::holds_alternative<op::Output>(program_.nodes[n].operation)) continue;
      if (holds_weights(n)) {
        return refuse(n, "weighted sums meet values that no weights scale",
                      "put a Linear node into the other link");
      }
      SPIKELOOM_TRY(const Unit mine, produced(n));
      if (!first && mine.channel != unit.channel) {
        return refuse(n, "values of different units meet", "put a Linear node into this link");
      }
      unit = mine;
      first = false;
    }
  }
  wire_[id].unit = unit;
  return unit;
}

/// The unit of what a node without weights puts out.
Result<Unit> Planner::produced(std::uint32_t n) {
  const Operation& operation = program_.nodes[n].operation;
  if (fires(operation)) {
    const bool neuron = std::holds_alternative<op::Neuron>(operation);
    return Unit{{neuron ? program_.discretisation.spike_amplitude() : 1.0}};
  }
  if (std::holds_alternative<op::Scale>(operation)) return scaled(n);
  if (const auto* pool = std::get_if<op::Pool>(&operation)) {
    SPIKELOOM_TRY(Unit unit, resolve(wires_.of_input(n)));
    const auto area = static_cast<double>(pool->kernel.rows * pool->kernel.columns);
    for (double& u : unit.channel) u /= area;
    return unit;
  }
  if (const auto* neuron = std::get_if<op::Neuron>(&operation)) {
    // An integrator's membrane is in units of its input over its largest gain.
    SPIKELOOM_TRY(Unit unit, resolve(wires_.of_input(n)));
    const NeuronCoefficients& c = neuron->coefficients;
    double largest = 0.0;
    for (std::size_t i = 0; i < c.size(); ++i) {
      largest = std::max(largest, std::abs(c.gain[i] * (c.has_current ? c.current_gain[i] : 1.0)));
    }
    for (double& u : unit.channel) u *= largest;  // times 2^-f, which nothing behind asks for
    return unit;
  }
  return Unit{};  // Input
}

/// Factors as integers, equal magnitudes as 1 and -1, so that the output has one unit.
Result<Unit> Planner::scaled(std::uint32_t n) {
  constexpr double kLargestFactor = 127.0;
  SPIKELOOM_TRY(const Unit unit, resolve(wires_.of_input(n)));
  const auto& factor = std::get<op::Scale>(program_.nodes[n].operation).factor;
  std::vector<double> real;
  double largest = 0.0;
  bool equal = true;
  for (std::size_t i = 0; i < factor.size(); ++i) {
    real.push_back(factor[i] * unit.at(i, factor.size()));
    largest = std::max(largest, std::abs(real[i]));
    equal = equal && std::abs(real[i]) == std::abs(real[0]);
  }
  if (!(largest > 0.0) || !std::isfinite(largest)) {
    return refuse(n, "the scale is 0 or no number", "take the node out");
  }
  const double one = equal ? largest : largest / kLargestFactor;
  for (const double value : real) plan_.factor[n].push_back(std::nearbyint(value / one));
  return Unit{{one}};
}

/// Scales of weight nodes whose outputs add up.
Result<Unit> Planner::resolve_weights(const Wire& wire) {
  std::vector<WeightView> views;
  std::vector<double> units;
  bool per_channel = options_.per_channel;
  for (const std::uint32_t n : wire.producers) {
    SPIKELOOM_TRY(const Unit in, resolve(wires_.of_input(n)));
    if (!in.uniform()) {
      return refuse(n, "its inputs have different units", "give --per layer");
    }
    views.push_back(*view_weights(program_.nodes[n].operation));
    units.push_back(in.channel[0]);
    per_channel = per_channel && views.back().channels && views.back().rows == views.front().rows;
  }
  for (const std::uint32_t n : wire.consumers) {
    per_channel = per_channel && fires(program_.nodes[n].operation);
  }
  const double highest = std::ldexp(1.0, options_.bits - 1) - 1.0;
  Unit scale{std::vector<double>(per_channel ? views.front().rows : 1, 0.0)};
  bool kept = views.size() == 1;
  for (std::size_t v = 0; v < views.size(); ++v) {
    const WeightView& view = views[v];
    for (std::size_t k = 0; k < view.value.size(); ++k) {
      const double stored = view.value[k];
      const double factor = view.row_scale.empty() ? 1.0 : view.row_scale[view.row[k]];
      if (!std::isfinite(stored * factor)) {
        return refuse(wire.producers[v], "a weight is no finite number", "repair the file");
      }
      kept = kept && stored == std::nearbyint(stored) && std::abs(stored) <= highest &&
             factor > 0.0 && (per_channel || view.row_scale.empty() || factor == view.row_scale[0]);
      double& s = scale.channel[per_channel ? view.row[k] : 0];
      s = std::max(s, std::abs(stored * factor * units[v]) / highest);
    }
  }
  if (kept) {
    // Integers, with a scale of their own or none, stay what they are.
    const std::vector<double>& own = views[0].row_scale;
    for (std::size_t r = 0; r < scale.channel.size(); ++r) {
      scale.channel[r] = (own.empty() ? 1.0 : own[r]) * units[0];
    }
  }
  const double largest = *std::max_element(scale.channel.begin(), scale.channel.end());
  for (double& s : scale.channel) {
    if (!(s > 0.0)) s = largest > 0.0 ? largest : 1.0;  // a row of zeros
  }
  std::vector<std::vector<std::vector<FittedWeight>>> fitted(views.size());
  if (!kept) {
    std::vector<std::vector<std::vector<FittedWeight>>> sharing(scale.channel.size());
    for (std::size_t v = 0; v < views.size(); ++v) {
      SPIKELOOM_TRY(fitted[v], fitted_rows(wire.producers[v], views[v], units[v]));
      for (std::size_t r = 0; r < fitted[v].size(); ++r) {
        sharing[per_channel ? r : 0].push_back(fitted[v][r]);
      }
    }
    // A scale fits all that share it, or is that of the largest weight.
    const bool known =
        std::none_of(fitted.begin(), fitted.end(), [](const auto& rows) { return rows.empty(); });
    if (!known) fitted.assign(views.size(), {});
    for (std::size_t c = 0; known && c < sharing.size(); ++c) {
      scale.channel[c] = fit_scale(sharing[c], scale.channel[c], highest);
    }
  }
  for (std::size_t v = 0; v < views.size(); ++v) {
    SPIKELOOM_CHECK(quantize_node(wire.producers[v], views[v], units[v], scale, fitted[v]));
  }
  return scale;
}

Result<std::vector<std::vector<FittedWeight>>> Planner::fitted_rows(std::uint32_t n,
                                                                    const WeightView& view,
                                                                    double unit_in) const {
  std::vector<std::vector<FittedWeight>> rows;
  const ProgramNode& node = program_.nodes[n];
  const auto found = options_.activity.find(node.name);
  if (found == options_.activity.end() || view.source.empty()) return rows;
  const auto elements = static_cast<std::size_t>(node.in_size);
  if (found->second.mean.size() != elements || found->second.square.size() != elements) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the activity is not that of this network",
                 .where = fmt::format("node \"{}\"", node.name),
                 .expected = fmt::format("{} input elements", elements),
                 .got = std::to_string(found->second.mean.size())};
  }
  const bool channels = std::holds_alternative<op::Convolution>(node.operation);
  const InputActivity activity = moments(view, found->second, channels);
  rows.resize(view.rows);
  for (std::size_t k = 0; k < view.value.size(); ++k) {
    const std::size_t row = view.row[k], source = view.source[k];
    // An integer input stands for unit_in of the real one.
    rows[row].push_back(
        {view.value[k] * (view.row_scale.empty() ? 1.0 : view.row_scale[row]) * unit_in,
         activity.mean[source] / unit_in, activity.square[source] / (unit_in * unit_in)});
  }
  return rows;
}

Status Planner::quantize_node(std::uint32_t n, const WeightView& view, double unit_in,
                              const Unit& scale,
                              const std::vector<std::vector<FittedWeight>>& fitted) {
  QuantizedWeights& made = plan_.weights[n];
  const auto scale_of = [&](std::size_t row) {
    return scale.uniform() ? scale.channel[0] : scale.channel[row];
  };
  const double highest = std::ldexp(1.0, options_.bits - 1) - 1.0;
  std::vector<std::vector<double>> fits;
  for (std::size_t r = 0; r < fitted.size(); ++r) {
    fits.push_back(fit_integers(fitted[r], scale_of(r), highest));
  }
  std::vector<std::size_t> next(fits.size());  // of each row
  double error = 0.0;
  double power = 0.0;
  double worst = 0.0;
  double largest = 0.0;
  for (std::size_t k = 0; k < view.value.size(); ++k) {
    const std::size_t row = view.row[k];
    const double real =
        view.value[k] * (view.row_scale.empty() ? 1.0 : view.row_scale[row]) * unit_in;
    made.integers.push_back(fits.empty() ? std::nearbyint(real / scale_of(row))  // ties to even
                                         : fits[row][next[row]++]);
    const double difference = std::abs(made.integers.back() * scale_of(row) - real);
    error += difference * difference;
    power += real * real;
    worst = std::max(worst, difference);
    largest = std::max(largest, std::abs(real));
  }
  for (std::size_t r = 0; r < view.bias.size(); ++r) {
    made.bias.push_back(std::nearbyint(view.bias[r] / scale_of(r)));
    if (!(std::abs(made.bias.back()) <= 2147483647.0)) {
      return refuse(n, fmt::format("the bias of row {} does not fit 32 bits", r),
                    "give more --bits or --per layer");
    }
  }
  const auto [low, high] = std::minmax_element(scale.channel.begin(), scale.channel.end());
  plan_.layers.push_back({.name = program_.nodes[n].name,
                          .kind = program_.nodes[n].kind,
                          .bits = options_.bits,
                          .weights = static_cast<std::int64_t>(view.value.size()),
                          .smallest_scale = *low / unit_in,
                          .largest_scale = *high / unit_in,
                          .rms_error = power > 0.0 ? std::sqrt(error / power) : 0.0,
                          .max_error = largest > 0.0 ? worst / largest : 0.0,
                          .fitted = !fits.empty()});
  return {};
}

}  // namespace

Result<UnitPlan> plan_units(const Program& program, const QuantizeOptions& options) {
  return Planner(program, options).run();
}

}  // namespace spikeloom::detail
