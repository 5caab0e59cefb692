#include "backends/reference/recurrent.hpp"

#include <algorithm>
#include <cmath>

#include "snn/integer_tables.hpp"

namespace spikeloom::reference {
namespace {

/// Pairs of an event and a weight, by what they cost.
class Counter {
 public:
  Counter(WeightClass weights, OperationCount& count)
      : cheap_(weights != WeightClass::kGeneral), count_(count) {}
  template <typename Real>
  void pairs(Real value, std::int64_t number) {
    const bool adds = cheap_ || value == Real{1} || value == Real{-1};
    (adds ? count_.ac : count_.mac) += static_cast<std::uint64_t>(number);
  }
  /// Pairs of a dense input: its values are no events, whatever they are.
  void dense_pairs(std::int64_t number) {
    (cheap_ ? count_.ac : count_.mac) += static_cast<std::uint64_t>(number);
  }

 private:
  bool cheap_;
  OperationCount& count_;
};

/// Matrix times vector, source by source; a silent source costs nothing unless `dense`.
template <typename Real>
std::vector<Real> product(const op::SourceMatrix& matrix, const std::vector<Real>& in, bool dense,
                          OperationCount& count) {
  std::vector<Real> sums(static_cast<std::size_t>(matrix.outputs), Real{0});
  Counter counter(matrix.weight_class, count);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] == Real{0} && !dense) continue;
    const auto first = static_cast<std::size_t>(matrix.row_start[i]);
    const auto last = static_cast<std::size_t>(matrix.row_start[i + 1]);
    for (std::size_t k = first; k < last; ++k) {
      sums[matrix.target[k]] += static_cast<Real>(matrix.value[k]) * in[i];
    }
    const std::int64_t pairs = matrix.row_start[i + 1] - matrix.row_start[i];
    dense ? counter.dense_pairs(pairs) : counter.pairs(in[i], pairs);
  }
  for (std::size_t o = 0; o < matrix.scale.size(); ++o) {
    sums[o] *= static_cast<Real>(matrix.scale[o]);
  }
  return sums;
}

template <typename Real>
void add_bias(const std::vector<float>& bias, std::vector<Real>& sums) {
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<Real>(bias[i]);
}

/// In double, rounded once to the arithmetic of the run.
template <typename Real>
Real sigmoid(Real x) {
  return static_cast<Real>(1.0 / (1.0 + std::exp(-static_cast<double>(x))));
}
template <typename Real>
Real tangent(Real x) {
  return static_cast<Real>(std::tanh(static_cast<double>(x)));
}

template <typename Real>
void step_released(const op::Recurrent& layer, const std::vector<Real>& threshold,
                   const std::vector<Real>& w, const std::vector<Real>& r,
                   RecurrentState<Real>& s) {
  const auto units = static_cast<std::size_t>(layer.units);
  for (std::size_t i = 0; i < units; ++i) {
    const Real update = sigmoid(w[i] + r[i]);
    const Real reset = sigmoid(w[units + i] + r[units + i]);
    const Real candidate = tangent(w[2 * units + i] + reset * r[2 * units + i]);
    const Real cell = update * s.state[i] + (Real{1} - update) * candidate;
    if (layer.cell == op::Cell::kGru) {
      s.state[i] = cell;
      s.output[i] = cell;
    } else if (cell > threshold[i]) {
      s.state[i] = cell - threshold[i];
      s.output[i] = cell;
    } else {
      s.state[i] = cell;
      s.output[i] = Real{0};
    }
  }
}

/// The reset gates of all units are known before the candidates: y' is sent a second time, gated.
template <typename Real>
void step_paper(const op::Recurrent& layer, const std::vector<Real>& threshold,
                const std::vector<Real>& w, std::vector<Real> r, RecurrentState<Real>& s) {
  const auto units = static_cast<std::size_t>(layer.units);
  std::vector<Real> gated(units);
  for (std::size_t i = 0; i < units; ++i) {
    gated[i] = sigmoid(w[units + i] + r[units + i]) * s.output[i];
  }
  OperationCount same_pairs;  // counted with the first product
  std::vector<Real> again = product(layer.recurrent, gated, true, same_pairs);
  add_bias(layer.recurrent_bias, again);
  for (std::size_t i = 0; i < units; ++i) {
    const Real update = sigmoid(w[i] + r[i]);
    const Real candidate = tangent(w[2 * units + i] + again[2 * units + i]);
    const Real cell = update * candidate + (Real{1} - update) * s.state[i] - s.output[i];
    s.state[i] = cell;
    s.output[i] = cell > threshold[i] ? cell : Real{0};
  }
}

template <typename Real>
void step_lstm(const op::Recurrent& layer, const std::vector<Real>& w, const std::vector<Real>& r,
               RecurrentState<Real>& s) {
  const auto units = static_cast<std::size_t>(layer.units);
  const auto gate = [&](std::size_t g, std::size_t i) {
    return w[g * units + i] + r[g * units + i];
  };
  for (std::size_t i = 0; i < units; ++i) {
    const Real forget = sigmoid(gate(1, i));
    const Real cell = forget * s.state[i] + sigmoid(gate(0, i)) * tangent(gate(2, i));
    s.state[i] = cell;
    s.output[i] = sigmoid(gate(3, i)) * tangent(cell);
  }
}

}  // namespace

template <typename Real>
OperationCount step(const op::Recurrent& layer, const std::vector<Real>& threshold,
                    const std::vector<Real>& in, RecurrentState<Real>& state) {
  OperationCount count;
  std::vector<Real> w = product(layer.kernel, in, layer.dense_input, count);
  add_bias(layer.bias, w);
  std::vector<Real> r = product(layer.recurrent, state.output, false, count);
  add_bias(layer.recurrent_bias, r);
  switch (layer.cell) {
    case op::Cell::kEgruPaper:
      step_paper(layer, threshold, w, std::move(r), state);
      break;
    case op::Cell::kLstm:
      step_lstm(layer, w, r, state);
      break;
    default:
      step_released(layer, threshold, w, r, state);
  }
  return count;
}

template <typename Real>
void look_up(const op::Embedding& embedding, const std::vector<Real>& in, std::vector<Real>& out) {
  std::fill(out.begin(), out.end(), Real{0});
  for (std::size_t word = 0; word < in.size(); ++word) {
    if (in[word] == Real{0}) continue;
    for (std::size_t i = 0; i < out.size(); ++i) {
      auto weight =
          static_cast<Real>(embedding.weight.at(static_cast<std::int64_t>(word * out.size() + i)));
      if (!embedding.scale.empty()) weight *= static_cast<Real>(embedding.scale[word]);
      out[i] += weight * in[word];
    }
  }
}

template <typename Real>
std::vector<Real> by_source(const op::Decoder& decoder) {
  const auto words = static_cast<std::size_t>(decoder.words);
  const auto size = static_cast<std::size_t>(decoder.size);
  std::vector<Real> weights(words * size);
  for (std::size_t word = 0; word < words; ++word) {
    for (std::size_t i = 0; i < size; ++i) {
      weights[i * words + word] =
          static_cast<Real>(decoder.weight.at(static_cast<std::int64_t>(word * size + i)));
    }
  }
  return weights;
}

template <typename Real>
OperationCount decode(const op::Decoder& decoder, const std::vector<Real>& weights,
                      const std::vector<Real>& in, std::vector<Real>& out) {
  OperationCount count;
  Counter counter(decoder.weight_class, count);
  std::fill(out.begin(), out.end(), Real{0});
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] == Real{0}) continue;
    for (std::size_t word = 0; word < out.size(); ++word) {
      out[word] += weights[i * out.size() + word] * in[i];
    }
    counter.pairs(in[i], decoder.words);
  }
  for (std::size_t word = 0; word < out.size(); ++word) {
    if (!decoder.scale.empty()) out[word] *= static_cast<Real>(decoder.scale[word]);
    out[word] += static_cast<Real>(decoder.bias[word]);
  }
  return count;
}

namespace {

/// The nearest integer to value / 2^shift, halves upwards.
std::int64_t divided(std::int64_t value, int shift) {
  const std::int64_t unit = std::int64_t{1} << shift;
  const std::int64_t raised = value + unit / 2;
  const std::int64_t quotient = raised / unit;
  return raised % unit < 0 ? quotient - 1 : quotient;
}

std::int32_t bounded(std::int64_t value, std::int64_t limit) {
  return static_cast<std::int32_t>(std::clamp(value, -limit, limit));
}

/// (sum x multiplier / 2^shift) + bias, within `limit`.
void complete(const IntegerScale& scale, const std::vector<std::int32_t>& bias, std::int64_t limit,
              std::vector<std::int32_t>& sums) {
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const std::int64_t product = std::int64_t{sums[i]} * scale.multiplier[i];
    sums[i] = bounded(divided(product, scale.shift) + bias[i], limit);
  }
}

/// product() multiplies by the real scale, which integers have not.
std::vector<std::int32_t> integer_product(const op::SourceMatrix& matrix,
                                          const std::vector<std::int32_t>& in, bool dense,
                                          OperationCount& count) {
  std::vector<std::int32_t> sums(static_cast<std::size_t>(matrix.outputs), 0);
  Counter counter(matrix.weight_class, count);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] == 0 && !dense) continue;
    const auto last = static_cast<std::size_t>(matrix.row_start[i + 1]);
    for (auto k = static_cast<std::size_t>(matrix.row_start[i]); k < last; ++k) {
      sums[matrix.target[k]] += static_cast<std::int32_t>(matrix.value[k]) * in[i];
    }
    const std::int64_t pairs = matrix.row_start[i + 1] - matrix.row_start[i];
    dense ? counter.dense_pairs(pairs) : counter.pairs(in[i], pairs);
  }
  return sums;
}

}  // namespace

OperationCount step(const op::Recurrent& layer, const IntegerNode& integer,
                    const std::vector<std::int32_t>& threshold, const std::vector<std::int32_t>& in,
                    RecurrentState<std::int32_t>& s) {
  constexpr std::int64_t kGates = 1 << 20;
  constexpr std::int64_t kGated = 65535;
  OperationCount count;
  auto w = integer_product(layer.kernel, in, layer.dense_input, count);
  auto r = integer_product(layer.recurrent, s.output, false, count);
  complete(integer.scale, integer.bias, kGates, w);
  complete(integer.recurrent_scale, integer.recurrent_bias, kGates, r);
  const auto units = static_cast<std::size_t>(layer.units);
  for (std::size_t i = 0; i < units; ++i) {
    const std::int64_t update = integer_sigmoid(w[i] + r[i]);
    const std::int64_t reset = integer_sigmoid(w[units + i] + r[units + i]);
    const std::int64_t gated = divided(reset * bounded(r[2 * units + i], kGated), 15);
    const std::int64_t candidate =
        integer_tanh(w[2 * units + i] + static_cast<std::int32_t>(gated));
    const std::int64_t blend = update * s.state[i] + (32768 - update) * candidate;
    const std::int32_t cell = bounded(divided(blend, 15), 32767);
    const bool fires = cell > threshold[i];
    s.state[i] = fires ? cell - threshold[i] : cell;
    s.output[i] = fires ? cell : 0;
  }
  return count;
}

void look_up(const op::Embedding& embedding, const IntegerNode& integer,
             const std::vector<std::int32_t>& in, std::vector<std::int32_t>& out) {
  std::fill(out.begin(), out.end(), 0);
  for (std::size_t word = 0; word < in.size(); ++word) {
    if (in[word] == 0) continue;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double weight = embedding.weight.at(static_cast<std::int64_t>(word * out.size() + i));
      const std::int64_t value = static_cast<std::int64_t>(weight) * in[word];
      out[i] += static_cast<std::int32_t>(
          divided(value * integer.scale.multiplier[word], integer.scale.shift));
    }
  }
}

OperationCount decode(const op::Decoder& decoder, const IntegerNode& integer,
                      const std::vector<std::int32_t>& weights, const std::vector<std::int32_t>& in,
                      std::vector<std::int32_t>& out) {
  OperationCount count;
  Counter counter(decoder.weight_class, count);
  std::fill(out.begin(), out.end(), 0);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] == 0) continue;
    for (std::size_t word = 0; word < out.size(); ++word) {
      out[word] += weights[i * out.size() + word] * in[i];
    }
    counter.pairs(in[i], decoder.words);
  }
  complete(integer.scale, integer.bias, kIntegerStateLimit, out);
  return count;
}

#define SPIKELOOM_INSTANTIATE(Real)                                                          \
  template OperationCount step(const op::Recurrent&, const std::vector<Real>&,               \
                               const std::vector<Real>&, RecurrentState<Real>&);             \
  template void look_up(const op::Embedding&, const std::vector<Real>&, std::vector<Real>&); \
  template std::vector<Real> by_source<Real>(const op::Decoder&);                            \
  template OperationCount decode(const op::Decoder&, const std::vector<Real>&,               \
                                 const std::vector<Real>&, std::vector<Real>&)

SPIKELOOM_INSTANTIATE(float);
SPIKELOOM_INSTANTIATE(double);
template std::vector<std::int32_t> by_source<std::int32_t>(const op::Decoder&);

}  // namespace spikeloom::reference
