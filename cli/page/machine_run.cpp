/// A run folder of the emulator, as the page wants it.

#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/json.hpp"
#include "cli/csv_table.hpp"
#include "cli/page/machine.hpp"
#include "mapping/plan_file.hpp"

namespace spikeloom::cli {
namespace {

/// Rows of one recording, with the columns that are wanted.
class Rows {
 public:
  static Result<Rows> read(const std::string& path, const std::string& recording,
                           const std::vector<const char*>& columns) {
    SPIKELOOM_TRY(CsvTable table, CsvTable::read(path));
    Rows made(std::move(table));
    SPIKELOOM_TRY(const std::size_t name, made.table_.column("recording"));
    for (const char* column : columns) {
      SPIKELOOM_TRY(made.at_[column], made.table_.column(column));
    }
    for (std::size_t row = 0; row < made.table_.rows(); ++row) {
      if (made.table_.text(row, name) == recording) made.rows_.push_back(row);
    }
    return made;
  }
  std::size_t size() const { return rows_.size(); }
  double number(std::size_t i, const char* column) const {
    return table_.number(rows_[i], at_.at(column));
  }
  std::uint64_t whole(std::size_t i, const char* column) const {
    return whole_number(number(i, column));
  }
  std::string text(std::size_t i, const char* column) const {
    return table_.text(rows_[i], at_.at(column));
  }
  const CsvTable& table() const { return table_; }
  std::size_t row(std::size_t i) const { return rows_[i]; }

 private:
  explicit Rows(CsvTable table) : table_(std::move(table)) {}
  CsvTable table_;
  std::map<std::string, std::size_t> at_;
  std::vector<std::size_t> rows_;
};

Status read_ticks(const std::string& folder, MachineRun& run) {
  SPIKELOOM_TRY(const Rows ticks,
                Rows::read(folder + "/ticks.csv", run.recording,
                           {"packets", "dropped", "late", "overruns", "seconds"}));
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    run.seconds += ticks.number(i, "seconds");
    run.ticks.push_back({ticks.number(i, "packets"),
                         ticks.number(i, "dropped") + ticks.number(i, "late"),
                         ticks.number(i, "overruns")});
  }
  SPIKELOOM_TRY(const Rows load, Rows::read(folder + "/load.csv", run.recording, {"step"}));
  constexpr std::size_t kFirst = 2;  // behind recording and step
  for (std::size_t i = 0; i < load.size(); ++i) {
    std::vector<float>& cores = run.load.emplace_back();
    for (std::size_t c = kFirst; c < load.table().columns(); ++c) {
      cores.push_back(static_cast<float>(load.table().number(load.row(i), c)));
    }
    if (cores.size() == run.plan.cores.size()) continue;
    return Error{.code = ErrorCode::kFormat,
                 .what = "load.csv has other cores than the Plan",
                 .where = folder,
                 .expected = fmt::format("{}", run.plan.cores.size()),
                 .got = fmt::format("{}", cores.size())};
  }
  return {};
}

Status read_parts(const std::string& folder, MachineRun& run) {
  SPIKELOOM_TRY(const Rows cores,
                Rows::read(folder + "/cores.csv", run.recording,
                           {"packets", "synaptic_events", "overruns", "late", "most_cycles"}));
  if (cores.size() != run.plan.cores.size()) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "cores.csv has other cores than the Plan",
                 .where = folder,
                 .expected = fmt::format("{}", run.plan.cores.size()),
                 .got = fmt::format("{}", cores.size())};
  }
  for (std::size_t c = 0; c < cores.size(); ++c) {
    run.cores.push_back({cores.whole(c, "packets"), cores.whole(c, "synaptic_events"),
                         cores.whole(c, "overruns"), cores.whole(c, "late"),
                         cores.number(c, "most_cycles")});
  }
  SPIKELOOM_TRY(const Rows links, Rows::read(folder + "/links.csv", run.recording,
                                             {"x", "y", "direction", "packets", "most_in_a_tick",
                                              "timed_out", "busy_seconds"}));
  const auto width = static_cast<std::uint64_t>(run.plan.target.width);
  for (std::size_t i = 0; i < links.size(); ++i) {
    const std::uint64_t x = links.whole(i, "x"), y = links.whole(i, "y");
    if (x >= width || y >= run.plan.target.rows.size()) {
      return Error{
          .code = ErrorCode::kFormat,
          .what = "links.csv has a chip that the Plan's machine has not",
          .where = folder,
          .expected = fmt::format("x below {}, y below {}", width, run.plan.target.rows.size()),
          .got = fmt::format("({}, {})", x, y)};
    }
    run.links.push_back({static_cast<std::uint32_t>(y * width + x), links.text(i, "direction"),
                         links.whole(i, "packets"), links.whole(i, "most_in_a_tick"),
                         links.whole(i, "timed_out"), links.number(i, "busy_seconds")});
  }
  return {};
}

/// The header and the rows of a recording, without its name.
Result<std::vector<std::vector<std::string>>> cells_of(const std::string& path,
                                                       const std::string& recording) {
  SPIKELOOM_TRY(const CsvTable table, CsvTable::read(path));
  SPIKELOOM_TRY(const std::size_t name, table.column("recording"));
  std::vector<std::vector<std::string>> cells(1);
  for (std::size_t c = 0; c < table.columns(); ++c) {
    if (c != name) cells[0].push_back(table.column_name(c));
  }
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (table.text(row, name) != recording) continue;
    auto& kept = cells.emplace_back();
    for (std::size_t c = 0; c < table.columns(); ++c) {
      if (c != name) kept.push_back(table.text(row, c));
    }
  }
  return cells;
}

/// Names of the recordings that had a tick, in their order.
Result<std::vector<std::string>> recordings_of(const std::string& path) {
  SPIKELOOM_TRY(const CsvTable table, CsvTable::read(path));
  SPIKELOOM_TRY(const std::size_t name, table.column("recording"));
  std::vector<std::string> names;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::string& own = table.text(row, name);
    if (names.empty() ||
        (names.back() != own && std::find(names.begin(), names.end(), own) == names.end())) {
      names.push_back(own);
    }
  }
  return names;
}

}  // namespace

bool is_machine_run(const std::string& folder) {
  std::error_code ignored;
  return std::filesystem::exists(folder + "/plan.h5", ignored) &&
         std::filesystem::exists(folder + "/ticks.csv", ignored);
}

Result<MachineRun> read_machine_run(const std::string& folder, std::size_t number) {
  MachineRun run;
  SPIKELOOM_TRY(const std::string text, io::read_text_file(folder + "/run.json"));
  SPIKELOOM_TRY(run.run, io::parse_json(text, folder + "/run.json"));
  SPIKELOOM_TRY(run.plan, mapping::read_plan(folder + "/plan.h5"));
  if (run.plan.cores.empty() || run.plan.populations.empty() || run.plan.target.width < 1) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "the Plan has no machine, no core or no population",
                 .where = folder + "/plan.h5"};
  }
  const Value* model = run.run.find("model");
  if (model == nullptr || model->as_string() == nullptr || run.run.find("machine") == nullptr) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "run.json is not that of a run on an emulated machine",
                 .where = folder};
  }
  run.name = *model->as_string();
  SPIKELOOM_TRY(const auto names, recordings_of(folder + "/ticks.csv"));
  run.recordings = names.size();
  if (number >= names.size()) {
    return Error{.what = "the run has no such recording",
                 .where = folder,
                 .expected = fmt::format("a number below {}", names.size()),
                 .got = fmt::format("--number {}", number)};
  }
  run.recording = names[number];
  SPIKELOOM_CHECK(read_ticks(folder, run));
  SPIKELOOM_CHECK(read_parts(folder, run));
  SPIKELOOM_TRY(run.losses, cells_of(folder + "/losses.csv", run.recording));
  SPIKELOOM_TRY(run.overruns, cells_of(folder + "/overruns.csv", run.recording));
  return run;
}

}  // namespace spikeloom::cli
