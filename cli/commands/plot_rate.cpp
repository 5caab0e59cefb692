/// `spikeloom plot rate`: population rates over time, in the terminal.

#include <algorithm>
#include <array>
#include <cmath>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/number_check.hpp"
#include "cli/run_directory.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"

namespace spikeloom::cli {
namespace {

struct RateCommand {
  std::string folder;
  std::vector<std::string> nodes;
  std::size_t number = 0;
  double bin_ms = 10.0;
  int width = 0;
  bool ascii = false;
  CommonOptions common;
};

/// Spikes a second and neuron, bin by bin.
std::vector<double> rates_of(const StoredEvents& events, const StoredRecording& recording,
                             std::int64_t bin_steps) {
  const std::int64_t bins =
      std::max<std::int64_t>((recording.steps + bin_steps - 1) / bin_steps, 1);
  std::vector<double> rates(static_cast<std::size_t>(bins));
  for (const std::int64_t step : events.step) {
    if (step >= 0 && step < recording.steps) ++rates[static_cast<std::size_t>(step / bin_steps)];
  }
  for (std::int64_t b = 0; b < bins; ++b) {
    const std::int64_t steps = std::min(bin_steps, recording.steps - b * bin_steps);
    const double seconds =
        static_cast<double>(std::max<std::int64_t>(steps, 1)) * recording.step_seconds;
    rates[static_cast<std::size_t>(b)] /=
        seconds * static_cast<double>(std::max<std::int64_t>(events.neurons, 1));
  }
  return rates;
}

/// One character a column; several bins in a column are averaged.
std::string bars(const std::vector<double>& rates, std::size_t columns, double largest,
                 bool ascii) {
  constexpr std::array<const char*, 9> kBlocks = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  constexpr std::array<const char*, 9> kAscii = {" ", ".", ".", ":", "-", "=", "+", "*", "#"};
  columns = std::min(columns, rates.size());
  std::string text;
  for (std::size_t c = 0; c < columns; ++c) {
    const std::size_t begin = c * rates.size() / columns, end = (c + 1) * rates.size() / columns;
    double mean = 0.0;
    for (std::size_t i = begin; i < end; ++i) mean += rates[i] / static_cast<double>(end - begin);
    const double share = largest > 0.0 ? mean / largest : 0.0;
    const auto level = static_cast<std::size_t>(std::lround(8.0 * share));
    text += (ascii ? kAscii : kBlocks)[std::min<std::size_t>(level, 8)];
  }
  return text;
}

Result<int> plot_rate(const RateCommand& command, Console& console) {
  SPIKELOOM_TRY(const StoredRecording recording,
                read_run_directory(command.folder, command.number));
  if (!(recording.step_seconds > 0.0)) {
    return Error{.what = "the recording does not say how long a step is", .where = command.folder};
  }
  const auto bin_steps = std::max<std::int64_t>(
      1, std::llround(std::min(command.bin_ms * 1e-3 / recording.step_seconds, 1e15)));
  const bool ascii = command.ascii || !terminal_speaks_utf8();
  Value nodes = Value::list();
  std::string text;
  std::size_t name_width = 0;
  for (const StoredEvents& events : recording.events) {
    name_width = std::max(name_width, display_width(events.node));
  }
  for (const StoredEvents& events : recording.events) {
    const auto& wanted = command.nodes;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), events.node) == wanted.end()) {
      continue;
    }
    const std::vector<double> rates = rates_of(events, recording, bin_steps);
    const double largest = *std::max_element(rates.begin(), rates.end());
    const int room = terminal_width() - static_cast<int>(name_width) - 16;
    const int width = command.width > 0 ? command.width : std::clamp(room, 10, 160);
    text += fmt::format("{}{} |{}| {:.3g} Hz\n",
                        std::string(name_width - display_width(events.node), ' '), events.node,
                        bars(rates, static_cast<std::size_t>(width), largest, ascii), largest);
    Value list = Value::list();
    for (const double rate : rates) list.push(rate);
    Value one = Value::map();
    one.set("node", events.node).set("neurons", events.neurons).set("rate_hz", std::move(list));
    nodes.push(std::move(one));
  }
  if (text.empty()) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "none of these nodes was recorded",
                 .where = command.folder,
                 .next = "record spikes: simulate --record all, run --record NODE"};
  }
  const double bin_ms = static_cast<double>(bin_steps) * recording.step_seconds * 1e3;
  if (command.common.json) {
    Value value = Value::map();
    value.set("name", recording.name).set("bin_ms", bin_ms).set("nodes", std::move(nodes));
    SPIKELOOM_CHECK(printed(console.print_json(value)));
    return kExitOk;
  }
  text += fmt::format("{} in bins of {} ms; at the right the largest bin\n",
                      seconds_text(static_cast<double>(recording.steps) * recording.step_seconds),
                      number_text(bin_ms));
  SPIKELOOM_CHECK(printed(console.print(text)));
  return kExitOk;
}

}  // namespace

void add_plot_rate(CLI::App& plot, Chosen& chosen) {
  const auto command = std::make_shared<RateCommand>();
  CLI::App* sub = plot.add_subcommand("rate", "Rates of populations over time, of a run folder");
  sub->add_option("FOLDER", command->folder, "folder of `run --out` or `simulate --out`")
      ->required();
  sub->add_option("--node", command->nodes, "which nodes (all that were recorded)");
  sub->add_option("--number", command->number, "which recording, from 0")->check(whole_number);
  sub->add_option("--bin", command->bin_ms, "ms (10)")->check(positive);
  sub->add_option("--width", command->width, "columns (as wide as the terminal)")
      ->check(CLI::Range(4, 1000));
  sub->add_flag("--ascii", command->ascii, "draw with ASCII characters only");
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return plot_rate(*command, console); };
  });
}

}  // namespace spikeloom::cli
