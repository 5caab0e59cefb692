#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "backends/emulator/core_work_private.hpp"
#include "backends/emulator/sanafe_network_private.hpp"

namespace spikeloom::emulator {
namespace {

/// Neurons that one unit of a model holds.
std::uint32_t capacity(SomaModel model) {
  switch (model) {
    case SomaModel::kLoihi:
      return 1024;
    case SomaModel::kTrueNorth:
      return 4096;
    case SomaModel::kInput:
      break;
  }
  return std::numeric_limits<std::uint32_t>::max();
}
constexpr std::uint32_t kDendriteCapacity = 1024;

struct FoundUnit {
  std::uint32_t index = 0;   ///< in the list of its section
  std::uint32_t member = 0;  ///< of a row of equal units
};

template <typename Unit>
Result<FoundUnit> find_unit(const std::vector<Unit>& units, const std::string& name,
                            std::string_view section, const Place& place) {
  if (name.empty()) return FoundUnit{};
  std::string names;
  for (std::uint32_t i = 0; i < units.size(); ++i) {
    const std::int64_t member = units[i].name.find(name);
    if (member >= 0) return FoundUnit{i, static_cast<std::uint32_t>(member)};
    names += fmt::format("{}{}{}", i == 0 ? "" : ", ", units[i].name.base,
                         units[i].name.indexed ? "[...]" : "");
  }
  return Error{.code = ErrorCode::kNotFound,
               .what = fmt::format("the core has no {} unit '{}'", section, name),
               .where = place,
               .expected = names};
}

bool is_whole(double weight) { return weight == std::trunc(weight) && std::abs(weight) <= 32767.0; }

class Placement {
 public:
  Placement(SanafeNetwork network, Chip chip, Place place)
      : network_(std::move(network)), place_(std::move(place)) {
    program_.chip = std::move(chip);
    program_.name = network_.name;
    program_.cores.resize(program_.chip.cores.size());
    local_.resize(network_.neurons());
    event_cost_.resize(network_.neurons());
    is_input_.resize(network_.neurons());
    fan_in_.resize(network_.neurons());
  }

  Result<MappedProgram> place() {
    program_.groups = network_.groups;
    program_.logged.resize(network_.neurons());
    for (std::uint32_t n = 0; n < network_.neurons(); ++n) {
      program_.logged[n] = settings(n).log_spikes;
    }
    for (std::uint32_t core = 0; core < program_.cores.size(); ++core) {
      if (!network_.neurons_of[core].empty()) SPIKELOOM_CHECK(place_core(core));
    }
    for (const Tile& tile : program_.chip.tiles) {
      const auto first = program_.cores.begin() + tile.first_core;
      const auto used = [](const CoreProgram& core) { return !core.neuron.empty(); };
      program_.used_tiles += std::any_of(first, first + tile.core_count, used) ? 1 : 0;
    }
    program_.compact = all_compact();
    SPIKELOOM_CHECK(place_rows());
    return std::move(program_);
  }

 private:
  const NeuronSettings& settings(std::uint32_t neuron) const {
    return network_.settings[network_.settings_of[neuron]];
  }
  std::string name(std::uint32_t neuron) const {
    return fmt::format("{}: neuron {}", place_, program_.neuron_name(neuron));
  }
  const CoreKind& kind(std::uint32_t core) const {
    return program_.chip.kinds[program_.chip.cores[core].kind];
  }

  Status place_core(std::uint32_t core) {
    const std::vector<std::uint32_t>& neurons = network_.neurons_of[core];
    if (neurons.size() > kind(core).max_neurons) {
      return Error{.code = ErrorCode::kResource,
                   .what = "more neurons than the core holds",
                   .where = fmt::format("{}: core {}", place_, program_.chip.core_name(core)),
                   .expected = fmt::format("up to {}", kind(core).max_neurons),
                   .got = fmt::format("{}", neurons.size())};
    }
    held_.clear();
    for (const std::uint32_t neuron : neurons) SPIKELOOM_CHECK(place_neuron(core, neuron));
    return {};
  }

  Status place_neuron(std::uint32_t core, std::uint32_t neuron) {
    const NeuronSettings& wanted = settings(neuron);
    const UnitNames& mapped = network_.named_by_mapping[network_.named_of[neuron]];
    const CoreKind& units = kind(core);
    const auto either = [](const std::string& first, const std::string& second) {
      return first.empty() ? second : first;
    };
    SPIKELOOM_TRY(const FoundUnit synapse,
                  find_unit(units.synapses, either(wanted.units.synapse, mapped.synapse), "synapse",
                            name(neuron)));
    SPIKELOOM_TRY(const FoundUnit dendrite,
                  find_unit(units.dendrites, either(mapped.dendrite, wanted.units.dendrite),
                            "dendrite", name(neuron)));
    SPIKELOOM_TRY(
        const FoundUnit soma,
        find_unit(units.somas, either(mapped.soma, wanted.units.soma), "soma", name(neuron)));
    if (units.dendrites[dendrite.index].is_delay_line) {
      return unsupported(name(neuron), "a dendrite with delays is not emulated");
    }
    const SomaModel model = units.somas[soma.index].model;
    if (wanted.random && model != SomaModel::kLoihi) {
      return unsupported(name(neuron), "random inputs and thresholds are not emulated");
    }
    SPIKELOOM_CHECK(hold(0, dendrite, kDendriteCapacity, neuron));
    SPIKELOOM_CHECK(hold(1, soma, capacity(model), neuron));
    CoreProgram& program = program_.cores[core];
    local_[neuron] = static_cast<std::uint32_t>(program.neuron.size());
    event_cost_[neuron] = {units.synapses[synapse.index].event,
                           units.dendrites[dendrite.index].event};
    is_input_[neuron] = model == SomaModel::kInput;
    program.neuron.push_back(neuron);
    program.bias.push_back(wanted.bias);
    program.potential.push_back(wanted.potential);
    add_to_run(program, soma, model, wanted.parameters);
    if (model == SomaModel::kInput) set_input(program, soma, wanted);
    return {};
  }

  /// One more neuron in a unit.
  Status hold(std::uint32_t section, const FoundUnit& unit, std::uint32_t most,
              std::uint32_t neuron) {
    if (++held_[{section, unit.index, unit.member}] <= most) return {};
    return Error{.code = ErrorCode::kResource,
                 .what = fmt::format("more neurons than a {} unit holds",
                                     section == 0 ? "dendrite" : "soma"),
                 .where = name(neuron),
                 .expected = fmt::format("up to {}", most)};
  }

  static void add_to_run(CoreProgram& program, const FoundUnit& soma, SomaModel model,
                         NeuronParameters parameters) {
    // Parameters of another model would only break runs apart.
    if (model == SomaModel::kInput) parameters = {};
    const auto number = static_cast<std::uint32_t>(program.neuron.size());
    if (!program.runs.empty() && program.runs.back().soma == soma.index &&
        program.runs.back().parameters == parameters) {
      program.runs.back().end = number;
      return;
    }
    program.runs.push_back({number - 1, number, soma.index, parameters});
  }

  /// The train and rate of an input unit are those of its last neuron that has any.
  void set_input(CoreProgram& program, const FoundUnit& soma, const NeuronSettings& wanted) {
    const auto [place, is_new] = input_of_.try_emplace(
        {&program, soma.index, soma.member}, static_cast<std::uint32_t>(program.inputs.size()));
    if (is_new) program.inputs.emplace_back();
    program.input.resize(program.neuron.size());
    program.input.back() = place->second;
    InputUnit& unit = program.inputs[place->second];
    if (wanted.has_spikes) unit.spikes = wanted.spikes;
    if (wanted.has_rate) unit.rate = wanted.rate;
  }

  bool all_compact() const {
    const auto fits = [](const CoreProgram& core) {
      return core.neuron.size() <= std::numeric_limits<std::uint16_t>::max() + std::size_t{1};
    };
    if (!std::all_of(program_.cores.begin(), program_.cores.end(), fits)) return false;
    for (const GroupEdge& edge : network_.group_edges) {
      if (!std::all_of(edge.weights.begin(), edge.weights.end(), is_whole)) return false;
    }
    return std::all_of(network_.point_edges.begin(), network_.point_edges.end(),
                       [](const PointEdge& edge) { return is_whole(edge.weight); });
  }

  // --- rows ------------------------------------------------------------------------------------

  /// The part of a source's synapses that lies on one core.
  struct Bucket {
    std::vector<WideSynapse> synapses;
    Cost synapse, dendrite;
  };

  Status place_rows() {
    buckets_.resize(program_.cores.size());
    edges_of_group_.resize(network_.groups.size());
    for (std::uint32_t e = 0; e < network_.group_edges.size(); ++e) {
      edges_of_group_[network_.group_edges[e].source].push_back(e);
    }
    for (std::uint32_t core = 0; core < program_.cores.size(); ++core) {
      CoreProgram& program = program_.cores[core];
      if (program.neuron.empty()) continue;
      program.input.resize(program.inputs.empty() ? 0 : program.neuron.size());
      program.first_axon.assign(1, 0);
      for (const std::uint32_t neuron : program.neuron) {
        SPIKELOOM_CHECK(collect(neuron));
        add_axons(core);
        program.first_axon.push_back(static_cast<std::uint32_t>(program.axons.size()));
      }
    }
    return {};
  }

  /// All synapses of a neuron, in the order of the file, into the buckets of their cores.
  Status collect(std::uint32_t neuron) {
    const std::uint32_t group = group_of(neuron);
    const auto less = [](const PointEdge& edge, std::uint32_t source) {
      return edge.source < source;
    };
    auto point =
        std::lower_bound(network_.point_edges.begin(), network_.point_edges.end(), neuron, less);
    for (const std::uint32_t e : edges_of_group_[group]) {
      for (; point != network_.point_edges.end() && point->source == neuron && point->before <= e;
           ++point) {
        SPIKELOOM_CHECK(add_synapse(point->target, point->weight));
      }
      const GroupEdge& edge = network_.group_edges[e];
      const std::uint32_t index = neuron - network_.groups[group].first;
      SPIKELOOM_CHECK(edge.is_convolution ? walk_convolution(edge, index)
                                          : walk_dense(edge, index));
    }
    for (; point != network_.point_edges.end() && point->source == neuron; ++point) {
      SPIKELOOM_CHECK(add_synapse(point->target, point->weight));
    }
    return {};
  }

  std::uint32_t group_of(std::uint32_t neuron) const {
    const auto above = std::upper_bound(
        network_.groups.begin(), network_.groups.end(), neuron,
        [](std::uint32_t number, const NeuronGroup& group) { return number < group.first; });
    return static_cast<std::uint32_t>(above - network_.groups.begin()) - 1;
  }

  Status walk_dense(const GroupEdge& edge, std::uint32_t index) {
    const NeuronGroup& target = network_.groups[edge.target];
    const double* weight = edge.weights.data() + std::size_t{index} * target.count;
    for (std::uint32_t i = 0; i < target.count; ++i) {
      SPIKELOOM_CHECK(add_synapse(target.first + i, weight[i]));
    }
    return {};
  }

  Status walk_convolution(const GroupEdge& edge, std::uint32_t index) {
    const Convolution& c = edge.convolution;
    const std::uint32_t first = network_.groups[edge.target].first;
    const std::uint32_t x = index % c.input_width;
    const std::uint32_t y = index / c.input_width % c.input_height;
    const std::uint32_t channel = index / c.input_width / c.input_height;
    const std::uint32_t width = c.output_width();
    const std::uint32_t height = c.output_height();
    // Outputs whose kernel covers (y, x).
    const auto lowest = [](std::uint32_t at, std::uint32_t kernel, std::uint32_t stride) {
      return at < kernel ? 0 : (at - kernel) / stride + 1;
    };
    const std::uint32_t y_first = lowest(y, c.kernel_height, c.stride_height);
    const std::uint32_t x_first = lowest(x, c.kernel_width, c.stride_width);
    const std::uint32_t y_end = std::min(height, y / c.stride_height + 1);
    const std::uint32_t x_end = std::min(width, x / c.stride_width + 1);
    for (std::uint32_t k = 0; k < c.kernel_count; ++k) {
      for (std::uint32_t oy = y_first; oy < y_end; ++oy) {
        const std::uint32_t ky = y - oy * c.stride_height;
        for (std::uint32_t ox = x_first; ox < x_end; ++ox) {
          const std::uint32_t kx = x - ox * c.stride_width;
          const std::size_t weight =
              ((std::size_t{ky} * c.kernel_width + kx) * c.input_channels + channel) *
                  c.kernel_count +
              k;
          SPIKELOOM_CHECK(
              add_synapse(first + (k * height + oy) * width + ox, edge.weights[weight]));
        }
      }
    }
    return {};
  }

  Status add_synapse(std::uint32_t target, double weight) {
    if (is_input_[target]) {
      return unsupported(name(target), "synapses onto an input neuron are not emulated");
    }
    if (++fan_in_[target] > kCountMask) {
      return Error{.code = ErrorCode::kResource,
                   .what = "more synapses onto one neuron than are counted",
                   .where = name(target),
                   .expected = fmt::format("up to {}", kCountMask)};
    }
    const std::uint32_t core = network_.core_of[target];
    Bucket& bucket = buckets_[core];
    if (bucket.synapses.empty()) touched_.push_back(core);
    bucket.synapses.push_back({local_[target], weight});
    const auto& [synapse, dendrite] = event_cost_[target];
    bucket.synapse.energy += synapse.energy;
    bucket.synapse.latency += synapse.latency;
    bucket.dendrite.energy += dendrite.energy;
    bucket.dendrite.latency += dendrite.latency;
    return {};
  }

  /// One axon per core that the collected synapses reach, in rising order.
  void add_axons(std::uint32_t source) {
    std::sort(touched_.begin(), touched_.end());
    for (const std::uint32_t core : touched_) {
      Bucket& bucket = buckets_[core];
      CoreProgram& to = program_.cores[core];
      const Way way = way_between(program_.chip, program_.chip.cores[source].tile,
                                  program_.chip.cores[core].tile);
      Axon axon;
      axon.core = core;
      axon.hops = way.hops;
      axon.first =
          static_cast<std::uint32_t>(program_.compact ? to.compact.size() : to.wide.size());
      axon.count = static_cast<std::uint32_t>(bucket.synapses.size());
      axon.way_latency = way.cost.latency;
      axon.receive_latency =
          kind(core).message_in.latency + bucket.synapse.latency + bucket.dendrite.latency;
      axon.network_energy =
          kind(source).message_out.energy + way.cost.energy + kind(core).message_in.energy;
      axon.synapse_energy = bucket.synapse.energy;
      axon.dendrite_energy = bucket.dendrite.energy;
      program_.cores[source].axons.push_back(axon);
      program_.synapses += axon.count;
      for (const WideSynapse& synapse : bucket.synapses) {
        if (program_.compact) {
          to.compact.push_back({static_cast<std::uint16_t>(synapse.neuron),
                                static_cast<std::int16_t>(synapse.weight)});
        } else {
          to.wide.push_back(synapse);
        }
      }
      bucket = {};
    }
    touched_.clear();
  }

  SanafeNetwork network_;
  Place place_;
  MappedProgram program_;
  std::vector<std::uint32_t> local_;  ///< by neuron, its place in its core
  std::vector<std::pair<Cost, Cost>> event_cost_;
  std::vector<bool> is_input_;
  std::vector<std::uint32_t> fan_in_;
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, std::uint32_t> held_;
  std::map<std::tuple<const CoreProgram*, std::uint32_t, std::uint32_t>, std::uint32_t> input_of_;
  std::vector<Bucket> buckets_;
  std::vector<std::uint32_t> touched_;
  std::vector<std::vector<std::uint32_t>> edges_of_group_;
};

}  // namespace

Result<MappedProgram> place_network(SanafeNetwork network, Chip chip, const Place& place) {
  return Placement(std::move(network), std::move(chip), place).place();
}

}  // namespace spikeloom::emulator
