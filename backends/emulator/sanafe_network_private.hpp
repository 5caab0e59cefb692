#pragma once
/// SANA-FE's network as it stands in the file, before it becomes a program.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "backends/emulator/sanafe.hpp"
#include "backends/emulator/sanafe_fields_private.hpp"

namespace spikeloom::emulator {

/// Names of the units that a neuron wants; empty: none named.
struct UnitNames {
  std::string synapse, dendrite, soma;

  friend bool operator==(const UnitNames&, const UnitNames&) = default;
};

/// What attributes say about a neuron.
struct NeuronSettings {
  NeuronParameters parameters;
  double bias = 0.0, potential = 0.0;
  bool log_spikes = false;
  UnitNames units;
  std::vector<std::uint8_t> spikes;
  bool has_spikes = false;
  double rate = 0.0;
  bool has_rate = false;
  bool random = false;  ///< a Poisson input or a random threshold
};

struct Convolution {
  std::uint32_t input_width = 0, input_height = 0, input_channels = 0;
  std::uint32_t kernel_width = 0, kernel_height = 0, kernel_count = 0;
  std::uint32_t stride_width = 0, stride_height = 0;

  std::uint32_t output_width() const { return (input_width - kernel_width) / stride_width + 1; }
  std::uint32_t output_height() const { return (input_height - kernel_height) / stride_height + 1; }
};

/// Edges that join whole groups.
struct GroupEdge {
  std::uint32_t source = 0, target = 0;  ///< groups
  bool is_convolution = false;
  Convolution convolution;
  std::vector<double> weights;
};

/// One synapse that the file names. `before`: how many group edges stand before it.
struct PointEdge {
  std::uint32_t source = 0, target = 0;  ///< neurons
  std::uint32_t before = 0;
  double weight = 0.0;
};

struct SanafeNetwork {
  std::string name;
  std::vector<NeuronGroup> groups;
  std::map<std::string, std::uint32_t, std::less<>> group_of_name;
  std::vector<NeuronSettings> settings;
  std::vector<std::uint32_t> settings_of;  ///< by neuron
  std::vector<GroupEdge> group_edges;
  std::vector<PointEdge> point_edges;  ///< by source; those of one source as in the file
  std::vector<std::uint32_t> core_of;  ///< by neuron
  std::vector<std::vector<std::uint32_t>> neurons_of;  ///< by core, in the order of mapping
  std::vector<UnitNames> named_by_mapping;
  std::vector<std::uint32_t> named_of;  ///< by neuron, into named_by_mapping

  std::uint64_t neurons() const { return settings_of.size(); }
};

/// Attributes on top of `settings`.
Result<NeuronSettings> read_settings(const Value& attributes, NeuronSettings settings,
                                     const Place& place);

Status read_groups(const Fields& network, const SanafeLimits& limits, SanafeNetwork& into);
Status read_edges(const Value& edges, const Place& place, const SanafeLimits& limits,
                  SanafeNetwork& into);
Status read_mappings(const Value& mappings, const Place& place, const Chip& chip,
                     SanafeNetwork& into);

/// Places the network on the chip: cores, runs, axons and rows.
Result<MappedProgram> place_network(SanafeNetwork network, Chip chip, const Place& place);

}  // namespace spikeloom::emulator
