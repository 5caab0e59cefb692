/// A network as launches per layer (kernels/layer.hpp).

#include <algorithm>
#include <bit>

#include "backends/cuda/resident.hpp"

namespace spikeloom::cuda {

namespace {

/// Steps of a chunk: few, so that the pipeline of a small batch fills soon, or many, for which
/// neurons' states stay in registers; two chunks and what is read up to 8 steps late fill a ring of
/// 64, 128 or 256 steps. These last are taken where rings of a whole batch take a small share of
/// the memory that is free. Most steps of a sequence.
constexpr std::uint32_t kFewSteps = 28, kManySteps = 60, kLongSteps = 124, kManyElements = 128;
constexpr std::uint32_t kMostLayerSteps = 256, kMostSequence = 496, kSmallShare = 8;
/// Outputs of a Dense layer from which on a thread has four.
constexpr std::uint32_t kManyOutputs = 128;

/// Which kernel an operation's neurons have.
template <typename V>
LayerForm form_of(const ResidentOp<V>& op, const ResidentSignal& out) {
  const equations::StepOptions& o = op.neurons.options;
  const bool recorded =
      op.x_log != nullptr || op.membrane_log != nullptr || op.current_log != nullptr;
  const bool more = o.clamped || o.refractory || o.substep || o.sigma_delta || op.reset_period > 0;
  const bool rounds = std::is_same_v<V, float> && o.fixed_point != FixedPoint::kNone;
  const bool common = (o.rule == SpikeRule::kGreater || o.rule == SpikeRule::kGreaterEqual) &&
                      (o.reset == Reset::kToVReset || o.reset == Reset::kSubtract);
  const bool reads = op.head == Head::kConvolution || op.head == Head::kDense ||
                     op.head == Head::kPool || op.head == Head::kLinks;
  // Windows of pools are words.
  if (op.head == Head::kPool && op.window.kernel_rows * op.window.kernel_columns > 32) {
    return LayerForm::kGeneral;
  }
  if (!op.has_neurons && op.head == Head::kPool && op.log_count == 0) return LayerForm::kNone;
  if (!op.has_neurons || !o.spiking || !common || !reads || recorded || more || rounds ||
      out.value != kNowhere || o.late != o.has_current) {
    return LayerForm::kGeneral;
  }
  if (!op.neurons.uniform && op.head == Head::kLinks) return LayerForm::kGeneral;
  if (!op.neurons.uniform) return o.late ? LayerForm::kOwnLateCurrent : LayerForm::kOwnMembrane;
  return o.late ? LayerForm::kLateCurrent : LayerForm::kMembrane;
}

/// Channels of a convolution that a thread takes at once.
template <typename V>
std::uint32_t channels_of(const ResidentOp<V>& op, const LayerShape& shape) {
  if (!shape.has_words) return 1;
  const std::uint32_t most = tuning().channels != 0 ? tuning().channels : 16;
  if (op.out_group % 16 == 0 && most >= 16) return 16;
  return op.out_group % 8 == 0 ? 8 : 1;
}

/// Whether a convolution's words of taps are made from the channels of each position. By rough
/// counts of instructions: a row of a channel's window takes 17, a tap of a position 14, a word 35.
template <typename V>
bool by_position(const ResidentOp<V>& op, const LayerShape& shape) {
  if (shape.in_plane % 32 != 0) return false;
  std::uint32_t words = 0;
  shape.for_each_word(op.in_group, [&](std::uint32_t, std::uint32_t) { ++words; });
  const auto rows = static_cast<std::uint32_t>(op.window.kernel_rows);
  const std::uint32_t rounds = tiles(op.in_group, shape.word_channels());
  return rounds * (25 + 14 * shape.taps + 35 * shape.position_words()) <
         op.in_group * (12 + 17 * rows) + 35 * words;
}

}  // namespace

/// Weights as products of matrices want them, words of taps as multiply_window() makes them.
template <typename V>
Status Resident<V>::add_products(const WeightImage<V>& weights, ResidentOp<V>& op) {
  if constexpr (std::is_integral_v<V>) {
    if (op.head != Head::kConvolution || weights.narrow.empty()) return {};
    const LayerShape shape(op);
    const std::uint32_t channels = channels_of(op, shape);
    constexpr std::uint32_t kMostTaps = 1U << 18;  // of a sum of 16 sums
    if (channels == 1 || op.in_group * shape.taps > kMostTaps) return {};
    std::vector<std::int8_t> all(weights.narrow.size());
    // By the session's own machine: others may open sessions meanwhile.
    SPIKELOOM_CHECK(machine_.download(all.data(), weights.narrow.data(), all.size()));
    SPIKELOOM_CHECK(machine_.wait());
    op.by_position = by_position(op, shape);
    std::vector<Quad> made;
    for (std::uint32_t piece = 0; piece < op.groups * op.out_group / channels; ++piece) {
      const std::uint32_t group = piece * channels / op.out_group;
      const std::int8_t* const from = all.data() +
                                      std::size_t{group} * op.in_group * shape.taps * op.out_group +
                                      piece * channels % op.out_group;
      // `tap_of` says which of the group's taps a bit is; kNowhere for none.
      const auto add = [&](auto&& tap_of) {
        for (std::uint32_t lane = 0; lane < 32; ++lane) {
          Quad& quad = made.emplace_back();
          for (std::uint32_t word = 0; word < 4; ++word) {
            quad.word[word] = 0;
            const std::uint32_t channel = product_channel(lane, word);
            for (std::uint32_t i = 0; i < 4; ++i) {
              const std::uint32_t tap = tap_of(product_tap(lane, word, i));
              if (tap == kNowhere || channel >= channels) continue;
              const auto weight = static_cast<std::uint8_t>(from[tap * op.out_group + channel]);
              quad.word[word] |= std::uint32_t{weight} << (8 * i);
            }
          }
        }
      };
      if (op.by_position) {
        const std::uint32_t round = shape.word_channels(), together = 32 / round;
        for (std::uint32_t first = 0; first < op.in_group; first += round) {
          for (std::uint32_t tap = 0; tap < shape.taps; tap += together) {
            add([&](std::uint32_t bit) {
              const std::uint32_t c = first + bit % round, t = tap + bit / round;
              return c < op.in_group && t < shape.taps ? c * shape.taps + t : kNowhere;
            });
          }
        }
      } else {
        shape.for_each_word(op.in_group, [&](std::uint32_t first, std::uint32_t end) {
          add([&](std::uint32_t bit) {
            return first * shape.taps + bit < end * shape.taps ? first * shape.taps + bit
                                                               : kNowhere;
          });
        });
      }
    }
    op.product_count = static_cast<std::uint32_t>(made.size() * channels /
                                                  (32 * std::size_t{op.groups} * op.out_group));
    SPIKELOOM_TRY(Buffer<Quad> kept, Buffer<Quad>::of(machine_, made));
    op.products = kept.data();
    products_.push_back(std::move(kept));
  }
  return {};
}

/// Rings hold two chunks and what is read late.
template <typename V>
void Resident<V>::size_rings() {
  std::vector<std::uint32_t> latest(signals_.size(), 0);
  for (const ResidentOp<V>& op : ops_) {
    for (std::uint32_t l = 0; l < op.links; ++l) {
      const ResidentLink& link = links_[op.first_link + l];
      latest[link.signal] = std::max(latest[link.signal], link.delay);
    }
    if (op.head != Head::kDelay) continue;
    std::uint32_t& late = latest[links_[op.first_link].signal];
    late = std::max(late, longest(std::get<op::Delay>(program_.nodes[op.node].operation)));
  }
  const auto slots = [&](std::size_t i, std::uint32_t steps) {
    return std::max(signals_[i].slots, std::bit_ceil(2 * steps + latest[i]));
  };
  std::uint64_t bytes = 0;  // of all rings with the longest chunks
  for (std::size_t i = 0; i < signals_.size(); ++i) {
    const ResidentSignal& s = signals_[i];
    const std::uint64_t step = s.words * 4 + (s.value != kNowhere ? s.size * sizeof(V) : 0);
    bytes += batch_ * step * slots(i, kLongSteps);
  }
  chunk_steps_ = batch_ < kManyElements                          ? kFewSteps
                 : bytes <= machine_.free_memory() / kSmallShare ? kLongSteps
                                                                 : kManySteps;
  if (tuning().steps != 0) chunk_steps_ = std::min(tuning().steps, kMostLayerSteps);
  const std::uint32_t chunks = std::max(kMostSequence / chunk_steps_, 1U);
  most_steps_ = chunk_steps_ * (tuning().chunks != 0 ? tuning().chunks : chunks);
  for (std::size_t i = 0; i < signals_.size(); ++i) {
    signals_[i].slots = slots(i, chunk_steps_);
  }
}

/// Of operations by signal: who makes it; of input all the same one, which comes first.
template <typename V>
std::vector<std::uint32_t> Resident<V>::makers(const std::vector<const ResidentOp<V>*>& ops) const {
  std::vector<std::uint32_t> of(signals_.size(), 0);
  for (std::uint32_t i = 0; i < ops.size(); ++i) {
    if (ops[i] != nullptr) of[ops[i]->out] = i;
  }
  return of;
}

/// Chunks follow each other through the layers as through a pipeline: a layer waits for its
/// sources' same chunk, and for who reads it to be done with the chunk before the last, whose place
/// it takes.
template <typename V>
std::vector<KernelCall> Resident<V>::calls(const Clock* clocks, std::uint32_t chunks) const {
  constexpr std::uint32_t kBranches = 16;
  std::vector<const ResidentOp<V>*> ops(inputs_.empty() ? 0 : 1, nullptr);  // null: the input
  for (const ResidentOp<V>& op : ops_) ops.push_back(&op);
  const std::vector<std::uint32_t> maker = makers(ops);
  const auto count = static_cast<std::uint32_t>(ops.size());
  std::vector<std::vector<std::uint32_t>> sources(count), readers(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    for (std::uint32_t l = 0; ops[i] != nullptr && l < ops[i]->links; ++l) {
      const std::uint32_t from = maker[links_[ops[i]->first_link + l].signal];
      sources[i].push_back(from);
      readers[from].push_back(i);
    }
  }
  std::vector<KernelCall> calls;
  for (std::uint32_t c = 0; c < chunks; ++c) {
    for (std::uint32_t i = 0; i < count; ++i) {
      KernelCall& made = calls.emplace_back(ops[i] == nullptr ? input_call(clocks + c)
                                                              : layer_call(clocks + c, *ops[i]));
      // A chunk alone has nothing beside it, and one branch begins and ends sooner.
      made.branch = chunks == 1 ? 0 : i % kBranches;
      for (const std::uint32_t from : sources[i]) made.waits_for.push_back(c * count + from);
      for (const std::uint32_t reader : readers[i]) {
        if (c >= 2) made.waits_for.push_back((c - 2) * count + reader);
      }
    }
  }
  return calls;
}

/// A clock for each chunk; they are much alike.
template <typename V>
std::vector<Clock> Resident<V>::divide(const Clock& clock) const {
  std::vector<Clock> made;
  std::uint32_t done = 0;
  for (std::uint32_t left = std::max(tiles(clock.count, chunk_steps_), 1U); left != 0; --left) {
    made.push_back(clock);
    made.back().first += done;
    made.back().count = tiles(clock.count - done, left);
    done += made.back().count;
  }
  return made;
}

template <typename V>
KernelCall Resident<V>::input_call(const Clock* clock) const {
  LayerInputKernel<V> k;
  k.inputs = inputs_image_.data();
  k.events = events_.data();
  k.event_slots = event_slots_;
  k.input_count = static_cast<std::uint32_t>(inputs_.size());
  k.cursor = cursor_;
  return fill_run(k, clock);
}

template <typename V>
KernelCall Resident<V>::layer_call(const Clock* clock, const ResidentOp<V>& op) const {
  switch (form_of(op, signals_[op.out])) {
    case LayerForm::kMembrane:
      return layer_call_as<LayerForm::kMembrane>(clock, op);
    case LayerForm::kLateCurrent:
      return layer_call_as<LayerForm::kLateCurrent>(clock, op);
    case LayerForm::kOwnMembrane:
      return layer_call_as<LayerForm::kOwnMembrane>(clock, op);
    case LayerForm::kOwnLateCurrent:
      return layer_call_as<LayerForm::kOwnLateCurrent>(clock, op);
    case LayerForm::kNone:
      return fill(PoolLayer<V, LayerForm::kNone>(), clock, op);
    default:
      return fill(GeneralLayer<V>(), clock, op);
  }
}

template <typename V>
template <LayerForm kForm>
KernelCall Resident<V>::layer_call_as(const Clock* clock, const ResidentOp<V>& op) const {
  if (op.head == Head::kDense) {
    const ResidentSignal& source = signals_[links_[op.first_link].signal];
    const bool whole = op.inputs == source.size && op.outputs == op.size;
    return whole && op.size % 4 == 0 && op.size >= kManyOutputs
               ? fill(RowLayer<V, 4, kForm>(), clock, op)
               : fill(RowLayer<V, 1, kForm>(), clock, op);
  }
  constexpr LayerForm kOneKind =
      has_current(kForm) ? LayerForm::kLateCurrent : LayerForm::kMembrane;
  if (op.head == Head::kLinks) return fill(LinkLayer<V, kOneKind>(), clock, op);
  const bool depthwise = op.in_group == 1 && op.out_group == 1 && op.groups > 1 &&
                         op.window.kernel_rows * op.window.kernel_columns <= 32;
  if (op.head == Head::kPool || depthwise) return fill(PoolLayer<V, kOneKind>(), clock, op);
  const std::uint32_t channels = channels_of(op, LayerShape(op));
  if (channels == 16) return fill(WindowLayer<V, 16, kForm>(), clock, op);
  if (channels == 8) return fill(WindowLayer<V, 8, kForm>(), clock, op);
  return fill(WindowLayer<V, 1, kForm>(), clock, op);
}

template <typename V>
template <typename K>
KernelCall Resident<V>::fill(K k, const Clock* clock, const ResidentOp<V>& op) const {
  k.links = links_image_.data();
  k.op = op;
  k.source = signals_[links_[op.first_link].signal];
  k.delay = links_[op.first_link].delay;
  k.out = signals_[op.out];
  if (op.head == Head::kConvolution || op.head == Head::kPool) k.shape = LayerShape(op);
  k.per_tiles = Divisor(k.per_element(), std::uint64_t{k.per_element()} * batch_);
  return fill_run(k, clock);
}

template <typename V>
template <typename K>
KernelCall Resident<V>::fill_run(K k, const Clock* clock) const {
  k.clock = clock;
  k.signals = signals_image_.data();
  k.batch = batch_;
  k.images = images_.data();
  k.image_bytes = fresh_.size();
  return cuda::call(k);
}

#define SPIKELOOM_RESIDENT_LAYERS(V)                                                      \
  template void Resident<V>::size_rings();                                                \
  template Status Resident<V>::add_products(const WeightImage<V>&, ResidentOp<V>&);       \
  template std::vector<KernelCall> Resident<V>::calls(const Clock*, std::uint32_t) const; \
  template std::vector<Clock> Resident<V>::divide(const Clock&) const;

SPIKELOOM_RESIDENT_LAYERS(float)
SPIKELOOM_RESIDENT_LAYERS(std::int32_t)

#undef SPIKELOOM_RESIDENT_LAYERS

}  // namespace spikeloom::cuda
