#include "cli/page/page.hpp"

#include <fmt/format.h>

#include "base/build_info.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

std::string fact(const std::string& name, const std::string& value) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), value);
}

std::string facts(const PageInput& input) {
  const EnergySource& source = input.source;
  std::string made = "<dl class=\"facts\">";
  made += fact("inferences", with_commas(static_cast<std::uint64_t>(source.inferences)));
  if (const Value* accuracy = source.run.find("accuracy"); accuracy && accuracy->is_number()) {
    made += fact("accuracy",
                 fmt::format("<span data-run=\"accuracy\">{:.4g}</span>", accuracy->number()));
  }
  made += fact("steps",
               fmt::format("<span data-run=\"steps\">{}</span>", with_commas(source.stats.steps)));
  if (source.step_seconds > 0.0) made += fact("time step", seconds_text(source.step_seconds));
  const std::uint64_t done = source.stats.synaptic_operations();
  const std::uint64_t dense = source.stats.total(&NodeStats::dense_macs);
  made += fact("synaptic operations",
               fmt::format("<span data-run=\"synaptic_operations\">{}</span>", with_commas(done)));
  if (dense > 0) {
    made += fact("of dense, every step", fmt::format("{:.3g} %", 100.0 * static_cast<double>(done) /
                                                                     static_cast<double>(dense)));
  }
  made += fact("backend", escaped(source.stats.backend + ", " + source.stats.arithmetic));
  return made + "</dl>\n";
}

/// Any part of the run that is a map of plain values: what a mapping or an emulator left.
std::string plain_part(const Value& map) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, value] : *map.as_map()) {
    if (value.is_number()) rows.push_back({escaped(key), number_text(value.number())});
    if (value.as_string() != nullptr) rows.push_back({escaped(key), escaped(*value.as_string())});
  }
  return html_table({"", ""}, rows);
}

std::string other_tables(const std::vector<EnergyReport>& reports) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 1; i < reports.size(); ++i) {
    for (const EnergyComparison& c : reports[i].comparisons) {
      if (!c.spiking) continue;
      const auto cell = [&](const std::optional<EnergyBreakdown>& side) {
        if (!side) return std::string("–");
        const bool unverified = side->unverified(reports[i].table) > 0.0;
        return joules_text(side->total()) + (unverified ? " *" : "");
      };
      rows.push_back({escaped(reports[i].table.name) + ", " + to_string(c.accounting),
                      cell(c.spiking), cell(c.dense), cell(c.dense_int8)});
    }
  }
  if (rows.empty()) return "";
  return "<h3>With other tables</h3>\n" +
         html_table({"table, accounting", "spiking", "dense", "dense int8"}, rows) +
         "<p class=\"dim\">Tables of chips and of technologies count different things. "
         "* rests on unverified prices; – means that the table has no price for it.</p>\n";
}

/// The last part of a path: a page is about a model, wherever it lay.
std::string title_of(const std::string& name) {
  const std::string last = name.substr(name.find_last_of('/') + 1);
  return last.empty() ? "a run" : last;
}

}  // namespace

std::string whole_page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{} - spikeloom</title>\n<style>{}</style>\n</head>\n<body>\n{}</main>\n"
      "<footer class=\"dim\">Modelled; docs/energy.md says how it is counted.</footer>\n"
      "</body>\n</html>\n",
      escaped(title), page_style(), body);
}

std::string run_page(const PageInput& input) {
  const EnergyReport& report = input.reports.front();
  const std::string title = title_of(input.source.name);
  Footnotes footnotes;
  std::string body =
      fmt::format("<header><h1>{}</h1>\n<p class=\"dim\">a run of spikeloom {}</p>\n",
                  escaped(title), escaped(build_info::version));
  const bool lost = report.verdict.find("LOSES") != std::string::npos;
  body += fmt::format("<p class=\"verdict{}\">{}</p>\n</header>\n<main>\n", lost ? " lost" : "",
                      escaped(report.verdict));
  body += facts(input);
  body += section("network", "Network", network_part(input.source));
  if (input.recording && !input.recording->events.empty()) {
    body += section("raster", "Spikes and rates", raster_part(*input.recording));
  }
  body += section("activity", "Activity", activity_part(input.source));
  body += section("energy", "Energy", energy_part(report, footnotes) + other_tables(input.reports));
  body += section("break-even", "Break-even", break_even_part(report));
  body += section("sensitivity", "Which price decides", sensitivity_part(report, footnotes));
  for (const char* key : {"mapping", "traffic"}) {
    const Value* part = input.source.run.find(key);
    if (part == nullptr || part->as_map() == nullptr) continue;
    body += section(key, key == std::string("mapping") ? "Mapping" : "Traffic", plain_part(*part));
  }
  body += section("sources", "Sources", footnotes.list());
  return whole_page(title, body);
}

}  // namespace spikeloom::cli
