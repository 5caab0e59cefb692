/// A network as launches per layer (kernels/layer.hpp).

#include <algorithm>
#include <bit>

#include "backends/cuda/resident.hpp"

namespace spikeloom::cuda {

namespace {

/// Steps of a chunk: enough that state stays in registers for long, few enough that what lies
/// between two layers stays in the L2 cache.
constexpr std::uint32_t kLayerSteps = 32, kMostLayerSteps = 256;
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
  if (!op.has_neurons || !op.neurons.uniform || !o.spiking || !common || !reads || recorded ||
      more || rounds || out.value != kNowhere || o.late != o.has_current) {
    return LayerForm::kGeneral;
  }
  return o.late ? LayerForm::kLateCurrent : LayerForm::kMembrane;
}

}  // namespace

/// Rings hold a chunk and what is read late.
template <typename V>
void Resident<V>::size_rings() {
  most_steps_ = tuning().steps != 0 ? std::min(tuning().steps, kMostLayerSteps) : kLayerSteps;
  std::vector<std::uint32_t> latest(signals_.size(), 0);
  for (const ResidentOp<V>& op : ops_) {
    if (is_input(op.head)) continue;
    for (std::uint32_t l = 0; l < std::max(op.links, 1U); ++l) {
      const ResidentLink& link = links_[op.first_link + l];
      latest[link.signal] = std::max(latest[link.signal], link.delay);
    }
    if (op.head != Head::kDelay) continue;
    std::uint32_t& late = latest[links_[op.first_link].signal];
    late = std::max(late, longest(std::get<op::Delay>(program_.nodes[op.node].operation)));
  }
  for (std::size_t i = 0; i < signals_.size(); ++i) {
    signals_[i].slots = std::max(signals_[i].slots, std::bit_ceil(most_steps_ + latest[i]));
  }
}

template <typename V>
std::vector<KernelCall> Resident<V>::layer_calls(const Clock* clock) const {
  std::vector<KernelCall> calls;
  if (!inputs_.empty()) {
    LayerInputKernel<V> k;
    k.clock = clock;
    k.inputs = inputs_image_.data();
    k.signals = signals_image_.data();
    k.events = events_.data();
    k.event_slots = event_slots_;
    k.input_count = static_cast<std::uint32_t>(inputs_.size());
    k.cursor = layout_.cursor;
    k.batch = batch_;
    k.images = images_.data();
    k.image_bytes = layout_.image_bytes;
    calls.push_back(cuda::call(k));
  }
  for (const ResidentOp<V>& op : ops_) {
    if (!is_input(op.head)) calls.push_back(layer_call(clock, op));
  }
  return calls;
}

template <typename V>
KernelCall Resident<V>::layer_call(const Clock* clock, const ResidentOp<V>& op) const {
  switch (form_of(op, signals_[op.out])) {
    case LayerForm::kMembrane:
      return layer_call_as<LayerForm::kMembrane>(clock, op);
    case LayerForm::kLateCurrent:
      return layer_call_as<LayerForm::kLateCurrent>(clock, op);
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
  if (op.head == Head::kLinks) return fill(LinkLayer<V, kForm>(), clock, op);
  const bool depthwise = op.in_group == 1 && op.out_group == 1 && op.groups > 1 &&
                         op.window.kernel_rows * op.window.kernel_columns <= 32;
  if (op.head == Head::kPool || depthwise) return fill(PoolLayer<V, kForm>(), clock, op);
  if (LayerShape(op).has_words) {
    const std::uint32_t most = tuning().channels != 0 ? tuning().channels : 16;
    if (op.out_group % 16 == 0 && most >= 16) return fill(WindowLayer<V, 16, kForm>(), clock, op);
    if (op.out_group % 8 == 0) return fill(WindowLayer<V, 8, kForm>(), clock, op);
  }
  return fill(WindowLayer<V, 1, kForm>(), clock, op);
}

template <typename V>
template <typename K>
KernelCall Resident<V>::fill(K k, const Clock* clock, const ResidentOp<V>& op) const {
  k.clock = clock;
  k.signals = signals_image_.data();
  k.links = links_image_.data();
  k.op = op;
  k.source = signals_[links_[op.first_link].signal];
  k.delay = links_[op.first_link].delay;
  k.out = signals_[op.out];
  if (op.head == Head::kConvolution || op.head == Head::kPool) k.shape = LayerShape(op);
  k.elements = k.batch = batch_;
  k.images = images_.data();
  k.image_bytes = layout_.image_bytes;
  return cuda::call(k);
}

#define SPIKELOOM_RESIDENT_LAYERS(V)       \
  template void Resident<V>::size_rings(); \
  template std::vector<KernelCall> Resident<V>::layer_calls(const Clock*) const;

SPIKELOOM_RESIDENT_LAYERS(float)
SPIKELOOM_RESIDENT_LAYERS(std::int32_t)

#undef SPIKELOOM_RESIDENT_LAYERS

}  // namespace spikeloom::cuda
