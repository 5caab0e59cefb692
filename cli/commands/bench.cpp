/// `spikeloom bench`: whole tasks in one table, each beside its dense twin.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/io/file.hpp"
#include "cli/commands/energy_commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/page/page.hpp"
#include "cli/table.hpp"
#include "cli/task_suite.hpp"

namespace spikeloom::cli {
namespace {

struct BenchCommand {
  std::vector<std::string> tasks;  ///< empty: all
  std::string table = "45nm", csv, page;
  TaskOptions options;
};

struct Row {
  std::string name;
  TaskOutcome outcome;
  InferenceCounts counts;
  std::optional<EnergyReport> report;  ///< nothing for a task that is not here
};

Result<Row> run_task(const Task& task, const BenchCommand& command, const CostTable& table,
                     Console& console) {
  Row row;
  row.name = task.name;
  SPIKELOOM_TRY(row.outcome, task.run(command.options, console));
  if (!row.outcome.why_not.empty()) return row;
  const EnergySource& source = row.outcome.source;
  SPIKELOOM_TRY(row.counts,
                count_inference(source.stats, static_cast<std::uint64_t>(source.inferences)));
  const ReportRequest request{.inferences = source.inferences, .step_seconds = source.step_seconds};
  SPIKELOOM_TRY(row.report, energy_report(source.layers, source.stats, table, request));
  return row;
}

std::string energy_cell(const EnergyComparison& c) {
  if (!c.spiking) return "-";
  return fmt::format("{} / {}", joules_text(c.spiking->total()),
                     c.dense ? joules_text(c.dense->total()) : "-");
}

std::string quality_cell(const TaskOutcome& outcome) {
  if (outcome.accuracy) return fmt::format("{:.1f} %", 100.0 * *outcome.accuracy);
  if (outcome.perplexity) return fmt::format("perplexity {:.1f}", *outcome.perplexity);
  return "-";
}

std::string bench_text(const std::vector<Row>& rows, const CostTable& cost) {
  std::vector<std::string> header = {"task",    "quality",      "",
                                     "latency", "synaptic ops", "dense MACs"};
  for (const Accounting accounting : kAccountings) {
    header.push_back(fmt::format("{}: spiking / dense", to_string(accounting)));
  }
  Table table(std::move(header), 1);
  std::string ran;
  std::string left_out;
  for (const Row& row : rows) {
    if (!row.report) {
      left_out += fmt::format("{}: not run: {}\n", row.name, row.outcome.why_not);
      continue;
    }
    const double per_pass = row.counts.dense_macs / std::max(row.counts.steps, 1.0);
    std::vector<std::string> cells = {row.name,
                                      quality_cell(row.outcome),
                                      row.outcome.quality_of,
                                      seconds_text(row.outcome.seconds_per_inference),
                                      fmt::format("{:.4g}", row.counts.synaptic_operations),
                                      fmt::format("{:.4g}", per_pass * row.report->dense_passes)};
    for (const EnergyComparison& c : row.report->comparisons) cells.push_back(energy_cell(c));
    table.row(std::move(cells));
    ran += fmt::format("{}: {}\n", row.name, row.report->verdict);
    if (!row.outcome.note.empty()) ran += fmt::format("  {}\n", row.outcome.note);
    if (row.outcome.chip) ran += fmt::format("  {}\n", chip_line(*row.outcome.chip));
  }
  return table.text() +
         fmt::format(
             "\nper inference (language: per token); energy modelled with the prices of '{}', the "
             "dense network in the same numbers\n\n{}{}",
             cost.name, ran, left_out);
}

Value row_value(const Row& row) {
  Value value = Value::map();
  value.set("task", row.name).set("ran", row.report.has_value());
  if (!row.report) {
    value.set("why_not", row.outcome.why_not);
    return value;
  }
  value.set("accuracy", row.outcome.accuracy ? Value(*row.outcome.accuracy) : Value());
  value.set("perplexity", row.outcome.perplexity ? Value(*row.outcome.perplexity) : Value());
  value.set("over", row.outcome.quality_of).set("note", row.outcome.note);
  value.set("s_per_inference", row.outcome.seconds_per_inference);
  value.set("counts", to_value(row.counts)).set("energy", to_value(*row.report));
  if (row.outcome.chip) value.set("chip", to_value(*row.outcome.chip));
  return value;
}

std::string bench_csv(const std::vector<Row>& rows) {
  std::string text =
      "task,accuracy,perplexity,s_per_inference,inferences,steps,synaptic_operations,dense_passes";
  for (const Accounting accounting : kAccountings) {
    text += fmt::format(",{0}_spiking_j,{0}_dense_j,{0}_dense_int8_j", to_string(accounting));
  }
  text += ",chip_j,chip_work_j,chip_s\n";
  for (const Row& row : rows) {
    if (!row.report) continue;
    const auto number = [](const std::optional<double>& value) {
      return value ? fmt::format("{}", *value) : std::string();
    };
    text += fmt::format("{},{},{},{},{},{},{},{}", row.name, number(row.outcome.accuracy),
                        number(row.outcome.perplexity), row.outcome.seconds_per_inference,
                        row.report->inferences, row.counts.steps, row.counts.synaptic_operations,
                        row.report->dense_passes);
    for (const EnergyComparison& c : row.report->comparisons) {
      for (const auto& side : {c.spiking, c.dense, c.dense_int8}) {
        text += "," + (side ? fmt::format("{}", side->total()) : "");
      }
    }
    const auto& chip = row.outcome.chip;
    text += chip && chip->why_not.empty()
                ? fmt::format(",{},{},{}\n", chip->joules, chip->work_joules, chip->seconds)
                : std::string(",,,\n");
  }
  return text;
}

/// The page of the first task that ran.
Status write_page(const std::vector<Row>& rows, const std::string& path, Console& console) {
  for (const Row& row : rows) {
    if (!row.report) continue;
    PageInput input;
    input.source = row.outcome.source;
    input.recording = row.outcome.recording;
    input.reports.push_back(*row.report);
    SPIKELOOM_CHECK(io::write_file_atomic(path, run_page(input)));
    console.note("page: " + path);
    return {};
  }
  return Error{.code = ErrorCode::kNotFound, .what = "no task ran, so there is no page to write"};
}

Result<int> bench(const BenchCommand& command, Console& console) {
  SPIKELOOM_TRY(const CostTable table, load_cost_table(command.table));
  std::vector<Row> rows;
  for (const Task& task : task_suite()) {
    const auto& asked = command.tasks;
    if (!asked.empty() && std::find(asked.begin(), asked.end(), task.name) == asked.end()) continue;
    SPIKELOOM_TRY(Row row, run_task(task, command, table, console));
    rows.push_back(std::move(row));
  }
  if (!command.csv.empty()) SPIKELOOM_CHECK(io::write_file_atomic(command.csv, bench_csv(rows)));
  if (command.options.common.json) {
    Value list = Value::list();
    for (const Row& row : rows) list.push(row_value(row));
    Value value = Value::map();
    value.set("table", table.name).set("tasks", std::move(list));
    SPIKELOOM_CHECK(printed(console.print_json(value)));
  } else {
    SPIKELOOM_CHECK(printed(console.print(bench_text(rows, table))));
  }
  if (!command.page.empty()) SPIKELOOM_CHECK(write_page(rows, command.page, console));
  return kExitOk;
}

}  // namespace

void add_bench(CLI::App& app, Chosen& chosen) {
  const auto command = std::make_shared<BenchCommand>();
  CLI::App* sub = app.add_subcommand("bench", "Whole tasks: accuracy, latency, operations, energy");
  std::vector<std::string> names;
  for (const Task& task : task_suite()) names.push_back(task.name);
  sub->add_option("--task", command->tasks, "which ones (all)")->check(CLI::IsMember(names));
  sub->add_option("--data", command->options.data, "folders with data that is not built in");
  sub->add_option("--table", command->table, "cost table (45nm)");
  sub->add_option("--csv", command->csv, "write the figures to this file as well");
  sub->add_option("--page", command->page, "write an HTML page about the first task");
  add_common_flags(*sub, command->options.common);
  sub->callback([command, &chosen] {
    chosen.common = command->options.common;
    chosen.action = [command](Console& console) { return bench(*command, console); };
  });
}

}  // namespace spikeloom::cli
