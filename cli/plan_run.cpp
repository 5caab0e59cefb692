#include "cli/plan_run.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "backends/emulator/plan_emulator.hpp"
#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/interrupt.hpp"
#include "cli/plan_folder.hpp"
#include "cli/plan_map.hpp"
#include "cli/plan_report.hpp"
#include "cli/sample.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

using emulator::PlanEmulator;
using emulator::TickRecord;

struct PlanRecording {
  std::string name;
  std::optional<std::int64_t> label;
  std::int64_t steps = 0;
  std::vector<OutputResult> outputs;
  TickRecord total;
  std::vector<emulator::Loss> losses;
  std::vector<emulator::Overrun> overruns;
  std::vector<emulator::Saturation> saturations;
  std::vector<std::uint64_t> sent;  ///< events, by Program node
};

struct PlanOutcome {
  mapping::Plan plan;
  mapping::PlanImages images;
  std::optional<PlanFolder> folder;
  std::vector<PlanRecording> recordings;
  TickRecord total;
  double tick_cycles = 0.0;
};

std::int64_t signed_size(std::size_t size) { return static_cast<std::int64_t>(size); }

/// Links of one tick, unless a flag says otherwise.
void give_links_a_tick(RunFlags& run) {
  const auto is_delay = [](const auto& option) { return option.first == "link-delay"; };
  auto& options = run.discretisation;
  if (std::none_of(options.begin(), options.end(), is_delay)) {
    options.emplace_back("link-delay", "1");
  }
}

std::vector<emulator::PlacedEvent> events_of(std::uint32_t node, const CodedInput& input,
                                             std::int64_t step) {
  std::vector<emulator::PlacedEvent> events;
  if (step >= input.steps) return events;
  const auto at = static_cast<std::size_t>(step);
  for (std::size_t i = input.step_start[at]; i < input.step_start[at + 1]; ++i) {
    events.push_back({node, input.index[i], input.value[i]});
  }
  return events;
}

/// Integers within the proven limit: what a session would refuse in push() and advance().
Status check_input(const CodedInput& input, std::int32_t limit, const std::string& name) {
  for (const double value : input.value) {
    if (value == std::trunc(value) && std::abs(value) <= limit) continue;
    return Error{.what = "an input value is no integer, or larger than the overflow proof allows",
                 .where = name,
                 .expected = fmt::format("an integer within +-{}", limit),
                 .got = fmt::format("{}", value)};
  }
  return {};
}

Result<PlanRecording> run_recording(const RunBatch& batch, const mapping::Plan& plan,
                                    const mapping::PlanImages& images,
                                    const emulator::PlanOptions& options, const CodedInput& input,
                                    std::int64_t steps, const std::string& name,
                                    std::optional<PlanFolder>& folder, Console& console) {
  const Program& program = batch.pipeline.program();
  SPIKELOOM_TRY(auto machine, PlanEmulator::create(program, plan, options, &images));
  std::vector<ReadOutAccumulator> read_outs;
  for (const std::uint32_t node : program.outputs) {
    read_outs.emplace_back(batch.pipeline.read_out,
                           static_cast<std::size_t>(program.nodes[node].out_size), 1.0);
  }
  PlanRecording done;
  done.sent.assign(program.nodes.size(), 0);
  for (std::int64_t step = 0; step < steps; ++step) {
    if (interrupted()) return interrupted_error();
    const std::uint32_t node = batch.pipeline.port ? program.inputs[*batch.pipeline.port] : 0;
    SPIKELOOM_CHECK(machine.tick(events_of(node, input, step)));
    if (folder) folder->add_spikes(program, name, step, machine);
    for (const auto& population : machine.placed().populations) {
      done.sent[population.node] += machine.sent(population.node).size();
    }
    for (std::size_t o = 0; o < read_outs.size(); ++o) {
      std::vector<std::uint32_t> index;
      std::vector<double> value;
      for (const auto& event : machine.sent(program.outputs[o])) {
        index.push_back(event.index);
        value.push_back(event.value);
      }
      read_outs[o].add(step, index, value);
    }
    if (batch.samples.size() < 2) console.progress("ticks", step + 1, steps);
  }
  machine.finish();
  done.steps = steps;
  done.outputs = output_results(program, read_outs, steps);
  done.total = machine.total();
  done.losses = machine.losses();
  done.overruns = machine.overruns();
  done.saturations = machine.saturations();
  keep_shown(done.losses);
  keep_shown(done.overruns);
  keep_shown(done.saturations);
  if (folder) folder->add(program, plan, name, machine);
  return done;
}

Result<PlanOutcome> run_all(const RunJob& job, const MappedFlags& flags, const RunBatch& batch,
                            bool keeps, Console& console) {
  const Program& program = batch.pipeline.program();
  PlanOutcome outcome;
  SPIKELOOM_TRY(outcome.plan, find_plan(program, flags, console));
  SPIKELOOM_TRY(outcome.images, find_images(program, outcome.plan, flags, console));
  emulator::PlanOptions options = plan_options(flags, job.run);
  options.keep_ticks = keeps;
  std::int32_t limit = 0;
  if (options.arithmetic != Arithmetic::kFloat32) {
    SPIKELOOM_TRY(const IntegerProgram integer, to_integer(program));
    limit = integer.input_limit;
  }
  const auto& constants = outcome.plan.target.constants;
  outcome.tick_cycles = constants.tick_seconds * fastest_clock(constants, flags);
  if (keeps) outcome.folder.emplace(outcome.plan);
  const std::size_t count = std::max<std::size_t>(batch.samples.size(), 1);
  for (std::size_t i = 0; i < count; ++i) {
    CodedSample coded;
    if (!batch.samples.empty()) {
      const CodingContext context{batch.pipeline.input_shape(), batch.pipeline.step_time(),
                                  batch.pipeline.coding, batch.asked_steps, job.common.seed + i};
      SPIKELOOM_TRY(coded, code_sample(batch.samples[i], job.input, context));
      if (limit > 0) {
        SPIKELOOM_CHECK(check_input(coded.input, limit, batch.samples[i].name));
      }
    }
    SPIKELOOM_TRY(
        PlanRecording recording,
        run_recording(batch, outcome.plan, outcome.images, options, coded.input,
                      batch.asked_steps.value_or(coded.input.steps),
                      batch.samples.empty() ? "" : batch.samples[i].name, outcome.folder, console));
    if (count > 1) console.progress("recordings", signed_size(i + 1), signed_size(count));
    if (!batch.samples.empty()) {
      recording.name = batch.samples[i].name;
      recording.label = batch.samples[i].label;
    }
    outcome.total.add(recording.total);
    outcome.recordings.push_back(std::move(recording));
  }
  console.end_progress();
  return outcome;
}

Value recording_value(const Program& program, const PlanOutcome& outcome,
                      const PlanRecording& recording) {
  Value value = Value::map();
  value.set("name", recording.name).set("steps", recording.steps);
  if (recording.label) value.set("label", *recording.label);
  if (!recording.outputs.empty() && recording.outputs[0].prediction) {
    value.set("prediction", *recording.outputs[0].prediction);
  }
  Value counts = Value::list();
  if (!recording.outputs.empty()) {
    for (const double count : recording.outputs[0].counts) counts.push(count);
  }
  value.set("output_counts", std::move(counts));
  value.set("machine", machine_value(outcome.plan, recording.total));
  value.set("losses", losses_value(program, outcome.plan, recording.losses));
  value.set("saturations", saturations_value(program, outcome.plan, recording.saturations));
  return value.set("overruns", overruns_value(outcome.plan, recording.overruns));
}

Value report_value(const RunJob& job, const MappedFlags& flags, const Program& program,
                   const PlanOutcome& outcome) {
  Value value = Value::map();
  value.set("model", job.model).set("backend", "emulator").set("arithmetic", job.run.arithmetic);
  value.set("target", outcome.plan.target.name).set("cores", outcome.plan.cores.size());
  std::int64_t steps = 0;
  for (const PlanRecording& recording : outcome.recordings) steps += recording.steps;
  value.set("timing", to_string(plan_options(flags, job.run).timing))
      .set("real_time", flags.real_time);
  value.set("performance", flags.performance).set("steps", steps);
  std::vector<std::uint64_t> sent(program.nodes.size(), 0);
  for (const PlanRecording& recording : outcome.recordings) {
    for (std::size_t n = 0; n < sent.size(); ++n) sent[n] += recording.sent[n];
  }
  value.set("populations", populations_value(outcome.plan, sent));
  value.set("machine", machine_value(outcome.plan, outcome.total));
  value.set("busiest_core", core_name(outcome.plan, outcome.total.busiest_core));
  value.set("most_cycles", outcome.total.most_cycles).set("tick_cycles", outcome.tick_cycles);
  Value recordings = Value::list();
  for (const PlanRecording& recording : outcome.recordings) {
    recordings.push(recording_value(program, outcome, recording));
  }
  return value.set("recordings", std::move(recordings));
}

std::string report_text(const RunJob& job, const PlanOutcome& outcome) {
  const TickRecord& total = outcome.total;
  std::string text = fmt::format("{} on {}: {} cores\n\n", job.model, outcome.plan.target.name,
                                 outcome.plan.cores.size());
  Table decisions({"recording", "label", "decision", "steps"}, 1);
  for (const PlanRecording& recording : outcome.recordings) {
    const bool has_decision = !recording.outputs.empty() && recording.outputs[0].prediction;
    decisions.row({recording.name, recording.label ? fmt::format("{}", *recording.label) : "",
                   has_decision ? fmt::format("{}", *recording.outputs[0].prediction) : "",
                   fmt::format("{}", recording.steps)});
  }
  text += decisions.text() + "\n";
  return text + machine_text(outcome.plan, total, outcome.tick_cycles);
}

}  // namespace

Status adapt_to_chip(const std::string& model, RunFlags& run) {
  if (run.arithmetic == "auto") run.arithmetic = to_string(Arithmetic::kInteger);
  if (run.arithmetic == to_string(Arithmetic::kDouble)) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "no machine computes in this arithmetic",
                 .where = model,
                 .expected = "integer, ring16 or float32",
                 .got = fmt::format("--arithmetic {}", run.arithmetic),
                 .next = "leave it out, or give one of these"};
  }
  run.backend = "cpu";
  return {};
}

void warn_of_losses(const TickRecord& total, bool real_time, Console& console) {
  if (total.dropped + total.late > 0) {
    console.warn(fmt::format("{} packets were dropped and {} late: the spikes are not those of cpu",
                             total.dropped, total.late));
  }
  if (total.overruns > 0) {
    console.warn(fmt::format("{} times a core's work took longer than its tick{}", total.overruns,
                             real_time ? "" : "; the machine waited for it"));
  }
  if (total.saturated > 0) {
    console.warn(fmt::format("{} times a slot of ring16 stopped at its limit", total.saturated));
  }
}

int exit_code_of(const TickRecord& total, bool real_time) {
  const bool missed = real_time && total.overruns > 0;
  return total.dropped + total.late > 0 || missed ? kExitNo : kExitOk;
}

emulator::PlanOptions plan_options(const MappedFlags& flags, const RunFlags& run) {
  using emulator::Performance;
  emulator::PlanOptions options{.real_time = flags.real_time, .free_running = flags.free_running};
  if (const auto arithmetic = parse_arithmetic(run.arithmetic); arithmetic.ok()) {
    options.arithmetic = *arithmetic;
  }
  if (flags.performance == "fast") options.performance = Performance::kFast;
  if (flags.performance == "load") options.performance = Performance::kByLoad;
  if (const auto timing = emulator::parse_timing(flags.timing); timing.ok()) {
    options.timing = *timing;
  }
  return options;
}

double fastest_clock(const mapping::TargetConstants& constants, const MappedFlags& flags) {
  return flags.performance == "slow" ? constants.clock
                                     : std::max(constants.clock, constants.fast_clock);
}

Result<int> run_on_plan(RunJob job, const MappedFlags& flags, const std::string& out,
                        Console& console) {
  SPIKELOOM_CHECK(adapt_to_chip(job.model, job.run));
  give_links_a_tick(job.run);
  SPIKELOOM_TRY(const RunBatch batch, prepare_batch(job));
  SPIKELOOM_TRY(const PlanOutcome outcome, run_all(job, flags, batch, !out.empty(), console));
  const Value report = report_value(job, flags, batch.pipeline.program(), outcome);
  if (!out.empty()) {
    SPIKELOOM_CHECK(outcome.folder->write(out, outcome.plan, report));
    console.note(fmt::format("written: {}", out));
  }
  warn_of_losses(outcome.total, flags.real_time, console);
  SPIKELOOM_CHECK(printed(job.common.json ? console.print_json(report)
                                          : console.print(report_text(job, outcome))));
  return exit_code_of(outcome.total, flags.real_time);
}

}  // namespace spikeloom::cli
