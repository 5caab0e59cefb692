#include "cli/run_feedback.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/json.hpp"
#include "cli/csv_table.hpp"
#include "mapping/plan_file.hpp"

namespace spikeloom::cli {
namespace {

/// Share of a tick that slices are cut for.
constexpr double kFilled = 0.9;

Error no_feedback(const std::string& folder, std::string what) {
  return Error{.code = ErrorCode::kFormat,
               .what = std::move(what),
               .where = folder,
               .expected = "a folder of `run --backend emulator --out`",
               .next = "run the network on the emulator with --out, then give that folder"};
}

double number_of(const Value& map, const char* key) {
  const Value* value = map.find(key);
  return value != nullptr && value->is_number() ? value->number() : 0.0;
}

Status read_rates(const Value& run, const std::string& folder, RunFeedback& feedback) {
  const Value* populations = run.find("populations");
  if (populations == nullptr || populations->as_list() == nullptr ||
      populations->as_list()->size() != feedback.plan.populations.size()) {
    return no_feedback(folder, "run.json does not have the Plan's populations");
  }
  for (const Value& one : *populations->as_list()) {
    const double all = number_of(one, "neurons") * feedback.steps;
    feedback.rates.push_back(all > 0.0 ? number_of(one, "events") / all : 0.0);
  }
  return {};
}

Status read_cores(const std::string& folder, RunFeedback& feedback) {
  SPIKELOOM_TRY(const CsvTable table, CsvTable::read(folder + "/cores.csv"));
  const mapping::Plan& plan = feedback.plan;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> number;
  for (std::uint32_t c = 0; c < plan.cores.size(); ++c) {
    number[{plan.cores[c].chip, plan.cores[c].core}] = c;
  }
  feedback.wanted.assign(plan.cores.size(), 0.0);
  std::vector<double> sent(plan.cores.size(), 0.0);
  std::map<std::string, std::size_t> at;
  for (const char* name : {"x", "y", "core", "sent", "most_wanted"}) {
    SPIKELOOM_TRY(at[name], table.column(name));
  }
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const auto whole = [&](const char* name) { return whole_number(table.number(row, at[name])); };
    const auto width = static_cast<std::uint64_t>(plan.target.width);
    const auto found = number.find({static_cast<std::uint32_t>(whole("y") * width + whole("x")),
                                    static_cast<std::uint32_t>(whole("core"))});
    if (found == number.end()) return no_feedback(folder, "cores.csv has cores of another Plan");
    const std::uint32_t c = found->second;
    feedback.wanted[c] = std::max(feedback.wanted[c], table.number(row, at["most_wanted"]));
    sent[c] += table.number(row, at["sent"]);
  }
  for (const mapping::PlanSlice& slice : plan.slices) {
    feedback.slice_packets.push_back(sent[slice.core] / feedback.steps);
  }
  return {};
}

/// Population of the Plan by name.
std::map<std::string, std::uint32_t> by_name(const mapping::Plan& plan) {
  std::map<std::string, std::uint32_t> found;
  for (std::uint32_t p = 0; p < plan.populations.size(); ++p) {
    found.emplace(plan.populations[p].name, p);
  }
  return found;
}

/// Neurons of a core with which a tick would do; 0: it did.
std::uint32_t fitting(const RunFeedback& feedback, std::uint32_t population) {
  const mapping::PlanPopulation& of = feedback.plan.populations[population];
  double fewest = 0.0;
  for (std::uint32_t s = of.first_slice; s < of.first_slice + of.slices; ++s) {
    const mapping::PlanSlice& slice = feedback.plan.slices[s];
    const double wanted = feedback.wanted[slice.core];
    if (feedback.tick_cycles <= 0.0 || wanted <= feedback.tick_cycles) continue;
    const double fits =
        std::max(1.0, std::floor(slice.count * kFilled * feedback.tick_cycles / wanted));
    fewest = fewest == 0.0 ? fits : std::min(fewest, fits);
  }
  return static_cast<std::uint32_t>(fewest);
}

}  // namespace

Result<RunFeedback> read_run_feedback(const std::string& folder) {
  RunFeedback feedback;
  SPIKELOOM_TRY(const std::string text, io::read_text_file(folder + "/run.json"));
  SPIKELOOM_TRY(const Value run, io::parse_json(text, folder + "/run.json"));
  if (run.find("machine") == nullptr) return no_feedback(folder, "no run of an emulated machine");
  SPIKELOOM_TRY(feedback.plan, mapping::read_plan(folder + "/plan.h5"));
  feedback.steps = number_of(run, "steps");
  feedback.tick_cycles = number_of(run, "tick_cycles");
  if (!(feedback.steps > 0.0)) return no_feedback(folder, "the run has no steps");
  SPIKELOOM_CHECK(read_rates(run, folder, feedback));
  SPIKELOOM_CHECK(read_cores(folder, feedback));
  return feedback;
}

Result<std::vector<std::string>> use_feedback(const RunFeedback& feedback,
                                              mapping::PopulationGraph& graph,
                                              mapping::MapOptions& options) {
  const auto known = by_name(feedback.plan);
  std::vector<std::string> notes;
  std::uint32_t measured = 0;
  auto& limits = options.resources.population_neurons;
  limits.resize(graph.populations.size(), 0);
  for (std::size_t p = 0; p < graph.populations.size(); ++p) {
    mapping::Population& population = graph.populations[p];
    const auto found = known.find(population.name);
    if (found == known.end()) continue;
    ++measured;
    population.rate = feedback.rates[found->second];
    const std::uint32_t fits = fitting(feedback, found->second);
    if (fits == 0) continue;
    limits[p] = limits[p] == 0 ? fits : std::min(limits[p], fits);
    notes.push_back(
        fmt::format("'{}': at most {} neurons a core; a tick asked for more cycles "
                    "than it has",
                    population.name, fits));
  }
  if (measured == 0) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the run has none of this network's populations",
                 .got = feedback.plan.network};
  }
  notes.insert(notes.begin(), fmt::format("rates of {} of {} populations are those of the run",
                                          measured, graph.populations.size()));
  return notes;
}

Result<std::string> relieve_links(const RunFeedback& feedback, mapping::Plan& plan) {
  mapping::ReliefOptions options;
  const auto known = by_name(feedback.plan);
  for (const mapping::PlanPopulation& population : plan.populations) {
    const auto found = known.find(population.name);
    for (std::uint32_t i = 0; i < population.slices; ++i) {
      const mapping::PlanSlice& slice = plan.slices[population.first_slice + i];
      double packets = population.rate * slice.count;
      if (found != known.end()) {
        // What this very slice sent, where the cut is the same.
        const auto& before = feedback.plan.populations[found->second];
        const std::uint32_t s = before.first_slice + i;
        if (before.slices == population.slices && feedback.plan.slices[s].count == slice.count) {
          packets = feedback.slice_packets[s];
        }
      }
      options.slice_packets.push_back(packets);
    }
  }
  SPIKELOOM_TRY(const mapping::ReliefReport report, mapping::relieve(plan, options));
  if (!report.problem.empty()) return "busy links stay as they are: " + report.problem;
  return fmt::format("busiest link: {:.4g} packets a tick, {:.4g} with {} trees led round",
                     report.before, report.after, report.trees_moved);
}

}  // namespace spikeloom::cli
