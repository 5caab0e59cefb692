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

/// The work of neurons 0 to n - 1.
class Work {
 public:
  explicit Work(const Network& network)
      : first_(first_neurons(network)), each_(network.populations.size(), kNeuronWork) {
    for (const Projection& p : network.projections) {
      each_[p.target] +=
          expected_synapses(network, p) / static_cast<double>(network.populations[p.target].size);
    }
  }
  double before(std::int64_t neuron) const {
    double sum = 0.0;
    for (std::size_t p = 0; p < each_.size(); ++p) {
      const std::int64_t end = std::clamp(neuron, first_[p], first_[p + 1]);
      sum += each_[p] * static_cast<double>(end - first_[p]);
    }
    return sum;
  }
  /// The ends of `count` ranges of equal work that cover [first, last).
  std::vector<std::int64_t> ends(std::int64_t first, std::int64_t last, std::size_t count) const {
    std::vector<std::int64_t> ends;
    const double begin = before(first), whole = before(last) - begin;
    for (std::size_t i = 1; i < count; ++i) {
      std::int64_t low = first, high = last;
      const double goal = begin + whole * static_cast<double>(i) / static_cast<double>(count);
      while (low < high) {
        const std::int64_t middle = low + (high - low) / 2;
        if (before(middle) < goal) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      ends.push_back(low);
    }
    ends.push_back(last);
    return ends;
  }

 private:
  std::vector<std::int64_t> first_;
  std::vector<double> each_;
};

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

std::pair<std::int64_t, std::int64_t> rank_range(const Network& network, int rank, int size) {
  const auto ends = Work(network).ends(0, neuron_count(network), static_cast<std::size_t>(size));
  const auto r = static_cast<std::size_t>(rank);
  return {r == 0 ? 0 : ends[r - 1], ends[r]};
}

std::vector<Slice> make_slices(const Network& network, std::int64_t first, std::int64_t last,
                               std::size_t count) {
  const std::vector<std::int64_t> first_neuron = first_neurons(network);
  const Work work(network);
  for (count = std::max<std::size_t>(count, 1);; ++count) {
    std::vector<Slice> slices;
    std::int64_t from = first;
    for (const std::int64_t to : work.ends(first, last, count)) {
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
