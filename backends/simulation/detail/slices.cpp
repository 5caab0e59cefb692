#include "backends/simulation/detail/slices.hpp"

#include <algorithm>

#include "snn/simulation/neuron_models.hpp"

namespace spikeloom::simulation {
namespace {

/// What a neuron costs beside its synapses, in synapses.
constexpr double kNeuronWork = 500.0;

Slice make_slice(const Network& network, const std::vector<std::int64_t>& first_neuron,
                 std::int64_t first, std::int64_t last) {
  Slice slice;
  slice.first = first;
  slice.last = last;
  for (std::uint32_t p = 0; p < network.populations.size(); ++p) {
    const std::int64_t begin = std::max(first, first_neuron[p]);
    const std::int64_t end = std::min(last, first_neuron[p + 1]);
    if (begin >= end) continue;
    Part part;
    part.population = p;
    part.first = begin - first_neuron[p];
    part.size = end - begin;
    part.padded = (static_cast<std::size_t>(part.size) + kBlock - 1) / kBlock * kBlock;
    part.accumulator = slice.accumulators;
    part.split = splits_inputs(network, p);
    slice.accumulators += part.padded * (part.split ? 2 : 1);
    slice.parts.push_back(part);
  }
  return slice;
}

}  // namespace

bool splits_inputs(const Network& network, std::uint32_t population) {
  const Population& p = network.populations[population];
  const auto model = find_neuron_model(p.model);
  if (!model.ok() || find_parameter(**model, "tau_syn_ex") == nullptr) return false;
  const auto value = [&](const char* name) {
    const auto given = p.parameters.find(name);
    return given != p.parameters.end()
               ? given->second
               : Distribution{Constant{find_parameter(**model, name)->standard}};
  };
  const Distribution excitatory = value("tau_syn_ex"), inhibitory = value("tau_syn_in");
  return !(std::holds_alternative<Constant>(excitatory) && excitatory == inhibitory);
}

std::vector<Slice> make_slices(const Network& network, std::int64_t first, std::int64_t last,
                               std::size_t count) {
  const std::vector<std::int64_t> first_neuron = first_neurons(network);
  std::vector<double> work(network.populations.size(), kNeuronWork);
  for (const Projection& p : network.projections) {
    work[p.target] +=
        expected_synapses(network, p) / static_cast<double>(network.populations[p.target].size);
  }
  const auto work_before = [&](std::int64_t neuron) {
    double sum = 0.0;
    for (std::size_t p = 0; p < work.size(); ++p) {
      const std::int64_t end = std::clamp(neuron, first_neuron[p], first_neuron[p + 1]);
      sum += work[p] * static_cast<double>(end - first_neuron[p]);
    }
    return sum;
  };
  const double begin = work_before(first), whole = work_before(last) - begin;
  count = std::max<std::size_t>(count, 1);
  for (;; ++count) {
    std::vector<Slice> slices;
    std::int64_t from = first;
    for (std::size_t i = 1; i <= count; ++i) {
      std::int64_t low = from, high = last;
      const double goal = begin + whole * static_cast<double>(i) / static_cast<double>(count);
      while (i < count && low < high) {
        const std::int64_t middle = low + (high - low) / 2;
        if (work_before(middle) < goal) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      const std::int64_t to = i == count ? last : low;
      if (to > from) slices.push_back(make_slice(network, first_neuron, from, to));
      from = to;
    }
    const bool fit = std::all_of(slices.begin(), slices.end(), [](const Slice& s) {
      return s.accumulators <= kMostAccumulators;
    });
    if (fit) return slices;
  }
}

}  // namespace spikeloom::simulation
