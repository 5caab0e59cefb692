#include "snn/detail/integer_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <type_traits>

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

constexpr std::int64_t kInt32Max = std::numeric_limits<std::int32_t>::max();
/// Limit of gain x input + drive: with a decayed state it stays within int32.
constexpr std::int64_t kUpdateLimit = std::int64_t{1} << 30;

std::int64_t magnitude(std::int64_t value) { return value < 0 ? -value : value; }

/// a b, or int64's largest value: bounds never wrap.
std::int64_t product(std::int64_t a, std::int64_t b) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (a == 0 || b == 0) return 0;
  return a > kMax / b ? kMax : a * b;
}

/// Bound of a row's sum, for integer weights and for the rounded ones of ring16.
class RowBound {
 public:
  explicit RowBound(const RingShift& shift) : shift_(shift) {}
  void add(std::int16_t weight, std::int64_t times = 1) {
    const int shift = weight > 0 ? shift_.excitatory : shift_.inhibitory;
    exact_ += product(magnitude(weight), times);
    ring_ += product(std::int64_t{ring_weight(weight, shift)} << shift, times);
  }
  std::int64_t value() const { return std::max(exact_, ring_); }

 private:
  RingShift shift_;
  std::int64_t exact_ = 0, ring_ = 0;
};

class Bounds {
 public:
  Bounds(const Program& program, std::int32_t input_limit, IntegerProgram& integer)
      : program_(program),
        input_limit_(input_limit),
        integer_(integer),
        state_(program.nodes.size(), State::kUnknown) {}

  Status run() {
    for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) SPIKELOOM_CHECK(find(n));
    return {};
  }

 private:
  enum class State { kUnknown, kOpen, kKnown };

  Status find(std::uint32_t index);
  Result<std::int64_t> source_bound(const Link& link);
  Result<std::int64_t> output_bound(std::uint32_t index);
  template <typename Weights>
  Result<std::int64_t> weight_bound(std::uint32_t index, const Weights& operation);
  template <typename Layer>
  Result<std::int64_t> language_bound(std::uint32_t index, const Layer& layer);
  Result<std::int64_t> neuron_bound(std::uint32_t index);
  std::int64_t neuron_limit(std::uint32_t index) const;
  std::int64_t paid_spikes(const IntegerNeurons& c, std::size_t i, std::int64_t update) const;
  Error refuse(std::uint32_t index, std::string what, std::int64_t bound, std::int64_t limit,
               std::string next) const;

  const Program& program_;
  std::int32_t input_limit_;
  IntegerProgram& integer_;
  std::vector<State> state_;
};

Error Bounds::refuse(std::uint32_t index, std::string what, std::int64_t bound, std::int64_t limit,
                     std::string next) const {
  return Error{.code = ErrorCode::kUnsupported,
               .what = std::move(what),
               .where = fmt::format("node \"{}\"", program_.nodes[index].name),
               .expected = fmt::format("at most {}", limit),
               .got = fmt::format("a bound of {}", bound),
               .next = std::move(next)};
}

/// What a neuron's output cannot exceed, whatever its input.
std::int64_t Bounds::neuron_limit(std::uint32_t index) const {
  const auto* neuron = std::get_if<op::Neuron>(&program_.nodes[index].operation);
  if (neuron == nullptr) return 1;  // op::Threshold
  if (!neuron->coefficients.spiking) return kIntegerStateLimit;
  if (neuron->coefficients.sigma_delta) return kEventLimit;
  if (program_.discretisation.spike_rule != SpikeRule::kMultiple) return 1;
  std::int64_t most = 0;
  for (const std::int32_t threshold : integer_.nodes[index].neurons.threshold) {
    most = std::max<std::int64_t>(most, kIntegerStateLimit / threshold);
  }
  return std::min<std::int64_t>(most, kMostSpikes);
}

/// The bound of a link's source. On a cycle a neuron or a Threshold counts with the limit of its
/// own, so that meeting a node that is being worked on means a cycle without either.
Result<std::int64_t> Bounds::source_bound(const Link& link) {
  const std::uint32_t source = link.source;
  const Operation& operation = program_.nodes[source].operation;
  if (link.in_cycle && (std::holds_alternative<op::Neuron>(operation) ||
                        std::holds_alternative<op::Threshold>(operation))) {
    return neuron_limit(source);
  }
  if (state_[source] != State::kOpen) {
    SPIKELOOM_CHECK(find(source));
    return integer_.nodes[source].out_bound;
  }
  return Error{.code = ErrorCode::kUnsupported,
               .what = "a cycle without a neuron has no bound on its values",
               .where = fmt::format("node \"{}\"", program_.nodes[source].name),
               .next = "put a neuron into the cycle, or give --arithmetic float32"};
}

Status Bounds::find(std::uint32_t index) {
  if (state_[index] == State::kKnown) return {};
  state_[index] = State::kOpen;
  IntegerNode& node = integer_.nodes[index];
  std::int64_t sum = 0;
  for (const Link& link : program_.nodes[index].inputs) {
    SPIKELOOM_TRY(const std::int64_t bound, source_bound(link));
    sum += bound;
    if (sum > kInt32Max) {
      return refuse(index, "the sum of the links into this node might not fit 32 bits", sum,
                    kInt32Max, "give fewer bits a weight, or --arithmetic float32");
    }
  }
  node.in_bound = sum;
  SPIKELOOM_TRY(node.out_bound, output_bound(index));
  if (node.out_bound > kInt32Max) {
    return refuse(index, "this node's output might not fit 32 bits", node.out_bound, kInt32Max,
                  "give fewer bits a weight, or --arithmetic float32");
  }
  state_[index] = State::kKnown;
  return {};
}

/// Rows whose sums differ: outputs, or channels. Every output of a rule draws the same numbers of
/// the same weights.
std::size_t row_count(const op::Dense& o) { return static_cast<std::size_t>(o.outputs); }
std::size_t row_count(const op::Sparse& o) { return static_cast<std::size_t>(o.outputs); }
std::size_t row_count(const op::RandomSparse& o) { return o.outputs > 0 ? 1 : 0; }
std::size_t row_count(const op::Convolution& o) { return static_cast<std::size_t>(o.out_channels); }

/// Adds up row `row`.
template <typename Weights>
void add_row(const Weights& o, std::size_t row, const std::vector<std::int16_t>& weight,
             RowBound& sum) {
  if constexpr (std::is_same_v<Weights, op::RandomSparse>) {
    for (std::size_t g = 0; g < weight.size(); ++g) sum.add(weight[g], o.groups[g].degree);
  } else if constexpr (std::is_same_v<Weights, op::Sparse>) {
    const auto last = static_cast<std::size_t>(o.row_start[row + 1]);
    for (auto k = static_cast<std::size_t>(o.row_start[row]); k < last; ++k) sum.add(weight[k]);
  } else {
    const std::size_t length = weight.size() / row_count(o);
    for (std::size_t k = row * length; k < (row + 1) * length; ++k) sum.add(weight[k]);
  }
}

template <typename Weights>
Result<std::int64_t> Bounds::weight_bound(std::uint32_t index, const Weights& operation) {
  const IntegerNode& node = integer_.nodes[index];
  if (node.in_bound > kEventLimit) {
    return refuse(index, "values that enter weights might not fit 16 bits", node.in_bound,
                  kEventLimit,
                  "put a spiking neuron in front of this node, or fold it into the one before");
  }
  std::int64_t largest = 0;
  for (std::size_t row = 0; row < row_count(operation); ++row) {
    RowBound sum(node.ring);
    add_row(operation, row, node.weight, sum);
    const std::int64_t bias = node.bias.empty() ? 0 : magnitude(node.bias[row]);
    const std::int64_t bound = product(sum.value(), node.in_bound);
    if (bound > kInt32Max - bias) {
      return refuse(index, fmt::format("the sum of row {} might not fit 32 bits", row), bound,
                    kInt32Max - bias, "quantise with fewer bits, or give --arithmetic float32");
    }
    largest = std::max(largest, bound + bias);
  }
  return largest;
}

template <typename Layer>
Result<std::int64_t> Bounds::language_bound(std::uint32_t index, const Layer&) {
  const IntegerNode& node = integer_.nodes[index];
  constexpr bool kEmbeds = std::is_same_v<Layer, op::Embedding>;
  if (!kEmbeds && node.in_bound > kEventLimit) {
    return refuse(index, "values that enter weights might not fit 16 bits", node.in_bound,
                  kEventLimit, "give --arithmetic float32");
  }
  if (kEmbeds) return product(node.row_sum, node.in_bound);
  const std::int64_t in = std::is_same_v<Layer, op::Recurrent> ? kEventLimit : node.in_bound;
  if (const std::int64_t bound = product(node.row_sum, in); bound > kInt32Max) {
    return refuse(index, "the sum of a row might not fit 32 bits", bound, kInt32Max,
                  "quantise with fewer bits, or give --arithmetic float32");
  }
  if (std::is_same_v<Layer, op::Recurrent>) return std::int64_t{kEventLimit};
  return std::int64_t{kIntegerStateLimit};
}

Result<std::int64_t> Bounds::output_bound(std::uint32_t index) {
  const IntegerNode& node = integer_.nodes[index];
  return std::visit(
      [&](const auto& o) -> Result<std::int64_t> {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::Input>) {
          return std::int64_t{input_limit_};
        } else if constexpr (std::is_same_v<Op, op::Pool>) {
          if (o.kind == op::PoolKind::kMax) return node.in_bound;
          return product(o.kernel.rows * o.kernel.columns, node.in_bound);
        } else if constexpr (std::is_same_v<Op, op::Scale>) {
          std::int64_t largest = 0;
          for (const std::int16_t factor : node.factor) {
            largest = std::max(largest, magnitude(factor));
          }
          return product(largest, node.in_bound);
        } else if constexpr (std::is_same_v<Op, op::Threshold>) {
          return std::int64_t{1};
        } else if constexpr (std::is_same_v<Op, op::Neuron>) {
          return neuron_bound(index);
        } else if constexpr (std::is_same_v<Op, op::Dense> || std::is_same_v<Op, op::Sparse> ||
                             std::is_same_v<Op, op::RandomSparse> ||
                             std::is_same_v<Op, op::Convolution>) {
          return weight_bound(index, o);
        } else if constexpr (std::is_same_v<Op, op::Embedding> ||
                             std::is_same_v<Op, op::Recurrent> || std::is_same_v<Op, op::Decoder>) {
          return language_bound(index, o);
        } else {
          return node.in_bound;  // Output, Identity, Delay, Relu
        }
      },
      program_.nodes[index].operation);
}

/// Spikes of neuron i with the rule `multi` where each is paid for at once: the membrane before
/// the update is below the threshold, at v_reset, at the clamp or at its initial value.
std::int64_t Bounds::paid_spikes(const IntegerNeurons& c, std::size_t i,
                                 std::int64_t update) const {
  const Discretisation& d = program_.discretisation;
  if (d.reset != Reset::kToVReset && d.reset != Reset::kSubtract) return kMostSpikes;
  std::int64_t before = c.threshold[i] - 1;
  if (!c.initial.empty()) before = std::max<std::int64_t>(before, c.initial[i]);
  if (d.reset == Reset::kToVReset) before = std::max<std::int64_t>(before, c.reset[i]);
  if (!c.clamp.empty()) before = std::max<std::int64_t>(before, c.clamp[i]);
  return (before + update) / c.threshold[i];
}

Result<std::int64_t> Bounds::neuron_bound(std::uint32_t index) {
  const Discretisation& d = program_.discretisation;
  const IntegerNode& node = integer_.nodes[index];
  const IntegerNeurons& c = node.neurons;
  const auto& coefficients = std::get<op::Neuron>(program_.nodes[index].operation).coefficients;
  const std::string next =
      "quantise with fewer fractional bits (--fraction) or fewer bits a weight";
  const bool counts_spikes =
      coefficients.spiking && !coefficients.sigma_delta && d.spike_rule == SpikeRule::kMultiple;
  std::int64_t spikes = 0;
  for (std::size_t i = 0; i < c.decay.size(); ++i) {
    std::int64_t drive = node.in_bound;
    if (coefficients.has_current) {
      const std::int64_t step = product(magnitude(c.current_gain[i]), node.in_bound);
      if (step > kUpdateLimit) {
        return refuse(index, fmt::format("the current of neuron {} might overflow", i), step,
                      kUpdateLimit, next);
      }
      // i <- D(i) + step settles below (step + 1) / (1 - decay); D rounds by less than 1.
      const std::int64_t leak = kDecayUnit - c.current_decay[i];
      drive = kIntegerStateLimit;
      if (leak > 0) drive = std::min(drive, (step + 1) * kDecayUnit / leak + 1);
    }
    // A sigma-delta neuron subtracts two activations.
    const std::int64_t bias = magnitude(c.drive[i]) + (coefficients.sigma_delta ? 1 : 0);
    const std::int64_t update = product(magnitude(c.gain[i]), drive);
    if (update > kUpdateLimit - bias) {
      return refuse(index, fmt::format("the membrane of neuron {} might overflow", i), update,
                    kUpdateLimit - bias, next);
    }
    if (counts_spikes) {
      spikes = std::max(spikes, paid_spikes(c, i, update + bias));
    }
  }
  return counts_spikes ? std::min(neuron_limit(index), spikes) : neuron_limit(index);
}

}  // namespace

Status bound_values(const Program& program, std::int32_t input_limit, IntegerProgram& integer) {
  return Bounds(program, input_limit, integer).run();
}

}  // namespace spikeloom::detail
