#include "cli/plan_folder.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/json.hpp"
#include "cli/plan_report.hpp"
#include "mapping/plan_file.hpp"

namespace spikeloom::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDirections[] = {"E", "NE", "N", "W", "SW", "S"};

/// A cell of CSV: names of recordings may hold anything.
std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

PlanFolder::PlanFolder(const mapping::Plan& plan)
    : ticks_(
          "recording,step,events,packets,deliveries,hops,synaptic_events,dropped,late,timed_out,"
          "reinjected,overruns,seconds,busy_seconds,energy_j,busiest_x,busiest_y,busiest_core,"
          "most_cycles\n"),
      load_("recording,step"),
      cores_(
          "recording,x,y,core,packets,synaptic_events,spikes,sent,overruns,late,cycles,"
          "most_cycles,most_wanted\n"),
      links_("recording,x,y,direction,packets,most_in_a_tick,timed_out,busy_seconds\n"),
      link_load_("recording,step,x,y,direction,packets\n"),
      losses_("recording,kind,step,sent,node,neuron,x,y,core\n"),
      overruns_("recording,step,x,y,core,cycles\n"),
      spikes_("recording,step,node,neuron,value\n") {
  for (const mapping::PlanCore& core : plan.cores) {
    load_ += fmt::format(",{}:{}", core.chip, core.core);
  }
  load_ += '\n';
}

void PlanFolder::add(const Program& program, const mapping::Plan& plan,
                     const std::string& recording, const emulator::PlanEmulator& machine) {
  const auto width = static_cast<std::uint32_t>(plan.target.width);
  const auto place = [&](std::uint32_t chip) {
    return fmt::format("{},{}", chip % width, chip / width);
  };
  const std::string name = cell(recording);
  for (std::size_t step = 0; step < machine.history().size(); ++step) {
    const emulator::KeptTick& kept = machine.history()[step];
    const emulator::TickRecord& t = kept.record;
    const auto energy = plan_energy(plan, t);
    const mapping::PlanCore& busiest = plan.cores[t.busiest_core];
    ticks_ += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", name, step,
                          t.events, t.packets, t.deliveries, t.hops, t.synaptic_events, t.dropped,
                          t.late, t.timed_out, t.reinjected, t.overruns, t.seconds, t.busy_seconds,
                          energy ? energy->total() : 0.0, place(busiest.chip), busiest.core,
                          t.most_cycles);
    load_ += fmt::format("{},{}", name, step);
    for (const float cycles : kept.core_cycles) load_ += fmt::format(",{}", cycles);
    load_ += '\n';
    for (const emulator::LinkPackets& link : kept.links) {
      link_load_ += fmt::format("{},{},{},{},{}\n", name, step, place(link.link / 6),
                                kDirections[link.link % 6], link.packets);
    }
  }
  for (std::size_t c = 0; c < machine.core_loads().size(); ++c) {
    const emulator::PlanCoreLoad& load = machine.core_loads()[c];
    cores_ +=
        fmt::format("{},{},{},{},{},{},{},{},{},{},{},{}\n", name, place(plan.cores[c].chip),
                    plan.cores[c].core, load.packets, load.synaptic_events, load.spikes, load.sent,
                    load.overruns, load.late, load.cycles, load.most_cycles, load.most_wanted);
  }
  for (const emulator::PlanLinkLoad& link : machine.link_loads()) {
    links_ +=
        fmt::format("{},{},{},{},{},{},{}\n", name, place(link.chip), kDirections[link.direction],
                    link.packets, link.most_in_a_tick, link.timed_out, link.busy_seconds);
  }
  for (const emulator::Loss& loss : machine.losses()) {
    const mapping::PlanCore& core = plan.cores[loss.core];
    losses_ +=
        fmt::format("{},{},{},{},{},{},{},{}\n", name, loss_name(loss.kind), loss.tick, loss.sent,
                    cell(program.nodes[loss.node].name), loss.neuron, place(core.chip), core.core);
  }
  for (const emulator::Overrun& overrun : machine.overruns()) {
    const mapping::PlanCore& core = plan.cores[overrun.core];
    overruns_ += fmt::format("{},{},{},{},{}\n", name, overrun.tick, place(core.chip), core.core,
                             overrun.cycles);
  }
}

void PlanFolder::add_spikes(const Program& program, const std::string& recording, std::int64_t step,
                            const emulator::PlanEmulator& machine) {
  for (const emulator::PlacedPopulation& population : machine.placed().populations) {
    if (is_outside(population.kind)) continue;
    const std::string from =
        fmt::format("{},{},{}", cell(recording), step, cell(program.nodes[population.node].name));
    for (const emulator::PlacedEvent& event : machine.sent(population.node)) {
      spikes_ += fmt::format("{},{},{}\n", from, event.index, event.value);
    }
  }
}

Status check_new_folder(const std::string& folder) {
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) return {};
  if (fs::is_directory(folder, ignored) && fs::is_empty(folder, ignored)) return {};
  return Error{.code = ErrorCode::kInvalidArgument,
               .what = "the output folder is there already",
               .where = folder,
               .next = "give another --out, or remove it"};
}

Status PlanFolder::write(const std::string& folder, const mapping::Plan& plan,
                         const Value& report) const {
  SPIKELOOM_CHECK(check_new_folder(folder));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return Error{.code = ErrorCode::kIo,
                 .what = "cannot make the output folder",
                 .where = folder,
                 .got = error.message()};
  }
  const fs::path path(folder);
  const std::pair<const char*, const std::string*> files[] = {
      {"ticks.csv", &ticks_},       {"load.csv", &load_},           {"cores.csv", &cores_},
      {"links.csv", &links_},       {"link_load.csv", &link_load_}, {"losses.csv", &losses_},
      {"overruns.csv", &overruns_}, {"spikes.csv", &spikes_}};
  for (const auto& [name, text] : files) {
    SPIKELOOM_CHECK(io::write_file_atomic((path / name).string(), *text));
  }
  SPIKELOOM_CHECK(mapping::write_plan(plan, (path / "plan.h5").string()));
  return io::write_file_atomic((path / "run.json").string(), io::to_json(report, 2));
}

}  // namespace spikeloom::cli
