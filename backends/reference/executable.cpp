#include "backends/reference/executable.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "backends/reference/recurrent.hpp"
#include "backends/reference/session.hpp"

namespace spikeloom::reference {
namespace {

template <typename Real>
std::vector<Real> convert(const std::vector<double>& values) {
  std::vector<Real> converted;
  for (const double value : values) converted.push_back(static_cast<Real>(value));
  return converted;
}

/// A decay as the neuron's step takes it: integers are in units of 1 / 4096.
template <typename Real>
Real convert_decay(double decay) {
  return static_cast<Real>(std::is_integral_v<Real> ? decay * kDecayUnit : decay);
}

template <typename Real>
std::vector<NeuronParameters<Real>> convert(const NeuronCoefficients& c) {
  std::vector<NeuronParameters<Real>> neurons(c.size());
  for (std::size_t i = 0; i < neurons.size(); ++i) {
    NeuronParameters<Real>& n = neurons[i];
    n.has_current = c.has_current;
    n.spiking = c.spiking;
    n.sigma_delta = c.sigma_delta;
    n.rectified = c.rectified;
    n.shift = c.shift;
    n.decay = convert_decay<Real>(c.decay[i]);
    n.gain = static_cast<Real>(c.gain[i]);
    n.drive = static_cast<Real>(c.drive[i]);
    if (c.has_current) {
      n.current_decay = convert_decay<Real>(c.current_decay[i]);
      n.current_gain = static_cast<Real>(c.current_gain[i]);
    }
    if (c.spiking) {
      n.threshold = static_cast<Real>(c.threshold[i]);
      n.reset = static_cast<Real>(c.reset[i]);
    }
    if (!c.refractory.empty()) n.refractory = c.refractory[i];
    if (!c.clamp.empty()) n.clamp = static_cast<Real>(c.clamp[i]);
  }
  return neurons;
}

template <typename Real>
PreparedNode<Real> prepare(const Operation& operation, const RunOptions& options) {
  PreparedNode<Real> node;
  std::visit(
      [&](const auto& o) {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::Sparse>) {
          node.weights = {convert<Real>(o.value), convert<Real>(o.row_scale),
                          convert<Real>(o.bias)};
        } else if constexpr (std::is_same_v<Op, op::RandomSparse>) {
          node.rows = expand<Real>(o);
        } else if constexpr (std::is_same_v<Op, op::Decoder>) {
          node.words = by_source<Real>(o);
        } else if constexpr (std::is_same_v<Op, op::Recurrent>) {
          for (const float threshold : o.threshold) {  // integers: see the constructor
            node.threshold.push_back(static_cast<Real>(threshold) +
                                     static_cast<Real>(options.sharpen));
          }
        } else if constexpr (std::is_same_v<Op, op::Embedding>) {
          // Read where it lies.
        } else if constexpr (requires { o.weight; }) {
          node.weights = {convert<Real>(o.weight), convert<Real>(o.row_scale),
                          convert<Real>(o.bias)};
        } else if constexpr (std::is_same_v<Op, op::Scale>) {
          node.factor = convert<Real>(o.factor);
        } else if constexpr (std::is_same_v<Op, op::Threshold>) {
          // x > t is x > floor(t) for integers; they are in range, or x is never (always) above.
          for (const double t : o.threshold) {
            constexpr auto kLowest = static_cast<double>(std::numeric_limits<Real>::lowest());
            constexpr auto kHighest = static_cast<double>(std::numeric_limits<Real>::max());
            node.threshold.push_back(static_cast<Real>(
                std::is_integral_v<Real> ? std::clamp(std::floor(t), kLowest, kHighest) : t));
          }
        } else if constexpr (std::is_same_v<Op, op::Neuron>) {
          node.neurons = convert<Real>(o.coefficients);
        }
      },
      operation);
  return node;
}

}  // namespace

template <typename Real>
ReferenceExecutable<Real>::ReferenceExecutable(Program program, RunOptions options,
                                               IntegerProgram integer)
    : program_(std::move(program)), options_(std::move(options)), integer_(std::move(integer)) {
  records_.resize(program_.nodes.size());
  for (const std::uint32_t output : program_.outputs) {
    if (options_.record_outputs) records_[output] = {Variable::kOutput};
  }
  for (const RecordRequest& request : options_.record) {
    auto& wanted = records_[request.node];
    if (std::find(wanted.begin(), wanted.end(), request.variable) == wanted.end()) {
      wanted.push_back(request.variable);
    }
  }
  const bool ring = options_.arithmetic == Arithmetic::kRing16;
  for (std::size_t n = 0; n < program_.nodes.size(); ++n) {
    prepared_.push_back(prepare<Real>(program_.nodes[n].operation, options_));
    if constexpr (std::is_same_v<Real, std::int32_t>) {
      PreparedNode<Real>& node = prepared_.back();
      node.threshold = integer_.nodes[n].threshold;
      if (std::holds_alternative<op::Recurrent>(program_.nodes[n].operation)) {
        node.threshold = sharpened(integer_.nodes[n], options_.sharpen);
      }
      if (ring) node.ring = split(node.weights, node.rows, integer_.nodes[n].ring);
    }
  }
}

template <typename Real>
Result<std::unique_ptr<Session>> ReferenceExecutable<Real>::open(std::uint32_t batch) const {
  if (batch == 0) {
    return Error{.what = "a session needs at least one batch element", .got = "batch 0"};
  }
  auto self = std::static_pointer_cast<const ReferenceExecutable<Real>>(this->shared_from_this());
  return std::unique_ptr<Session>(std::make_unique<ReferenceSession<Real>>(std::move(self), batch));
}

template class ReferenceExecutable<float>;
template class ReferenceExecutable<double>;
template class ReferenceExecutable<std::int32_t>;

}  // namespace spikeloom::reference
