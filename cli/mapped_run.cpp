#include "cli/mapped_run.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backends/emulator/emulator.hpp"
#include "backends/emulator/sanafe.hpp"
#include "base/io/file.hpp"
#include "base/io/json.hpp"
#include "base/stopwatch.hpp"
#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/interrupt.hpp"
#include "cli/network_file.hpp"
#include "cli/number_check.hpp"
#include "cli/plan_folder.hpp"
#include "cli/table.hpp"
#include "models/detail/file_kind.hpp"

namespace spikeloom::cli {
namespace {

namespace fs = std::filesystem;
using emulator::Emulator;
using emulator::MappedProgram;
using emulator::StepRecord;

using Clock = std::chrono::steady_clock;

/// A finished run and how long it took here.
struct Outcome {
  std::shared_ptr<const MappedProgram> program;
  Emulator emulator;
  double load_seconds = 0.0, run_seconds = 0.0;
};

bool holds(const std::vector<std::string>& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

Result<Outcome> emulate(const MappedRun& job, Console& console) {
  SPIKELOOM_TRY(const emulator::Timing timing, emulator::parse_timing(job.flags.timing));
  const auto start = Clock::now();
  SPIKELOOM_TRY(MappedProgram read, emulator::read_sanafe({job.model, job.flags.target}));
  auto program = std::make_shared<const MappedProgram>(std::move(read));
  Outcome outcome{program, Emulator(program, {timing, !job.out.empty()}), seconds_since(start)};
  const auto begin = Clock::now();
  for (std::int64_t step = 0; step < *job.steps; ++step) {
    if (interrupted()) return interrupted_error();
    outcome.emulator.step();
    console.progress("steps emulated", step + 1, *job.steps);
  }
  outcome.run_seconds = seconds_since(begin);
  console.end_progress();
  return outcome;
}

Value energy_value(const emulator::Energy& energy) {
  Value value = Value::map();
  value.set("synapse", energy.synapse).set("dendrite", energy.dendrite);
  value.set("soma", energy.soma).set("network", energy.network);
  return value.set("total", energy.total());
}

Value groups_value(const Outcome& outcome) {
  Value groups = Value::list();
  for (const emulator::NeuronGroup& group : outcome.program->groups) {
    std::uint64_t fired = 0;
    for (std::uint32_t n = group.first; n != group.first + group.count; ++n) {
      fired += outcome.emulator.fired()[n];
    }
    Value value = Value::map();
    value.set("name", group.name).set("neurons", group.count).set("spikes", fired);
    groups.push(std::move(value));
  }
  return groups;
}

/// Cores with neurons.
Value cores_value(const Outcome& outcome) {
  Value cores = Value::list();
  const MappedProgram& program = *outcome.program;
  for (std::uint32_t core = 0; core < program.cores.size(); ++core) {
    if (program.cores[core].neuron.empty()) continue;
    const emulator::CoreLoad& load = outcome.emulator.core_loads()[core];
    Value value = Value::map();
    value.set("core", program.chip.core_name(core));
    value.set("neurons", program.cores[core].neuron.size());
    value.set("neuron_updates", load.updated).set("spikes", load.fired);
    value.set("messages_out", load.messages_out).set("messages_in", load.messages_in);
    value.set("synaptic_events", load.synaptic_events);
    value.set("neuron_s", load.neuron_seconds).set("message_s", load.message_seconds);
    cores.push(std::move(value));
  }
  return cores;
}

Value report_value(const MappedRun& job, const Outcome& outcome) {
  const MappedProgram& program = *outcome.program;
  const StepRecord total = outcome.emulator.total();
  Value value = Value::map();
  value.set("model", job.model).set("backend", "emulator");
  value.set("target", program.chip.name).set("timing", job.flags.timing);
  value.set("steps", *job.steps).set("spikes", total.fired).set("messages", total.messages);
  value.set("synaptic_events", total.synaptic_events).set("neuron_updates", total.updated);
  value.set("hops", total.hops).set("sim_time_s", total.seconds);
  value.set("energy_j", energy_value(total.energy));
  value.set("neurons", program.neurons()).set("synapses", program.synapses);
  value.set("groups", groups_value(outcome)).set("cores", cores_value(outcome));
  value.set("load_s", outcome.load_seconds).set("run_s", outcome.run_seconds);
  return value.set("synaptic_events_per_s", static_cast<double>(total.synaptic_events) /
                                                std::max(outcome.run_seconds, 1e-9));
}

std::string percent(double part, double whole) {
  return whole > 0.0 ? fmt::format("{:.1f} %", 100.0 * part / whole) : std::string("-");
}

std::string report_text(const MappedRun& job, const Outcome& outcome) {
  const MappedProgram& program = *outcome.program;
  const StepRecord total = outcome.emulator.total();
  std::string text = fmt::format("{} on {}: {} neurons, {} synapses, {} steps\n\n", job.model,
                                 program.chip.name, with_commas(program.neurons()),
                                 with_commas(program.synapses), with_commas(*job.steps));
  Table counts({"counted", "total"}, 1);
  counts.row({"spikes", with_commas(total.fired)});
  counts.row({"neuron updates", with_commas(total.updated)});
  counts.row({"messages", with_commas(total.messages)});
  counts.row({"hops", with_commas(total.hops)});
  counts.row({"synaptic events", with_commas(total.synaptic_events)});
  text += counts.text() + "\n";
  const emulator::Energy& energy = total.energy;
  Table joules({"energy", "uJ", "share"}, 1);
  const auto row = [&](const char* name, double part) {
    joules.row({name, fmt::format("{:.4f}", part * 1e6), percent(part, energy.total())});
  };
  row("synapse", energy.synapse);
  row("dendrite", energy.dendrite);
  row("soma", energy.soma);
  row("network", energy.network);
  joules.total({"total", fmt::format("{:.4f}", energy.total() * 1e6), ""});
  text += joules.text() + "\n";
  text += fmt::format("simulated time: {:.4f} ms (network timing: {})\n", total.seconds * 1e3,
                      job.flags.timing);
  return text + fmt::format("read in {:.3f} s, run in {:.3f} s: {:.1f} M synaptic events/s\n",
                            outcome.load_seconds, outcome.run_seconds,
                            static_cast<double>(total.synaptic_events) /
                                std::max(outcome.run_seconds, 1e-9) / 1e6);
}

std::string steps_csv(const Emulator& emulator) {
  std::string text =
      "timestep,fired,updated,packets,hops,spikes,sim_time,synapse_energy,dendrite_energy,"
      "soma_energy,network_energy,total_energy\n";
  std::size_t number = 0;
  for (const StepRecord& step : emulator.steps()) {
    const emulator::Energy& energy = step.energy;
    text += fmt::format("{},{},{},{},{},{},{:.9e},{:.9e},{:.9e},{:.9e},{:.9e},{:.9e}\n", ++number,
                        step.fired, step.updated, step.messages, step.hops, step.synaptic_events,
                        step.seconds, energy.synapse, energy.dendrite, energy.soma, energy.network,
                        energy.total());
  }
  return text;
}

std::string spikes_csv(const Outcome& outcome, const std::vector<emulator::Spike>& spikes) {
  std::string text = "neuron,timestep\n";
  for (const emulator::Spike& spike : spikes) {
    text += fmt::format("{},{}\n", outcome.program->neuron_name(spike.neuron), spike.step);
  }
  return text;
}

Status write_folder(const std::string& path, Outcome& outcome, const Value& report) {
  SPIKELOOM_CHECK(check_new_folder(path));
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    return Error{.code = ErrorCode::kIo,
                 .what = "cannot make the output folder",
                 .where = path,
                 .got = error.message()};
  }
  const fs::path folder(path);
  SPIKELOOM_CHECK(
      io::write_file_atomic((folder / "steps.csv").string(), steps_csv(outcome.emulator)));
  SPIKELOOM_CHECK(io::write_file_atomic((folder / "spikes.csv").string(),
                                        spikes_csv(outcome, outcome.emulator.take_spikes())));
  return io::write_file_atomic((folder / "run.json").string(), io::to_json(report, 2));
}

}  // namespace

void add_mapped_flags(CLI::App& command, MappedFlags& flags) {
  constexpr const char* kGroup = "On an emulated chip (--backend emulator)";
  command
      .add_option("--target", flags.target,
                  "chip (YAML) that the network is mapped to, or machine to map it onto")
      ->group(kGroup);
  command.add_option("--plan", flags.plan, "a Plan of `map`, instead of mapping here")
      ->group(kGroup);
  command
      .add_option("--images", flags.images,
                  "folder of `map --images` that cores are loaded from, with --plan (made here)")
      ->needs("--plan")
      ->group(kGroup);
  command
      .add_flag("--real-time", flags.real_time, "ticks do not wait: what is not added up is late")
      ->group(kGroup);
  command
      .add_flag("--free-running", flags.free_running,
                "ticks last as long as the work in them, not tick.seconds")
      ->group(kGroup);
  command
      .add_option("--performance", flags.performance,
                  "clock of the cores; load: slow unless a tick's work takes longer (slow)")
      ->check(CLI::IsMember({"slow", "fast", "load"}))
      ->group(kGroup)
      ->type_name("slow|fast|load");
  command
      .add_option("--cores", flags.cores,
                  "spread the synapses over so many cores (as few as hold the network)")
      ->check(CLI::Range(1, 1 << 20))
      ->group(kGroup);
  command
      .add_option("--neurons-per-core", flags.neurons_per_core,
                  "map at most so many neurons onto a core (as many as fit)")
      ->check(CLI::Range(1, 1 << 20))
      ->group(kGroup);
  command
      .add_option("--tick", flags.tick_seconds, "s that a tick lasts (the target's tick.seconds)")
      ->check(within(1e-9, 1e3))
      ->group(kGroup);
  command
      .add_option("--timing", flags.timing,
                  "of the network on chip (events; analytic for a network that is mapped here)")
      ->check(CLI::IsMember({"events", "analytic"}))
      ->group(kGroup)
      ->type_name("events|analytic");
  command.get_option("--free-running")->excludes("--real-time");
  command.get_option("--cores")->excludes("--neurons-per-core");
  for (const char* mapping : {"--target", "--cores", "--neurons-per-core"}) {
    command.get_option("--plan")->excludes(mapping);
  }
}

std::string machine_flag(const MappedFlags& flags) {
  if (!flags.images.empty()) return "--images";
  if (flags.real_time) return "--real-time";
  if (flags.free_running) return "--free-running";
  if (flags.performance != "slow") return "--performance";
  if (flags.cores > 0) return "--cores";
  if (flags.neurons_per_core > 0) return "--neurons-per-core";
  return flags.tick_seconds > 0.0 ? "--tick" : "";
}

Result<bool> is_mapped_network(const std::string& path) {
  const auto start = detail::read_start(path);
  if (!start.ok() || detail::identify(*start) != detail::FileKind::kText) return false;
  const auto text = io::read_text_file(path);
  if (!text.ok()) return false;
  const TextModel model = identify_text_model(*text);
  if (model.format != "YAML" || !holds(model.keys, "network") || !holds(model.keys, "mappings")) {
    return false;
  }
  if (holds(model.keys, "simulation") || holds(model.keys, "neuron")) {
    return Error{.code = ErrorCode::kAmbiguous,
                 .what =
                     "this YAML file has the keys of a mapped network and of a description of "
                     "SLAYER",
                 .where = path,
                 .got = fmt::format("the top-level keys {}", fmt::join(model.keys, ", ")),
                 .next = "keep one of the two in the file"};
  }
  return true;
}

namespace {

/// What the command line leaves open or asks in vain.
Status check(const MappedRun& job) {
  if (job.backend != "auto" && job.backend != "emulator") {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "a network that is mapped to a chip runs on the emulator alone",
                 .where = job.model,
                 .got = fmt::format("--backend {}", job.backend),
                 .next = "give --backend emulator"};
  }
  if (!job.steps || *job.steps < 1) {
    return Error{.code = ErrorCode::kAmbiguous,
                 .what = "nothing says how many steps a network that is mapped to a chip runs",
                 .where = job.model,
                 .next = "give --steps N"};
  }
  if (job.has_input) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "a network that is mapped to a chip gets no recordings",
                 .where = job.model,
                 .next = "leave out --input: spike trains and rates are in the network's file"};
  }
  const std::string flag = job.flags.plan.empty() ? machine_flag(job.flags) : "--plan";
  if (!flag.empty()) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what =
                     "this flag is for networks that spikeloom maps; here cores and times are in "
                     "the files of network and chip",
                 .where = job.model,
                 .got = flag,
                 .next = "leave it out"};
  }
  if (!job.flags.target.empty()) return {};
  SPIKELOOM_TRY(const std::string text, io::read_text_file(job.model));
  if (holds(identify_text_model(text).keys, "architecture")) return {};
  return Error{.code = ErrorCode::kAmbiguous,
               .what = "nothing says what chip this network is mapped to",
               .where = job.model,
               .next = "give --target CHIP.yaml"};
}

}  // namespace

Result<int> run_mapped(MappedRun job, Console& console) {
  SPIKELOOM_CHECK(check(job));
  if (job.flags.timing.empty()) job.flags.timing = to_string(emulator::Timing::kEvents);
  SPIKELOOM_TRY(Outcome outcome, emulate(job, console));
  for (const std::string& note : outcome.program->notes) console.note(note);
  const Value report = report_value(job, outcome);
  if (!job.out.empty()) {
    SPIKELOOM_CHECK(write_folder(job.out, outcome, report));
    console.note(fmt::format("written: {}", job.out));
  }
  SPIKELOOM_CHECK(printed(job.common.json ? console.print_json(report)
                                          : console.print(report_text(job, outcome))));
  return kExitOk;
}

}  // namespace spikeloom::cli
