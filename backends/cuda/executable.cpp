#include "backends/cuda/executable.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "backends/cuda/memory_check.hpp"
#include "backends/cuda/neuron_bounds.hpp"
#include "backends/cuda/resident.hpp"
#include "backends/cuda/session.hpp"
#include "snn/step_options.hpp"

namespace spikeloom::cuda {
namespace {

bool all_equal(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values.front(); });
}

template <typename V>
Result<Buffer<V>> of_doubles(Machine& machine, const std::vector<double>& values) {
  std::vector<V> made(values.size());
  std::transform(values.begin(), values.end(), made.begin(),
                 [](double v) { return static_cast<V>(v); });
  return Buffer<V>::of(machine, made);
}

std::vector<double> widened(const std::vector<std::int32_t>& values) {
  return {values.begin(), values.end()};
}

/// Coefficients of neurons, in float32 or as the integer form has them (decays in units of 2^-12).
template <typename V>
Status make_neurons(const ProgramNode& node, const Discretisation& d, const IntegerNode* integer,
                    Machine& machine, NodeImage<V>& image) {
  NeuronCoefficients c = std::get<op::Neuron>(node.operation).coefficients;
  NeuronRef<V>& neurons = image.neurons;
  neurons.options = step_options(node, c, d);
  neurons.options.refractory = !c.refractory.empty();
  if (integer != nullptr) {
    const IntegerNeurons& n = integer->neurons;
    c.current_decay = widened(n.current_decay);
    c.current_gain = widened(n.current_gain);
    c.decay = widened(n.decay);
    c.gain = widened(n.gain);
    c.drive = widened(n.drive);
    c.threshold = widened(n.threshold);
    c.reset = widened(n.reset);
    c.clamp = widened(n.clamp);
  }
  std::vector<double>* const values[] = {&c.current_decay, &c.current_gain, &c.decay, &c.gain,
                                         &c.drive,         &c.threshold,    &c.reset, &c.clamp};
  const V** const pointers[] = {&neurons.current_decay, &neurons.current_gain, &neurons.decay,
                                &neurons.gain,          &neurons.drive,        &neurons.threshold,
                                &neurons.reset,         &neurons.clamp};
  equations::Coefficients<V>& common = neurons.common;
  V* const commons[] = {&common.current_decay, &common.current_gain, &common.decay, &common.gain,
                        &common.drive,         &common.threshold,    &common.reset, &common.clamp};
  neurons.uniform = c.size() > 0;
  for (const auto* list : values) {
    neurons.uniform = neurons.uniform && (list->empty() || all_equal(*list));
  }
  for (const std::uint32_t steps : c.refractory) {
    neurons.uniform = neurons.uniform && steps == c.refractory[0];
  }
  for (std::size_t k = 0; k < std::size(values); ++k) {
    if (values[k]->empty()) continue;
    if (neurons.uniform) values[k]->resize(1), *commons[k] = static_cast<V>(values[k]->front());
    SPIKELOOM_TRY(image.coefficient[k], of_doubles<V>(machine, *values[k]));
    *pointers[k] = image.coefficient[k].data();
  }
  if (!c.refractory.empty()) {
    const std::vector<std::int32_t> steps(
        c.refractory.begin(), neurons.uniform ? c.refractory.begin() + 1 : c.refractory.end());
    SPIKELOOM_TRY(image.refractory, Buffer<std::int32_t>::of(machine, steps));
    neurons.refractory = image.refractory.data();
  }
  SPIKELOOM_TRY(image.initial, of_doubles<V>(machine, c.initial));
  neurons.initial = image.initial.data();
  if constexpr (std::is_integral_v<V>) {
    neurons.bounds = find_bounds(neurons, integer->neurons, integer->in_bound, c.initial);
  }
  return {};
}

template <typename V>
Status make_image(const Program& program, const RunOptions& options, std::size_t n,
                  const IntegerNode* integer, const Share& share, Machine& machine,
                  NodeImage<V>& image) {
  const ProgramNode& node = program.nodes[n];
  if (integer != nullptr) image.unit = std::ldexp(1.0, -integer->exponent);
  if (is_weight_operation(node.operation)) {
    const Schedule bits = reads_units(program, n) ? options.schedule : Schedule::kRows;
    SPIKELOOM_TRY(image.weights, make_weights<V>(node, integer, share, bits, machine));
    SPIKELOOM_CHECK(make_factors<V>(program, n, options, integer, machine, image.weights));
  } else if (const auto* scale = std::get_if<op::Scale>(&node.operation)) {
    SPIKELOOM_TRY(image.parameter, of_doubles<V>(machine, scale->factor));
  } else if (const auto* threshold = std::get_if<op::Threshold>(&node.operation)) {
    const auto values = integer != nullptr ? widened(integer->threshold) : threshold->threshold;
    SPIKELOOM_TRY(image.parameter, of_doubles<V>(machine, values));
  } else if (const auto* embedding = std::get_if<op::Embedding>(&node.operation)) {
    SPIKELOOM_TRY(image.embedding, make_embedding<V>(*embedding, integer, machine));
  } else if (const auto* layer = std::get_if<op::Recurrent>(&node.operation)) {
    auto made = make_recurrent<V>(*layer, integer, options.sharpen, machine);
    if (!made.ok()) {
      return std::move(made).error().in(fmt::format("node \"{}\"", node.name));
    }
    image.recurrent = *std::move(made);
  } else if (const auto* decoder = std::get_if<op::Decoder>(&node.operation)) {
    SPIKELOOM_TRY(image.weights, make_decoder<V>(*decoder, options, integer, machine));
  } else if (const auto* delay = std::get_if<op::Delay>(&node.operation)) {
    SPIKELOOM_TRY(image.delay, Buffer<std::uint32_t>::of(machine, delay->steps));
    for (const std::uint32_t steps : delay->steps) {
      image.longest_delay = std::max(image.longest_delay, steps);
    }
  } else if (std::holds_alternative<op::Neuron>(node.operation)) {
    SPIKELOOM_CHECK(make_neurons(node, program.discretisation, integer, machine, image));
  }
  return {};
}

}  // namespace

template <typename V>
Result<std::unique_ptr<Session>> CudaExecutable<V>::open(std::uint32_t batch) const {
  if (batch == 0) {
    return Error{.what = "a session needs at least one batch element", .got = "batch 0"};
  }
  auto self = std::static_pointer_cast<const CudaExecutable<V>>(this->shared_from_this());
  return CudaSession<V>::open(std::move(self), batch);
}

template <typename V>
Result<std::shared_ptr<const CudaExecutable<V>>> compile_part(
    const Part& part, const RunOptions& options, std::string backend,
    std::shared_ptr<Machine> machine, std::vector<Exchange> exchanges, Tuning::Way way) {
  const Program& program = part.program;
  SPIKELOOM_CHECK(
      check_memory(*machine, weight_bytes(part, std::is_integral_v<V>), "the network's weights",
                   "see with nvidia-smi who else holds memory of this GPU, or share the "
                   "network: --devices"));
  std::vector<NodeImage<V>> images(program.nodes.size());
  for (std::size_t n = 0; n < images.size(); ++n) {
    const IntegerNode* const whole = std::is_integral_v<V> ? &part.integer.nodes[n] : nullptr;
    const Share share = part.shares.empty() ? Share() : part.shares[n];
    SPIKELOOM_CHECK(make_image(program, options, n, whole, share, *machine, images[n]));
  }
  SPIKELOOM_CHECK(machine->wait());  // sessions have queues of their own
  const bool whole = part.shares.empty() && exchanges.empty();
  if (!whole || !refuse_resident(program, options, std::is_same_v<V, float>).empty()) {
    way = Tuning::Way::kChunks;
  }
  return std::shared_ptr<const CudaExecutable<V>>(std::make_shared<const CudaExecutable<V>>(
      program, options, std::move(backend), std::move(machine), std::move(images),
      static_cast<double>(part.integer.input_limit), std::move(exchanges), way));
}

template <typename V>
Result<std::shared_ptr<const Executable>> compile_cuda(
    const Program& program, const RunOptions& options, std::string backend,
    std::shared_ptr<Machine> machine, const std::vector<Share>& shares, Tuning::Way way) {
  Part all{program, {}, shares};
  if constexpr (std::is_integral_v<V>) {
    SPIKELOOM_TRY(all.integer, to_integer(program));
  }
  SPIKELOOM_TRY(auto made,
                compile_part<V>(all, options, std::move(backend), std::move(machine), {}, way));
  return std::shared_ptr<const Executable>(std::move(made));
}

#define SPIKELOOM_INSTANTIATE(V)                                                \
  template class CudaExecutable<V>;                                             \
  template Result<std::shared_ptr<const CudaExecutable<V>>> compile_part<V>(    \
      const Part&, const RunOptions&, std::string, std::shared_ptr<Machine>,    \
      std::vector<Exchange>, Tuning::Way);                                      \
  template Result<std::shared_ptr<const Executable>> compile_cuda<V>(           \
      const Program&, const RunOptions&, std::string, std::shared_ptr<Machine>, \
      const std::vector<Share>&, Tuning::Way);
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cuda
