/// `spikeloom energy`: what an inference costs, three ways, beside the same network dense.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/io/file.hpp"
#include "cli/chip_power.hpp"
#include "cli/commands/energy_commands.hpp"
#include "cli/energy_source.hpp"
#include "cli/energy_studies.hpp"
#include "cli/energy_text.hpp"
#include "cli/exit_codes.hpp"
#include "cli/number_check.hpp"
#include "cli/page/page.hpp"

namespace spikeloom::cli {
namespace {

struct EnergyCommand {
  RunJob job;
  std::vector<std::string> tables = {"45nm"};
  std::string accounting = "traffic";
  std::optional<std::string> format;
  std::optional<double> dense_passes, inferences, carbon;
  double chips = 1.0;
  bool list_tables = false, neurobench = false, measure = false, in_sensor = false,
       chip_power = false;
  MeterRequest meters;
  double activity = InSensorOptions().activity;
  std::string page;
};

Result<EnergyReport> report_on(const EnergyCommand& command, const EnergySource& source,
                               const std::string& table_name) {
  SPIKELOOM_TRY(CostTable table, load_cost_table(table_name));
  ReportRequest request;
  if (command.format) {
    SPIKELOOM_TRY(request.format, parse_number_format(*command.format));
  }
  request.inferences = command.inferences.value_or(source.inferences);
  request.step_seconds = source.step_seconds;
  request.chips = command.chips;
  request.dense_passes = command.dense_passes;
  auto report = energy_report(source.layers, source.stats, std::move(table), request);
  if (!report.ok()) return std::move(report).error().in(source.name);
  return report;
}

Value json_of(const EnergyCommand& command, const EnergySource& source,
              const std::vector<EnergyReport>& reports) {
  Value value = Value::map();
  value.set("model", source.name).set("backend", source.stats.backend);
  value.set("arithmetic", source.stats.arithmetic);
  Value list = Value::list();
  for (const EnergyReport& report : reports) {
    Value one = to_value(report);
    if (command.carbon) {
      Value grams = Value::list();
      for (const EnergyComparison& c : report.comparisons) {
        Value side = Value::map();
        side.set("accounting", to_string(c.accounting));
        if (c.spiking) side.set("spiking_g", carbon_grams(c.spiking->total(), *command.carbon));
        if (c.dense) side.set("dense_g", carbon_grams(c.dense->total(), *command.carbon));
        grams.push(std::move(side));
      }
      one.set("carbon", std::move(grams));
    }
    list.push(std::move(one));
  }
  value.set("reports", std::move(list));
  return value;
}

Result<int> list_tables(const EnergyCommand& command, Console& console) {
  Value list = Value::list();
  std::string text;
  for (const std::string& name : cost_table_names()) {
    SPIKELOOM_TRY(const CostTable table, load_cost_table(name));
    Value one = Value::map();
    one.set("name", table.name).set("title", table.title).set("note", table.note);
    Value entries = Value::list();
    for (const CostEntry& entry : table.entries) entries.push(to_value(entry));
    one.set("entries", std::move(entries));
    list.push(std::move(one));
    text += (text.empty() ? "" : "\n") + cost_table_text(table);
  }
  SPIKELOOM_CHECK(
      printed(command.job.common.json ? console.print_json(list) : console.print(text)));
  return kExitOk;
}

/// What needs the network to run again.
struct Extras {
  std::optional<NeuroBenchMetrics> neurobench;
  std::vector<MeterReading> readings;
};

Result<Extras> run_extras(const EnergyCommand& command, Console& console) {
  Extras extras;
  if (!command.neurobench && !command.measure) return extras;
  if (is_run(command.job.model)) {
    return Error{.what = "--neurobench and --measure run the network",
                 .where = command.job.model,
                 .next = "give a model and --input instead of a run"};
  }
  if (command.neurobench) {
    SPIKELOOM_TRY(extras.neurobench, neurobench_job(command.job, console));
  }
  if (command.measure) {
    SPIKELOOM_TRY(extras.readings, measure_job(command.job, command.meters, console));
  }
  return extras;
}

Result<int> in_sensor(const EnergyCommand& command, Console& console) {
  const bool own_table = command.tables != EnergyCommand().tables;
  SPIKELOOM_TRY(const CostTable table,
                load_cost_table(own_table ? command.tables.front() : "sensor22"));
  std::vector<InSensorStudy> studies;
  Value list = Value::list();
  for (const int channels : {64, 32, 16, 8}) {
    SPIKELOOM_TRY(const InSensorStudy study, in_sensor_study(table, {channels, command.activity}));
    list.push(to_value(study));
    studies.push_back(study);
  }
  if (!command.page.empty()) {
    SPIKELOOM_CHECK(io::write_file_atomic(command.page, in_sensor_page(studies, table)));
    console.note("page: " + command.page);
  }
  SPIKELOOM_CHECK(printed(command.job.common.json ? console.print_json(list)
                                                  : console.print(in_sensor_text(studies, table))));
  return kExitOk;
}

Result<int> chip_power(const EnergyCommand& command, Console& console) {
  SPIKELOOM_TRY(const ChipFigures figures, built_in_chip_figures());
  SPIKELOOM_CHECK(printed(command.job.common.json ? console.print_json(to_value(figures))
                                                  : console.print(chip_figures_text(figures))));
  return kExitOk;
}

Result<int> energy(const EnergyCommand& command, Console& console) {
  if (command.list_tables) return list_tables(command, console);
  if (command.in_sensor) return in_sensor(command, console);
  if (command.chip_power) return chip_power(command, console);
  if (command.job.model.empty()) {
    return Error{.what = "there is nothing to price",
                 .expected = "a run folder, or a model with --input",
                 .next = "give one of these, or --tables for the cost tables"};
  }
  SPIKELOOM_TRY(const Accounting detail, parse_accounting(command.accounting));
  SPIKELOOM_TRY(const EnergySource source, is_run(command.job.model)
                                               ? read_energy_source(command.job.model)
                                               : run_energy_source(command.job, console));
  std::vector<EnergyReport> reports;
  for (const std::string& name : command.tables) {
    SPIKELOOM_TRY(EnergyReport report, report_on(command, source, name));
    reports.push_back(std::move(report));
  }
  SPIKELOOM_TRY(const Extras extras, run_extras(command, console));
  if (command.job.common.json) {
    Value value = json_of(command, source, reports);
    if (extras.neurobench) value.set("neurobench", to_value(*extras.neurobench));
    if (command.measure) value.set("measured", meters_value(extras.readings));
    SPIKELOOM_CHECK(printed(console.print_json(value)));
    return kExitOk;
  }
  std::string text;
  for (const EnergyReport& report : reports) {
    text += (text.empty() ? "" : "\n") + energy_text(report, detail, command.carbon);
  }
  if (extras.neurobench) text += "\n" + neurobench_text(*extras.neurobench);
  if (command.measure) text += "\n" + meters_text(extras.readings);
  SPIKELOOM_CHECK(printed(console.print(text)));
  return kExitOk;
}

}  // namespace

void add_energy(CLI::App& app, Chosen& chosen) {
  constexpr const char* kGroup = "Energy";
  const auto command = std::make_shared<EnergyCommand>();
  CLI::App* sub = app.add_subcommand("energy", "What an inference costs, beside the dense network");
  sub->add_option("SOURCE", command->job.model, "run folder, run.json, or a network to run");
  sub->add_option("--table", command->tables, "cost tables: names, or .toml files (45nm)")
      ->group(kGroup);
  sub->add_flag("--tables", command->list_tables, "show the built-in cost tables")->group(kGroup);
  sub->add_option("--accounting", command->accounting, "which one is listed in detail (traffic)")
      ->check(CLI::IsMember({"compute", "lemaire", "traffic"}))
      ->group(kGroup);
  sub->add_option("--format", command->format, "numbers: fp32|fp16|int32|int16|int8 (the run's)")
      ->check(CLI::IsMember({"fp32", "fp16", "int32", "int16", "int8"}))
      ->group(kGroup);
  sub->add_option("--dense-passes", command->dense_passes, "runs of the dense network an inference")
      ->check(positive)
      ->group(kGroup);
  sub->add_option("--inferences", command->inferences, "inferences in the run (its recordings)")
      ->check(positive)
      ->group(kGroup);
  sub->add_option("--chips", command->chips, "chips that idle meanwhile (1)")
      ->check(positive)
      ->group(kGroup);
  sub->add_option("--carbon", command->carbon, "g CO2 per kWh of your grid: adds columns")
      ->check(not_negative)
      ->group(kGroup);
  sub->add_flag("--neurobench", command->neurobench, "NeuroBench's metrics, as its harness counts")
      ->group(kGroup);
  CLI::Option* study =
      sub->add_flag("--in-sensor", command->in_sensor, "the in-sensor study; needs no network")
          ->group(kGroup);
  sub->add_flag("--chip-power", command->chip_power,
                "power of SpiNNaker chips: what is foretold beside what is published")
      ->group(kGroup);
  sub->add_option("--page", command->page, "write --in-sensor as an HTML page as well")
      ->needs(study)
      ->group(kGroup);
  sub->add_option("--activity", command->activity, "spikes per neuron of --in-sensor (0.2389)")
      ->check(within(0.0, 1.0))
      ->group(kGroup);
  sub->add_flag("--measure", command->measure, "measure joules as well, with every --meter")
      ->group(kGroup);
  sub->add_option("--meter", command->meters.meters, "rapl, nvml, csv:FILE (rapl nvml)")
      ->group(kGroup);
  sub->add_option("--repetitions", command->meters.options.repetitions, "of --measure (5)")
      ->check(CLI::Range(2, 1000))
      ->group(kGroup);
  sub->add_option("--idle-seconds", command->meters.options.idle_seconds,
                  "of idling measured before each repetition (1)")
      ->check(positive)
      ->group(kGroup);
  add_input_flags(*sub, command->job.input);
  add_run_flags(*sub, command->job.run);
  add_common_flags(*sub, command->job.common);
  sub->callback([command, &chosen] {
    chosen.common = command->job.common;
    chosen.action = [command](Console& console) { return energy(*command, console); };
  });
}

}  // namespace spikeloom::cli
