#include "cli/map_input.hpp"

#include <algorithm>
#include <fstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/discretisation_flags.hpp"
#include "cli/energy_source.hpp"
#include "cli/number_check.hpp"
#include "mapping/detail/shared_cores.hpp"
#include "mapping/from_program.hpp"
#include "mapping/graph_file.hpp"
#include "snn/lowering.hpp"
#include "snn/resolve.hpp"

namespace spikeloom::cli {
namespace {

/// Events a neuron and tick of each node, as a run counted them.
Result<std::vector<double>> measured_rates(const std::string& path, const Program& program) {
  SPIKELOOM_TRY(const EnergySource source, read_energy_source(path));
  std::vector<double> rates(program.nodes.size(), -1.0);
  for (const NodeStats& node : source.stats.nodes) {
    const auto found = program.find(node.name);
    if (!found || source.stats.steps == 0) continue;
    const auto neurons = static_cast<double>(program.nodes[*found].out_size);
    rates[*found] =
        static_cast<double>(node.events_out) / (neurons * static_cast<double>(source.stats.steps));
  }
  if (std::all_of(rates.begin(), rates.end(), [](double rate) { return rate < 0.0; })) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the run has none of this network's nodes",
                 .where = path};
  }
  return rates;
}

Result<mapping::PopulationGraph> graph_of_model(const MapFlags& flags, MapInput& input) {
  SPIKELOOM_TRY(const LoadedModel model, load_network_file(flags.model, flags.files));
  DiscretisationRequest wanted;
  wanted.preset = flags.run.preset;
  wanted.options = flags.run.discretisation;
  if (const Value* declared = model.run_settings.find("discretisation")) {
    SPIKELOOM_TRY(wanted.declared, discretisation_from_value(*declared));
  }
  // As `run` has it: what is emulated takes links of one tick.
  const bool chip = !mapping::detail::shares_cores(input.target);
  const bool given = std::any_of(wanted.options.begin(), wanted.options.end(),
                                 [](const auto& option) { return option.first == "link-delay"; });
  if (chip && !given) wanted.options.emplace_back("link-delay", "1");
  auto resolved = resolve_discretisation(model.network, wanted);
  if (!resolved.ok()) return std::move(resolved).error().in(flags.model);
  input.notes = resolved->notes;
  auto program = lower(model.network, resolved->discretisation);
  if (!program.ok()) return std::move(program).error().in(flags.model);
  if (auto keys = mapping::check_events(*program, input.target); !keys.ok()) {
    return std::move(keys).error().in(flags.model);
  }
  mapping::RateOptions rates{.assumed = flags.rate, .by_node = {}};
  if (!flags.rates.empty()) {
    SPIKELOOM_TRY(rates.by_node, measured_rates(flags.rates, *program));
  }
  auto graph = mapping::population_graph(*program, rates);
  if (!graph.ok()) return std::move(graph).error().in(flags.model);
  graph->name = flags.model;
  input.program = *std::move(program);
  return graph;
}

bool is_graph_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string start(4096, '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<std::size_t>(file.gcount()));
  return mapping::looks_like_graph(start);
}

}  // namespace

void add_map_flags(CLI::App& command, MapFlags& flags) {
  command.add_option("MODEL", flags.model, "a network, or JSON of a population graph");
  command.add_option("--target", flags.target,
                     "spinnaker1, spinnaker2, loihi, cpu, gpu or a .toml file; then :SIZE");
  command.add_option("--faults", flags.faults, "TOML: dead chips, cores and links");
  command.add_option("--rates", flags.rates, "folder or run.json of a run: how often neurons fire");
  command.add_option("--from-run", flags.from_run,
                     "folder of a run on the emulator: its rates, overfull cores and busy links");
  command
      .add_option("--rate", flags.rate, "events a neuron sends a tick, where no run says (0.05)")
      ->check(not_negative);
  command.add_option("--neurons-per-core", flags.neurons_per_core, "at most so many on a core")
      ->check(whole_number);
  command
      .add_option("--weight-bits", flags.weight_bits,
                  "count weights as 8, 16 or 32 bits, not as "
                  "they are stored")
      ->check(CLI::IsMember({8, 16, 32}));
  command.add_flag("--real-time", flags.real_time, "a tick's cycles are a limit of every core");
  add_model_flags(command, flags.files);
  add_discretisation_flags(command, flags.run);
}

Result<MapInput> map_input(const MapFlags& flags, const CommonOptions& common) {
  for (const auto& [value, name] :
       {std::pair{&flags.model, "MODEL"}, std::pair{&flags.target, "--target"}}) {
    if (value->empty()) {
      return Error{.code = ErrorCode::kInvalidArgument,
                   .what = fmt::format("{} is missing", name),
                   .next = "spikeloom map MODEL --target spinnaker2"};
    }
  }
  MapInput input;
  SPIKELOOM_TRY(input.target, mapping::load_target(flags.target));
  if (!flags.faults.empty()) {
    SPIKELOOM_TRY(input.options.faults, mapping::load_faults(flags.faults));
  }
  input.options.seed = common.seed;
  input.options.resources = {.neurons_per_core = flags.neurons_per_core,
                             .weight_bytes = flags.weight_bits / 8,
                             .real_time = flags.real_time};
  if (is_graph_file(flags.model)) {
    SPIKELOOM_TRY(input.graph, mapping::read_graph_file(flags.model));
  } else {
    SPIKELOOM_TRY(input.graph, graph_of_model(flags, input));
  }
  if (!flags.from_run.empty()) {
    SPIKELOOM_TRY(input.feedback, read_run_feedback(flags.from_run));
    auto notes = use_feedback(*input.feedback, input.graph, input.options);
    if (!notes.ok()) return std::move(notes).error().in(flags.from_run);
    input.notes.insert(input.notes.end(), notes->begin(), notes->end());
  }
  return input;
}

}  // namespace spikeloom::cli
