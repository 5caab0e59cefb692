#include "backends/cpu/recurrent.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/cpu/parallel_private.hpp"
#include "event/dense_rows.hpp"
#include "snn/recurrent_equations.hpp"

namespace spikeloom::cpu {
namespace {

/// Share of weights from which dense rows are walked faster than compressed ones: they take 4
/// bytes and no index, and are added up by vectors (docs/performance.md).
constexpr double kDenseFrom = 0.4;

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

/// What is not 0 of a padded array.
template <typename V>
void collect(const CellKernels<V>& kernels, const AlignedBuffer<V>& values, Events<V>& events) {
  events.index.resize(values.size());
  events.value.resize(values.size());
  const std::size_t size =
      kernels.collect(values.data(), values.size(), events.index.data(), events.value.data());
  events.index.resize(size);
  events.value.resize(size);
}

}  // namespace

namespace {

/// The gates [first, last) of a matrix, with their targets where the sums lie.
op::SourceMatrix gates_of(const op::SourceMatrix& matrix, std::size_t units, std::size_t padded,
                          std::size_t first, std::size_t last) {
  op::SourceMatrix part;
  part.inputs = matrix.inputs;
  part.outputs = static_cast<std::int64_t>((last - first) * padded);
  part.row_start.push_back(0);
  for (std::size_t i = 0; i + 1 < matrix.row_start.size(); ++i) {
    for (auto k = static_cast<std::size_t>(matrix.row_start[i]);
         k < static_cast<std::size_t>(matrix.row_start[i + 1]); ++k) {
      const std::size_t gate = matrix.target[k] / units;
      if (gate < first || gate >= last) continue;
      part.target.push_back(
          static_cast<std::uint32_t>((gate - first) * padded + matrix.target[k] % units));
      part.value.push_back(matrix.value[k]);
    }
    part.row_start.push_back(static_cast<std::int64_t>(part.target.size()));
  }
  return part;
}

bool all_of(const std::vector<float>& weights, bool (*holds)(float)) {
  return std::all_of(weights.begin(), weights.end(), holds);
}
bool fits_8_bits(float w) { return w == std::nearbyint(w) && std::abs(w) <= 127.0F; }
bool is_sign(float w) { return w == 1.0F || w == -1.0F; }

}  // namespace

template <typename V>
Result<GateRows<V>> GateRows<V>::make(const op::SourceMatrix& matrix, std::int64_t units,
                                      std::size_t padded, std::size_t first_gate,
                                      std::size_t last_gate, bool dense_input) {
  GateRows made;
  const auto sources = static_cast<std::size_t>(matrix.inputs);
  const op::SourceMatrix part =
      gates_of(matrix, static_cast<std::size_t>(units), padded, first_gate, last_gate);
  made.targets_ = static_cast<std::size_t>(part.outputs);
  made.synapses_ = part.target.size();
  for (std::size_t i = 0; i < sources; ++i) {
    made.fan_out_.push_back(static_cast<std::uint32_t>(part.row_start[i + 1] - part.row_start[i]));
  }
  const double all = static_cast<double>(sources) * static_cast<double>(units) *
                     static_cast<double>(last_gate - first_gate);
  if (static_cast<double>(made.synapses_) >= kDenseFrom * all) {
    Dense dense;
    dense.stride = dense_row_stride<Weight>(made.targets_);
    dense.weight = AlignedBuffer<Weight>(dense.stride * sources);
    for (std::size_t i = 0; i < sources; ++i) {
      for (auto k = static_cast<std::size_t>(part.row_start[i]);
           k < static_cast<std::size_t>(part.row_start[i + 1]); ++k) {
        dense.weight[i * dense.stride + part.target[k]] = static_cast<Weight>(part.value[k]);
      }
    }
    made.form_ = std::move(dense);
    return made;
  }
  made.signs_ = all_of(part.value, is_sign);
  if (made.targets_ > ShortRows<Weight, V>::kMostTargets ||
      sources > TargetSlices<Weight, V>::kMostSources) {
    const SparseSize size{static_cast<std::uint32_t>(sources),
                          static_cast<std::uint32_t>(made.targets_)};
    SPIKELOOM_TRY(made.form_, SparseRows<V>::make(size, [&](SynapseSink<V>& sink) {
                    for (std::uint32_t i = 0; i < sources; ++i) {
                      for (auto k = static_cast<std::size_t>(part.row_start[i]);
                           k < static_cast<std::size_t>(part.row_start[i + 1]); ++k) {
                        sink.synapse(i, part.target[k], static_cast<V>(part.value[k]));
                      }
                    }
                  }));
    return made;
  }
  if (std::is_integral_v<V> || all_of(part.value, fits_8_bits)) {
    SPIKELOOM_CHECK(made.template compress<std::int8_t>(part, dense_input));
  } else if constexpr (!std::is_integral_v<V>) {
    SPIKELOOM_CHECK(made.template compress<float>(part, dense_input));
  }
  return made;
}

template <typename V>
template <typename W>
Status GateRows<V>::compress(const op::SourceMatrix& part, bool dense_input) {
  const std::vector<W> weight(part.value.begin(), part.value.end());
  const auto targets = static_cast<std::uint32_t>(targets_);
  const auto keep = [&](auto made) -> Status {
    if (!made.ok()) return std::move(made).error();
    using Form = std::decay_t<decltype(*made)>;
    if constexpr (std::is_same_v<Form, TargetSlices<W, V>>) {
      form_ = Slices(*std::move(made));
    } else {
      form_ = Short(*std::move(made));
    }
    return {};
  };
  if (dense_input) {
    return keep(TargetSlices<W, V>::make(targets, part.row_start, part.target, weight));
  }
  return keep(ShortRows<W, V>::make(targets, part.row_start, part.target, weight));
}

template <typename V>
void GateRows<V>::multiply(const Events<V>& events, V* sums) const {
  if (const auto* slices = std::get_if<Slices>(&form_)) {
    std::vector<V> x(fan_out_.size() + 1, V{0});
    for (std::size_t k = 0; k < events.size(); ++k) x[events.index[k]] = events.at(k);
    std::visit([&](const auto& form) { form.multiply(x.data(), sums); }, *slices);
    return;
  }
  std::fill_n(sums, targets_, V{0});
  if (events.empty()) return;
  std::vector<V> ones;
  if (events.value.empty()) ones.assign(events.size(), V{1});
  const std::span<const V> values = events.value.empty() ? ones : events.value;
  if (const auto* dense = std::get_if<Dense>(&form_)) {
    multiply_add_dense_rows<Weight, V>(dense->weight.data(), dense->stride, targets_, events.index,
                                       values, sums);
  } else if (const auto* rows = std::get_if<Short>(&form_)) {
    std::visit(
        [&](const auto& form) {
          signs_ ? form.signed_add(events.index, values, sums)
                 : form.multiply_add(events.index, values, sums);
        },
        *rows);
  } else {
    (*std::get_if<std::optional<SparseRows<V>>>(&form_))->multiply_add(events.index, values, sums);
  }
}

template <typename V>
std::uint64_t GateRows<V>::bytes() const {
  if (const auto* dense = std::get_if<Dense>(&form_)) return dense->weight.bytes();
  const auto bytes_of = [](const auto& form) { return form.bytes(); };
  if (const auto* slices = std::get_if<Slices>(&form_)) return std::visit(bytes_of, *slices);
  if (const auto* rows = std::get_if<Short>(&form_)) return std::visit(bytes_of, *rows);
  return (*std::get_if<std::optional<SparseRows<V>>>(&form_))->bytes();
}

template <typename V>
std::uint64_t GateRows<V>::synapse_bytes() const {
  if (std::holds_alternative<Dense>(form_)) return sizeof(Weight);
  const bool floats = [&] {
    const auto* rows = std::get_if<Short>(&form_);
    const auto* slices = std::get_if<Slices>(&form_);
    return (rows != nullptr && rows->index() == 1) || (slices != nullptr && slices->index() == 1);
  }();
  return sizeof(std::uint16_t) + (floats ? sizeof(float) : sizeof(std::int8_t));
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
  const auto add = [&](std::size_t word, V value, const auto& weight_at) {
    for (std::size_t i = 0; i < size; ++i) {
      if constexpr (std::is_integral_v<V>) {
        const V product = static_cast<V>(weight_at(i)) * value;
        sum[i] += static_cast<V>(equations::scaled(product, scale_.multiplier[word], scale_.shift));
      } else {
        const V scale = embedding_.scale.empty() ? V{1} : embedding_.scale[word];
        sum[i] += static_cast<V>(weight_at(i)) * scale * value;
      }
    }
  };
  for (std::size_t k = 0; k < words.size(); ++k) {
    const std::size_t first = words.index[k] * size;
    if (embedding_.weight.dtype() == DType::kInt8) {
      const std::byte* const row = embedding_.weight.bytes().data() + first;
      add(words.index[k], words.at(k),
          [row](std::size_t i) { return static_cast<std::int8_t>(row[i]); });
    } else {
      add(words.index[k], words.at(k), [&](std::size_t i) { return weights.at(first + i); });
    }
  }
  out.clear();
  for (std::size_t i = 0; i < size; ++i) {
    if (sum[i] == V{0}) continue;
    out.index.push_back(static_cast<std::uint32_t>(i));
    out.value.push_back(sum[i]);
  }
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
  SPIKELOOM_TRY(p.kernel_, GateRows<V>::make(layer.kernel, layer.units, p.padded_, 0, p.gates_,
                                             layer.dense_input));
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
  kernel_->multiply(in, sums);
  kernels_.complete(sums, arrays_.kernel_scale, arrays_.bias, arrays_.kernel_shift,
                    gates_ * padded_);
}

template <typename V>
void RecurrentPlan<V>::count_executed(const GateRows<V>& rows, std::uint64_t pairs,
                                      RecurrentCount& count) const {
  (rows.adds_only() ? count.executed_ac : count.executed_mac) += pairs;
  count.weight_bytes += pairs * rows.synapse_bytes();
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
    // Asked for before the recurrent rows are walked: a word's row lies anywhere in memory.
    for (std::size_t i = 0; i < sums; i += 64 / sizeof(V)) __builtin_prefetch(w + i);
    count.weight_bytes += sums * sizeof(V);
  } else {
    input_sums(in, s.w.data());
    count_executed(*kernel_, input.ac + input.mac, count);
  }
  count_pairs(*recurrent_, s.events, cheap_recurrent_, own);
  recurrent_->multiply(s.events, s.r.data());
  count_executed(*recurrent_, own.ac + own.mac, count);
  if (candidate_) {
    RecurrentCount third;
    count_pairs(*candidate_, s.events, cheap_recurrent_, third);
    count_executed(*candidate_, third.ac + third.mac, count);
    own.ac += third.ac;
    own.mac += third.mac;
    paper_step(w, s);
  } else {
    kernels_.complete(s.r.data(), arrays_.recurrent_scale, arrays_.recurrent_bias,
                      arrays_.recurrent_shift, sums);
    const auto update = cell_ == op::Cell::kEgru  ? kernels_.egru
                        : cell_ == op::Cell::kGru ? kernels_.gru
                                                  : kernels_.lstm;
    update(arrays_, w, s.r.data(), s.state.data(), s.output.data());
  }
  collect(kernels_, s.output, s.events);
  count.ac = input.ac + own.ac;
  count.mac = input.mac + own.mac;
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
  collect(kernels_, s.gated, gated);
  V* const candidate = s.r.data() + before;
  candidate_->multiply(gated, candidate);
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
  count.executed_mac = in.size() * blocks_ * kWordBlock;
  count.weight_bytes = count.executed_mac * (bytes_.empty() ? sizeof(float) : sizeof(std::int8_t));
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
