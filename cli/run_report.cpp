#include "cli/run_report.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/run_batch.hpp"
#include "cli/table.hpp"
#include "energy/layer_description.hpp"

namespace spikeloom::cli {
namespace {

/// Whole numbers as integers, so that counts read as counts.
Value number_value(double value) {
  if (std::floor(value) == value && std::abs(value) < 9e15) {
    return Value(static_cast<std::int64_t>(value));
  }
  return Value(value);
}

Value numbers(const std::vector<double>& values) {
  Value list = Value::list();
  for (const double value : values) list.push(number_value(value));
  return list;
}

Value strings(const std::vector<std::string>& values) {
  Value list = Value::list();
  for (const std::string& value : values) list.push(value);
  return list;
}

Value optional_integer(const std::optional<std::int64_t>& value) {
  return value ? Value(*value) : Value();
}

/// Fields that a single recording and a whole run share.
void set_run_fields(const RunContext& context, Value& value) {
  const Pipeline& pipeline = *context.pipeline;
  value.set("discretisation", to_value(pipeline.discretisation()));
  value.set("input_coding", to_value(pipeline.coding));
  value.set("read_out", to_string(pipeline.read_out));
}

/// What an energy model or a picture needs besides counts, so that a run can do without its model.
void set_network(const Pipeline& pipeline, Value& value) {
  const double step_seconds = to_seconds(pipeline.discretisation().step_time());
  value.set("step_seconds", step_seconds > 0.0 ? Value(step_seconds) : Value());
  value.set("network", to_value(describe_layers(pipeline.program())));
}

void set_outputs(const Pipeline& pipeline, const RunOutcome& outcome, Value& value) {
  if (outcome.outputs.empty()) {
    value.set("prediction", Value()).set("output_counts", Value::list());
    return;
  }
  const OutputResult& first = outcome.outputs.front();
  value.set("prediction", optional_integer(first.prediction));
  value.set("output_counts", numbers(first.counts));
  if (pipeline.read_out != ReadOut::kCount) value.set("scores", numbers(first.scores));
  if (outcome.outputs.size() < 2) return;
  Value all = Value::list();
  for (const OutputResult& output : outcome.outputs) {
    Value one = Value::map();
    one.set("name", output.name).set("prediction", optional_integer(output.prediction));
    one.set("output_counts", numbers(output.counts)).set("scores", numbers(output.scores));
    all.push(std::move(one));
  }
  value.set("outputs", std::move(all));
}

Value records_value(const Program& program, const RunOutcome& outcome) {
  Value records = Value::list();
  for (const RecordedEvents& events : outcome.events) {
    Value one = Value::map();
    one.set("node", program.nodes[events.node].name).set("variable", to_string(events.variable));
    Value step = Value::list();
    Value index = Value::list();
    for (const std::int64_t s : events.step) step.push(s);
    for (const std::uint32_t i : events.index) index.push(i);
    one.set("step", std::move(step)).set("index", std::move(index));
    one.set("value", numbers(events.value));
    records.push(std::move(one));
  }
  for (const RecordedState& state : outcome.states) {
    Value one = Value::map();
    one.set("node", program.nodes[state.node].name).set("variable", to_string(state.variable));
    Value rows = Value::list();
    for (std::size_t at = 0; at + state.neurons <= state.value.size() && state.neurons > 0;
         at += state.neurons) {
      Value row = Value::list();
      for (std::size_t i = 0; i < state.neurons; ++i) row.push(state.value[at + i]);
      rows.push(std::move(row));
    }
    one.set("values", std::move(rows));
    records.push(std::move(one));
  }
  return records;
}

std::string counts_text(const std::vector<double>& counts) {
  constexpr std::size_t kMost = 20;
  std::string text;
  for (std::size_t k = 0; k < std::min(counts.size(), kMost); ++k) {
    text += fmt::format("{}{}", k == 0 ? "" : " ", number_text(counts[k]));
  }
  if (counts.size() > kMost) text += fmt::format(" ... ({} in all)", counts.size());
  return text;
}

std::string integer_text(const std::optional<std::int64_t>& value) {
  return value ? std::to_string(*value) : "-";
}

std::string verdict(const RecordingResult& result) {
  const auto right = result.right();
  if (!right) return "";
  return *right ? "right" : "wrong";
}

std::string one_recording_text(const RunContext& context, const RecordingResult& result) {
  const RunOutcome& outcome = result.outcome;
  const Discretisation& d = context.pipeline->discretisation();
  std::string text;
  if (!result.name.empty()) text += fmt::format("recording      {}\n", result.name);
  text += fmt::format("steps          {}", with_commas(static_cast<std::uint64_t>(outcome.steps)));
  if (d.dt > 0.0) text += fmt::format(" of {}", seconds_text(to_seconds(d.step_time())));
  text += fmt::format(", computed in {} ({}, {})\n", seconds_text(outcome.wall_seconds),
                      outcome.stats.backend, outcome.stats.arithmetic);
  for (const OutputResult& output : outcome.outputs) {
    const bool alone = outcome.outputs.size() == 1;
    text += fmt::format("prediction     {}", integer_text(output.prediction));
    if (!alone) text += fmt::format("  ({})", output.name);
    if (alone && result.label)
      text += fmt::format("  (label {}: {})", *result.label, verdict(result));
    text += fmt::format("\noutput counts  {}\n", counts_text(output.counts));
    if (context.pipeline->read_out != ReadOut::kCount) {
      text += fmt::format("scores ({})  {}\n", to_string(context.pipeline->read_out),
                          counts_text(output.scores));
    }
  }
  return text + "\n" + layer_table(outcome.stats);
}

std::uint64_t input_events(const RunStats& stats) {
  std::uint64_t events = 0;
  for (const NodeStats& node : stats.nodes) events += node.kind == "Input" ? node.events_out : 0;
  return events;
}

std::string confusion_text(const Confusion& confusion) {
  constexpr std::size_t kMostClasses = 24;
  if (confusion.classes > kMostClasses) return "";
  std::vector<std::string> header = {"label \\ said"};
  for (std::size_t p = 0; p < confusion.classes; ++p) header.push_back(std::to_string(p));
  Table table(std::move(header), 1);
  for (std::size_t r = 0; r < confusion.classes; ++r) {
    std::vector<std::string> cells = {std::to_string(r)};
    for (std::size_t p = 0; p < confusion.classes; ++p) {
      const auto count = confusion.counts[r * confusion.classes + p];
      cells.push_back(count == 0 ? "." : std::to_string(count));
    }
    table.row(std::move(cells));
  }
  return table.text();
}

}  // namespace

std::optional<std::int64_t> RecordingResult::prediction() const {
  return outcome.outputs.empty() ? std::nullopt : outcome.outputs.front().prediction;
}

std::optional<bool> RecordingResult::right() const {
  if (!label || !prediction()) return std::nullopt;
  return *label == *prediction();
}

double Confusion::accuracy() const {
  return labelled == 0 ? 0.0 : static_cast<double>(right) / static_cast<double>(labelled);
}

Confusion confusion_of(const std::vector<RecordingResult>& results) {
  constexpr std::int64_t kMostClasses = 4096;
  Confusion confusion;
  std::int64_t classes = 0;
  bool countable = true;
  for (const RecordingResult& result : results) {
    if (!result.right()) continue;
    ++confusion.labelled;
    confusion.right += *result.right() ? 1 : 0;
    const auto outputs = static_cast<std::int64_t>(result.outcome.outputs.front().counts.size());
    classes = std::max({classes, outputs, *result.label + 1});
    countable = countable && *result.label >= 0;
  }
  if (!countable || classes > kMostClasses) return confusion;
  confusion.classes = static_cast<std::size_t>(classes);
  confusion.counts.assign(confusion.classes * confusion.classes, 0);
  for (const RecordingResult& result : results) {
    if (!result.right()) continue;
    const auto row = static_cast<std::size_t>(*result.label);
    ++confusion.counts[row * confusion.classes + static_cast<std::size_t>(*result.prediction())];
  }
  return confusion;
}

Value recording_value(const RunContext& context, const RecordingResult& result) {
  const Pipeline& pipeline = *context.pipeline;
  const RunOutcome& outcome = result.outcome;
  Value value = Value::map();
  value.set("name", result.name);
  if (result.label) value.set("label", *result.label);
  if (const auto right = result.right()) value.set("right", *right);
  set_outputs(pipeline, outcome, value);
  value.set("steps", outcome.steps).set("wall_s", outcome.wall_seconds);
  const Value stats = to_value(outcome.stats);
  for (const char* key : {"backend", "arithmetic"}) value.set(key, *stats.find(key));
  set_run_fields(context, value);
  for (const char* key :
       {"synaptic_operations", "layers", "input", "seconds", "peak_memory_bytes"}) {
    value.set(key, *stats.find(key));
  }
  std::vector<std::string> notes = pipeline.notes;
  notes.insert(notes.end(), result.notes.begin(), result.notes.end());
  value.set("notes", strings(notes));
  if (context.with_records) value.set("records", records_value(pipeline.program(), outcome));
  return value;
}

Value run_value(const RunContext& context, const std::vector<RecordingResult>& results) {
  if (results.size() == 1) {
    Value value = Value::map();
    value.set("model", context.model);
    set_network(*context.pipeline, value);
    const Value recording = recording_value(context, results.front());
    for (const auto& [key, field] : *recording.as_map()) value.set(key, field);
    return value;
  }
  Value value = Value::map();
  value.set("model", context.model).set("count", static_cast<std::uint64_t>(results.size()));
  set_network(*context.pipeline, value);
  const Confusion confusion = confusion_of(results);
  if (confusion.labelled > 0) {
    value.set("accuracy", confusion.accuracy()).set("right", confusion.right);
    value.set("labelled", confusion.labelled);
    Value rows = Value::list();
    for (std::size_t r = 0; r < confusion.classes; ++r) {
      Value row = Value::list();
      for (std::size_t p = 0; p < confusion.classes; ++p) {
        row.push(confusion.counts[r * confusion.classes + p]);
      }
      rows.push(std::move(row));
    }
    value.set("confusion", std::move(rows));
  } else {
    value.set("accuracy", Value()).set("confusion", Value());
  }
  const RunStats total = total_stats(results);
  value.set("steps", total.steps).set("wall_s", context.wall_seconds);
  value.set("backend", total.backend).set("arithmetic", total.arithmetic);
  set_run_fields(context, value);
  value.set("synaptic_operations", total.synaptic_operations());
  value.set("notes", strings(context.pipeline->notes));
  Value recordings = Value::list();
  for (const RecordingResult& result : results) recordings.push(recording_value(context, result));
  value.set("recordings", std::move(recordings));
  return value;
}

std::string layer_table(const RunStats& stats) {
  Table table(
      {"layer", "kind", "events in", "sum", "events out", "ac", "mac", "dense macs", "updates"}, 2);
  for (const NodeStats& node : stats.nodes) {
    table.row({node.name, node.kind, with_commas(node.events_in), number_text(node.value_sum),
               with_commas(node.events_out), with_commas(node.ac), with_commas(node.mac),
               with_commas(node.dense_macs), with_commas(node.neuron_updates)});
  }
  table.total({"total", "", "", "", "", with_commas(stats.total(&NodeStats::ac)),
               with_commas(stats.total(&NodeStats::mac)),
               with_commas(stats.total(&NodeStats::dense_macs)),
               with_commas(stats.total(&NodeStats::neuron_updates))});
  std::string text = table.text();
  const std::uint64_t dense = stats.total(&NodeStats::dense_macs);
  const std::uint64_t done = stats.synaptic_operations();
  if (dense > 0) {
    text += fmt::format("{} synaptic operations, {:.3g} % of the dense {}\n", with_commas(done),
                        100.0 * static_cast<double>(done) / static_cast<double>(dense),
                        with_commas(dense));
  }
  for (const NodeStats& node : stats.nodes) {
    const std::uint64_t other = node.steps_bitmask + node.steps_dense;
    if (other == 0) continue;
    text += fmt::format(
        "{} was added up by rows in {} steps, by bitmasks in {}, by dense products in {}\n",
        node.name, with_commas(node.steps_rows), with_commas(node.steps_bitmask),
        with_commas(node.steps_dense));
  }
  return text;
}

std::string run_text(const RunContext& context, const std::vector<RecordingResult>& results) {
  if (results.size() == 1) return one_recording_text(context, results.front());
  Table table({"recording", "said", "label", "", "steps", "events", "synaptic ops", "time"}, 1);
  for (const RecordingResult& result : results) {
    const RunStats& stats = result.outcome.stats;
    table.row({result.name, integer_text(result.prediction()), integer_text(result.label),
               verdict(result), with_commas(static_cast<std::uint64_t>(result.outcome.steps)),
               with_commas(input_events(stats)), with_commas(stats.synaptic_operations()),
               seconds_text(result.outcome.wall_seconds)});
  }
  const RunStats total = total_stats(results);
  std::string text = table.text() + "\n" + layer_table(total);
  text += fmt::format("{} recordings in {} ({}, {})\n", results.size(),
                      seconds_text(context.wall_seconds), total.backend, total.arithmetic);
  const Confusion confusion = confusion_of(results);
  if (confusion.labelled == 0) return text;
  text += "\n" + confusion_text(confusion);
  text += fmt::format("accuracy {:.4f} ({} of {} right)\n", confusion.accuracy(), confusion.right,
                      confusion.labelled);
  return text;
}

}  // namespace spikeloom::cli
