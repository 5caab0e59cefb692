#include "cli/plan_map.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/io/file.hpp"
#include "cli/map_images.hpp"
#include "mapping/from_program.hpp"
#include "mapping/images.hpp"
#include "mapping/map.hpp"
#include "mapping/plan_file.hpp"

namespace spikeloom::cli {
namespace {

double synapses_of(const mapping::PopulationGraph& graph, const mapping::Projection& projection) {
  const auto from = static_cast<double>(graph.populations[projection.source].neurons());
  const auto to = static_cast<double>(graph.populations[projection.target].neurons());
  switch (projection.pattern) {
    case mapping::Pattern::kAll:
      return from * to * projection.gates;
    case mapping::Pattern::kOneToOne:
      return to;
    case mapping::Pattern::kWindow:
      return to * projection.window.taps * graph.populations[projection.source].shape[0] /
             projection.window.groups;
    case mapping::Pattern::kRandom:
      return projection.synapses;
    case mapping::Pattern::kList:
      return static_cast<double>(projection.list->source.size());
  }
  return 0.0;
}

/// A core or chip without rows has no file.
Result<std::vector<std::byte>> read_image(const std::string& path) {
  std::error_code error;
  const bool there = std::filesystem::exists(path, error);
  if (!there && !error) return std::vector<std::byte>{};
  return io::read_file(path);
}

Result<mapping::PlanImages> read_images(const mapping::Plan& plan, const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "there is no such folder of images",
                 .where = folder,
                 .next = "make it with spikeloom map --images"};
  }
  mapping::PlanImages images;
  std::set<std::uint32_t> chips;
  for (const mapping::PlanCore& core : plan.cores) {
    SPIKELOOM_TRY(auto image, read_image(folder + "/" + core_image_name(plan, core)));
    images.cores.push_back(std::move(image));
    if (!chips.insert(core.chip).second) continue;
    SPIKELOOM_TRY(auto rows, read_image(folder + "/" + chip_image_name(plan, core.chip)));
    if (!rows.empty()) images.chips.emplace(core.chip, std::move(rows));
  }
  return images;
}

/// Images are made as long as their last block lies far: a damaged Plan may say anywhere.
constexpr std::uint64_t kMostImageBytes = std::uint64_t{1} << 32;

Status check_size(const mapping::Plan& plan) {
  std::map<std::pair<bool, std::uint32_t>, std::uint64_t> ends;
  for (const mapping::PlanBlock& block : plan.blocks) {
    if (block.bytes == 0) continue;
    const std::uint32_t core = plan.slices[block.slice].core;
    std::uint64_t& end = ends[{block.in_chip, block.in_chip ? plan.cores[core].chip : core}];
    end = std::max(end, block.address + block.bytes);
  }
  std::uint64_t all = 0;
  for (const auto& [memory, end] : ends) {
    if (end <= kMostImageBytes && (all += end) <= kMostImageBytes) continue;
    return Error{.code = ErrorCode::kResource,
                 .what = "the images of the Plan's memory are too large",
                 .where = plan.network,
                 .expected = fmt::format("at most {} bytes in all", kMostImageBytes)};
  }
  return {};
}

}  // namespace

Result<mapping::PlanImages> find_images(const Program& program, const mapping::Plan& plan,
                                        const MappedFlags& flags, Console& console) {
  if (!flags.images.empty()) return read_images(plan, flags.images);
  SPIKELOOM_CHECK(check_size(plan));
  SPIKELOOM_TRY(const auto graph, mapping::population_graph(program));
  const auto made_with = [&](std::uint32_t weight_bytes) {
    const mapping::ResourceOptions resources{.weight_bytes = weight_bytes};
    return mapping::MemoryImages(program, graph, plan, resources).all();
  };
  // A Plan does not say whether `map --weight-bits` changed the width of its weights: its bytes do.
  // The widest come first: what a width does not hold is missing there, whatever the Plan's bytes.
  Result<mapping::PlanImages> made = made_with(0);
  for (const std::uint32_t bytes : {4U, 2U, 1U}) {
    if (made.ok() || made.error().code != ErrorCode::kShape) break;
    auto other = made_with(bytes);
    if (other.ok()) made = std::move(other);
  }
  if (!made.ok() || made->missing.empty()) return made;
  std::set<std::string> layers;
  for (const std::uint32_t block : made->missing) {
    layers.insert(plan.populations[plan.slices[plan.blocks[block].slice].population].name);
  }
  console.note(fmt::format("no memory images of what leads into {}: rows are made from the network",
                           fmt::join(layers, ", ")));
  return made;
}

Result<std::vector<std::uint32_t>> spread(const mapping::PopulationGraph& graph,
                                          std::uint32_t cores) {
  std::vector<double> work(graph.populations.size(), 0.0);
  std::uint32_t left = cores;
  double all = 0.0;
  for (const mapping::Projection& projection : graph.projections) {
    work[projection.target] += synapses_of(graph, projection);
    all += synapses_of(graph, projection);
  }
  if (cores < graph.populations.size()) {
    return Error{.code = ErrorCode::kResource,
                 .what = "fewer cores than populations",
                 .expected = fmt::format("{} or more", graph.populations.size()),
                 .got = fmt::format("--cores {}", cores)};
  }
  // One core each, the rest by work: every core that is given goes where cores have most of it.
  std::vector<std::uint32_t> share(graph.populations.size(), 1);
  for (left -= static_cast<std::uint32_t>(share.size()); left > 0 && all > 0.0; --left) {
    std::size_t most = share.size();
    for (std::size_t p = 0; p < share.size(); ++p) {
      if (share[p] >= graph.populations[p].neurons()) continue;
      if (most == share.size() || work[p] / share[p] > work[most] / share[most]) most = p;
    }
    if (most == share.size()) break;
    ++share[most];
  }
  std::vector<std::uint32_t> neurons;
  for (std::size_t p = 0; p < share.size(); ++p) {
    const std::uint32_t size = graph.populations[p].neurons();
    neurons.push_back((size + share[p] - 1) / share[p]);
  }
  return neurons;
}

Result<mapping::Plan> find_plan(const Program& program, const MappedFlags& flags,
                                Console& console) {
  if (!flags.plan.empty()) {
    mapping::Plan read;
    if (flags.read != nullptr) {
      read = *flags.read;
    } else {
      SPIKELOOM_TRY(read, mapping::read_plan(flags.plan));
    }
    if (flags.tick_seconds > 0.0) read.target.constants.tick_seconds = flags.tick_seconds;
    return read;
  }
  const std::string name = flags.target.empty() ? "spinnaker2" : flags.target;
  SPIKELOOM_TRY(const auto graph, mapping::population_graph(program));
  SPIKELOOM_TRY(auto target, mapping::load_target(name));
  SPIKELOOM_CHECK(mapping::check_events(program, target));
  if (flags.tick_seconds > 0.0) target.constants.tick_seconds = flags.tick_seconds;
  mapping::MapOptions options;
  options.resources.neurons_per_core = flags.neurons_per_core;
  if (flags.cores > 0) {
    SPIKELOOM_TRY(options.resources.population_neurons, spread(graph, flags.cores));
  }
  SPIKELOOM_TRY(auto plan, mapping::map(graph, target, options));
  console.note(fmt::format("mapped onto {}: {} cores", name, plan.cores.size()));
  double most = 0.0;
  for (const mapping::PlanCore& core : plan.cores) most = std::max(most, core.use.cycles);
  const double budget = target.constants.tick_seconds * target.constants.clock;
  if (budget > 0.0 && most > budget) {
    console.note(
        fmt::format("cores hold what fits their memory: the busiest is expected to take "
                    "{:.1f} ticks for one; --cores or --neurons-per-core spread the work",
                    most / budget));
  }
  return plan;
}

}  // namespace spikeloom::cli
