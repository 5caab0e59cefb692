#include "energy/neurobench.hpp"

#include <algorithm>
#include <cmath>

namespace spikeloom {
namespace {

constexpr double kBytes = 4.0;  // float32, as PyTorch has it by default

struct Weights {
  std::uint64_t stored = 0, zeros = 0, biases = 0;
};

Weights weights_of(const ProgramNode& node) {
  Weights weights;
  const auto add = [&](const std::vector<double>& values, const std::vector<double>& bias) {
    weights.stored = values.size();
    weights.zeros = static_cast<std::uint64_t>(std::count(values.begin(), values.end(), 0.0));
    weights.biases = bias.size();
  };
  if (const auto* dense = std::get_if<op::Dense>(&node.operation)) add(dense->weight, dense->bias);
  if (const auto* conv = std::get_if<op::Convolution>(&node.operation)) {
    add(conv->weight, conv->bias);
  }
  if (const auto* sparse = std::get_if<op::Sparse>(&node.operation)) {
    // A pruned layer is a dense one with zeros in PyTorch.
    add(sparse->value, sparse->bias);
    const auto whole = static_cast<std::uint64_t>(sparse->outputs * sparse->inputs);
    weights.zeros += whole - weights.stored;
    weights.stored = whole;
  }
  return weights;
}

const op::Neuron* spiking(const ProgramNode& node) {
  const auto* neuron = std::get_if<op::Neuron>(&node.operation);
  return neuron != nullptr && neuron->coefficients.spiking ? neuron : nullptr;
}

bool is_recurrent(const ProgramNode& node) {
  return std::any_of(node.inputs.begin(), node.inputs.end(),
                     [](const Link& link) { return link.in_cycle; });
}

std::uint64_t operations_per_update(const Program& program, const ProgramNode& node) {
  if (!spiking(node)->coefficients.has_current) return 4;
  return program.discretisation.reset == Reset::kToVReset ? 8 : 6;
}

/// Non-zero weights that each input element reaches.
std::vector<std::uint32_t> fan_out_of(const ProgramNode& node) {
  std::vector<std::uint32_t> fan_out(static_cast<std::size_t>(node.in_size), 0);
  if (const auto* dense = std::get_if<op::Dense>(&node.operation)) {
    const auto inputs = static_cast<std::size_t>(dense->inputs);
    for (std::size_t w = 0; w < dense->weight.size(); ++w) {
      if (dense->weight[w] != 0.0) ++fan_out[w % inputs];
    }
    for (std::size_t i = inputs; i < fan_out.size(); ++i) fan_out[i] = fan_out[i - inputs];
  } else if (const auto* sparse = std::get_if<op::Sparse>(&node.operation)) {
    for (std::size_t w = 0; w < sparse->value.size(); ++w) {
      if (sparse->value[w] != 0.0) ++fan_out[static_cast<std::size_t>(sparse->column[w])];
    }
  } else if (const auto* c = std::get_if<op::Convolution>(&node.operation)) {
    const std::int64_t in_group = c->in_channels / c->groups;
    const std::int64_t out_group = c->out_channels / c->groups;
    // Non-zero weights per input channel and tap: the sum over the outputs of its group.
    const std::int64_t taps = c->kernel.rows * c->kernel.columns;
    std::vector<std::uint32_t> per_tap(static_cast<std::size_t>(c->in_channels * taps), 0);
    for (std::int64_t o = 0; o < c->out_channels; ++o) {
      for (std::int64_t i = 0; i < in_group; ++i) {
        const std::int64_t channel = o / out_group * in_group + i;
        for (std::int64_t t = 0; t < taps; ++t) {
          const auto at = static_cast<std::size_t>((o * in_group + i) * taps + t);
          if (c->weight[at] != 0.0) ++per_tap[static_cast<std::size_t>(channel * taps + t)];
        }
      }
    }
    for (std::int64_t row = 0; row < c->output.rows; ++row) {
      const TapRange rows = taps_in_bounds(row, c->input.rows, c->kernel.rows, c->stride.rows,
                                           c->dilation.rows, c->pad_before.rows);
      for (std::int64_t column = 0; column < c->output.columns; ++column) {
        const TapRange columns =
            taps_in_bounds(column, c->input.columns, c->kernel.columns, c->stride.columns,
                           c->dilation.columns, c->pad_before.columns);
        for (std::int64_t kr = rows.first; kr < rows.last; ++kr) {
          const std::int64_t y = row * c->stride.rows - c->pad_before.rows + kr * c->dilation.rows;
          for (std::int64_t kc = columns.first; kc < columns.last; ++kc) {
            const std::int64_t x =
                column * c->stride.columns - c->pad_before.columns + kc * c->dilation.columns;
            for (std::int64_t i = 0; i < c->in_channels; ++i) {
              const auto element =
                  static_cast<std::size_t>((i * c->input.rows + y) * c->input.columns + x);
              fan_out[element] +=
                  per_tap[static_cast<std::size_t>(i * taps + kr * c->kernel.columns + kc)];
            }
          }
        }
      }
    }
  }
  return fan_out;
}

/// Steps by which a node within a cycle hands its result on late.
std::int64_t steps_behind(const Program& program, std::uint32_t number) {
  for (const ProgramNode& node : program.nodes) {
    for (const Link& link : node.inputs) {
      if (link.source == number && link.in_cycle) return static_cast<std::int64_t>(link.delay);
    }
  }
  return 0;
}

/// The input of a node in one step: the sum of what its links carry.
class StepInput {
 public:
  StepInput(const ProgramNode& node, const NeuroBenchSample& sample)
      : node_(node),
        sample_(sample),
        at_(node.inputs.size(), 0),
        value_(static_cast<std::size_t>(node.in_size), 0.0) {}

  /// Steps in rising order. The elements that any link touched; values are in value().
  const std::vector<std::uint32_t>& advance(std::int64_t step) {
    for (const std::uint32_t i : touched_) value_[i] = 0.0;
    touched_.clear();
    for (std::size_t l = 0; l < node_.inputs.size(); ++l) {
      const Link& link = node_.inputs[l];
      const NeuroBenchNodeTrace& source = sample_.nodes[link.source];
      const std::int64_t wanted = step - static_cast<std::int64_t>(link.delay);
      while (at_[l] < source.step.size() && source.step[at_[l]] < wanted) ++at_[l];
      for (; at_[l] < source.step.size() && source.step[at_[l]] == wanted; ++at_[l]) {
        const std::uint32_t i = source.index[at_[l]];
        if (value_[i] == 0.0) touched_.push_back(i);
        value_[i] += source.value[at_[l]];
      }
    }
    return touched_;
  }
  double value(std::uint32_t i) const { return value_[i]; }

 private:
  const ProgramNode& node_;
  const NeuroBenchSample& sample_;
  std::vector<std::size_t> at_;
  std::vector<double> value_;
  std::vector<std::uint32_t> touched_;
};

}  // namespace

NeuroBenchMetrics neurobench_static(const Program& program) {
  NeuroBenchMetrics metrics;
  std::uint64_t stored = 0;
  std::uint64_t zeros = 0;
  for (const ProgramNode& node : program.nodes) {
    const Weights weights = weights_of(node);
    stored += weights.stored;
    zeros += weights.zeros;
    metrics.parameters += static_cast<double>(weights.stored + weights.biases);
    if (const op::Neuron* neuron = spiking(node)) {
      const double buffers = neuron->coefficients.has_current ? 7.0 : 5.0;
      metrics.footprint_bytes += kBytes * buffers;
    }
  }
  metrics.footprint_bytes += kBytes * metrics.parameters;
  if (stored > 0) {
    const double sparsity = static_cast<double>(zeros) / static_cast<double>(stored);
    metrics.connection_sparsity = std::nearbyint(sparsity * 1e4) / 1e4;
  }
  return metrics;
}

Result<NeuroBenchCounter> NeuroBenchCounter::create(const Program& program) {
  NeuroBenchCounter counter(program);
  for (const ProgramNode& node : program.nodes) {
    if (std::holds_alternative<op::RandomSparse>(node.operation)) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "NeuroBench has no metric for connections by rule",
                   .where = "node \"" + node.name + "\""};
    }
    counter.fan_out_.push_back(is_weight_operation(node.operation) ? fan_out_of(node)
                                                                   : std::vector<std::uint32_t>());
  }
  return counter;
}

void NeuroBenchCounter::count_synapses(std::uint32_t number,
                                       std::span<const NeuroBenchSample> batch) {
  const ProgramNode& node = program_->nodes[number];
  std::vector<StepInput> inputs;
  for (const NeuroBenchSample& sample : batch) inputs.emplace_back(node, sample);
  const std::vector<std::uint32_t>& fan_out = fan_out_[number];
  // A recurrent layer is called with the spikes of the step before, silence at first.
  const std::int64_t behind = steps_behind(*program_, number);
  for (std::int64_t step = 0; step < batch.front().steps; ++step) {
    std::uint64_t operations = 0;
    bool spikes_only = true;
    for (StepInput& input : inputs) {
      for (const std::uint32_t i : input.advance(step - behind)) {
        const double value = input.value(i);
        if (value == 0.0) continue;
        operations += fan_out[i];
        spikes_only = spikes_only && std::abs(value) == 1.0;
      }
    }
    (spikes_only ? acs_ : macs_) += operations;
  }
  dense_ += static_cast<std::uint64_t>(node.dense_macs) *
            static_cast<std::uint64_t>(batch.front().steps) * batch.size();
}

void NeuroBenchCounter::count_neurons(std::uint32_t number, const NeuroBenchSample& sample) {
  const ProgramNode& node = program_->nodes[number];
  const std::vector<double>& membrane = sample.nodes[number].membrane;
  const auto neurons = static_cast<std::size_t>(node.out_size);
  if (neurons == 0 || membrane.size() < neurons) return;
  std::uint64_t updates = neurons;
  for (std::size_t i = neurons; i < membrane.size(); ++i) {
    if (membrane[i] != membrane[i - neurons]) ++updates;
  }
  updates_ += updates;
  const std::uint64_t cost = operations_per_update(*program_, node);
  neuron_ops_ += updates * cost;
  neuron_dense_ += membrane.size() * cost;
}

Status NeuroBenchCounter::add_batch(std::span<const NeuroBenchSample> batch) {
  if (batch.empty()) return {};
  for (const NeuroBenchSample& sample : batch) {
    if (sample.steps != batch.front().steps || sample.nodes.size() != program_->nodes.size()) {
      return Error{.code = ErrorCode::kShape,
                   .what = "the samples of a batch differ in length, or are of another network"};
    }
  }
  std::uint64_t active = 0;
  std::uint64_t outputs = 0;
  for (std::uint32_t n = 0; n < program_->nodes.size(); ++n) {
    const ProgramNode& node = program_->nodes[n];
    if (is_weight_operation(node.operation)) count_synapses(n, batch);
    if (spiking(node) == nullptr) continue;
    for (const NeuroBenchSample& sample : batch) {
      active += sample.nodes[n].step.size();
      outputs += static_cast<std::uint64_t>(node.out_size * sample.steps);
      count_neurons(n, sample);
    }
  }
  const double sparsity =
      outputs == 0 ? 0.0 : static_cast<double>(outputs - active) / static_cast<double>(outputs);
  sparsity_times_samples_ += sparsity * static_cast<double>(batch.size());
  samples_ += batch.size();
  return {};
}

NeuroBenchMetrics NeuroBenchCounter::metrics() const {
  NeuroBenchMetrics metrics = neurobench_static(*program_);
  if (samples_ == 0) return metrics;
  const auto samples = static_cast<double>(samples_);
  metrics.activation_sparsity = sparsity_times_samples_ / samples;
  metrics.effective_macs = static_cast<double>(macs_) / samples;
  metrics.effective_acs = static_cast<double>(acs_) / samples;
  metrics.dense = static_cast<double>(dense_) / samples;
  metrics.membrane_updates = static_cast<double>(updates_) / samples;
  // The harness knows no recurrent neuron: the metric fails as a whole, and it reports 0.
  const bool fails = std::any_of(
      program_->nodes.begin(), program_->nodes.end(),
      [](const ProgramNode& node) { return spiking(node) != nullptr && is_recurrent(node); });
  if (fails) return metrics;
  metrics.neuron_operations = static_cast<double>(neuron_ops_) / samples;
  metrics.neuron_operations_dense = static_cast<double>(neuron_dense_) / samples;
  return metrics;
}

Value to_value(const NeuroBenchMetrics& metrics) {
  Value value = Value::map();
  value.set("footprint_bytes", metrics.footprint_bytes).set("parameters", metrics.parameters);
  value.set("connection_sparsity", metrics.connection_sparsity);
  value.set("activation_sparsity", metrics.activation_sparsity);
  Value operations = Value::map();
  operations.set("effective_macs", metrics.effective_macs);
  operations.set("effective_acs", metrics.effective_acs).set("dense", metrics.dense);
  value.set("synaptic_operations", std::move(operations));
  value.set("membrane_updates", metrics.membrane_updates);
  value.set("neuron_operations", metrics.neuron_operations);
  value.set("neuron_operations_dense", metrics.neuron_operations_dense);
  return value;
}

}  // namespace spikeloom
