/// The page about a run on an emulated machine.

#include "cli/page/machine.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "base/build_info.hpp"
#include "cli/csv_table.hpp"
#include "cli/page/page.hpp"
#include "cli/table.hpp"
#include "energy/comparison.hpp"

namespace spikeloom::cli {
namespace {

constexpr std::size_t kShownLosses = 25;

const Value* at(const Value& map, const char* first, const char* second) {
  const Value* inner = map.find(first);
  return inner == nullptr ? nullptr : inner->find(second);
}

double number_of(const Value& run, const char* first, const char* second) {
  const Value* value = at(run, first, second);
  return value != nullptr && value->is_number() ? value->number() : 0.0;
}

std::string text_of(const Value& run, const char* key) {
  const Value* value = run.find(key);
  return value != nullptr && value->as_string() != nullptr ? *value->as_string() : std::string();
}

std::string whole(double value) { return with_commas(whole_number(value)); }

/// A count of the machine that programs find by its name.
std::string count(const Value& run, const char* key) {
  return fmt::format("<span data-machine=\"{}\">{}</span>", key,
                     whole(number_of(run, "machine", key)));
}

std::string facts(const MachineRun& run) {
  std::string made = "<dl class=\"facts\">";
  const auto fact = [&](const char* name, const std::string& value) {
    made += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", name, value);
  };
  fact("machine", escaped(run.plan.target.name + ":" + run.plan.target.size));
  fact("cores", with_commas(run.plan.cores.size()));
  fact("recordings", with_commas(run.recordings));
  const Value* steps = run.run.find("steps");
  if (steps != nullptr && steps->is_number()) fact("ticks", whole(steps->number()));
  fact("packets", count(run.run, "packets"));
  fact("synaptic events", count(run.run, "synaptic_events"));
  fact("time on the machine", fmt::format("{:.4g} s", number_of(run.run, "machine", "sim_time_s")));
  const Value* energy = at(run.run, "machine", "energy_j");
  if (energy != nullptr && energy->find("total") != nullptr) {
    fact("energy", joules_text(energy->find("total")->number()));
    fact("power", fmt::format("{:.3g} W", number_of(run.run, "machine", "power_w")));
  }
  fact("network timing", escaped(text_of(run.run, "timing")));
  return made + "</dl>\n";
}

/// One sentence, and whether it is a bad one.
std::pair<std::string, bool> verdict(const MachineRun& run) {
  const double dropped = number_of(run.run, "machine", "dropped");
  const double late = number_of(run.run, "machine", "late");
  const double overruns = number_of(run.run, "machine", "overruns");
  if (dropped + late > 0.0) {
    return {
        fmt::format("{} packets were dropped and {} came late: the spikes are not those of cpu.",
                    whole(dropped), whole(late)),
        true};
  }
  if (overruns > 0.0) {
    return {fmt::format("No packet was lost or late, but cores overran their tick {} times.",
                        whole(overruns)),
            true};
  }
  return {"No packet was lost or late, and no tick overran: the spikes are those of cpu.", false};
}

std::string energy_part(const MachineRun& run) {
  const Value* energy = at(run.run, "machine", "energy_j");
  if (energy == nullptr || energy->find("total") == nullptr) {
    return "<p>The target's file gives no power.</p>\n";
  }
  constexpr std::array<std::pair<const char*, const char*>, 8> kParts = {
      {{"base", "chips, cores off"},
       {"board", "boards"},
       {"sleep", "waiting cores"},
       {"tick", "ticks"},
       {"neurons", "neuron updates"},
       {"packets", "packets in cores"},
       {"synapses", "synaptic events"},
       {"network", "routers"}}};
  const double total = std::max(energy->find("total")->number(), 1e-30);
  std::string track, legend;
  std::vector<std::vector<std::string>> rows;
  for (std::size_t p = 0; p < kParts.size(); ++p) {
    const Value* value = energy->find(kParts[p].first);
    const double joules = value != nullptr && value->is_number() ? value->number() : 0.0;
    if (joules <= 0.0) continue;
    track += fmt::format("<i class=\"c{}\" style=\"width:{:.4g}%\" title=\"{}: {}\"></i>", p,
                         100.0 * joules / total, kParts[p].second, joules_text(joules));
    legend += fmt::format("<li><i class=\"c{}\"></i>{}</li>", p, kParts[p].second);
    rows.push_back({kParts[p].second,
                    fmt::format("<span data-joules-of=\"{}\" data-joules=\"{:.17g}\">{}</span>",
                                kParts[p].first, joules, joules_text(joules)),
                    fmt::format("{:.1f} %", 100.0 * joules / total)});
  }
  return fmt::format(
             "<p>Of the chips that hold cores of the Plan, for the run's time. Modelled, not "
             "measured.</p>\n<ul class=\"legend\">{}</ul>\n<div class=\"bars\">"
             "<span class=\"name\">all recordings</span><span class=\"amount\">{}</span>"
             "<div class=\"track\">{}</div></div>\n",
             legend, joules_text(total), track) +
         html_table({"component", "energy", "share"}, rows);
}

/// A table of losses.csv or overruns.csv: the first rows, and how many there are.
std::string first_rows(const std::vector<std::vector<std::string>>& cells, const char* what) {
  std::vector<std::string> header;
  for (const std::string& name : cells[0]) header.push_back(escaped(name));
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 1; i < cells.size() && rows.size() < kShownLosses; ++i) {
    auto& row = rows.emplace_back();
    for (const std::string& cell : cells[i]) row.push_back(escaped(cell));
  }
  std::string made = html_table(header, rows);
  if (cells.size() - 1 > rows.size()) {
    made += fmt::format("<p class=\"dim\">and {} more in {}</p>\n",
                        with_commas(cells.size() - 1 - rows.size()), what);
  }
  return made;
}

std::string losses_part(const MachineRun& run) {
  const Value& all = run.run;
  std::vector<std::vector<std::string>> counts;
  const auto row = [&](const char* name, const char* key) {
    counts.push_back({name, count(all, key)});
  };
  row("dropped", "dropped");
  row("late", "late");
  row("timed out at routers", "timed_out");
  row("sent again", "reinjected");
  row("overrun ticks of cores", "overruns");
  row("saturated slots", "saturated");
  std::string made =
      "<p>Dropped: a core did not get a packet that it needed. Late: it was added up a tick or "
      "more "
      "too late. Timed out: a router took it out after waiting; what is sent again is not "
      "lost.</p>\n" +
      html_table({"", "all recordings"}, counts);
  if (run.losses.size() > 1) {
    made += "<h3>Packets, one by one</h3>\n" + first_rows(run.losses, "losses.csv");
  }
  if (run.overruns.size() > 1) {
    made += "<h3>Overrun ticks</h3>\n" + first_rows(run.overruns, "overruns.csv");
  }
  return made;
}

}  // namespace

std::string machine_page(const MachineRun& run) {
  const std::string title = run.name.substr(run.name.find_last_of('/') + 1);
  const auto [sentence, is_bad] = verdict(run);
  std::string body = fmt::format(
      "<header><h1>{}</h1>\n<p class=\"dim\">a run of spikeloom {} on an emulated machine{}</p>\n"
      "<p class=\"verdict{}\">{}</p>\n</header>\n<main>\n",
      escaped(title), escaped(build_info::version),
      run.recording.empty() ? "" : "; pictures are of " + escaped(run.recording),
      is_bad ? " lost" : "", sentence);
  body += facts(run);
  body += section("placement", "Placement", placement_part(run));
  body += section("links", "Links", links_part(run));
  body += section("packets", "Packets per tick", traffic_part(run));
  body += section("load", "Load of cores over time", load_part(run));
  body += section("energy", "Energy by component", energy_part(run));
  body += section("losses", "Losses and missed deadlines", losses_part(run));
  return whole_page(title, body);
}

}  // namespace spikeloom::cli
