/// Products of dense layers that are mostly active.

#include <algorithm>

#include "backends/cuda/session.hpp"

namespace spikeloom::cuda {
namespace {

/// A dense layer's shape, or a Decoder's.
std::optional<op::Dense> shape_of(const Operation& operation) {
  op::Dense shape;
  if (const auto* dense = std::get_if<op::Dense>(&operation)) {
    shape.inputs = dense->inputs;
    shape.outputs = dense->outputs;
    shape.repeats = dense->repeats;
  } else if (const auto* decoder = std::get_if<op::Decoder>(&operation)) {
    shape.inputs = decoder->size;
    shape.outputs = decoder->words;
  } else {
    return std::nullopt;
  }
  return shape;
}

}  // namespace

template <typename V>
Status CudaSession<V>::make_product(std::uint32_t n) {
  const auto shape = shape_of(program_.nodes[n].operation);
  if (!shape) return {};
  NodeDevice<V>& device = nodes_[n];
  const WeightImage<V>& image = images_[n].weights;
  const bool narrow = !image.factor[0].empty();
  const Schedule schedule = executable_->options().schedule;
  const bool wanted =
      schedule == Schedule::kDense || shape->inputs * shape->outputs >= kWorthProduct;
  // Longer rings hold steps that are finished.
  device.has_product = (!image.real.empty() || narrow) && wanted && machine_.has_products() &&
                       device.in.slots == kChunk && device.out.ref.slots == kChunk;
  if (!device.has_product || !narrow) return {};
  const bool decodes = std::holds_alternative<op::Decoder>(program_.nodes[n].operation);
  const std::size_t rows = std::size_t{kChunk} * batch_;
  const std::size_t plane =
      decodes ? rows * image.factor_inputs : rows * static_cast<std::size_t>(device.in.size);
  SPIKELOOM_TRY(device.factors,
                Buffer<Factor<V>>::make(machine_, plane * (decodes ? kValueParts<V> : 1)));
  if (decodes && std::is_integral_v<V>) {
    const std::size_t sums = rows * image.factor_outputs;
    SPIKELOOM_TRY(device.low, Buffer<std::int32_t>::make(machine_, sums));
    SPIKELOOM_TRY(device.high, Buffer<std::int32_t>::make(machine_, sums));
  }
  // A library that does not take this shape is no reason to fail.
  std::vector<KernelCall> trial;
  add_product(n, Rows{clock_.data(), 0, kChunk, batch_}, trial);
  if (!machine_.record(std::move(trial)).ok()) {
    device.has_product = false;
    return {};
  }
  // A population that reads nothing else counts what it reads: this layer need not.
  std::optional<std::uint32_t> reader;
  std::size_t readers = 0;
  for (std::uint32_t m = 0; m < program_.nodes.size(); ++m) {
    for (const Link& link : program_.nodes[m].inputs) {
      if (link.source != n) continue;
      ++readers;
      if (link.delay == 0 && program_.nodes[m].inputs.size() == 1) reader = m;
    }
  }
  if (readers == 1 && reader &&
      std::holds_alternative<op::Neuron>(program_.nodes[*reader].operation)) {
    device.counted_by = 2 * std::size_t{*reader} + 1;
  }
  return {};
}

template <typename V>
void CudaSession<V>::add_product(std::uint32_t n, const Rows& rows,
                                 std::vector<KernelCall>& calls) const {
  const NodeDevice<V>& device = nodes_[n];
  const WeightImage<V>& image = images_[n].weights;
  const op::Dense shape = *shape_of(program_.nodes[n].operation);
  const Signal<V>& out = device.out.ref;
  const auto all_rows = static_cast<std::uint32_t>(out.slots * batch_ * shape.repeats);
  const auto inputs = static_cast<std::uint32_t>(shape.inputs);
  const auto outputs = static_cast<std::uint32_t>(shape.outputs);
  FinishProductKernel<V> finish;
  finish.rows = rows;
  finish.in = device.in;
  finish.out = out;
  finish.pairs = device.in.unit ? nullptr : device.in_tally;
  finish.scale = image.scale.data();
  finish.bias = image.bias.data();
  finish.outputs = outputs;
  const Factor<V>* const factors = device.factors.data();
  const auto add = [&](const Factor<V>* in, const Factor<V>* weight, void* to, bool adds) {
    calls.push_back(call(NarrowProduct{in, weight, to, all_rows, image.factor_inputs,
                                       image.factor_outputs, std::is_integral_v<V>, adds}));
  };
  if (device.factors.empty()) {
    if constexpr (std::is_same_v<V, float>) {
      calls.push_back(
          call(Product{device.in.value, image.real.data(), out.value, all_rows, inputs, outputs}));
    }
  } else if (std::holds_alternative<op::Decoder>(program_.nodes[n].operation)) {
    calls.push_back(
        call(SplitKernel<V>{rows, device.in, device.factors.data(), image.factor_inputs}));
    const std::size_t plane = std::size_t{all_rows} * image.factor_inputs;
    if constexpr (std::is_integral_v<V>) {
      add(factors, image.factor[0].data(), device.low.data(), false);
      add(factors + plane, image.factor[0].data(), device.high.data(), false);
      finish.parts = {device.low.data(), device.high.data(), image.factor_sums.data(),
                      image.factor_outputs, image.shift};
    } else {
      // Small parts first, as sums like it.
      for (int part = kValueParts<V> - 1; part >= 0; --part) {
        add(factors + part * plane, image.factor[0].data(), out.value, part + 1 < kValueParts<V>);
      }
    }
  } else {
    calls.push_back(call(SpreadKernel<V>{rows, device.in, device.factors.data()}));
    bool adds = false;
    for (int part = 2; part >= 0; --part) {
      if (image.factor[part].empty()) continue;
      add(factors, image.factor[part].data(), out.value, adds);
      adds = true;
    }
  }
  if (device.counted_by && image.scale.empty() && image.bias.empty()) return;
  calls.push_back(call(finish));
}

/// From the time that a weight takes a chunk, in ns: of a product the larger of reading it and
/// multiplying it, of rows reading it once for every active source. 16,384 x 16,384 in float32 on
/// an H200: rows read 1.2 TB/s, and take as long as float's product at 1.3 % (docs/cuda.md); less
/// than half of what a data sheet says is assumed of tensor cores.
template <typename V>
double CudaSession<V>::product_share(std::uint32_t n) const {
  const NodeDevice<V>& device = nodes_[n];
  const WeightImage<V>& image = images_[n].weights;
  const op::Dense shape = *shape_of(program_.nodes[n].operation);
  const double rows = static_cast<double>(kChunk) * batch_ * static_cast<double>(shape.repeats);
  constexpr double kMemory = 4000.0, kRows = 1200.0;                          // bytes a ns
  constexpr double kFloat = 25'000.0, kHalf = 200'000.0, kWhole = 400'000.0;  // pairs a ns
  const bool whole = std::is_integral_v<V>, narrow = !device.factors.empty();
  const bool decodes = std::holds_alternative<op::Decoder>(program_.nodes[n].operation);
  const double products = !narrow ? 1.0 : whole ? (decodes ? 2.0 : 1.0) : 3.0;
  const double bytes = products * (!narrow ? 4.0 : whole ? 1.0 : 2.0);
  const double multiply = rows * products / (!narrow ? kFloat : whole ? kWhole : kHalf);
  const double row = rows * (image.narrow.empty() ? image.wide.empty() ? 4.0 : 2.0 : 1.0) / kRows;
  return std::max(bytes / kMemory, multiply) / row;
}

#define SPIKELOOM_INSTANTIATE(V)                                                                  \
  template Status CudaSession<V>::make_product(std::uint32_t);                                    \
  template void CudaSession<V>::add_product(std::uint32_t, const Rows&, std::vector<KernelCall>&) \
      const;                                                                                      \
  template double CudaSession<V>::product_share(std::uint32_t) const;
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cuda
