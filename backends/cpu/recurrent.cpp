#include "backends/cpu/recurrent.hpp"

#include <algorithm>
#include <cstring>

#include "backends/cpu/parallel_private.hpp"
#include "event/dense_rows.hpp"
#include "snn/recurrent_equations.hpp"

namespace spikeloom::cpu {
namespace {

/// Share of weights from which dense rows are walked faster than compressed ones: they take 4
/// bytes and no index, and are added up by vectors (docs/performance.md).
constexpr double kDenseFrom = 0.25;

/// Lays out one value per gate and unit, padding with `padding`.
template <typename V>
AlignedBuffer<V> padded_copy(const std::vector<V>& values, std::size_t units, std::size_t padded,
                             V padding) {
  if (values.empty()) return {};
  const std::size_t gates = values.size() / units;
  AlignedBuffer<V> out(gates * padded);
  std::fill(out.begin(), out.end(), padding);
  for (std::size_t g = 0; g < gates; ++g) {
    std::copy_n(values.data() + g * units, units, out.data() + g * padded);
  }
  return out;
}

/// Calls f(value) with the element of a tensor of int8 or float32; others through double.
class Elements {
 public:
  explicit Elements(const Tensor& tensor)
      : tensor_(tensor), bytes_(tensor.bytes().data()), dtype_(tensor.dtype()) {}
  float at(std::size_t i) const {
    if (dtype_ == DType::kInt8) return static_cast<float>(static_cast<std::int8_t>(bytes_[i]));
    if (dtype_ == DType::kFloat32) {
      float value;
      std::memcpy(&value, bytes_ + i * sizeof value, sizeof value);
      return value;
    }
    return static_cast<float>(tensor_.at(static_cast<std::int64_t>(i)));
  }

 private:
  const Tensor& tensor_;
  const std::byte* bytes_;
  DType dtype_;
};

/// Pairs of event and weight, by what they cost.
template <typename V>
void count_pairs(V value, std::uint64_t pairs, bool cheap, RecurrentCount& count) {
  (cheap || value == V{1} || value == V{-1} ? count.ac : count.mac) += pairs;
}

template <typename V>
void count_pairs(const GateRows<V>& rows, const Events<V>& events, bool cheap,
                 RecurrentCount& count) {
  for (std::size_t k = 0; k < events.size(); ++k) {
    count_pairs(events.at(k), rows.fan_out(events.index[k]), cheap, count);
  }
}

template <typename V>
void collect(const V* values, std::size_t count, Events<V>& events) {
  events.clear();
  for (std::size_t i = 0; i < count; ++i) {
    if (values[i] == V{0}) continue;
    events.index.push_back(static_cast<std::uint32_t>(i));
    events.value.push_back(values[i]);
  }
}

}  // namespace

template <typename V>
Result<GateRows<V>> GateRows<V>::make(const op::SourceMatrix& matrix, std::int64_t units,
                                      std::size_t padded, std::size_t first_gate,
                                      std::size_t last_gate) {
  GateRows made;
  const auto sources = static_cast<std::uint32_t>(matrix.inputs);
  made.targets_ = (last_gate - first_gate) * padded;
  made.fan_out_.resize(sources);
  const auto for_each = [&](const auto& f) {
    for (std::uint32_t i = 0; i < sources; ++i) {
      const auto last = static_cast<std::size_t>(matrix.row_start[i + 1]);
      for (auto k = static_cast<std::size_t>(matrix.row_start[i]); k < last; ++k) {
        const std::size_t gate = matrix.target[k] / static_cast<std::size_t>(units);
        if (gate < first_gate || gate >= last_gate) continue;
        const std::size_t unit = matrix.target[k] % static_cast<std::size_t>(units);
        f(i, static_cast<std::uint32_t>((gate - first_gate) * padded + unit), matrix.value[k]);
      }
    }
  };
  for_each([&](std::uint32_t source, std::uint32_t, float) { ++made.fan_out_[source]; });
  for (const std::uint32_t synapses : made.fan_out_) made.synapses_ += synapses;
  const double all = static_cast<double>(sources) * static_cast<double>(units) *
                     static_cast<double>(last_gate - first_gate);
  if (static_cast<double>(made.synapses_) >= kDenseFrom * all) {
    made.stride_ = dense_row_stride<Weight>(made.targets_);
    made.dense_ = AlignedBuffer<Weight>(made.stride_ * sources);
    for_each([&](std::uint32_t source, std::uint32_t target, float weight) {
      made.dense_[source * made.stride_ + target] = static_cast<Weight>(weight);
    });
    return made;
  }
  const SparseSize size{sources, static_cast<std::uint32_t>(made.targets_)};
  SPIKELOOM_TRY(made.sparse_, SparseRows<V>::make(size, [&](SynapseSink<V>& sink) {
                  for_each([&](std::uint32_t source, std::uint32_t target, float weight) {
                    sink.synapse(source, target, static_cast<V>(weight));
                  });
                }));
  return made;
}

template <typename V>
void GateRows<V>::multiply_add(const Events<V>& events, V* sums) const {
  if (events.empty()) return;
  const bool ones = events.value.empty();
  if (sparse_ && ones) {
    sparse_->add(events.index, sums);
  } else if (sparse_) {
    sparse_->multiply_add(events.index, events.value, sums);
  } else if (ones) {
    add_dense_rows<Weight, V>(dense_.data(), stride_, targets_, events.index, sums);
  } else {
    multiply_add_dense_rows<Weight, V>(dense_.data(), stride_, targets_, events.index, events.value,
                                       sums);
  }
}

template <typename V>
std::uint64_t GateRows<V>::bytes() const {
  return sparse_ ? sparse_->bytes() : dense_.bytes();
}

template <typename V>
EmbeddingPlan<V>::EmbeddingPlan(op::Embedding embedding, const IntegerNode* integer)
    : embedding_(std::move(embedding)) {
  if (integer != nullptr) scale_ = integer->scale;
}

template <typename V>
std::uint64_t EmbeddingPlan<V>::look_up(const Events<V>& words, Events<V>& out) const {
  const auto size = static_cast<std::size_t>(embedding_.size);
  const Elements weights(embedding_.weight);
  std::vector<V> sum(size, V{0});
  for (std::size_t k = 0; k < words.size(); ++k) {
    const std::size_t word = words.index[k];
    const V value = words.at(k);
    for (std::size_t i = 0; i < size; ++i) {
      if constexpr (std::is_integral_v<V>) {
        const auto weight = static_cast<V>(weights.at(word * size + i));
        sum[i] += static_cast<V>(
            equations::scaled(weight * value, scale_.multiplier[word], scale_.shift));
      } else {
        V weight = weights.at(word * size + i);
        if (!embedding_.scale.empty()) weight *= embedding_.scale[word];
        sum[i] += weight * value;
      }
    }
  }
  collect(sum.data(), size, out);
  return words.size() * size * size_of(embedding_.weight.dtype());
}

template <typename V>
Result<std::unique_ptr<RecurrentPlan<V>>> RecurrentPlan<V>::make(const op::Recurrent& layer,
                                                                 const RunOptions& options,
                                                                 const IntegerNode* integer,
                                                                 const EmbeddingPlan<V>* words,
                                                                 std::size_t word_count) {
  std::unique_ptr<RecurrentPlan> plan(new RecurrentPlan);
  RecurrentPlan& p = *plan;
  p.cell_ = layer.cell;
  p.units_ = static_cast<std::size_t>(layer.units);
  p.padded_ = (p.units_ + kUnitBlock - 1) / kUnitBlock * kUnitBlock;
  p.gates_ = static_cast<std::size_t>(op::gate_count(layer.cell));
  p.dense_input_ = layer.dense_input;
  p.cheap_kernel_ = layer.kernel.weight_class != WeightClass::kGeneral;
  p.cheap_recurrent_ = layer.recurrent.weight_class != WeightClass::kGeneral;
  SPIKELOOM_TRY(p.kernel_, GateRows<V>::make(layer.kernel, layer.units, p.padded_, 0, p.gates_));
  const bool paper = layer.cell == op::Cell::kEgruPaper;
  SPIKELOOM_TRY(p.recurrent_, GateRows<V>::make(layer.recurrent, layer.units, p.padded_, 0,
                                                paper ? 2 : p.gates_));
  if (paper) {
    SPIKELOOM_TRY(p.candidate_, GateRows<V>::make(layer.recurrent, layer.units, p.padded_, 2, 3));
  }
  const auto lay_out = [&](const std::vector<V>& values, V padding) {
    return padded_copy<V>(values, p.units_, p.padded_, padding);
  };
  if constexpr (std::is_integral_v<V>) {
    p.kernel_scale_ = lay_out(integer->scale.multiplier, 0);
    p.recurrent_scale_ = lay_out(integer->recurrent_scale.multiplier, 0);
    p.bias_ = lay_out(integer->bias, 0);
    p.recurrent_bias_ = lay_out(integer->recurrent_bias, 0);
    p.threshold_ = lay_out(sharpened(*integer, options.sharpen), 1 << 16);
    p.arrays_.kernel_shift = integer->scale.shift;
    p.arrays_.recurrent_shift = integer->recurrent_scale.shift;
  } else {
    p.kernel_scale_ = lay_out(layer.kernel.scale, 0);
    p.recurrent_scale_ = lay_out(layer.recurrent.scale, 0);
    p.bias_ = lay_out(layer.bias, 0);
    p.recurrent_bias_ = lay_out(layer.recurrent_bias, 0);
    // Padding never reaches its threshold: it has no weights, no bias and no state.
    p.threshold_ = lay_out(layer.threshold, 4);
    for (std::size_t i = 0; i < p.units_ && !p.threshold_.empty(); ++i) {
      p.threshold_[i] += static_cast<float>(options.sharpen);
    }
  }
  p.arrays_.padded = p.padded_;
  p.arrays_.kernel_scale = p.kernel_scale_.data();
  p.arrays_.recurrent_scale = p.recurrent_scale_.data();
  p.arrays_.bias = p.bias_.data();
  p.arrays_.recurrent_bias = p.recurrent_bias_.data();
  p.arrays_.threshold = p.threshold_.data();
  p.kernels_ = cell_kernels<V>();
  if (options.tabulate && words != nullptr) p.fill_table(*words, word_count, options.threads);
  return plan;
}

template <typename V>
RecurrentState<V> RecurrentPlan<V>::make_state() const {
  RecurrentState<V> made;
  made.state = AlignedBuffer<V>(padded_);
  made.output = AlignedBuffer<V>(padded_);
  made.w = AlignedBuffer<V>(gates_ * padded_);
  made.r = AlignedBuffer<V>(gates_ * padded_);
  if (cell_ == op::Cell::kEgruPaper) made.gated = AlignedBuffer<V>(padded_);
  return made;
}

template <typename V>
void RecurrentPlan<V>::input_sums(const Events<V>& in, V* sums) const {
  std::fill_n(sums, gates_ * padded_, V{0});
  kernel_->multiply_add(in, sums);
  kernels_.complete(sums, arrays_.kernel_scale, arrays_.bias, arrays_.kernel_shift,
                    gates_ * padded_);
}

/// The sums of every word, as a step would compute them.
template <typename V>
void RecurrentPlan<V>::fill_table(const EmbeddingPlan<V>& words, std::size_t word_count,
                                  int threads) {
  table_ = AlignedBuffer<V>(word_count * gates_ * padded_);
  for_ranges(word_count, 1, threads, [&](std::size_t, std::size_t first, std::size_t last) {
    for (std::size_t word = first; word < last; ++word) {
      Events<V> one, vector;
      one.index = {static_cast<std::uint32_t>(word)};
      words.look_up(one, vector);
      input_sums(vector, table_.data() + word * gates_ * padded_);
    }
  });
}

template <typename V>
RecurrentCount RecurrentPlan<V>::step(const Events<V>& in, std::optional<std::uint32_t> word,
                                      RecurrentState<V>& s) const {
  RecurrentCount count, input, own;
  const std::size_t sums = gates_ * padded_;
  if (dense_input_) {
    (cheap_kernel_ ? input.ac : input.mac) += kernel_->synapses();
  } else {
    count_pairs(*kernel_, in, cheap_kernel_, input);
  }
  const V* w = s.w.data();
  if (has_table() && word) {
    w = table_.data() + *word * sums;
    count.weight_bytes += sums * sizeof(V);
  } else {
    input_sums(in, s.w.data());
    count.executed += input.ac + input.mac;
  }
  count_pairs(*recurrent_, s.events, cheap_recurrent_, own);
  std::fill_n(s.r.data(), sums, V{0});
  recurrent_->multiply_add(s.events, s.r.data());
  if (candidate_) {
    count_pairs(*candidate_, s.events, cheap_recurrent_, own);
    paper_step(w, s);
  } else {
    kernels_.complete(s.r.data(), arrays_.recurrent_scale, arrays_.recurrent_bias,
                      arrays_.recurrent_shift, sums);
    const auto update = cell_ == op::Cell::kEgru  ? kernels_.egru
                        : cell_ == op::Cell::kGru ? kernels_.gru
                                                  : kernels_.lstm;
    update(arrays_, w, s.r.data(), s.state.data(), s.output.data());
  }
  collect(s.output.data(), units_, s.events);
  count.executed += own.ac + own.mac;
  count.ac = input.ac + own.ac;
  count.mac = input.mac + own.mac;
  count.weight_bytes += count.executed * sizeof(V);
  return count;
}

/// The candidate's rows take y' gated by its source, so the gates come first.
template <typename V>
void RecurrentPlan<V>::paper_step(const V* w, RecurrentState<V>& s) const {
  const V* const scale = arrays_.recurrent_scale;
  const std::size_t before = 2 * padded_;
  kernels_.complete(s.r.data(), scale, arrays_.recurrent_bias, arrays_.recurrent_shift, before);
  kernels_.paper_gate(arrays_, w, s.r.data(), s.output.data(), s.gated.data());
  Events<V> gated;
  collect(s.gated.data(), units_, gated);
  V* const candidate = s.r.data() + before;
  candidate_->multiply_add(gated, candidate);
  kernels_.complete(candidate, scale == nullptr ? nullptr : scale + before,
                    arrays_.recurrent_bias + before, arrays_.recurrent_shift, padded_);
  kernels_.egru_paper(arrays_, w, s.r.data(), s.state.data(), s.output.data());
}

template <typename V>
std::uint64_t RecurrentPlan<V>::bytes() const {
  return kernel_->bytes() + recurrent_->bytes() + (candidate_ ? candidate_->bytes() : 0) +
         table_.bytes();
}

template <typename V>
Result<std::unique_ptr<DecoderPlan<V>>> DecoderPlan<V>::make(const op::Decoder& decoder,
                                                             const IntegerNode* integer) {
  std::unique_ptr<DecoderPlan> plan(new DecoderPlan);
  DecoderPlan& p = *plan;
  p.words_ = static_cast<std::size_t>(decoder.words);
  p.size_ = static_cast<std::size_t>(decoder.size);
  p.blocks_ = (p.words_ + kWordBlock - 1) / kWordBlock;
  p.cheap_ = decoder.weight_class != WeightClass::kGeneral;
  p.kernels_ = decoder_kernels<V>();
  const std::size_t padded = p.blocks_ * kWordBlock;
  const Elements weights(decoder.weight);
  const auto lay_out = [&](auto& rows) {
    using W = std::decay_t<decltype(rows[0])>;
    rows = AlignedBuffer<W>(padded * p.size_);
    for (std::size_t word = 0; word < p.words_; ++word) {
      W* const block = rows.data() + word / kWordBlock * p.size_ * kWordBlock;
      for (std::size_t i = 0; i < p.size_; ++i) {
        block[i * kWordBlock + word % kWordBlock] = static_cast<W>(weights.at(word * p.size_ + i));
      }
    }
  };
  if (integer != nullptr || decoder.weight.dtype() == DType::kInt8) {
    lay_out(p.bytes_);
  } else {
    lay_out(p.floats_);
  }
  const auto pad = [&](const std::vector<V>& values) {
    AlignedBuffer<V> out(values.empty() ? 0 : padded);
    std::copy(values.begin(), values.end(), out.begin());
    return out;
  };
  if constexpr (std::is_integral_v<V>) {
    p.scale_ = pad(integer->scale.multiplier);
    p.bias_ = pad(integer->bias);
    p.shift_ = integer->scale.shift;
  } else {
    p.scale_ = pad(decoder.scale);
    p.bias_ = pad(decoder.bias);
  }
  return plan;
}

template <typename V>
RecurrentCount DecoderPlan<V>::decode(const Events<V>& in, V* out) const {
  RecurrentCount count;
  std::vector<V> ones;
  if (in.value.empty()) ones.assign(in.size(), V{1});
  const V* const values = in.value.empty() ? ones.data() : in.value.data();
  if (bytes_.empty()) {
    kernels_.from_float(floats_.data(), size_, blocks_, in.index, values, scale_.data(),
                        bias_.data(), shift_, out);
  } else {
    kernels_.from_int8(bytes_.data(), size_, blocks_, in.index, values, scale_.data(), bias_.data(),
                       shift_, out);
  }
  for (std::size_t k = 0; k < in.size(); ++k) count_pairs(values[k], words_, cheap_, count);
  count.executed = in.size() * blocks_ * kWordBlock;
  count.weight_bytes = count.executed * (bytes_.empty() ? sizeof(float) : sizeof(std::int8_t));
  return count;
}

template class GateRows<float>;
template class GateRows<std::int32_t>;
template class EmbeddingPlan<float>;
template class EmbeddingPlan<std::int32_t>;
template class RecurrentPlan<float>;
template class RecurrentPlan<std::int32_t>;
template class DecoderPlan<float>;
template class DecoderPlan<std::int32_t>;

}  // namespace spikeloom::cpu
