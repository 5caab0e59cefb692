#include "cli/language_demo.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "cli/interrupt.hpp"
#include "cli/network_file.hpp"
#include "models/language/default_model.hpp"
#include "models/language/quantize_language.hpp"

namespace spikeloom::cli {
namespace {

using Clock = std::chrono::steady_clock;

/// Takes the events of the recurrent layers out of a session.
class EventTaker : public Sink {
 public:
  EventTaker(const Program& program, std::vector<std::vector<std::uint32_t>>& events)
      : events_(events), place_(program.nodes.size(), kNone) {
    std::size_t layers = 0;
    for (std::size_t n = 0; n < program.nodes.size(); ++n) {
      if (std::holds_alternative<op::Recurrent>(program.nodes[n].operation)) place_[n] = layers++;
    }
    events_.resize(layers);
  }
  void events(std::uint32_t node, Variable, std::uint32_t, std::int64_t,
              std::span<const std::uint32_t> index, std::span<const double>) override {
    if (place_[node] != kNone) events_[place_[node]].assign(index.begin(), index.end());
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::vector<std::vector<std::uint32_t>>& events_;
  std::vector<std::size_t> place_;
};

bool is_closing(const std::string& word) {
  constexpr std::array<std::string_view, 9> kClosing = {",", ".", ";", ":", "!",
                                                        "?", ")", "%", "'"};
  return std::find(kClosing.begin(), kClosing.end(), word) != kClosing.end();
}

}  // namespace

Result<LanguageDemo> make_language_demo(const std::string& file, const RunFlags& run,
                                        const TextFlags& text, const CommonOptions& common) {
  auto loaded = file.empty() ? default_language_model() : load_network_file(file);
  if (!loaded.ok()) return std::move(loaded).error();
  LoadedModel model = *std::move(loaded);
  auto vocabulary = language_vocabulary(model.network);
  if (!vocabulary.ok()) return std::move(vocabulary).error().in(file);
  RunFlags flags = run;
  if (flags.arithmetic == "auto") flags.arithmetic = "integer";
  if (flags.arithmetic == "integer") {
    SPIKELOOM_TRY(model.network, quantize_language(model.network));
  }
  PipelineRequest request;
  request.flags = flags;
  request.record_all_spikes = true;
  request.record_outputs = false;
  request.sharpen = text.sharpen;
  request.tabulate = text.tabulate;
  request.seed = common.seed;
  SPIKELOOM_TRY(Pipeline pipeline, make_pipeline(model, request));
  SPIKELOOM_TRY(TokenEnergy energy, TokenEnergy::make(pipeline.program()));
  LanguageDemo demo{std::move(pipeline), *std::move(vocabulary), std::move(energy), {}};
  for (const ProgramNode& node : demo.pipeline.program().nodes) {
    if (std::holds_alternative<op::Recurrent>(node.operation)) demo.units.push_back(node.out_size);
  }
  return demo;
}

Result<std::vector<WordStep>> write_words(const LanguageDemo& demo, const TextFlags& text,
                                          std::uint64_t seed, std::int64_t count,
                                          const std::function<Status(const WordStep&)>& show) {
  SPIKELOOM_TRY(TokenSession session, TokenSession::open(demo.pipeline));
  EncodedText prompt;
  if (const auto eos = demo.vocabulary.end_of_line()) prompt.tokens.push_back(*eos);
  SPIKELOOM_CHECK(demo.vocabulary.encode_line(text.prompt.value_or(""), prompt));
  if (prompt.tokens.empty()) prompt.tokens.push_back(0);
  const RandomStream random{seed, kWordStream};
  const WordChoice choice = word_choice(text, demo.vocabulary);
  for (std::size_t i = 0; i + 1 < prompt.tokens.size(); ++i) {
    SPIKELOOM_CHECK(session.step(prompt.tokens[i]));
  }
  std::uint32_t token = prompt.tokens.back();
  std::vector<WordStep> steps;
  std::vector<std::vector<std::uint32_t>> events;
  EventTaker taker(demo.pipeline.program(), events);
  RunStats before = session.session().stats();
  for (std::int64_t i = 0; i < count && !interrupted(); ++i) {
    WordStep step;
    const auto start = Clock::now();
    SPIKELOOM_CHECK(session.step(token));
    SPIKELOOM_TRY(const auto logits, session.logits());
    token = choose_word(logits, choice, random, static_cast<std::uint64_t>(i));
    step.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    for (auto& layer : events) layer.clear();
    SPIKELOOM_CHECK(session.read(taker));
    RunStats after = session.session().stats();
    step.word = demo.vocabulary.word(token);
    step.events = events;
    step.operations = after.synaptic_operations() - before.synaptic_operations();
    step.dense_macs = after.total(&NodeStats::dense_macs) - before.total(&NodeStats::dense_macs);
    step.joules = demo.energy.per_token(before, after);
    before = std::move(after);
    SPIKELOOM_CHECK(show(step));
    steps.push_back(std::move(step));
  }
  return steps;
}

std::string event_strip(const LanguageDemo& demo, const WordStep& step, std::size_t columns,
                        bool ascii) {
  constexpr std::array<const char*, 5> kShades = {" ", "░", "▒", "▓", "█"};
  constexpr std::array<const char*, 5> kLetters = {" ", ".", ":", "+", "#"};
  std::string strip;
  for (std::size_t l = 0; l < step.events.size(); ++l) {
    std::vector<std::size_t> bins(columns, 0);
    const auto units = static_cast<std::size_t>(demo.units[l]);
    for (const std::uint32_t unit : step.events[l]) ++bins[unit * columns / units];
    const std::size_t width = std::max<std::size_t>(units / columns, 1);
    strip += ascii ? "|" : "▏";
    for (const std::size_t count : bins) {
      // A quarter of the units of a bin is the darkest shade.
      const std::size_t shade = count == 0 ? 0 : std::min<std::size_t>(1 + 12 * count / width, 4);
      strip += ascii ? kLetters[shade] : kShades[shade];
    }
  }
  return strip + (ascii ? "|" : "▏");
}

std::string readable(const std::vector<std::string>& words) {
  std::string text;
  bool capital = true;
  for (const std::string& word : words) {
    if (word == "<eos>") {
      text += text.empty() || text.back() == '\n' ? "" : "\n";
      capital = true;
      continue;
    }
    const bool glued =
        text.empty() || text.back() == '\n' || text.back() == '(' || is_closing(word);
    if (!glued) text += ' ';
    std::string shown = word == "i" ? "I" : word;
    if (capital && shown[0] >= 'a' && shown[0] <= 'z') {
      shown[0] = static_cast<char>(shown[0] - 'a' + 'A');
    }
    capital = word == "." || word == "!" || word == "?";
    text += shown;
  }
  return text;
}

}  // namespace spikeloom::cli
