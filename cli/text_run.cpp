#include "cli/text_run.hpp"

#include <chrono>
#include <cmath>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/npy.hpp"
#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/interrupt.hpp"
#include "cli/network_file.hpp"
#include "cli/number_check.hpp"
#include "cli/table.hpp"
#include "cli/token_energy.hpp"

namespace spikeloom::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kTokensBetweenLooks = 64;
constexpr std::int64_t kDefaultWords = 60;

bool is_recurrent(const ProgramNode& node) {
  return std::holds_alternative<op::Recurrent>(node.operation);
}

Value score_value(const Pipeline& pipeline, const TextScore& score) {
  Value value = Value::map();
  value.set("protocol", score.protocol).set("reset_every", score.reset_every);
  value.set("perplexity", score.perplexity).set("loss", score.loss).set("tokens", score.tokens);
  const double steps = static_cast<double>(std::max<std::uint64_t>(score.stats.steps, 1));
  Value layers = Value::list();
  double stack = 0.0;
  double dense = 0.0;
  for (const LayerActivity& layer : layer_activity(pipeline.program(), score.stats)) {
    Value one = Value::map();
    one.set("name", layer.name).set("active", layer.active);
    one.set("operations_per_token", layer.operations).set("dense_macs_per_token", layer.dense);
    layers.push(std::move(one));
    stack += layer.operations;
    dense += layer.dense;
  }
  value.set("recurrent", std::move(layers));
  value.set("stack_operations_per_token", stack).set("stack_dense_macs_per_token", dense);
  value.set("operations_per_token", static_cast<double>(score.stats.synaptic_operations()) / steps);
  value.set("seconds_per_token", score.seconds / steps);
  if (score.joules) {
    value.set("joules_per_token", *score.joules).set("energy", TokenEnergy::kHow);
  }
  value.set("backend", score.stats.backend).set("arithmetic", score.stats.arithmetic);
  value.set("layers", *to_value(score.stats).find("layers"));
  return value;
}

std::string score_text_for_people(const Pipeline& pipeline, const TextScore& score) {
  const double steps = static_cast<double>(std::max<std::uint64_t>(score.stats.steps, 1));
  std::string text = fmt::format(
      "{}: perplexity {:.2f} over {} tokens ({:.4f} nats a token), {} on {}, {} a token{}\n",
      score.protocol == "reset" ? fmt::format("state reset every {} tokens", score.reset_every)
                                : std::string("state carried"),
      score.perplexity, with_commas(score.tokens), score.loss, score.stats.arithmetic,
      score.stats.backend, seconds_text(score.seconds / steps),
      score.joules ? fmt::format(", {:.1f} uJ ({})", 1e6 * *score.joules, TokenEnergy::kHow) : "");
  Table table({"layer", "active", "operations/token", "dense MACs/token", "fewer"}, 1);
  double stack = 0.0;
  double dense = 0.0;
  const auto fewer = [](double all, double some) {
    return some > 0.0 ? fmt::format("{:.1f} x", all / some) : std::string("-");
  };
  for (const LayerActivity& layer : layer_activity(pipeline.program(), score.stats)) {
    table.row({layer.name, fmt::format("{:.1f} %", 100.0 * layer.active),
               with_commas(static_cast<std::uint64_t>(std::llround(layer.operations))),
               with_commas(static_cast<std::uint64_t>(std::llround(layer.dense))),
               fewer(layer.dense, layer.operations)});
    stack += layer.operations;
    dense += layer.dense;
  }
  const double all = static_cast<double>(score.stats.synaptic_operations()) / steps;
  const double all_dense = static_cast<double>(score.stats.total(&NodeStats::dense_macs)) / steps;
  table.row({"decoder", "", with_commas(static_cast<std::uint64_t>(std::llround(all - stack))),
             with_commas(static_cast<std::uint64_t>(std::llround(all_dense - dense))),
             fewer(all_dense - dense, all - stack)});
  table.total({"recurrent layers", "", with_commas(static_cast<std::uint64_t>(std::llround(stack))),
               with_commas(static_cast<std::uint64_t>(std::llround(dense))), fewer(dense, stack)});
  return text + table.text();
}

/// Memory that the logits of a text may take.
constexpr std::uint64_t kMostLogitBytes = std::uint64_t{2} << 30;

Status check_logits(const TextFlags& flags, std::uint64_t tokens, std::uint64_t words) {
  if (flags.protocol == "both") {
    return Error{.what = "--logits writes one file and both protocols would run",
                 .next = "give --protocol carried or --protocol reset"};
  }
  const std::uint64_t bytes = tokens * words * sizeof(float);
  if (bytes <= kMostLogitBytes) return {};
  return Error{.code = ErrorCode::kResource,
               .what = "the logits of this text take too much memory",
               .expected = fmt::format("at most {} bytes", kMostLogitBytes),
               .got = fmt::format("{} tokens x {} words x 4 bytes", tokens, words),
               .next = "read less of it with --tokens"};
}

Result<int> score_command(const TextCommand& command, const LoadedModel& model,
                          const Vocabulary& vocabulary, Console& console) {
  SPIKELOOM_TRY(const auto bytes, io::read_file(command.text.text));
  const std::string_view content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  SPIKELOOM_TRY(EncodedText text, vocabulary.encode(content, command.text.text));
  if (command.text.tokens > 0 &&
      static_cast<std::int64_t>(text.tokens.size()) > command.text.tokens) {
    text.tokens.resize(static_cast<std::size_t>(command.text.tokens));
  }
  if (text.unknown > 0) {
    console.note(fmt::format("{} words are not in the vocabulary and read as <unk>, the first '{}'",
                             with_commas(text.unknown), text.first_unknown));
  }
  if (!command.text.logits.empty()) {
    SPIKELOOM_CHECK(check_logits(command.text, text.tokens.size(), vocabulary.size()));
  }
  Value scores = Value::list();
  std::string said;
  for (const std::string protocol : {"carried", "reset"}) {
    if (command.text.protocol != "both" && command.text.protocol != protocol) continue;
    const std::int64_t every = protocol == "reset" ? command.text.reset_every : 0;
    SPIKELOOM_TRY(const Pipeline pipeline,
                  make_text_pipeline(model, command.run, command.text, every, command.common));
    const auto progress = [&](std::int64_t done, std::int64_t total) {
      console.progress(protocol + ", tokens", done, total);
      return true;
    };
    std::vector<float> logits;
    const bool keeps = !command.text.logits.empty();
    SPIKELOOM_TRY(TextScore score,
                  score_text(pipeline, text.tokens, progress, keeps ? &logits : nullptr));
    console.end_progress();
    if (keeps) {
      const Shape shape = {static_cast<std::int64_t>(score.tokens),
                           static_cast<std::int64_t>(vocabulary.size())};
      SPIKELOOM_CHECK(io::write_npy(command.text.logits, Tensor::of<float>(shape, logits)));
    }
    score.protocol = protocol;
    score.reset_every = every;
    said += (said.empty() ? "" : "\n") + score_text_for_people(pipeline, score);
    scores.push(score_value(pipeline, score));
  }
  Value report = Value::map();
  report.set("model", command.model).set("text", command.text.text);
  report.set("words", static_cast<std::uint64_t>(vocabulary.size()));
  report.set("lines", text.lines).set("unknown", text.unknown);
  report.set("sharpen", command.text.sharpen).set("scores", std::move(scores));
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(report) : console.print(said)));
  return kExitOk;
}

Result<int> write_command(const TextCommand& command, const LoadedModel& model,
                          const Vocabulary& vocabulary, Console& console) {
  SPIKELOOM_TRY(const Pipeline pipeline,
                make_text_pipeline(model, command.run, command.text, 0, command.common));
  SPIKELOOM_TRY(TokenSession session, TokenSession::open(pipeline));
  EncodedText prompt;
  if (const auto eos = vocabulary.end_of_line()) prompt.tokens.push_back(*eos);
  SPIKELOOM_CHECK(vocabulary.encode_line(*command.text.prompt, prompt));
  if (prompt.tokens.empty()) prompt.tokens.push_back(0);
  if (prompt.unknown > 0) {
    console.note(fmt::format("{} words are not in the vocabulary and read as <unk>, the first '{}'",
                             prompt.unknown, prompt.first_unknown));
  }
  for (const std::uint32_t token : prompt.tokens) SPIKELOOM_CHECK(session.step(token));
  const RandomStream random{command.common.seed, kWordStream};
  const WordChoice choice = word_choice(command.text, vocabulary);
  const std::int64_t count = command.text.tokens > 0 ? command.text.tokens : kDefaultWords;
  std::vector<std::string> words;
  for (std::int64_t i = 0; i < count; ++i) {
    if (interrupted()) break;
    SPIKELOOM_TRY(const auto logits, session.logits());
    const std::uint32_t token = choose_word(logits, choice, random, static_cast<std::uint64_t>(i));
    words.push_back(vocabulary.word(token));
    if (!command.common.json) {
      const std::string& word = words.back();
      SPIKELOOM_CHECK(printed(console.print(word == "<eos>" ? "\n" : word + " ")));
    }
    SPIKELOOM_CHECK(session.step(token));
  }
  if (!command.common.json) {
    SPIKELOOM_CHECK(printed(console.print("\n")));
    return kExitOk;
  }
  Value list = Value::list();
  for (const std::string& word : words) list.push(word);
  Value report = Value::map();
  report.set("model", command.model).set("prompt", *command.text.prompt);
  report.set("seed", command.common.seed).set("temperature", command.text.temperature);
  report.set("words", std::move(list));
  report.set("layers", *to_value(session.session().stats()).find("layers"));
  SPIKELOOM_CHECK(printed(console.print_json(report)));
  return kExitOk;
}

}  // namespace

void add_choice_flags(CLI::App& command, TextFlags& flags) {
  command.add_option("--temperature", flags.temperature, "0: always the best word (1)")
      ->check(within(0.0, 100.0))
      ->group("Text");
  command.add_option("--among", flags.among, "words to choose among (50)")
      ->check(CLI::Range(1, 1000000))
      ->group("Text");
  command.add_option("--tokens", flags.tokens, "words to write, or to read of --text")
      ->check(CLI::Range(1, 100000000))
      ->group("Text");
  command.add_flag("--tabulate", flags.tabulate, "keep layer 1's input sums of every word")
      ->group("Text");
  command.add_option("--sharpen", flags.sharpen, "added to every threshold (0)")
      ->check(within(-1.0, 1.0))
      ->group("Text");
}

void add_text_flags(CLI::App& command, TextFlags& flags) {
  command.add_option("--text", flags.text, "score a text: lines of words between blanks")
      ->group("Text");
  command.add_option("--prompt", flags.prompt, "words to go on from")->group("Text");
  command
      .add_option("--protocol", flags.protocol,
                  "state of the units between windows: carried, reset or both (both)")
      ->check(CLI::IsMember({"carried", "reset", "both"}))
      ->group("Text");
  command.add_option("--reset-window", flags.reset_every, "tokens in a window (70)")
      ->check(CLI::Range(1, 1000000))
      ->group("Text");
  command
      .add_option("--logits", flags.logits,
                  "a .npy file for the scores of all words after every token read")
      ->group("Text");
  add_choice_flags(command, flags);
}

WordChoice word_choice(const TextFlags& flags, const Vocabulary& vocabulary) {
  return {flags.temperature, static_cast<std::size_t>(flags.among), vocabulary.unknown()};
}

Result<TokenSession> TokenSession::open(const Pipeline& pipeline) {
  TokenSession made;
  const Program& program = pipeline.program();
  for (std::uint32_t n = 0; n < program.nodes.size(); ++n) {
    if (!std::holds_alternative<op::Decoder>(program.nodes[n].operation)) continue;
    made.decoder_ = n;
    made.logits_.resize(static_cast<std::size_t>(program.nodes[n].out_size));
  }
  if (made.logits_.empty() || program.inputs.size() != 1 ||
      program.nodes[program.inputs[0]].out_size != static_cast<std::int64_t>(made.logits_.size())) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the network does not turn words into scores of words",
                 .expected = "one Input and one Decoder of as many words",
                 .next = "feed recordings with --input"};
  }
  SPIKELOOM_TRY(made.session_, pipeline.executable->open());
  return made;
}

Status TokenSession::step(std::uint32_t token) {
  const Time step = session_->step_time();
  const Time now = session_->steps_done() * step;
  const EventSpan event{{&now, 1}, {&token, 1}, {}};
  SPIKELOOM_CHECK(session_->push(0, 0, event));
  return session_->advance(now + step);
}

Result<std::span<const float>> TokenSession::logits() {
  SPIKELOOM_CHECK(session_->latest(0, decoder_, logits_));
  return std::span<const float>(logits_);
}

Result<Pipeline> make_text_pipeline(const LoadedModel& model, const RunFlags& run,
                                    const TextFlags& flags, std::int64_t state_reset,
                                    const CommonOptions& common) {
  PipelineRequest request;
  request.flags = run;
  request.seed = common.seed;
  request.threads = common.threads > 0 ? common.threads : 1;
  request.record_outputs = false;
  request.state_reset = state_reset;
  request.sharpen = flags.sharpen;
  request.tabulate = flags.tabulate;
  return make_pipeline(model, request);
}

Result<TextScore> score_text(const Pipeline& pipeline, std::span<const std::uint32_t> tokens,
                             const ProgressSink& progress, std::vector<float>* every_logit) {
  if (tokens.size() < 2) {
    return Error{.what = "the text has no word to predict",
                 .expected = "two words or more",
                 .got = fmt::format("{}", tokens.size()),
                 .next = "give a longer text"};
  }
  SPIKELOOM_TRY(TokenSession session, TokenSession::open(pipeline));
  TextScore score;
  PerplexityMeter meter;
  const auto total = static_cast<std::int64_t>(tokens.size()) - 1;
  for (std::int64_t i = 0; i < total; ++i) {
    const auto start = Clock::now();
    SPIKELOOM_CHECK(session.step(tokens[static_cast<std::size_t>(i)]));
    SPIKELOOM_TRY(const auto logits, session.logits());
    score.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    if (every_logit != nullptr) {
      every_logit->insert(every_logit->end(), logits.begin(), logits.end());
    }
    meter.add(log_likelihood(logits, tokens[static_cast<std::size_t>(i) + 1]));
    if (i % kTokensBetweenLooks != 0) continue;
    if (interrupted()) return interrupted_error();
    if (progress && !progress(i, total)) return interrupted_error();
  }
  score.loss = meter.loss();
  score.perplexity = meter.perplexity();
  score.tokens = meter.words();
  score.stats = session.session().stats();
  SPIKELOOM_TRY(const TokenEnergy energy, TokenEnergy::make(pipeline.program()));
  score.joules = energy.per_token(score.stats);
  return score;
}

std::vector<LayerActivity> layer_activity(const Program& program, const RunStats& stats) {
  std::vector<LayerActivity> layers;
  const double steps = static_cast<double>(std::max<std::uint64_t>(stats.steps, 1));
  for (std::size_t n = 0; n < program.nodes.size(); ++n) {
    if (!is_recurrent(program.nodes[n])) continue;
    const NodeStats& node = stats.nodes[n];
    const auto units = static_cast<double>(program.nodes[n].out_size);
    layers.push_back({node.name, static_cast<double>(node.events_out) / (steps * units),
                      static_cast<double>(node.ac + node.mac) / steps,
                      static_cast<double>(node.dense_macs) / steps});
  }
  return layers;
}

Result<int> run_text_command(const TextCommand& command, Console& console) {
  SPIKELOOM_TRY(const LoadedModel model, load_network_file(command.model));
  auto vocabulary = language_vocabulary(model.network);
  if (!vocabulary.ok()) return std::move(vocabulary).error().in(command.model);
  return command.text.text.empty() ? write_command(command, model, *vocabulary, console)
                                   : score_command(command, model, *vocabulary, console);
}

}  // namespace spikeloom::cli
