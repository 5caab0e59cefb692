/// The energy report as one Value.

#include "energy/comparison.hpp"

namespace spikeloom {
namespace {

Value optional_number(const std::optional<double>& value) {
  return value ? Value(*value) : Value();
}

Value break_even_value(const EnergyReport& report, const std::vector<BreakEven>& layers) {
  Value list = Value::list();
  for (const BreakEven& layer : layers) {
    Value value = Value::map();
    value.set("layer", report.layers[layer.layer].name);
    value.set("spiking_j", layer.spiking_joules).set("dense_j", layer.dense_joules);
    value.set("rate", layer.rate).set("break_even_rate", optional_number(layer.break_even_rate));
    list.push(std::move(value));
  }
  return list;
}

Value sensitivity_value(const CostTable& table, const std::vector<Sensitivity>& all) {
  Value list = Value::list();
  for (const Sensitivity& one : all) {
    Value value = Value::map();
    value.set("entry", table.entries[one.entry].name);
    value.set("price", table.entries[one.entry].value);
    value.set("spiking_share", one.spiking_share).set("dense_share", one.dense_share);
    value.set("turns_at", optional_number(one.turns_at));
    value.set("verdict_stands_from", one.lowest);
    value.set("verdict_stands_to", optional_number(one.highest));
    value.set("turns_within_the_range_given", one.within_uncertainty);
    list.push(std::move(value));
  }
  return list;
}

Value comparison_value(const EnergyReport& report, const EnergyComparison& c) {
  Value value = Value::map();
  value.set("accounting", to_string(c.accounting));
  value.set("leaves_out", std::string(leaves_out(c.accounting)));
  const auto side = [&](const char* key, const std::optional<EnergyBreakdown>& breakdown,
                        const std::string& missing) {
    if (breakdown) {
      value.set(key, to_value(*breakdown, report.layers, report.table));
    } else {
      value.set(key, Value());
      if (!missing.empty()) value.set(std::string(key) + "_missing", missing);
    }
  };
  side("spiking", c.spiking, c.spiking_missing);
  side("dense", c.dense, c.dense_missing);
  side("dense_int8", c.dense_int8, "");
  if (!c.comparable()) return value;
  value.set("loses", c.loses()).set("verified", c.verified());
  value.set("break_even", break_even_value(report, c.layers));
  value.set("sensitivity", sensitivity_value(report.table, c.sensitivity));
  return value;
}

}  // namespace

Value to_value(const EnergyBreakdown& breakdown, std::span<const LayerDescription> layers,
               const CostTable& table) {
  Value value = Value::map();
  value.set("format", to_string(breakdown.format)).set("total_j", breakdown.total());
  value.set("dynamic_j", breakdown.dynamic());
  value.set("unverified_j", breakdown.unverified(table));
  const auto components = [&](auto joules_of) {
    Value map = Value::map();
    for (std::size_t c = 0; c < kComponents; ++c) {
      const auto component = static_cast<Component>(c);
      const double joules = joules_of(component);
      if (joules != 0.0) map.set(to_string(component), joules);
    }
    return map;
  };
  value.set("components", components([&](Component c) { return breakdown.of_component(c); }));
  Value list = Value::list();
  const auto add_layer = [&](const std::string& name, std::uint32_t layer) {
    const double joules = breakdown.of_layer(layer);
    if (joules == 0.0) return;
    Value one = Value::map();
    one.set("name", name).set("j", joules);
    one.set("components", components([&](Component c) { return breakdown.of(layer, c); }));
    list.push(std::move(one));
  };
  for (std::uint32_t i = 0; i < layers.size(); ++i) add_layer(layers[i].name, i);
  add_layer("(whole chip)", kWholeChip);
  value.set("layers", std::move(list));
  if (!breakdown.notes.empty()) {
    Value notes = Value::list();
    for (const std::string& note : breakdown.notes) notes.push(note);
    value.set("notes", std::move(notes));
  }
  return value;
}

Value to_value(const EnergyReport& report) {
  Value value = Value::map();
  value.set("verdict", report.verdict);
  Value table = Value::map();
  table.set("name", report.table.name).set("title", report.table.title);
  table.set("note", report.table.note);
  Value entries = Value::list();
  for (const CostEntry& entry : report.table.entries) entries.push(to_value(entry));
  table.set("entries", std::move(entries));
  value.set("table", std::move(table));
  value.set("format", to_string(report.format)).set("inferences", report.inferences);
  value.set("steps_per_inference", report.steps).set("dense_passes", report.dense_passes);
  value.set("dense_reason", report.dense_reason);
  Value accountings = Value::list();
  for (const EnergyComparison& c : report.comparisons) {
    accountings.push(comparison_value(report, c));
  }
  value.set("accountings", std::move(accountings));
  return value;
}

}  // namespace spikeloom
