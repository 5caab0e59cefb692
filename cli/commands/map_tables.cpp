/// `spikeloom map tables`: compresses routing tables and proves that nothing changed.

#include <algorithm>
#include <chrono>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/io/file.hpp"
#include "cli/commands/map_commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/table.hpp"
#include "mapping/tables/compress.hpp"
#include "mapping/tables/prove.hpp"
#include "mapping/tables/table_file.hpp"

namespace spikeloom::cli {
namespace {

using namespace mapping;

struct TablesCommand {
  std::string file, against, out;
  bool default_routes = false;
  std::uint32_t limit = 0;
  CommonOptions common;
};

struct Sizes {
  std::size_t max = 0, sum = 0;
  void add(std::size_t entries) {
    max = std::max(max, entries);
    sum += entries;
  }
};

Sizes sizes(const TableFile& file) {
  Sizes sizes;
  for (const RoutingTable& table : file.tables) sizes.add(table.entries.size());
  return sizes;
}

std::string chip(const RoutingTable& table) {
  return fmt::format("chip ({}, {})", table.x, table.y);
}

/// What the compression gave, or what `--against` holds.
struct Outcome {
  TableFile compressed;
  double seconds = 0.0;  ///< compressing and proving; reading is left out
  std::optional<std::string> difference;
};

Result<Outcome> compress_all(const TablesCommand& command, const TableFile& raw, Console& console) {
  Outcome outcome{.compressed = {.format = raw.format, .tables = {}}, .difference = {}};
  const auto started = std::chrono::steady_clock::now();
  for (const RoutingTable& table : raw.tables) {
    auto entries = compress(table.entries, {.use_default_routes = command.default_routes});
    if (!entries.ok()) return std::move(entries).error().in(command.file + ", " + chip(table));
    outcome.compressed.tables.push_back({table.x, table.y, *std::move(entries)});
    console.progress("tables compressed",
                     static_cast<std::int64_t>(outcome.compressed.tables.size()),
                     static_cast<std::int64_t>(raw.tables.size()));
  }
  console.end_progress();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
  outcome.seconds = taken.count();
  return outcome;
}

Result<Outcome> compare_all(const TablesCommand& command, const TableFile& raw) {
  Outcome outcome;
  SPIKELOOM_TRY(outcome.compressed, read_table_file(command.against));
  const auto started = std::chrono::steady_clock::now();
  if (outcome.compressed.tables.size() != raw.tables.size()) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the two files hold different numbers of tables",
                 .where = command.against,
                 .expected = fmt::format("{}", raw.tables.size()),
                 .got = fmt::format("{}", outcome.compressed.tables.size())};
  }
  for (std::size_t i = 0; i < raw.tables.size() && !outcome.difference; ++i) {
    const RoutingTable& left = raw.tables[i];
    const RoutingTable& right = outcome.compressed.tables[i];
    if (left.x != right.x || left.y != right.y) {
      return Error{.code = ErrorCode::kShape,
                   .what = fmt::format("table {} is another chip's", i),
                   .where = command.against,
                   .expected = chip(left),
                   .got = chip(right)};
    }
    SPIKELOOM_TRY(const auto difference,
                  find_difference(left.entries, right.entries,
                                  {.allow_default_routes = command.default_routes}));
    if (difference) outcome.difference = chip(left) + ", " + difference->text();
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
  outcome.seconds = taken.count();
  return outcome;
}

Value to_value(const TablesCommand& command, const TableFile& raw, const Outcome& outcome) {
  Value value = Value::map();
  value.set("file", command.file).set("tables", raw.tables.size());
  const Sizes before = sizes(raw), after = sizes(outcome.compressed);
  value.set("raw_max", before.max).set("raw_sum", before.sum);
  value.set("max", after.max).set("sum", after.sum);
  value.set("proven", !outcome.difference);
  value.set("difference", outcome.difference ? Value(*outcome.difference) : Value());
  return value.set("seconds", outcome.seconds);
}

std::string to_text(const TablesCommand& command, const TableFile& raw, const Outcome& outcome) {
  const Sizes before = sizes(raw), after = sizes(outcome.compressed);
  std::string text = fmt::format("{}: {} routing table{}\n\n", command.file,
                                 with_commas(raw.tables.size()), raw.tables.size() == 1 ? "" : "s");
  Table table({"entries", "largest table", "all tables"}, 1);
  table.row({"raw", with_commas(before.max), with_commas(before.sum)});
  table.row({"compressed", with_commas(after.max), with_commas(after.sum)});
  text += table.text() + "\n";
  text += outcome.difference ? "not equivalent: " + *outcome.difference
                             : std::string("proven: every used key goes where it went");
  return text + fmt::format(" ({:.3f} s)\n", outcome.seconds);
}

Result<int> tables(const TablesCommand& command, Console& console) {
  SPIKELOOM_TRY(const TableFile raw, read_table_file(command.file));
  SPIKELOOM_TRY(const Outcome outcome, command.against.empty() ? compress_all(command, raw, console)
                                                               : compare_all(command, raw));
  if (!command.out.empty()) {
    SPIKELOOM_TRY(const std::string text, mapping::to_text(outcome.compressed));
    SPIKELOOM_CHECK(io::write_file_atomic(command.out, text));
  }
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(to_value(command, raw, outcome))
                                              : console.print(to_text(command, raw, outcome))));
  if (outcome.difference) return kExitNo;
  if (command.limit > 0) {
    for (const RoutingTable& table : outcome.compressed.tables) {
      if (table.entries.size() <= command.limit) continue;
      return Error{.code = ErrorCode::kResource,
                   .what = "the compressed routing table does not fit",
                   .where = command.file + ", " + chip(table),
                   .expected = fmt::format("at most {} entries", command.limit),
                   .got = fmt::format("{}", table.entries.size()),
                   .next = command.default_routes
                               ? "use fewer keys, or longer common prefixes for one route"
                               : "try --default-routes, or use fewer keys"};
    }
  }
  return kExitOk;
}

}  // namespace

void add_map_tables(CLI::App& map, Chosen& chosen) {
  const auto command = std::make_shared<TablesCommand>();
  CLI::App* sub = map.add_subcommand("tables", "Compress routing tables, with proof");
  sub->add_option("FILE", command->file, "JSON or CSV, plain or .gz")->required();
  sub->add_flag("--default-routes", command->default_routes,
                "leave keys that go straight on, where the file says so, to the default route");
  auto* against = sub->add_option("--against", command->against,
                                  "prove that this file's tables are equivalent, instead");
  sub->add_option("--out", command->out, "write the compressed tables")->excludes(against);
  sub->add_option("--limit", command->limit, "fail when a table has more entries, e.g. 1023");
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return tables(*command, console); };
  });
}

}  // namespace spikeloom::cli
