/// What a chunk of steps launches, node by node.

#include "backends/cuda/session.hpp"

namespace spikeloom::cuda {
namespace {

template <typename V, typename W>
void add_dense(const op::Dense& dense, const Rows& rows, const NodeDevice<V>& device,
               const WeightImage<V>& image, const W* weight, std::vector<KernelCall>& calls) {
  const auto fill = [&](auto kernel) {
    kernel.rows = rows;
    kernel.in = device.in;
    kernel.out = device.out.ref;
    kernel.weight = weight;
    kernel.scale = image.scale.data();
    kernel.bias = image.bias.data();
    kernel.inputs = static_cast<std::uint32_t>(dense.inputs);
    kernel.outputs = static_cast<std::uint32_t>(dense.outputs);
    kernel.repeats = static_cast<std::uint32_t>(dense.repeats);
    kernel.shift = image.shift;
    kernel.parts = image.blocks();
    calls.push_back(call(kernel));
  };
  // A single row, of a Decoder say, has too few blocks of four outputs a thread for a large GPU.
  constexpr std::int64_t kWantedBlocks = 264;
  const std::int64_t wide = rows.count() * dense.repeats * dense.outputs / (4 * kDenseThreads);
  const bool few = image.parts == 0 && wide < kWantedBlocks;
  if (!few && (image.parts != 0 ? image.block_targets : dense.outputs) > kDenseThreads) {
    fill(DenseKernel<V, W, 4>());
  } else {
    fill(DenseKernel<V, W, 1>());
  }
}

template <typename V, typename W>
void add_convolution(const op::Convolution& conv, const Rows& rows, const NodeDevice<V>& device,
                     const WeightImage<V>& image, const W* weight, std::vector<KernelCall>& calls) {
  const auto narrow = [](std::int64_t value) { return static_cast<std::int32_t>(value); };
  ConvolutionKernel<V, W> k;
  k.rows = rows;
  k.in = device.in;
  k.out = device.out.ref;
  k.weight = weight;
  k.scale = image.scale.data();
  k.bias = image.bias.data();
  k.row_reach = image.row_reach.data();
  k.column_reach = image.column_reach.data();
  k.groups = static_cast<std::uint32_t>(conv.groups);
  k.in_group = static_cast<std::uint32_t>(conv.in_channels / conv.groups);
  k.out_group = static_cast<std::uint32_t>(conv.out_channels / conv.groups);
  k.in_rows = narrow(conv.input.rows);
  k.in_columns = narrow(conv.input.columns);
  k.out_rows = narrow(conv.output.rows);
  k.out_columns = narrow(conv.output.columns);
  k.kernel_rows = narrow(conv.kernel.rows);
  k.kernel_columns = narrow(conv.kernel.columns);
  k.stride_rows = narrow(conv.stride.rows);
  k.stride_columns = narrow(conv.stride.columns);
  k.dilation_rows = narrow(conv.dilation.rows);
  k.dilation_columns = narrow(conv.dilation.columns);
  k.pad_rows = narrow(conv.pad_before.rows);
  k.pad_columns = narrow(conv.pad_before.columns);
  k.channels = image.channels;
  k.band = image.band;
  k.threads_per_channel = image.threads_per_channel;
  k.row_span = image.row_span;
  k.column_span = image.column_span;
  k.parts = image.blocks();
  calls.push_back(call(k));
}

/// Calls `add(weights)` with the weights in the type that the node has.
template <typename V, typename Add>
void with_weights(const WeightImage<V>& image, Add&& add) {
  if constexpr (std::is_same_v<V, float>) {
    add(static_cast<const float*>(image.real.data()));
  } else if (!image.narrow.empty()) {
    add(static_cast<const std::int8_t*>(image.narrow.data()));
  } else {
    add(static_cast<const std::int16_t*>(image.wide.data()));
  }
}

PoolKernel<float> shape_of(const op::Pool& pool) {
  const auto narrow = [](std::int64_t value) { return static_cast<std::int32_t>(value); };
  PoolKernel<float> k;
  k.kind = pool.kind == op::PoolKind::kSum       ? Pooling::kSum
           : pool.kind == op::PoolKind::kAverage ? Pooling::kAverage
                                                 : Pooling::kMax;
  k.in_rows = narrow(pool.input.rows);
  k.in_columns = narrow(pool.input.columns);
  k.out_rows = narrow(pool.output.rows);
  k.out_columns = narrow(pool.output.columns);
  k.kernel_rows = narrow(pool.kernel.rows);
  k.kernel_columns = narrow(pool.kernel.columns);
  k.stride_rows = narrow(pool.stride.rows);
  k.stride_columns = narrow(pool.stride.columns);
  k.pad_rows = narrow(pool.pad_before.rows);
  k.pad_columns = narrow(pool.pad_before.columns);
  return k;
}

template <typename V>
void add_pool(const op::Pool& pool, const Rows& rows, const NodeDevice<V>& device,
              std::vector<KernelCall>& calls) {
  const PoolKernel<float> shape = shape_of(pool);
  PoolKernel<V> k{rows,
                  device.in,
                  device.out.ref,
                  shape.kind,
                  shape.in_rows,
                  shape.in_columns,
                  shape.out_rows,
                  shape.out_columns,
                  shape.kernel_rows,
                  shape.kernel_columns,
                  shape.stride_rows,
                  shape.stride_columns,
                  shape.pad_rows,
                  shape.pad_columns};
  calls.push_back(call(k));
}

}  // namespace

template <typename V>
std::vector<KernelCall> CudaSession<V>::make_calls(std::uint32_t steps) const {
  std::vector<KernelCall> calls;
  const Rows whole{clock_.data(), 0, steps, batch_};
  for (const std::uint32_t n : program_.inputs) add_input(n, whole, calls);
  for (const Stage& stage : stages_) {
    if (!stage.cyclic) {
      for (const std::uint32_t n : stage.nodes) add_node(n, whole, false, calls);
      continue;
    }
    for (std::uint32_t s = 0; s < steps; ++s) {
      const Rows one{clock_.data(), s, 1, batch_};
      for (const std::uint32_t n : stage.nodes) {
        if (program_.nodes[n].early) add_early(n, one, calls);
      }
      for (const std::uint32_t n : stage.nodes) add_node(n, one, true, calls);
    }
  }
  for (const NodeDevice<V>& device : nodes_) {
    if (device.output_log.empty()) continue;
    calls.push_back(call(LogKernel<V>{whole, device.out.ref, device.output_log.data()}));
  }
  return calls;
}

template <typename V>
void CudaSession<V>::add_input(std::uint32_t n, const Rows& rows,
                               std::vector<KernelCall>& calls) const {
  const Signal<V>& out = nodes_[n].out.ref;
  calls.push_back(call(ClearKernel<V>{rows, out}));
  if (!input_events_.empty()) {
    calls.push_back(call(InputKernel<V>{rows, out, input_events_.data(),
                                        std::get<op::Input>(program_.nodes[n].operation).port}));
  }
  calls.push_back(call(MarkKernel<V>{rows, out}));
}

/// What a node of a cycle publishes before the step.
template <typename V>
void CudaSession<V>::add_early(std::uint32_t n, const Rows& rows,
                               std::vector<KernelCall>& calls) const {
  const NodeDevice<V>& device = nodes_[n];
  if (executable_->exchange(n) != nullptr) {
    add_exchange(n, rows, calls);
    return;
  }
  if (std::holds_alternative<op::Delay>(program_.nodes[n].operation)) {
    calls.push_back(call(DelayKernel<V>{rows, device.in, device.out.ref, images_[n].delay.data()}));
    return;
  }
  const auto amplitude = static_cast<V>(program_.discretisation.spike_amplitude());
  calls.push_back(call(PublishKernel<V>{rows, device.out.ref, images_[n].neurons,
                                        device.membrane.data(), amplitude}));
}

template <typename V>
void CudaSession<V>::add_node(std::uint32_t n, const Rows& rows, bool cyclic,
                              std::vector<KernelCall>& calls) const {
  const ProgramNode& node = program_.nodes[n];
  const NodeDevice<V>& device = nodes_[n];
  const Operation& operation = node.operation;
  if (executable_->exchange(n) != nullptr) {
    if (!cyclic || !node.early) add_exchange(n, rows, calls);
    return;
  }
  if (std::holds_alternative<op::Input>(operation) || skipped(n)) return;
  if (std::holds_alternative<op::Neuron>(operation)) {
    add_neurons(n, rows, cyclic, calls);
    return;
  }
  const Links<V> links{device.links.data(), static_cast<std::uint32_t>(device.links.size())};
  if (device.gathers) {
    calls.push_back(call(ElementwiseKernel<V>{rows, links, device.gathered.ref}));
  }
  if (const auto* pool = std::get_if<op::Pool>(&operation)) {
    add_pool(*pool, rows, device, calls);
  } else if (std::holds_alternative<op::Delay>(operation)) {
    if (!cyclic || !node.early) add_early(n, rows, calls);
  } else if (is_weight_operation(operation)) {
    add_weights(n, rows, calls);
  } else if (!add_language(n, rows, calls)) {
    const Elementwise work = std::holds_alternative<op::Relu>(operation)    ? Elementwise::kRelu
                             : std::holds_alternative<op::Scale>(operation) ? Elementwise::kScale
                             : std::holds_alternative<op::Threshold>(operation)
                                 ? Elementwise::kThreshold
                                 : Elementwise::kCopy;
    calls.push_back(call(ElementwiseKernel<V>{rows, links, device.out.ref, device.in_tally,
                                              images_[n].parameter.data(), work}));
  }
}

template <typename V>
void CudaSession<V>::add_neurons(std::uint32_t n, const Rows& rows, bool cyclic,
                                 std::vector<KernelCall>& calls) const {
  const ProgramNode& node = program_.nodes[n];
  const NodeDevice<V>& device = nodes_[n];
  const Discretisation& d = program_.discretisation;
  const auto& neuron = std::get<op::Neuron>(node.operation);
  NeuronKernel<V> k;
  k.rows = rows;
  k.links = {device.links.data(), static_cast<std::uint32_t>(device.links.size())};
  k.out = device.out.ref;
  k.in_tally = device.in_tally;
  k.neurons = images_[n].neurons;
  k.state = {device.membrane.data(), device.current.data(), device.countdown.data()};
  k.amplitude = static_cast<V>(d.spike_amplitude());
  k.reset_period = neuron.reset_period;
  k.reset_phase = neuron.reset_phase;
  k.published = cyclic && node.early;
  k.membrane_log = device.membrane_log.data();
  k.current_log = device.current_log.data();
  k.log_before_reset = d.record_membrane == RecordMembrane::kBeforeReset;
  calls.push_back(call(k));
}

template <typename V>
void CudaSession<V>::add_rows(const op::Dense& shape, std::uint32_t n, const Rows& rows,
                              std::vector<KernelCall>& calls) const {
  const WeightImage<V>& image = images_[n].weights;
  const auto add = [&](const auto* w) { add_dense(shape, rows, nodes_[n], image, w, calls); };
  if (std::is_same_v<V, float> && !image.narrow.empty()) {
    add(static_cast<const std::int8_t*>(image.narrow.data()));
  } else {
    with_weights(image, add);
  }
}

template <typename V>
void CudaSession<V>::add_exchange(std::uint32_t n, const Rows& rows,
                                  std::vector<KernelCall>& calls) const {
  const NodeDevice<V>& device = nodes_[n];
  const Signal<V>& own = nodes_[executable_->exchange(n)->source].out.ref;
  calls.push_back(call(PackKernel<V>{rows, own, device.sent.data(), device.words}));
  const std::size_t words = std::size_t{rows.count()} * device.words;
  calls.push_back(call(Gather{device.sent.data(), device.received.data(), words}));
  calls.push_back(call(UnpackKernel<V>{rows, device.out.ref, device.received.data(),
                                       device.part_bounds.data(), device.words}));
}

template <typename V>
void CudaSession<V>::add_weights(std::uint32_t n, const Rows& rows,
                                 std::vector<KernelCall>& calls) const {
  const NodeDevice<V>& device = nodes_[n];
  const WeightImage<V>& image = images_[n].weights;
  const Operation& operation = program_.nodes[n].operation;
  if (const auto* dense = std::get_if<op::Dense>(&operation)) {
    if (device.multiplies && rows.steps == kChunk) {
      add_product(n, rows, calls);
    } else {
      add_rows(*dense, n, rows, calls);
    }
  } else if (const auto* conv = std::get_if<op::Convolution>(&operation)) {
    with_weights(image,
                 [&](const auto* w) { add_convolution(*conv, rows, device, image, w, calls); });
  } else if constexpr (std::is_same_v<V, float>) {
    calls.push_back(call(SparseGatherKernel<V>{
        rows, device.in, device.out.ref, image.start.data(), image.source.data(), image.real.data(),
        image.scale.data(), image.bias.data(), image.blocks()}));
  } else if (!device.list_count.empty()) {  // else it has no targets
    const SourceList list{device.list_count.data(), device.list_index.data(), device.in.size};
    calls.push_back(call(EmptyListsKernel{rows, list}));
    calls.push_back(call(CompactKernel<V>{rows, device.in, list}));
    if (!image.bits.empty()) {
      const BitRows bits{image.bits.data(),
                         image.class_of.data(),
                         image.class_weight.data(),
                         image.fan_out.data(),
                         device.in.size,
                         device.out.ref.size,
                         image.bit_words,
                         static_cast<std::uint32_t>(image.class_weight.size())};
      calls.push_back(call(BitRowsKernel{rows, device.in, device.out.ref, list, bits,
                                         image.scale.data(), image.bias.data()}));
      return;
    }
    const BlockedRows weights{image.block_start.data(), image.pivot.data(), image.synapse.data(),
                              image.fan_out.data(),     device.in.size,     device.out.ref.size,
                              image.block_targets,      image.blocks()};
    calls.push_back(call(RowsKernel<2, 4>{rows, device.in, device.out.ref, list, weights,
                                          image.scale.data(), image.bias.data()}));
  }
}

#define SPIKELOOM_INSTANTIATE(V)                                                       \
  template std::vector<KernelCall> CudaSession<V>::make_calls(std::uint32_t) const;    \
  template void CudaSession<V>::add_rows(const op::Dense&, std::uint32_t, const Rows&, \
                                         std::vector<KernelCall>&) const;              \
  template void CudaSession<V>::add_node(std::uint32_t, const Rows&, bool,             \
                                         std::vector<KernelCall>&) const;
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cuda
