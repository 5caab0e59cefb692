#include "cli/energy_studies.hpp"

#include <fmt/format.h>

#include "cli/table.hpp"
#include "energy/comparison.hpp"

namespace spikeloom::cli {
namespace {

Status forget(RecordingResult& result) {
  result.outcome.events.clear();
  result.outcome.states.clear();
  return {};
}

NeuroBenchSample sample_of(const Program& program, const RunOutcome& outcome) {
  NeuroBenchSample sample;
  sample.steps = outcome.steps;
  sample.nodes.resize(program.nodes.size());
  for (const RecordedEvents& events : outcome.events) {
    NeuroBenchNodeTrace& node = sample.nodes[events.node];
    node.step = events.step;
    node.index = events.index;
    node.value = events.value;
  }
  for (const RecordedState& state : outcome.states) {
    sample.nodes[state.node].membrane = state.value;
  }
  return sample;
}

/// A price in the unit its table has it in.
std::string price_text(const CostTable& table, const std::string& name, double si) {
  const CostEntry* entry = table.find(name);
  if (entry == nullptr || entry->value <= 0.0) return fmt::format("{:.3g}", si);
  return fmt::format("{:.3g} {}", si * entry->written_value / entry->value, entry->unit);
}

}  // namespace

Result<std::vector<MeterReading>> measure_job(const RunJob& job, const MeterRequest& request,
                                              Console& console) {
  SPIKELOOM_TRY(const RunBatch batch, prepare_batch(job));
  const auto work = [&]() -> Status {
    SPIKELOOM_CHECK(run_batch(job, batch, console, forget));
    return {};
  };
  const double inferences = static_cast<double>(std::max<std::size_t>(batch.samples.size(), 1));
  SPIKELOOM_CHECK(work());  // files in the page cache, code in memory
  std::vector<MeterReading> readings;
  for (const std::string& kind : request.meters) {
    MeterReading reading;
    reading.kind = kind;
    const auto meter = open_meter(kind);
    if (meter.ok()) {
      auto measured = measure_energy(**meter, work, inferences, request.options);
      if (measured.ok()) {
        reading.measurement = *std::move(measured);
      } else if (measured.error().code == ErrorCode::kCancelled) {
        return std::move(measured).error();
      } else {
        reading.why_not = measured.error().message();
      }
    } else if (meter.error().code == ErrorCode::kInvalidArgument) {
      return meter.error();
    } else {
      reading.why_not = meter.error().message();
    }
    readings.push_back(std::move(reading));
  }
  return readings;
}

std::string meters_text(const std::vector<MeterReading>& readings) {
  std::string text = "measured, idling subtracted\n";
  for (const MeterReading& reading : readings) {
    if (!reading.measurement) {
      text += fmt::format("  {}: not measured: {}\n", reading.kind, reading.why_not);
      continue;
    }
    const EnergyMeasurement& m = *reading.measurement;
    text += fmt::format(
        "  {}: {} +- {} per inference ({} repetitions), {} with idling; idle {:.3g} +- {:.2g} W; "
        "{} per inference{}\n",
        m.meter, joules_text(m.mean), joules_text(m.deviation), m.joules.size(),
        joules_text(m.gross_mean), m.idle_mean, m.idle_deviation,
        seconds_text(m.seconds_per_inference),
        m.lost_in_idle ? "; not to be told from idling" : "");
  }
  return text;
}

Value meters_value(const std::vector<MeterReading>& readings) {
  Value list = Value::list();
  for (const MeterReading& reading : readings) {
    Value one = Value::map();
    one.set("kind", reading.kind);
    if (reading.measurement) {
      one.set("measurement", to_value(*reading.measurement));
    } else {
      one.set("measurement", Value()).set("why_not", reading.why_not);
    }
    list.push(std::move(one));
  }
  return list;
}

Result<NeuroBenchMetrics> neurobench_job(RunJob job, Console& console) {
  SPIKELOOM_TRY(const RunBatch plain, prepare_batch(job));
  job.record.clear();
  for (const ProgramNode& node : plain.pipeline.program().nodes) {
    if (!std::holds_alternative<op::Output>(node.operation)) job.record.push_back(node.name + ":y");
    if (has_variable(node, Variable::kMembrane)) job.record.push_back(node.name + ":v");
  }
  SPIKELOOM_TRY(const RunBatch batch, prepare_batch(job));
  const Program& program = batch.pipeline.program();
  SPIKELOOM_TRY(NeuroBenchCounter counter, NeuroBenchCounter::create(program));
  const auto count = [&](RecordingResult& result) -> Status {
    const NeuroBenchSample sample = sample_of(program, result.outcome);
    SPIKELOOM_CHECK(counter.add_batch({&sample, 1}));
    return forget(result);
  };
  SPIKELOOM_CHECK(run_batch(job, batch, console, count));
  return counter.metrics();
}

std::string neurobench_text(const NeuroBenchMetrics& m) {
  return fmt::format(
      "NeuroBench (harness 2.3.0, batches of one recording)\n"
      "  footprint            {:.0f} bytes\n"
      "  connection sparsity  {:.4f}\n"
      "  activation sparsity  {:.6f}\n"
      "  effective MACs       {:.2f} per sample\n"
      "  effective ACs        {:.2f}\n"
      "  dense                {:.2f}\n"
      "  membrane updates     {:.2f}\n"
      "  neuron operations    {:.2f} of {:.2f}\n",
      m.footprint_bytes, m.connection_sparsity, m.activation_sparsity, m.effective_macs,
      m.effective_acs, m.dense, m.membrane_updates, m.neuron_operations, m.neuron_operations_dense);
}

std::string in_sensor_text(const std::vector<InSensorStudy>& studies, const CostTable& table) {
  std::string text =
      "A first layer in the pixel array against a conventional pipeline: the constants of the "
      "sensor "
      "are unverified,\nso this is a range and no ratio to quote.\n\n";
  Table ranges({"channels", "conventional", "in sensor", "bits sent", "total energy, times less",
                "2.32x, as published"},
               0);
  for (const InSensorStudy& study : studies) {
    ranges.row({std::to_string(study.options.channels),
                joules_text(study.conventional_joules) + " *",
                joules_text(study.in_sensor_joules) + " *",
                fmt::format("{:.3g}x fewer", study.bandwidth_reduction),
                fmt::format("{:.3g} .. {:.3g}", study.lowest_ratio, study.highest_ratio),
                study.published_inside ? "inside" : "outside"});
  }
  text += ranges.text();
  const InSensorStudy& first = studies.front();
  text += fmt::format(
      "\n{} channels, one constant at a time, the others as in '{}'; the sensor is {:.3g} % of the "
      "conventional energy\n\n",
      first.options.channels, table.name, 100.0 * first.sensor_share);
  Table constants(
      {"constant", "lowest", "value", "highest", "times less at lowest", "at highest", "2.32x at"},
      1);
  for (const InSensorConstant& c : first.constants) {
    std::string at = c.published_at ? price_text(table, c.entry, *c.published_at) : "nowhere";
    if (c.published_at && (*c.published_at < c.lowest || *c.published_at > c.highest)) {
      at += " (outside)";
    }
    constants.row({c.entry + (c.verified ? "" : " *"), price_text(table, c.entry, c.lowest),
                   price_text(table, c.entry, c.value), price_text(table, c.entry, c.highest),
                   fmt::format("{:.3g}", c.ratio_at_lowest),
                   fmt::format("{:.3g}", c.ratio_at_highest), at});
  }
  text += constants.text() + "\n* unverified\n";
  for (const CostEntry& entry : table.entries) {
    text += fmt::format("{} {}: {}\n", entry.status == CostStatus::kUnverified ? "*" : " ",
                        entry.name, entry.source);
  }
  return text;
}

}  // namespace spikeloom::cli
