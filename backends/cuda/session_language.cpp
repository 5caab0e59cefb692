/// Language layers of the CUDA session.

#include "backends/cuda/session.hpp"

namespace spikeloom::cuda {
namespace {

GateCell cell_of(op::Cell cell) {
  switch (cell) {
    case op::Cell::kEgruPaper:
      return GateCell::kPaper;
    case op::Cell::kGru:
      return GateCell::kGru;
    case op::Cell::kLstm:
      return GateCell::kLstm;
    default:
      return GateCell::kEgru;
  }
}

/// `call(weights)` with the weights in the type that a layer has.
template <typename V, typename Image, typename Call>
void with_type(const Image& image, Call&& call) {
  if constexpr (std::is_same_v<V, float>) {
    if (!image.real.empty()) {
      call(static_cast<const float*>(image.real.data()));
      return;
    }
  }
  call(static_cast<const std::int8_t*>(image.narrow.data()));
}

}  // namespace

template <typename V>
Status CudaSession<V>::make_language(std::uint32_t n) {
  const auto* layer = std::get_if<op::Recurrent>(&program_.nodes[n].operation);
  if (layer == nullptr) return {};
  NodeDevice<V>& device = nodes_[n];
  const std::size_t units = batch_ * static_cast<std::size_t>(layer->units);
  const std::size_t sums = units * static_cast<std::size_t>(op::gate_count(layer->cell));
  SPIKELOOM_TRY(device.membrane, Buffer<V>::make(machine_, units));
  SPIKELOOM_TRY(device.gate_input, Buffer<V>::make(machine_, kChunk * sums));
  if (layer->cell != op::Cell::kEgruPaper) return {};
  SPIKELOOM_TRY(device.gate_update, Buffer<V>::make(machine_, units));
  SPIKELOOM_TRY(device.gate_gated, Buffer<V>::make(machine_, units));
  return {};
}

template <typename V>
bool CudaSession<V>::add_language(std::uint32_t n, const Rows& rows,
                                  std::vector<KernelCall>& calls) const {
  const Operation& operation = program_.nodes[n].operation;
  const NodeDevice<V>& device = nodes_[n];
  if (std::holds_alternative<op::Embedding>(operation)) {
    const EmbeddingImage<V>& image = images_[n].embedding;
    with_type<V>(image, [&]<typename W>(const W* weight) {
      calls.push_back(call(EmbeddingKernel<V, W>{rows, device.in, device.out.ref, weight,
                                                 image.scale.data(), image.shift}));
    });
  } else if (std::holds_alternative<op::Recurrent>(operation)) {
    add_recurrent(n, rows, calls);
  } else if (const auto* decoder = std::get_if<op::Decoder>(&operation)) {
    op::Dense dense;
    dense.inputs = decoder->size;
    dense.outputs = decoder->words;
    if (device.multiplies && rows.steps == kChunk) {
      add_product(n, rows, calls);
    } else {
      add_rows(dense, n, rows, calls);
    }
  } else {
    return false;
  }
  return true;
}

template <typename V>
void CudaSession<V>::add_recurrent(std::uint32_t n, const Rows& rows,
                                   std::vector<KernelCall>& calls) const {
  const auto& layer = std::get<op::Recurrent>(program_.nodes[n].operation);
  const NodeDevice<V>& device = nodes_[n];
  const RecurrentImage<V>& image = images_[n].recurrent;
  const auto add = [&](GateWork work, const GateImage<V>& gates, std::uint32_t first_gate,
                       const Rows& own) {
    with_type<V>(gates, [&]<typename W>(const W* weight) {
      const bool input = work == GateWork::kInput;
      GateKernel<V, W> k;
      k.work = work;
      k.cell = cell_of(layer.cell);
      k.rows = own;
      k.in = device.in;
      k.out = device.out.ref;
      k.pairs = layer.dense_input ? nullptr : device.in_tally;
      k.matrix = gates.matrix(weight);
      k.parameters = input ? GateParameters<V>{image.kernel_scale.data(), image.bias.data(),
                                               image.kernel_shift}
                           : GateParameters<V>{image.recurrent_scale.data(),
                                               image.recurrent_bias.data(), image.recurrent_shift};
      k.units = static_cast<std::uint32_t>(layer.units);
      k.first_gate = first_gate;
      k.all_gates = static_cast<std::uint32_t>(op::gate_count(layer.cell));
      k.input = device.gate_input.data();
      k.state = device.membrane.data();
      k.update = device.gate_update.data();
      k.gated = device.gate_gated.data();
      k.threshold = image.threshold.data();
      k.state_reset = executable_->options().state_reset;
      if (!image.tables.empty()) {
        k.tables = {image.tables.data(), image.tables.data() + image.tables.size() / 2};
      }
      calls.push_back(call(k));
    });
  };
  add(GateWork::kInput, image.kernel, 0, rows);
  for (std::uint32_t s = 0; s < rows.steps; ++s) {
    const Rows one{rows.clock, rows.offset + s, 1, rows.batch};
    if (layer.cell == op::Cell::kEgruPaper) {
      add(GateWork::kPaperGates, image.recurrent, 0, one);
      add(GateWork::kPaperCell, image.candidate, 2, one);
    } else {
      add(GateWork::kCell, image.recurrent, 0, one);
    }
  }
}

template <typename V>
void CudaSession<V>::count_language(std::uint32_t n, std::uint64_t steps, const Tally<V>& own,
                                    const Tally<V>& apart, NodeStats& made) const {
  const ProgramNode& node = program_.nodes[n];
  const bool real = !std::is_integral_v<V>;
  if (const auto* embedding = std::get_if<op::Embedding>(&node.operation)) {
    const EmbeddingImage<V>& image = images_[n].embedding;
    made.bytes.weights += made.events_in * static_cast<std::uint64_t>(embedding->size) *
                          (image.real.empty() ? sizeof(std::int8_t) : sizeof(float));
    return;
  }
  std::uint64_t ac = own.unit + apart.unit, mac = own.graded + apart.graded;
  if (const auto* layer = std::get_if<op::Recurrent>(&node.operation)) {
    const RecurrentImage<V>& image = images_[n].recurrent;
    if (layer->dense_input) (image.kernel.adds ? ac : mac) += image.kernel.synapses * steps;
    made.ac += ac;
    made.mac += mac;
    // In integers what was counted; real sums ask every source.
    const std::uint64_t walked =
        real ? (image.kernel.entries + image.recurrent.entries + image.candidate.entries) * steps
             : ac + mac;
    const std::uint64_t bytes = image.recurrent.real.empty() ? sizeof(std::int8_t) : sizeof(float);
    made.executed_mac += walked;
    made.bytes.weights += walked * (sizeof(std::uint16_t) + bytes);
    const std::uint64_t updates = steps * static_cast<std::uint64_t>(node.out_size);
    made.neuron_updates += updates;
    made.executed_updates += updates;
    made.bytes.state += updates * sizeof(V) * 4;
    return;
  }
  const bool cheap = weight_class(node.operation) != WeightClass::kGeneral;
  made.ac += ac + (cheap ? mac : 0);
  made.mac += cheap ? 0 : mac;
  // A product multiplies everything.
  const std::uint64_t multiplied = nodes_[n].multiplied_steps * batch_;
  made.executed_mac += own.unit + own.graded;
  made.executed_mac += multiplied * static_cast<std::uint64_t>(node.dense_macs);
  made.steps_dense += multiplied;
  made.bytes.weights +=
      (ac + mac) * (images_[n].weights.real.empty() ? sizeof(std::int8_t) : sizeof(float));
}

#define SPIKELOOM_INSTANTIATE(V)                                                                   \
  template Status CudaSession<V>::make_language(std::uint32_t);                                    \
  template bool CudaSession<V>::add_language(std::uint32_t, const Rows&, std::vector<KernelCall>&) \
      const;                                                                                       \
  template void CudaSession<V>::count_language(std::uint32_t, std::uint64_t, const Tally<V>&,      \
                                               const Tally<V>&, NodeStats&) const;
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cuda
