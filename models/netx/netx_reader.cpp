#include "models/netx/netx_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/io/hdf5.hpp"
#include "models/detail/loihi_neuron.hpp"
#include "models/netx/detail/netx_layer.hpp"
#include "snn/discretisation.hpp"

namespace spikeloom {
namespace {

using detail::NetxLayer;
using detail::NetxNeuron;
using io::Hdf5Group;

/// Lava's defaults: events carry 6 bits below the file's unit, states 6 more (spike_exp,
/// state_exp).
constexpr int kStateShift = 6;
constexpr double kStateUnit = 4096.0;

Tensor integer(std::int64_t value) { return Tensor::scalar<std::int64_t>(value); }

/// Puts layers together, one after the other.
class Builder {
 public:
  Builder(std::string file, double step) : file_(std::move(file)), step_(step) {
    report_.file = file_;
    report_.format = "netx";
  }

  Status add(const NetxLayer& layer) {
    Status status = layer.type == "input"     ? add_input(layer)
                    : layer.type == "flatten" ? add_flatten(layer)
                                              : add_weights(layer);
    if (!status.ok()) return Error(status.error()).in(fmt::format("{}: {}", file_, layer.place));
    return status;
  }

  Result<LoadedModel> finish(std::int64_t sample_steps) {
    if (shape_.empty()) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "there are no layers",
                   .where = file_,
                   .next = "export the network again"};
    }
    append("output", node::Output{shape_tensor(shape_)});
    if (sample_steps > 0 && !has_sigma_delta_) {
      report_.warnings.push_back(
          fmt::format("trained on samples of {} steps: for an input that is a row of samples give "
                      "--reset-every {}",
                      sample_steps, sample_steps + 1));
    }
    LoadedModel model;
    SPIKELOOM_TRY(model.network, std::move(builder_).build());
    SPIKELOOM_TRY(model.run_settings, settings());
    model.report = std::move(report_);
    return model;
  }

 private:
  std::string append(std::string name, NodeKind kind) {
    ImportEntry entry{name, std::string(kind_name(kind)), ImportStatus::kRead, {}};
    report_.nodes.push_back(std::move(entry));
    builder_.add(name, std::move(kind));
    if (!last_.empty()) builder_.connect(last_, name);
    last_ = name;
    return name;
  }

  Status add_input(const NetxLayer& layer) {
    if (!last_.empty()) {
      return Error{.code = ErrorCode::kUnsupported, .what = "a second input layer is not read"};
    }
    shape_ = layer.shape;
    append("input", node::Input{shape_tensor(shape_)});
    if (layer.neuron && layer.neuron->kind == NetxNeuron::Kind::kSigmaDelta) {
      has_sigma_delta_ = true;
      node::SigmaDelta delta;
      delta.v_threshold = Tensor::scalar(layer.neuron->threshold * kStateUnit);
      delta.gain = Tensor::scalar(kStateUnit);
      delta.integrate = integer(0);
      delta.rectify = integer(0);
      delta.shift = integer(kStateShift);
      append(layer.name, std::move(delta));
    } else {
      report_.warnings.push_back(fmt::format(
          "{} turns values into spikes and is left out: give the network's input as spikes",
          layer.place));
    }
    return {};
  }

  Status add_flatten(const NetxLayer& layer) {
    SPIKELOOM_TRY(const std::int64_t count, element_count(shape_));
    append(layer.name, node::Flatten{integer(0), integer(-1), {}});
    shape_ = {count};
    return {};
  }

  Status add_weights(const NetxLayer& layer) {
    if (last_.empty()) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what =
                       "the network does not begin with an input layer, so the shape of its "
                       "input is missing",
                   .next = "export it with its input layer"};
    }
    if (layer.cut) {
      report_.warnings.push_back(fmt::format(
          "{}: weights or biases that are no integers were cut off, as Lava does", layer.place));
    }
    const bool is_sum = !layer.neuron;
    const bool dense = layer.type == "dense";
    if (dense) {
      SPIKELOOM_TRY(const std::int64_t inputs, element_count(shape_));
      if (shape_.size() > 1)
        append(layer.name + ".flatten", node::Flatten{integer(0), integer(-1), {}});
      SPIKELOOM_CHECK(set_dense_shape(layer, inputs));
    } else {
      SPIKELOOM_CHECK(set_convolution_shape(layer));
    }
    const std::string name = is_sum ? layer.name : layer.name + ".synapse";
    append(name, synapse(layer, is_sum));
    if (is_sum) {
      report_.warnings.push_back(
          fmt::format("{} has no neurons: its sums are the output", layer.place));
      return {};
    }
    SPIKELOOM_TRY(NodeKind neuron, population(layer));
    append(layer.name, std::move(neuron));
    return {};
  }

  Status set_dense_shape(const NetxLayer& layer, std::int64_t inputs) {
    SPIKELOOM_TRY(const std::int64_t outputs, element_count(layer.shape));
    const auto count = static_cast<std::int64_t>(layer.weight.size());
    if (outputs == 0 || inputs == 0 || count % outputs != 0 || count / outputs != inputs) {
      return Error{.code = ErrorCode::kShape,
                   .what = "the weights do not fit the layer",
                   .expected = fmt::format("{} for {} neurons and {} inputs", outputs * inputs,
                                           outputs, inputs),
                   .got = to_string(layer.weight_shape)};
    }
    synapse_shape_ = {outputs, inputs};
    shape_ = {outputs};
    return {};
  }

  Status set_convolution_shape(const NetxLayer& layer) {
    if (shape_.size() != 3 || layer.shape.size() != 3 || layer.weight_shape.size() != 4) {
      return Error{.code = ErrorCode::kShape,
                   .what =
                       "a convolution has shapes (channels, rows, columns) and weights (out, in, "
                       "rows, columns)",
                   .got = fmt::format("input {}, output {}, weights {}", to_string(shape_),
                                      to_string(layer.shape), to_string(layer.weight_shape))};
    }
    if (layer.weight_shape[0] != layer.shape[0]) {
      return Error{.code = ErrorCode::kShape,
                   .what = "the weights have other channels than the layer",
                   .expected = fmt::format("{}", layer.shape[0]),
                   .got = fmt::format("{}", layer.weight_shape[0])};
    }
    synapse_shape_ = layer.weight_shape;
    input_plane_ = {shape_[1], shape_[2]};
    shape_ = layer.shape;
    return {};
  }

  NodeKind synapse(const NetxLayer& layer, bool is_sum) const {
    Tensor weight = detail::weight_tensor(synapse_shape_, layer.weight);
    if (layer.type == "dense") {
      if (is_sum && !layer.bias.empty()) {
        std::vector<double> bias = layer.bias;
        bias.resize(static_cast<std::size_t>(synapse_shape_[0]), bias.back());
        return node::Affine{std::move(weight), Tensor::of<double>({synapse_shape_[0]}, bias), {}};
      }
      return node::Linear{std::move(weight), {}};
    }
    node::Conv2d conv;
    conv.weight = std::move(weight);
    conv.stride = shape_tensor(layer.stride);
    conv.padding.value = shape_tensor(layer.padding);
    conv.dilation = shape_tensor(layer.dilation);
    conv.groups = integer(layer.groups);
    conv.input_shape = shape_tensor(input_plane_);
    return conv;
  }

  /// The bias as the neurons take it: nothing, one value, or one per neuron.
  Result<std::vector<double>> bias_of(const NetxLayer& layer) const {
    const auto count = layer.bias.size();
    SPIKELOOM_TRY(const std::int64_t neurons, element_count(shape_));
    if (count <= 1 || count == static_cast<std::size_t>(neurons)) return layer.bias;
    if (count == static_cast<std::size_t>(shape_[0])) {
      return detail::spread_over_channels(layer.bias, shape_);
    }
    return Error{.code = ErrorCode::kShape,
                 .what = "the biases do not fit the layer",
                 .expected = fmt::format("1, {} or {}", shape_[0], neurons),
                 .got = std::to_string(count)};
  }

  Result<NodeKind> population(const NetxLayer& layer) {
    const NetxNeuron& neuron = *layer.neuron;
    SPIKELOOM_TRY(std::vector<double> bias, bias_of(layer));
    const Shape bias_shape = bias.size() > 1 ? shape_ : Shape{};
    const bool sigma_delta = neuron.kind != NetxNeuron::Kind::kLif;
    has_sigma_delta_ = has_sigma_delta_ || sigma_delta;
    has_lif_ = has_lif_ || !sigma_delta;
    if (has_sigma_delta_ && has_lif_) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "sigma-delta and spiking neurons in one network are not read"};
    }
    if (neuron.kind == NetxNeuron::Kind::kSigma) {
      if (!bias.empty()) {
        return Error{.code = ErrorCode::kUnsupported,
                     .what = "the bias of a sigma decoder is not read"};
      }
      return NodeKind(node::I{Tensor::scalar(1.0)});
    }
    if (sigma_delta) {
      node::SigmaDelta made;
      made.v_threshold = Tensor::scalar(neuron.threshold * kStateUnit);
      for (double& value : bias) value *= kStateUnit;
      if (!bias.empty()) made.bias = Tensor::of<double>(bias_shape, bias);
      made.shift = integer(kStateShift);
      return NodeKind(std::move(made));
    }
    detail::LoihiNeuron lif;
    lif.step = step_;
    lif.threshold = neuron.threshold;
    lif.current_decay = neuron.current_decay;
    lif.membrane_decay = neuron.membrane_decay;
    lif.weight_exponent = neuron.weight_exponent;
    lif.bias = std::move(bias);
    lif.bias_shape = bias_shape;
    return NodeKind(detail::loihi_neuron(lif));
  }

  Result<Value> settings() const {
    SPIKELOOM_TRY(Discretisation d, make_preset("lava"));
    d.dt = step_;
    d.time_unit = TimeUnit::kMilliseconds;
    d.fixed_point = FixedPoint::kLoihi;
    if (has_sigma_delta_) {
      d.input_delay = 0;  // the input layer is a population: its link has the step
    } else {
      d.weight_scale = 64.0;
      d.threshold_scale = 64.0;
    }
    Value settings = Value::map();
    settings.set("discretisation", to_value(d));
    settings.set("read_out", has_sigma_delta_ ? "last" : "count");
    return settings;
  }

  std::string file_;
  double step_;
  NetworkBuilder builder_;
  ImportReport report_;
  std::string last_;  ///< the node that the next layer reads
  Shape shape_;       ///< of what it sends
  Shape synapse_shape_, input_plane_;
  bool has_sigma_delta_ = false, has_lif_ = false;
};

/// simulation/Ts and tSample; absent ones keep their defaults.
struct Simulation {
  double step = 1.0;
  std::int64_t sample_steps = 0;
};

Simulation read_simulation(const Hdf5Group& root) {
  Simulation simulation;
  const auto group = root.group("simulation");
  if (!group.ok()) return simulation;
  const auto number = [&](const char* name) -> double {
    const auto tensor = group->read_tensor(name);
    if (!tensor.ok()) return 0.0;
    const auto value = tensor->to_scalar();
    return value.ok() ? *value : 0.0;
  };
  const double step = number("Ts");
  const double length = number("tSample");
  if (step >= 1e-6 && step <= 1e6) simulation.step = step;
  if (length >= 1.0 && length <= 1e9) {
    simulation.sample_steps = static_cast<std::int64_t>(length / simulation.step);
  }
  return simulation;
}

Result<LoadedModel> read_root(const Hdf5Group& root, const std::string& name,
                              std::uint64_t file_size, const NetxReadOptions& options) {
  const auto layers = root.group("layer");
  if (!layers.ok()) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "this HDF5 file is not a lava-dl network",
                 .where = name,
                 .expected = "the group /layer"};
  }
  detail::ReadBudget budget(file_size, options.max_bytes);
  const Simulation simulation = read_simulation(root);
  Builder builder(name, simulation.step);
  SPIKELOOM_TRY(const auto children, layers->children());
  for (std::size_t number = 0; number < children.size(); ++number) {
    SPIKELOOM_CHECK(budget.take_node());
    auto layer = detail::read_netx_layer(*layers, number, budget);
    if (!layer.ok()) return std::move(layer).error().in(name);
    SPIKELOOM_CHECK(builder.add(*layer));
  }
  return builder.finish(simulation.sample_steps);
}

}  // namespace

Result<LoadedModel> read_netx(const std::string& path, const NetxReadOptions& options) {
  SPIKELOOM_TRY(const auto file, io::Hdf5File::open(path));
  std::error_code failure;
  const auto size = std::filesystem::file_size(path, failure);
  return read_root(file.root(), path, failure ? 0 : size, options);
}

Result<LoadedModel> read_netx_bytes(std::span<const std::byte> bytes, const std::string& name,
                                    const NetxReadOptions& options) {
  SPIKELOOM_TRY(const auto file, io::Hdf5File::open_bytes(bytes, name));
  return read_root(file.root(), name, bytes.size(), options);
}

}  // namespace spikeloom
