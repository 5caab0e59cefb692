/// `spikeloom simulate`: networks of neurons with synapses drawn by rules.

#include <algorithm>
#include <cmath>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backends/mpi/mpi_ranks.hpp"
#include "base/io/npy.hpp"
#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/number_check.hpp"
#include "cli/raster.hpp"
#include "cli/simulation_run.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "models/model_file/model_file.hpp"
#include "models/simulation/brunel_dc.hpp"
#include "models/simulation/description.hpp"
#include "models/simulation/fly.hpp"
#include "models/simulation/layers.hpp"
#include "models/simulation/microcircuit.hpp"

namespace spikeloom::cli {
namespace {

struct SimulateNetworkCommand {
  std::string network;
  std::optional<double> time, warm_up;
  std::optional<double> scale;
  std::string drive = "current";
  std::optional<std::int64_t> neurons, degree;
  std::string backend = "cpu";
  bool procedural = false, in_double = false, closed_form = false, no_statistics = false;
  double memory_mb = 0.0;
  std::vector<std::string> record;
  std::int64_t record_first = 0;
  std::string out, load, save, layers;
  double save_every = 0.0;
  bool raster = false, ascii = false;
  int height = 8;
  const CLI::Option* seed = nullptr;
  const CLI::Option* threads = nullptr;
  CommonOptions common;
};

/// Refuses a flag that says nothing about this network.
Status only_for(const SimulateNetworkCommand& command, bool given, const char* flag,
                std::string_view network) {
  if (!given || command.network == network) return {};
  return Error{.what = fmt::format("{} is of the network {}", flag, network),
               .got = command.network};
}

Result<SimulationDescription> describe(const SimulateNetworkCommand& command) {
  SPIKELOOM_CHECK(only_for(command, command.scale.has_value(), "--scale", "microcircuit"));
  SPIKELOOM_CHECK(only_for(command, command.drive != "current", "--drive", "microcircuit"));
  SPIKELOOM_CHECK(only_for(command, command.degree.has_value(), "--degree", "brunel"));
  if (command.network != "fly") {
    SPIKELOOM_CHECK(only_for(command, command.neurons.has_value(), "--neurons", "brunel"));
  }
  const std::uint64_t seed = command.seed->count() > 0 ? command.common.seed : 1;
  SimulationDescription made;
  if (command.network == "microcircuit") {
    MicrocircuitOptions options{.scale = command.scale.value_or(1.0), .seed = seed};
    if (command.drive == "poisson") options.drive = MicrocircuitDrive::kPoisson;
    made.warm_up = 500.0;
    SPIKELOOM_TRY(made.network, make_microcircuit(options));
    return made;
  }
  if (command.network == "brunel") {
    made.warm_up = 100.0;
    SPIKELOOM_TRY(made.network, make_brunel_dc({.neurons = command.neurons.value_or(12500),
                                                .degree = command.degree.value_or(1250),
                                                .seed = seed}));
    return made;
  }
  if (command.network == "fly") {
    FlyOptions options;
    if (command.neurons) {  // with as many connections from each
      const double share =
          static_cast<double>(*command.neurons) / static_cast<double>(options.neurons);
      options.connections = std::llround(static_cast<double>(options.connections) * share);
      options.neurons = *command.neurons;
    }
    options.seed = seed;
    SPIKELOOM_TRY(made.network, make_fly(options));
    return made;
  }
  if (!command.network.ends_with(".toml")) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "no such network",
                 .expected = "microcircuit, brunel, fly or a description (.toml)",
                 .got = command.network};
  }
  SPIKELOOM_TRY(made, read_simulation(command.network));
  if (command.seed->count() > 0) made.network.seed = command.common.seed;
  return made;
}

Status add_recordings(const SimulateNetworkCommand& command, simulation::Network& network) {
  for (const std::string& name : command.record) {
    bool found = false;
    for (std::uint32_t p = 0; p < network.populations.size(); ++p) {
      const simulation::Population& population = network.populations[p];
      if (name != "all" && population.name != name) continue;
      found = true;
      const std::int64_t count = command.record_first > 0
                                     ? std::min(command.record_first, population.size)
                                     : population.size;
      network.recordings.push_back({p, 0, count, {}, 1});
    }
    if (found) continue;
    std::string names;
    for (const simulation::Population& p : network.populations) {
      names += (names.empty() ? "" : ", ") + p.name;
    }
    return Error{.code = ErrorCode::kNotFound,
                 .what = "no such population to record",
                 .expected = "all, " + names,
                 .got = name};
  }
  return {};
}

std::string rasters(const SimulateNetworkCommand& command, const SimulationOutcome& outcome) {
  RasterOptions options;
  options.ascii = command.ascii || !terminal_speaks_utf8();
  options.height = command.height;
  options.step_seconds = outcome.recording.step_seconds;
  std::string text;
  for (const StoredEvents& events : outcome.recording.events) {
    const auto label = std::to_string(std::max<std::int64_t>(events.neurons, 1) - 1).size();
    options.width = std::clamp(terminal_width() - static_cast<int>(label) - 3, 10, 160);
    text += fmt::format("{}: {} neurons, {} spikes\n", events.node,
                        with_commas(static_cast<std::uint64_t>(events.neurons)),
                        with_commas(events.step.size()));
    text += draw_raster(events.step, events.index, events.neurons, outcome.steps, options) + "\n";
  }
  return text;
}

/// One, unlike other commands, where no number is given.
int threads_of(const SimulateNetworkCommand& command) {
  return command.threads->count() > 0 ? thread_count(command.common) : 1;
}

/// Refuses flags that would change nothing.
Status check_flags(const SimulateNetworkCommand& command) {
  if (command.save_every > 0.0 && command.save.empty()) {
    return Error{.what = "--save-every without a file", .next = "name it with --save"};
  }
  if (command.record_first > 0 && command.record.empty()) {
    return Error{.what = "--record-first without a population", .next = "name it with --record"};
  }
  if (!command.layers.empty() &&
      !(command.record.empty() && command.out.empty() && command.save.empty() &&
        command.load.empty() && !command.raster)) {
    return Error{.what = "--layers writes the network and simulates nothing",
                 .next = "leave out --record, --raster, --out, --save and --load"};
  }
  if (command.backend == "cpu") return {};
  const bool more_threads = command.threads->count() > 0 && command.common.threads != 1;
  for (const auto& [given, flag] :
       {std::pair(command.procedural, "--procedural"), std::pair(command.in_double, "--double"),
        std::pair(command.closed_form, "--closed-form"),
        std::pair(command.memory_mb > 0.0, "--memory"),
        std::pair(command.backend == "reference" && more_threads, "--threads")}) {
    if (!given) continue;
    return Error{.what = fmt::format("{} is of the engine, not of {}", flag, command.backend),
                 .next = "use --backend cpu, or leave it out"};
  }
  return {};
}

/// Writes the network for the layer runtime, instead of simulating it.
Result<int> write_layers(const SimulateNetworkCommand& command, const simulation::Network& network,
                         Console& console) {
  SPIKELOOM_TRY(const Network layers, layers_of(network));
  ModelFileWriteOptions options;
  options.run_settings = Value::map();
  options.run_settings.set("discretisation", to_value(layers_discretisation(network)));
  SPIKELOOM_CHECK(write_model_file(layers, command.layers, options));
  Value written = Value::map();
  written.set("layers", command.layers);
  std::string text = command.layers + "\n";
  const std::vector<float> noise = layers_noise(network);
  if (!noise.empty()) {
    const std::string path = command.layers + ".noise.npy";
    const auto count = static_cast<std::int64_t>(noise.size());
    SPIKELOOM_CHECK(io::write_npy(path, Tensor::of<float>({count}, noise)));
    console.note(fmt::format("{} is for --input with --coding rate", path));
    written.set("noise", path);
    text += path + "\n";
  }
  console.note("every synapse has its projection's mean delay and gives its charge at once");
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(written) : console.print(text)));
  return kExitOk;
}

Result<int> simulate_network(const SimulateNetworkCommand& command, Console& console) {
  SPIKELOOM_CHECK(check_flags(command));
  SPIKELOOM_TRY(SimulationDescription description, describe(command));
  if (!command.layers.empty()) return write_layers(command, description.network, console);
  SPIKELOOM_CHECK(add_recordings(command, description.network));
  if (command.raster && description.network.recordings.empty()) {
    for (std::uint32_t p = 0; p < description.network.populations.size(); ++p) {
      description.network.recordings.push_back(
          {p, 0, description.network.populations[p].size, {}, 1});
    }
  }
  SimulationRequest request;
  request.name = command.network;
  request.network = std::move(description.network);
  request.time = command.time.value_or(description.time);
  request.warm_up = command.warm_up.value_or(description.warm_up);
  request.backend = command.backend;
  request.engine.threads = threads_of(command);
  request.engine.procedural = command.procedural;
  request.engine.in_double = command.in_double;
  request.engine.closed_form = command.closed_form;
  request.engine.memory_limit = command.memory_mb * 1e6;
  request.statistics = !command.no_statistics;
  request.load = command.load;
  request.save = command.save;
  request.save_every = command.save_every;
  SPIKELOOM_TRY(request.engine.ranks, simulation::join_ranks());
  if (request.backend != "cpu" && request.engine.ranks != nullptr) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = request.backend + " simulates on one rank",
                 .next = "use --backend cpu"};
  }
  SPIKELOOM_TRY(const SimulationOutcome outcome, run_simulation(request, console));
  if (request.engine.ranks != nullptr && request.engine.ranks->rank() != 0) return kExitOk;
  if (!command.out.empty()) SPIKELOOM_CHECK(write_simulation(command.out, request, outcome));
  if (command.common.json) {
    SPIKELOOM_CHECK(printed(console.print_json(simulation_value(request, outcome))));
    return kExitOk;
  }
  std::string text = command.raster ? rasters(command, outcome) : std::string();
  text += simulation_text(request, outcome);
  SPIKELOOM_CHECK(printed(console.print(text)));
  return kExitOk;
}

}  // namespace

void add_simulate(CLI::App& app, Chosen& chosen) {
  const auto command = std::make_shared<SimulateNetworkCommand>();
  CLI::App* sub = app.add_subcommand("simulate", "Simulate a network described by rules");
  sub->add_option("NETWORK", command->network, "microcircuit, brunel, fly or a description (.toml)")
      ->required();
  sub->add_option("--time", command->time, "ms to simulate (1000, or the description's)")
      ->check(not_negative);
  sub->add_option("--warm-up", command->warm_up, "ms before that, neither counted nor recorded")
      ->check(not_negative);
  sub->add_option("--scale", command->scale, "of the microcircuit's neurons and sources (1)")
      ->check(positive);
  sub->add_option("--drive", command->drive, "of the microcircuit: current (default) or poisson")
      ->check(CLI::IsMember({"current", "poisson"}));
  sub->add_option("--neurons", command->neurons, "of brunel (12500) or fly (138000)")
      ->check(whole_number);
  sub->add_option("--degree", command->degree, "sources of each neuron of brunel (1250)")
      ->check(whole_number);
  constexpr const char* kEngine = "Engine";
  sub->add_option("--backend", command->backend, "cpu (default), cuda or reference")
      ->check(CLI::IsMember({"cpu", "cuda", "reference"}))
      ->group(kEngine);
  sub->add_flag("--procedural", command->procedural, "hold no synapses: make them at each spike")
      ->group(kEngine);
  sub->add_flag("--double", command->in_double, "neurons in double, not float32")->group(kEngine);
  sub->add_flag("--closed-form", command->closed_form,
                "neurons move when something reaches them, by closed forms")
      ->group(kEngine);
  sub->add_option("--memory", command->memory_mb, "most memory, MB (what there is)")
      ->check(positive)
      ->group(kEngine);
  sub->add_option("--save", command->save, "checkpoint to write at the end")->group(kEngine);
  sub->add_option("--save-every", command->save_every, "ms between checkpoints, in the same file")
      ->check(positive)
      ->group(kEngine);
  sub->add_option("--load", command->load, "checkpoint to go on from")->group(kEngine);
  constexpr const char* kRecord = "Recordings";
  sub->add_option("--record", command->record, "population whose spikes to record; all")
      ->group(kRecord);
  sub->add_option("--record-first", command->record_first, "only its first neurons")
      ->check(whole_number)
      ->group(kRecord);
  sub->add_option("--out", command->out, "folder to write")->group(kRecord);
  sub->add_option("--layers", command->layers,
                  "simulate nothing, write the network for quantize, map and run (.sloom)")
      ->group(kRecord);
  sub->add_flag("--raster", command->raster, "draw the recorded spikes (all, where none is)")
      ->group(kRecord);
  sub->add_option("--height", command->height, "most rows of a raster (8)")
      ->check(CLI::Range(1, 1000))
      ->group(kRecord);
  sub->add_flag("--ascii", command->ascii, "draw with ASCII characters only")->group(kRecord);
  sub->add_flag("--no-statistics", command->no_statistics, "no rates, CVs and correlations")
      ->group(kRecord);
  add_common_flags(*sub, command->common);
  command->seed = sub->get_option("--seed");
  command->threads = sub->get_option("--threads");
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return simulate_network(*command, console); };
  });
}

}  // namespace spikeloom::cli
