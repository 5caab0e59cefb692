#include "cli/quantize_report.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

Value calibration_value(const Calibration& c) {
  Value value = Value::map();
  value.set("recordings", c.recordings).set("same_prediction", c.same_prediction);
  value.set("labelled", c.labelled).set("float_right", c.real_right);
  value.set("integer_right", c.integer_right).set("largest_input", c.largest_input);
  value.set("float_synaptic_operations", c.real_operations);
  value.set("integer_synaptic_operations", c.integer_operations);
  Value nodes = Value::list();
  for (const NodeAgreement& node : c.nodes) {
    Value one = Value::map();
    one.set("name", node.name).set("kind", node.kind);
    one.set("float_spikes", node.real_spikes).set("integer_spikes", node.integer_spikes);
    one.set("cosine", node.cosine());
    nodes.push(std::move(one));
  }
  value.set("nodes", std::move(nodes));
  return value;
}

std::string calibration_text(const Calibration& c) {
  Table table({"node", "kind", "spikes float", "spikes integer", "cosine"}, 2);
  for (const NodeAgreement& node : c.nodes) {
    table.row({node.name, node.kind, number_text(node.real_spikes),
               number_text(node.integer_spikes), fmt::format("{:.6f}", node.cosine())});
  }
  std::string text = table.text();
  text += fmt::format("same decision  {} of {} recordings\n", c.same_prediction, c.recordings);
  if (c.labelled > 0) {
    text += fmt::format("right          {} float, {} integer, of {}\n", c.real_right,
                        c.integer_right, c.labelled);
  }
  return text;
}

}  // namespace

Value quantize_value(const QuantizeReport& report) {
  const QuantizedNetwork& q = *report.quantized;
  Value value = Value::map();
  value.set("model", report.model).set("out", report.out);
  value.set("per", report.per_channel ? "channel" : "layer");
  value.set("fixed_point", get_option(q.discretisation, "fixed-point"));
  value.set("fraction", q.fraction).set("input_limit", q.input_limit);
  Value layers = Value::list();
  for (const QuantizedLayer& layer : q.layers) {
    Value one = Value::map();
    one.set("name", layer.name).set("kind", layer.kind).set("bits", layer.bits);
    one.set("weights", layer.weights);
    one.set("smallest_scale", layer.smallest_scale).set("largest_scale", layer.largest_scale);
    one.set("rms_error", layer.rms_error).set("max_error", layer.max_error);
    one.set("fitted", layer.fitted);
    layers.push(std::move(one));
  }
  value.set("layers", std::move(layers));
  value.set("calibration", report.calibration ? calibration_value(*report.calibration) : Value());
  return value;
}

std::string quantize_text(const QuantizeReport& report) {
  const QuantizedNetwork& q = *report.quantized;
  Table table({"layer", "kind", "bits", "weights", "scale", "rms error", "max error"}, 2);
  for (const QuantizedLayer& layer : q.layers) {
    const std::string scale =
        layer.smallest_scale == layer.largest_scale
            ? fmt::format("{:.4g}", layer.smallest_scale)
            : fmt::format("{:.4g} .. {:.4g}", layer.smallest_scale, layer.largest_scale);
    table.row({layer.name, layer.kind, std::to_string(layer.bits),
               with_commas(static_cast<std::uint64_t>(layer.weights)), scale,
               fmt::format("{:.3f} %", 100.0 * layer.rms_error),
               fmt::format("{:.3f} %", 100.0 * layer.max_error)});
  }
  std::string text = table.text();
  text += fmt::format("leak products  {}, up to {} fractional bits\n",
                      get_option(q.discretisation, "fixed-point"), q.fraction);
  text += fmt::format("input values   up to {} in a step\n", q.input_limit);
  const auto fitted = std::count_if(q.layers.begin(), q.layers.end(),
                                    [](const QuantizedLayer& layer) { return layer.fitted; });
  text += fmt::format(
      "scales         {}\n",
      fitted > 0 ? fmt::format("{} of {} layers fitted to the recordings", fitted, q.layers.size())
                 : "by the largest weights");
  if (report.calibration) text += "\n" + calibration_text(*report.calibration);
  text += fmt::format("written        {}\n", report.out);
  return text;
}

}  // namespace spikeloom::cli
