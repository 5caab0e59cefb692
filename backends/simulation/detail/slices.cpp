#include "backends/simulation/detail/slices.hpp"

#include <algorithm>

#include "snn/simulation/neuron_models.hpp"

namespace spikeloom::simulation {
namespace {

/// Part `i` of `count` of [first, second).
std::pair<std::int64_t, std::int64_t> piece(std::pair<std::int64_t, std::int64_t> range,
                                            std::int64_t i, std::int64_t count) {
  const std::int64_t size = range.second - range.first;
  return {range.first + size * i / count, range.first + size * (i + 1) / count};
}

Slice make_slice(const Network& network, const NeuronRanges& ranges) {
  Slice slice;
  for (std::uint32_t p = 0; p < network.populations.size(); ++p) {
    const auto [begin, end] = ranges[p];
    if (begin >= end) continue;
    Part part;
    part.population = p;
    part.first = begin;
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

std::vector<Slice> make_slices(const Network& network, int rank, int ranks, std::size_t count,
                               bool small) {
  for (count = std::max<std::size_t>(count, 1);; ++count) {
    std::vector<Slice> slices;
    for (std::size_t i = 0; i < count; ++i) {
      NeuronRanges ranges;
      for (const Population& p : network.populations) {
        ranges.push_back(piece(piece({0, p.size}, rank, ranks), static_cast<std::int64_t>(i),
                               static_cast<std::int64_t>(count)));
      }
      Slice slice = make_slice(network, ranges);
      if (!slice.parts.empty()) slices.push_back(std::move(slice));
    }
    const bool fit =
        std::all_of(slices.begin(), slices.end(), [](const Slice& s) { return s.segments() <= 1; });
    if (fit || !small) return slices;
  }
}

NeuronRanges ranges_of(const Network& network, const Slice& slice) {
  NeuronRanges ranges(network.populations.size(), {0, 0});
  for (const Part& part : slice.parts) {
    ranges[part.population] = {part.first, part.first + part.size};
  }
  return ranges;
}

}  // namespace spikeloom::simulation
