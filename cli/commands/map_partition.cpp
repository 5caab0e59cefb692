/// `spikeloom map partition`: a hypergraph onto cores of limited size.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/io/file.hpp"
#include "cli/commands/map_commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/number_check.hpp"
#include "cli/partition_engines.hpp"
#include "cli/table.hpp"
#include "mapping/partition/hgr_file.hpp"
#include "mapping/partition/partition.hpp"

namespace spikeloom::cli {
namespace {

using namespace mapping;

/// Room that cores have on average when their number is not given: 5 %, 256 for 243.8.
constexpr double kRoom = 1.05;

struct PartitionCommand {
  std::string file, out, engine = "own";
  std::uint32_t capacity = 256, cores = 0, max_axons = 0;
  double synapse_ratio = 0.0;
  int cycles = -1;
  CommonOptions common;
};

struct Outcome {
  Partition partition;
  PartUse use;
  double seconds = 0.0, cpu_seconds = 0.0;
  bool feasible = true;  ///< ours always is: anything else is an error
};

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// A second resource: the synapses that a neuron receives, which lie on its core.
void add_synapses(Hypergraph& graph) {
  std::vector<std::uint32_t> weight(std::size_t{graph.vertices} * 2, 0);
  for (std::uint32_t v = 0; v < graph.vertices; ++v) weight[2 * std::size_t{v}] = graph.weight[v];
  for (std::uint32_t e = 0; e < graph.nets(); ++e) {
    for (const std::uint32_t v : graph.pins(e).subspan(1)) ++weight[2 * std::size_t{v} + 1];
  }
  graph.weight = std::move(weight);
  graph.resources = 2;
}

/// The fullest core's load of resource r.
std::uint32_t fullest(const Hypergraph& graph, const PartUse& use, std::uint32_t r) {
  std::uint32_t most = 0;
  for (std::size_t i = r; i < use.load.size(); i += graph.resources) {
    most = std::max(most, use.load[i]);
  }
  return most;
}

std::uint32_t most_axons(const PartUse& use) {
  return *std::max_element(use.axons.begin(), use.axons.end());
}

Result<Outcome> run(const PartitionCommand& command, Hypergraph& graph) {
  PartitionOptions options{.parts = command.cores, .capacity = {command.capacity}};
  std::uint64_t total = 0;
  for (const std::uint32_t weight : graph.weight) total += weight;
  if (options.parts == 0) {
    options.parts = static_cast<std::uint32_t>(
        std::ceil(static_cast<double>(total) * kRoom / command.capacity));
    options.parts = std::max<std::uint32_t>(1, options.parts);
  }
  if (command.synapse_ratio > 0.0) {
    add_synapses(graph);
    std::uint64_t synapses = 0;
    for (std::uint32_t v = 0; v < graph.vertices; ++v) synapses += graph.weights(v)[1];
    options.capacity.push_back(static_cast<std::uint32_t>(
        command.synapse_ratio * static_cast<double>(synapses) / options.parts));
  }
  if (command.max_axons > 0) options.max_axons = command.max_axons;
  if (command.cycles >= 0) options.cycles = command.cycles;
  options.seed = command.common.seed;
  Outcome outcome;
  const auto started = std::chrono::steady_clock::now();
  const double cpu_started = cpu_seconds();
  if (command.engine == "own") {
    SPIKELOOM_TRY(outcome.partition, partition(graph, options));
  } else {
    SPIKELOOM_TRY(outcome.partition, partition_by(command.engine, graph, options));
  }
  outcome.cpu_seconds = cpu_seconds() - cpu_started;
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
  outcome.seconds = taken.count();
  outcome.use = part_use(graph, outcome.partition);
  const auto over = [](std::uint32_t amount, std::uint32_t limit) { return amount > limit; };
  for (std::uint32_t r = 0; r < graph.resources; ++r) {
    outcome.feasible &= !over(fullest(graph, outcome.use, r), options.capacity[r]);
  }
  if (options.max_axons) outcome.feasible &= !over(most_axons(outcome.use), *options.max_axons);
  return outcome;
}

Value to_value(const PartitionCommand& command, const Hypergraph& graph, const Outcome& outcome) {
  Value value = Value::map();
  value.set("file", command.file).set("neurons", graph.vertices).set("nets", graph.nets());
  value.set("cores", outcome.partition.parts).set("packets", outcome.partition.packets);
  value.set("seconds", outcome.seconds).set("cpu_seconds", outcome.cpu_seconds);
  value.set("engine", command.engine).set("feasible", outcome.feasible);
  value.set("max_neurons", fullest(graph, outcome.use, 0));
  if (graph.resources > 1) value.set("max_synapses", fullest(graph, outcome.use, 1));
  return value.set("max_axons", most_axons(outcome.use));
}

std::string to_text(const PartitionCommand& command, const Hypergraph& graph,
                    const Outcome& outcome) {
  const Value value = to_value(command, graph, outcome);
  const auto number = [&](const char* key) {
    return with_commas(static_cast<std::uint64_t>(*value.find(key)->as_integer()));
  };
  std::string text = fmt::format("{}: {} neurons on {} cores\n\n", command.file, number("neurons"),
                                 number("cores"));
  Table table({"", "amount"}, 1);
  table.row({"packets between cores", number("packets")});
  table.row({"neurons of the fullest core", number("max_neurons")});
  if (graph.resources > 1) table.row({"synapses of the fullest core", number("max_synapses")});
  table.row({"sources of the core with most", number("max_axons")});
  return text + table.text() + (outcome.feasible ? "" : "\na core is over a limit\n") +
         fmt::format("\n{:.2f} s\n", outcome.seconds);
}

Result<int> map_partition(const PartitionCommand& command, Console& console) {
  SPIKELOOM_TRY(Hypergraph graph, read_hgr(command.file));
  auto done = run(command, graph);
  if (!done.ok()) return std::move(done).error().in(command.file);
  const Outcome& outcome = *done;
  if (!command.out.empty() && outcome.feasible) {
    std::string text;
    for (const std::uint32_t core : outcome.partition.part) text += fmt::format("{}\n", core);
    SPIKELOOM_CHECK(io::write_file_atomic(command.out, text));
  }
  SPIKELOOM_CHECK(printed(command.common.json
                              ? console.print_json(to_value(command, graph, outcome))
                              : console.print(to_text(command, graph, outcome))));
  return outcome.feasible ? kExitOk : kExitResource;
}

}  // namespace

void add_map_partition(CLI::App& map, Chosen& chosen) {
  const auto command = std::make_shared<PartitionCommand>();
  CLI::App* sub = map.add_subcommand("partition", "Divide a hypergraph among cores");
  sub->add_option("FILE", command->file, "hMetis hypergraph (.hgr); a net's first vertex sends")
      ->required();
  sub->add_option("--capacity", command->capacity, "neurons a core")->check(CLI::PositiveNumber);
  sub->add_option("--cores", command->cores, "how many cores (as many as are 95 % full)")
      ->check(whole_number);
  sub->add_option("--synapse-ratio", command->synapse_ratio,
                  "synapses of a core, at most so many times the mean")
      ->check(not_negative);
  sub->add_option("--max-axons", command->max_axons, "sources that a core listens to, at most")
      ->check(whole_number);
  sub->add_option("--cycles", command->cycles, "repetitions; more are better and slower")
      ->check(whole_number);
  sub->add_option("--out", command->out, "write the core of each neuron, a line each");
  sub->add_option("--engine", command->engine,
                  "own, or a partitioner of graphs to compare with, where the build has it")
      ->check(CLI::IsMember({"own", "metis", "scotch"}));
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return map_partition(*command, console); };
  });
}

}  // namespace spikeloom::cli
