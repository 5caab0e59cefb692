#pragma once
/// Static descriptors of a network's layers: what an energy model needs besides the counts of a
/// run.
///
/// Taken from a Program once, and written into run.json (key `network`), so that a run can be
/// priced without its model. One entry per node of the Program, in its order: entry i belongs to
/// RunStats::nodes[i].

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "snn/program.hpp"

namespace spikeloom {

enum class LayerRole {
  kInput,
  kOutput,
  kWeights,  ///< holds synaptic weights
  kNeurons,  ///< holds membranes
  kOther,    ///< pooling, scaling, reshaping, delays
};

struct LayerDescription {
  std::string name, kind;
  LayerRole role = LayerRole::kOther;
  Shape in_shape, out_shape;
  std::int64_t in_size = 0, out_size = 0;
  std::int64_t dense_macs = 0;  ///< per step, padding excluded
  std::int64_t weights = 0;     ///< stored
  int weight_bits = 32;         ///< 8 or 16 where every stored weight is such an integer
  std::int64_t nonzero_weights = 0;
  std::int64_t biases = 0;     ///< stored
  std::int64_t bias_adds = 0;  ///< per step
  std::int64_t state_values = 0;
  // Convolutions; a layer without a kernel has kernel_rows 0.
  std::int64_t in_channels = 0, out_channels = 0, groups = 1;
  std::int64_t kernel_rows = 0, kernel_columns = 0, stride_rows = 1, stride_columns = 1;
  bool fully_connected = false;  ///< every input reaches every output
  // Neurons.
  bool spiking = false, leaky = false, has_current = false;
  std::int64_t update_macs = 0;       ///< multiply-accumulates of one neuron's update
  std::vector<std::uint32_t> inputs;  ///< layers whose output enters this one
  /// The weight layer this one follows (itself for a weight layer): break-even is told per group.
  /// A layer before any weights is its own group.
  std::uint32_t group = 0;
  /// It has neurons of its own: a neuron layer, or a recurrent one that holds weights and state.
  bool has_neurons() const {
    return role == LayerRole::kNeurons || (role == LayerRole::kWeights && state_values > 0);
  }
  bool temporal = false;  ///< it lies on a cycle or delays: one pass over a frame cannot stand in
};

std::vector<LayerDescription> describe_layers(const Program& program);

/// True when any layer is temporal: the dense twin then has to run at every step.
bool needs_every_step(std::span<const LayerDescription> layers);

Value to_value(std::span<const LayerDescription> layers);
/// kFormat: not what to_value wrote; the message names the layer.
Result<std::vector<LayerDescription>> layers_from_value(const Value& value);

}  // namespace spikeloom
