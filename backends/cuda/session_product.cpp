/// Products of dense layers that are mostly active.

#include <algorithm>

#include "backends/cuda/session.hpp"

namespace spikeloom::cuda {
namespace {

template <typename T>
const T* or_null(const Buffer<T>& buffer) {
  return buffer.empty() ? nullptr : buffer.data();
}

}  // namespace

template <typename V>
Status CudaSession<V>::make_product(std::uint32_t n) {
  const auto* dense = std::get_if<op::Dense>(&program_.nodes[n].operation);
  if (dense == nullptr) return {};
  NodeDevice<V>& device = nodes_[n];
  const bool spikes = !images_[n].weights.factor[0].empty();
  const Schedule schedule = executable_->options().schedule;
  const bool wanted =
      schedule == Schedule::kDense || dense->inputs * dense->outputs >= kWorthProduct;
  // Longer rings hold steps that are finished.
  device.has_product = (std::is_same_v<V, float> || spikes) && wanted && machine_.has_products() &&
                       device.in.slots == kChunk && device.out.ref.slots == kChunk;
  if (!device.has_product || !spikes) return {};
  SPIKELOOM_TRY(device.factors, Buffer<SpikeFactor<V>>::make(
                                    machine_, std::size_t{kChunk} * batch_ * device.in.size));
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
void CudaSession<V>::add_product(const op::Dense& dense, std::uint32_t n, const Rows& rows,
                                 std::vector<KernelCall>& calls) const {
  const NodeDevice<V>& device = nodes_[n];
  const WeightImage<V>& image = images_[n].weights;
  const Signal<V>& out = device.out.ref;
  const auto repeats = static_cast<std::uint32_t>(dense.repeats);
  const auto inputs = static_cast<std::uint32_t>(dense.inputs);
  const auto outputs = static_cast<std::uint32_t>(dense.outputs);
  const std::uint32_t all_rows = out.slots * batch_ * repeats;
  const bool spikes = !device.factors.empty();
  if (spikes) {
    calls.push_back(call(SpreadKernel<V>{rows, device.in, device.factors.data()}));
    // Small parts of the weights first, as sums like it.
    for (int part = 2; part >= 0; --part) {
      if (image.factor[part].empty()) continue;
      const bool first = part == 2 || image.factor[part + 1].empty();
      calls.push_back(call(SpikeProduct{device.factors.data(), image.factor[part].data(), out.value,
                                        all_rows, inputs, outputs, std::is_integral_v<V>, !first}));
    }
  } else if constexpr (std::is_same_v<V, float>) {
    calls.push_back(
        call(Product{device.in.value, image.real.data(), out.value, all_rows, inputs, outputs}));
  }
  if (device.counted_by && image.scale.empty() && image.bias.empty()) return;
  Tally<V>* const pairs = device.in.unit ? nullptr : device.in_tally;
  calls.push_back(call(FinishProductKernel<V>{rows, device.in, out, pairs, or_null(image.scale),
                                              or_null(image.bias), outputs}));
}

/// From the time that a weight takes a chunk, in ns: of a product the larger of reading it and
/// multiplying it, of rows reading it once for every active source. 16,384 x 16,384 in float32 on
/// an H200: rows read 1.2 TB/s, and take as long as float's product at 1.3 % (docs/cuda.md); half
/// of what a data sheet says is assumed of tensor cores.
template <typename V>
double CudaSession<V>::product_share(std::uint32_t n) const {
  const NodeDevice<V>& device = nodes_[n];
  const auto& dense = std::get<op::Dense>(program_.nodes[n].operation);
  const double rows = static_cast<double>(kChunk) * batch_ * static_cast<double>(dense.repeats);
  constexpr double kMemory = 4000.0, kRows = 1200.0;                          // bytes a ns
  constexpr double kFloat = 25'000.0, kHalf = 400'000.0, kWhole = 800'000.0;  // pairs a ns
  const bool spikes = !device.factors.empty(), whole = std::is_integral_v<V>;
  const double bytes = whole ? 1.0 : spikes ? 6.0 : 4.0;
  const double multiply = rows * (whole ? 1.0 / kWhole : spikes ? 3.0 / kHalf : 1.0 / kFloat);
  const double row = rows * (images_[n].weights.narrow.empty() ? 4.0 : 1.0) / kRows;
  return std::max(bytes / kMemory, multiply) / row;
}

#define SPIKELOOM_INSTANTIATE(V)                                                          \
  template Status CudaSession<V>::make_product(std::uint32_t);                            \
  template void CudaSession<V>::add_product(const op::Dense&, std::uint32_t, const Rows&, \
                                            std::vector<KernelCall>&) const;              \
  template double CudaSession<V>::product_share(std::uint32_t) const;
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cuda
