/// `spikeloom demo language`: text word by word, without any file.

#include <algorithm>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/language_demo.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "models/language/default_model.hpp"

namespace spikeloom::cli {
namespace {

constexpr std::int64_t kWords = 40;
constexpr const char* kPrompt = "the people of the united states";

struct LanguageCommand {
  std::string model;
  RunFlags run;
  TextFlags text;
  bool plain = false, ascii = false;
  CommonOptions common;
};

std::string joules_text(const std::optional<double>& joules) {
  return joules ? fmt::format("{:.2f} uJ", 1e6 * *joules) : std::string("-");
}

/// The name of the folder that a model ships in.
std::string model_name(const LanguageCommand& command) {
  if (command.model.empty()) return "demo-small";
  return std::filesystem::path(command.model).stem().string();
}

std::string header(const LanguageCommand& command, const LanguageDemo& demo) {
  const RunOptions& options = demo.pipeline.executable->options();
  std::string units;
  for (const std::int64_t count : demo.units) {
    units += fmt::format("{}{}", units.empty() ? "" : " + ", count);
  }
  std::string text =
      fmt::format("{}: {} event-based units (EGRU), {} words, in {}.\n",
                  command.model.empty()
                      ? "the default model, addresses of US presidents, Jane Austen, Moby-Dick"
                      : command.model,
                  units, with_commas(demo.vocabulary.size()), to_string(options.arithmetic));
  if (const std::string_view line = perplexity_line(model_name(command)); !line.empty()) {
    text += fmt::format("{}.\n", line);
  }
  return text +
         "One line a word: events of each layer, their number, operations of this word against all "
         "layers dense,\ntime, joules (modelled).\n\n";
}

std::string word_line(const LanguageCommand& command, const LanguageDemo& demo,
                      const WordStep& step) {
  std::string counts;
  for (const auto& layer : step.events) counts += fmt::format("{:4}", layer.size());
  const std::size_t width = display_width(step.word);
  return fmt::format("{}{} {}{}  {:>9} of {} ({:4.1f} %)  {:5.0f} us  {}\n", step.word,
                     std::string(width < 14 ? 14 - width : 0, ' '),
                     event_strip(demo, step, 12, command.ascii || !terminal_speaks_utf8()), counts,
                     with_commas(step.operations), with_commas(step.dense_macs),
                     step.dense_macs > 0 ? 100.0 * static_cast<double>(step.operations) /
                                               static_cast<double>(step.dense_macs)
                                         : 0.0,
                     1e6 * step.seconds, joules_text(step.joules));
}

struct Sums {
  double operations = 0.0, dense = 0.0, seconds = 0.0;
  std::optional<double> joules;
};

Sums mean_of(const std::vector<WordStep>& steps) {
  Sums mean;
  for (const WordStep& step : steps) {
    mean.operations += static_cast<double>(step.operations);
    mean.dense += static_cast<double>(step.dense_macs);
    mean.seconds += step.seconds;
    if (step.joules) mean.joules = mean.joules.value_or(0.0) + *step.joules;
  }
  const auto count = static_cast<double>(std::max<std::size_t>(steps.size(), 1));
  if (mean.joules) *mean.joules /= count;
  return {mean.operations / count, mean.dense / count, mean.seconds / count, mean.joules};
}

Value demo_value(const LanguageCommand& command, const LanguageDemo& demo,
                 const std::vector<WordStep>& steps) {
  Value words = Value::list();
  for (const WordStep& step : steps) {
    Value one = Value::map();
    one.set("word", step.word);
    Value events = Value::list();
    for (const auto& layer : step.events) events.push(static_cast<std::uint64_t>(layer.size()));
    one.set("events", std::move(events)).set("operations", step.operations);
    one.set("dense_macs", step.dense_macs).set("seconds", step.seconds);
    one.set("joules", step.joules ? Value(*step.joules) : Value());
    words.push(std::move(one));
  }
  const RunOptions& options = demo.pipeline.executable->options();
  Value value = Value::map();
  value.set("model", command.model.empty() ? "demo-small" : command.model);
  if (const std::string_view line = perplexity_line(model_name(command)); !line.empty()) {
    value.set("perplexity", std::string(line));
  }
  value.set("energy", TokenEnergy::kHow);
  value.set("prompt", command.text.prompt.value_or(kPrompt)).set("seed", command.common.seed);
  value.set("temperature", command.text.temperature);
  value.set("arithmetic", to_string(options.arithmetic));
  value.set("words", std::move(words));
  return value;
}

Result<int> demo_language(const LanguageCommand& given, Console& console) {
  LanguageCommand command = given;
  if (!command.text.prompt) command.text.prompt = kPrompt;
  SPIKELOOM_TRY(const LanguageDemo demo,
                make_language_demo(command.model, command.run, command.text, command.common));
  const bool lines = !command.common.json && !command.plain;
  if (lines) SPIKELOOM_CHECK(printed(console.print(header(command, demo))));
  const std::int64_t count = command.text.tokens > 0 ? command.text.tokens : kWords;
  std::vector<std::string> words;
  const auto show = [&](const WordStep& step) -> Status {
    words.push_back(step.word);
    return lines ? printed(console.print(word_line(command, demo, step))) : Status();
  };
  SPIKELOOM_TRY(const auto steps,
                write_words(demo, command.text, command.common.seed, count, show));
  if (command.common.json) {
    SPIKELOOM_CHECK(printed(console.print_json(demo_value(command, demo, steps))));
    return kExitOk;
  }
  std::string text = lines ? "\n" : "";
  text += fmt::format("[{}] {}\n", *command.text.prompt, readable(words));
  if (lines) {
    const Sums mean = mean_of(steps);
    text += fmt::format(
        "\n{} operations a word against {} of the same layers dense: {:.1f} times fewer; {} and {} "
        "({}) a word\n",
        with_commas(static_cast<std::uint64_t>(mean.operations)),
        with_commas(static_cast<std::uint64_t>(mean.dense)),
        mean.operations > 0.0 ? mean.dense / mean.operations : 0.0, seconds_text(mean.seconds),
        joules_text(mean.joules), TokenEnergy::kHow);
  }
  SPIKELOOM_CHECK(printed(console.print(text)));
  return kExitOk;
}

}  // namespace

void add_language_demo(CLI::App& demo, Chosen& chosen) {
  const auto command = std::make_shared<LanguageCommand>();
  CLI::App* sub = demo.add_subcommand("language", "Write text, word by word, by events");
  sub->add_option("MODEL", command->model, "language model (the one that is built in)");
  sub->add_option("--prompt", command->text.prompt, "words to go on from");
  add_choice_flags(*sub, command->text);
  sub->add_flag("--plain", command->plain, "the text alone");
  sub->add_flag("--ascii", command->ascii, "draw with ASCII characters only");
  sub->add_option("--arithmetic", command->run.arithmetic, "class of the run (integer)");
  sub->add_option("--backend", command->run.backend, "what runs it (auto)");
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return demo_language(*command, console); };
  });
}

}  // namespace spikeloom::cli
