#include "snn/integer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include <fmt/format.h>

#include "snn/detail/integer_bounds.hpp"
#include "snn/detail/integer_language.hpp"

namespace spikeloom {
namespace {

constexpr const char* kQuantise =
    "make an integer network of it: spikeloom quantize MODEL -o OUT.sloom";

/// A range of integers and what to call its members.
struct Format {
  double lowest = 0.0, highest = 0.0;
  const char* name = "";
};

constexpr Format kInt16 = {-32768, 32767, "a 16-bit integer"};
constexpr Format kInt32 = {-2147483648.0, 2147483647.0, "a 32-bit integer"};
constexpr Format kStateFormat = {-kIntegerStateLimit, kIntegerStateLimit,
                                 "an integer within 2^29 - 1"};

Error not_integer(std::string what, std::size_t place, const char* expected, double got) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = fmt::format("{} {} is no number for integer arithmetic", what, place),
               .expected = expected,
               .got = fmt::format("{}", got),
               .next = kQuantise};
}

/// `values` as integers; `row` tells which row (or element) an entry belongs to.
template <typename Integer, typename RowOf>
Status take(const char* what, const std::vector<double>& values, const Format& format,
            const RowOf& row, std::vector<Integer>& out) {
  out.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = values[i];
    if (!(value >= format.lowest && value <= format.highest) || value != std::trunc(value)) {
      return not_integer(what, row(i), format.name, value);
    }
    out.push_back(static_cast<Integer>(value));
  }
  return {};
}

std::size_t same(std::size_t i) { return i; }

/// Smallest shift with which `sum` fits a ring16 slot.
int shift_for(std::int64_t sum) {
  int shift = 0;
  while (sum > (std::int64_t{kRingLimit} << shift)) ++shift;
  return shift;
}

bool all_fit_int8(const std::vector<std::int16_t>& weights) {
  return std::all_of(weights.begin(), weights.end(),
                     [](std::int16_t w) { return w >= -128 && w <= 127; });
}

/// Row (output, channel) of each stored weight.
std::vector<std::size_t> rows_of(const op::Sparse& sparse) {
  std::vector<std::size_t> rows(sparse.value.size());
  for (std::size_t o = 0; o + 1 < sparse.row_start.size(); ++o) {
    std::fill(rows.begin() + sparse.row_start[o], rows.begin() + sparse.row_start[o + 1], o);
  }
  return rows;
}

template <typename RowOf>
Status take_weights(const std::vector<double>& weight, const std::vector<double>& row_scale,
                    const std::vector<double>& bias, std::size_t row_count, const RowOf& row,
                    IntegerNode& node) {
  for (std::size_t o = 0; o < row_scale.size(); ++o) {
    if (row_scale[o] != 1.0) return not_integer("weight_scale of row", o, "1", row_scale[o]);
  }
  SPIKELOOM_CHECK(take("a weight of row", weight, kInt16, row, node.weight));
  SPIKELOOM_CHECK(take("the bias of row", bias, kInt32, same, node.bias));
  node.fits_int8 = all_fit_int8(node.weight);
  std::vector<std::int64_t> excitatory(row_count), inhibitory(row_count);
  for (std::size_t k = 0; k < node.weight.size(); ++k) {
    const std::int16_t w = node.weight[k];
    (w > 0 ? excitatory : inhibitory)[row(k)] += w > 0 ? w : -std::int64_t{w};
  }
  for (std::size_t o = 0; o < row_count; ++o) {
    node.ring.excitatory = std::max(node.ring.excitatory, shift_for(excitatory[o]));
    node.ring.inhibitory = std::max(node.ring.inhibitory, shift_for(inhibitory[o]));
  }
  return {};
}

/// Decays as multiples of 1 / 4096.
Status take_decays(const char* what, const std::vector<double>& decays, const Discretisation& d,
                   std::vector<std::int32_t>& out) {
  for (std::size_t i = 0; i < decays.size(); ++i) {
    const double units = decays[i] * kDecayUnit;
    if (!(units >= 0.0 && units <= kDecayUnit) || units != std::trunc(units)) {
      return not_integer(what, i, "n / 4096, n = 0 .. 4096", decays[i]);
    }
    if (d.fixed_point == FixedPoint::kNone && units != 0.0 && units != kDecayUnit) {
      return Error{
          .code = ErrorCode::kUnsupported,
          .what = fmt::format("{} {} leaves a fraction, and nothing says how to round it", what, i),
          .expected = "a decay of 0 or 1",
          .got = fmt::format("{} / 4096", units),
          .next = "give --fixed-point loihi or floor"};
    }
    out.push_back(static_cast<std::int32_t>(units));
  }
  return {};
}

Status take_neurons(const NeuronCoefficients& c, const Discretisation& d, IntegerNeurons& out) {
  SPIKELOOM_CHECK(
      take_decays("the current's decay of neuron", c.current_decay, d, out.current_decay));
  SPIKELOOM_CHECK(take_decays("the decay of neuron", c.decay, d, out.decay));
  SPIKELOOM_CHECK(
      take("the current's gain of neuron", c.current_gain, kInt32, same, out.current_gain));
  SPIKELOOM_CHECK(take("the gain of neuron", c.gain, kInt32, same, out.gain));
  for (std::size_t i = 0; c.has_current && i < c.gain.size(); ++i) {
    if (c.gain[i] != 1.0) {
      return not_integer("the gain from current to membrane of neuron", i, "1", c.gain[i]);
    }
  }
  SPIKELOOM_CHECK(take("the drive of neuron", c.drive, kInt32, same, out.drive));
  SPIKELOOM_CHECK(take("the threshold of neuron", c.threshold, kStateFormat, same, out.threshold));
  SPIKELOOM_CHECK(take("the reset of neuron", c.reset, kStateFormat, same, out.reset));
  SPIKELOOM_CHECK(take("the clamp of neuron", c.clamp, kStateFormat, same, out.clamp));
  SPIKELOOM_CHECK(
      take("the initial membrane of neuron", c.initial, kStateFormat, same, out.initial));
  out.refractory = c.refractory;
  const bool subtracts = d.reset == Reset::kSubtract || d.reset == Reset::kSubtractOnce;
  const std::int32_t lowest = d.spike_rule == SpikeRule::kMultiple && !c.sigma_delta ? 1 : 0;
  for (std::size_t i = 0; i < out.threshold.size(); ++i) {
    if ((subtracts || lowest > 0) && out.threshold[i] < lowest) {
      return not_integer(
          "the threshold of neuron", i,
          lowest > 0 ? "at least 1, for several spikes a step" : "at least 0, as it is subtracted",
          out.threshold[i]);
    }
  }
  return {};
}

/// One weight per group; every row holds `degree` of each.
Status take_rule(const op::RandomSparse& rule, IntegerNode& node) {
  std::vector<double> weights;
  for (const auto& group : rule.groups) weights.push_back(group.weight);
  SPIKELOOM_CHECK(take("the weight of group", weights, kInt16, same, node.weight));
  node.fits_int8 = all_fit_int8(node.weight);
  std::int64_t excitatory = 0;
  std::int64_t inhibitory = 0;
  for (std::size_t g = 0; g < node.weight.size(); ++g) {
    const std::int64_t sum = std::int64_t{node.weight[g]} * rule.groups[g].degree;
    (sum > 0 ? excitatory : inhibitory) += sum > 0 ? sum : -sum;
  }
  node.ring = {shift_for(excitatory), shift_for(inhibitory)};
  return {};
}

Result<IntegerNode> convert(const ProgramNode& node, const Discretisation& d) {
  IntegerNode made;
  const Status status = std::visit(
      [&](const auto& o) -> Status {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::Dense>) {
          const auto length = static_cast<std::size_t>(std::max<std::int64_t>(o.inputs, 1));
          return take_weights(
              o.weight, o.row_scale, o.bias, static_cast<std::size_t>(o.outputs),
              [&](std::size_t k) { return k / length; }, made);
        } else if constexpr (std::is_same_v<Op, op::Sparse>) {
          const auto rows = rows_of(o);
          return take_weights(
              o.value, o.row_scale, o.bias, static_cast<std::size_t>(o.outputs),
              [&](std::size_t k) { return rows[k]; }, made);
        } else if constexpr (std::is_same_v<Op, op::Convolution>) {
          const auto channels = static_cast<std::size_t>(o.out_channels);
          const std::size_t length =
              std::max<std::size_t>(channels == 0 ? 0 : o.weight.size() / channels, 1);
          return take_weights(
              o.weight, o.row_scale, o.bias, channels, [&](std::size_t k) { return k / length; },
              made);
        } else if constexpr (std::is_same_v<Op, op::RandomSparse>) {
          return take_rule(o, made);
        } else if constexpr (std::is_same_v<Op, op::Pool>) {
          if (o.kind != op::PoolKind::kAverage) return {};
          return Error{.code = ErrorCode::kUnsupported,
                       .what = "an average leaves fractions",
                       .expected = "a sum pool, its factor in the weights behind it",
                       .next = kQuantise};
        } else if constexpr (std::is_same_v<Op, op::Scale>) {
          return take("factor", o.factor, kInt16, same, made.factor);
        } else if constexpr (std::is_same_v<Op, op::Threshold>) {
          for (const double t : o.threshold) {
            if (std::isnan(t))
              return not_integer("threshold", made.threshold.size(), "a number", t);
            const double floored = std::clamp(std::floor(t), kInt32.lowest, kInt32.highest);
            made.threshold.push_back(static_cast<std::int32_t>(floored));
          }
          return {};
        } else if constexpr (std::is_same_v<Op, op::Neuron>) {
          return take_neurons(o.coefficients, d, made.neurons);
        } else if constexpr (std::is_same_v<Op, op::Input> || std::is_same_v<Op, op::Output> ||
                             std::is_same_v<Op, op::Identity> || std::is_same_v<Op, op::Delay> ||
                             std::is_same_v<Op, op::Embedding> ||
                             std::is_same_v<Op, op::Recurrent> || std::is_same_v<Op, op::Decoder> ||
                             std::is_same_v<Op, op::Relu>) {
          return {};  // language layers: detail::convert_language
        } else {
          return Error{.code = ErrorCode::kUnsupported,
                       .what = fmt::format("{} has no integer form", node.kind),
                       .next = "give --arithmetic float32"};
        }
      },
      node.operation);
  if (!status.ok()) return Error(status.error()).in(fmt::format("node \"{}\"", node.name));
  return made;
}

Status check_options(const Discretisation& d) {
  if (d.spike_time == SpikeTime::kSubStep) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "spikes within a step have no integer form",
                 .next = "give --spike-time grid, or --arithmetic float32"};
  }
  if (d.spike_amplitude() != 1.0) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "a spike carries no 1",
                 .expected = "--spike-value unit",
                 .got = fmt::format("{}", d.spike_amplitude()),
                 .next = kQuantise};
  }
  return {};
}

}  // namespace

std::int32_t ring_weight(std::int16_t weight, int shift) {
  const std::int64_t magnitude = weight < 0 ? -std::int64_t{weight} : weight;
  if (shift == 0) return static_cast<std::int32_t>(magnitude);
  const std::int64_t half = std::int64_t{1} << (shift - 1);
  const std::int64_t floored = magnitude >> shift;
  const std::int64_t rest = magnitude - (floored << shift);
  const bool up = rest > half || (rest == half && floored % 2 == 1);
  return static_cast<std::int32_t>(floored + (up ? 1 : 0));
}

Result<IntegerProgram> to_integer(const Program& program) {
  SPIKELOOM_CHECK(check_options(program.discretisation));
  IntegerProgram integer;
  for (const ProgramNode& node : program.nodes) {
    SPIKELOOM_TRY(IntegerNode made, convert(node, program.discretisation));
    integer.nodes.push_back(std::move(made));
    const Status status = detail::convert_language(program, integer.nodes.size() - 1, integer);
    if (!status.ok()) return Error(status.error()).in(fmt::format("node \"{}\"", node.name));
  }
  SPIKELOOM_CHECK(detail::check_cycle_units(program, integer));
  // Bounds grow with the input, so the largest provable limit is found by halving.
  if (detail::bound_values(program, kEventLimit, integer).ok()) return integer;
  SPIKELOOM_CHECK(detail::bound_values(program, 1, integer));
  std::int32_t proven = 1;
  std::int32_t refused = kEventLimit;
  while (refused - proven > 1) {
    const std::int32_t middle = proven + (refused - proven) / 2;
    (detail::bound_values(program, middle, integer).ok() ? proven : refused) = middle;
  }
  SPIKELOOM_CHECK(detail::bound_values(program, proven, integer));
  integer.input_limit = proven;
  return integer;
}

}  // namespace spikeloom
