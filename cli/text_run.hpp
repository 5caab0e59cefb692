#pragma once
/// `run MODEL --text FILE` and `--prompt`: perplexity, activity, operations; words one by one.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "cli/common_options.hpp"
#include "cli/pipeline.hpp"
#include "models/language/language_model.hpp"
#include "snn/word_read_out.hpp"

namespace CLI {
class App;
}

namespace spikeloom::cli {

struct TextFlags {
  std::string text;                   ///< file to score
  std::optional<std::string> prompt;  ///< words to go on from
  std::string protocol = "both";      ///< carried, reset or both
  std::int64_t reset_every = 70;      ///< tokens between resets of h
  std::int64_t tokens = 0;  ///< of --text: at most; of --prompt: words to write; 0: all, 60
  double temperature = 1.0;
  std::int64_t among = 50;
  double sharpen = 0.0;
  bool tabulate = false;  ///< keep layer 1's input sums of every word
  std::string logits;     ///< .npy file for the scores of every word after every token of --text

  bool given() const { return !text.empty() || prompt.has_value(); }
};

void add_text_flags(CLI::App& command, TextFlags& flags);
/// The flags of a text that is written word by word.
void add_choice_flags(CLI::App& command, TextFlags& flags);

/// As the flags have it, <unk> never.
WordChoice word_choice(const TextFlags& flags, const Vocabulary& vocabulary);

/// RandomStream::stream of the words that are chosen.
inline constexpr std::uint64_t kWordStream = 0x6c616e67;

/// A language model that takes one token a step.
class TokenSession {
 public:
  static Result<TokenSession> open(const Pipeline& pipeline);
  /// Runs one step.
  Status step(std::uint32_t token);
  /// One logit per word, after a step.
  Result<std::span<const float>> logits();
  /// Hands over what was recorded.
  Status read(Sink& sink) { return session_->read(sink); }
  const Session& session() const { return *session_; }

 private:
  std::unique_ptr<Session> session_;
  std::uint32_t decoder_ = 0;
  std::vector<float> logits_;
};

/// A Pipeline for texts: outputs are not recorded; h restarts every `state_reset` tokens unless 0.
Result<Pipeline> make_text_pipeline(const LoadedModel& model, const RunFlags& run,
                                    const TextFlags& flags, std::int64_t state_reset,
                                    const CommonOptions& common);

/// What scoring a text gave.
struct TextScore {
  std::string protocol;  ///< "carried", "reset"
  std::int64_t reset_every = 0;
  double loss = 0.0, perplexity = 0.0;
  std::uint64_t tokens = 0;  ///< predicted ones
  RunStats stats;
  double seconds = 0.0;          ///< of the steps, without the likelihoods
  std::optional<double> joules;  ///< per token, by TokenEnergy
};

/// `every_logit`, where it is given, takes the scores of all words, token after token.
Result<TextScore> score_text(const Pipeline& pipeline, std::span<const std::uint32_t> tokens,
                             const ProgressSink& progress = {},
                             std::vector<float>* every_logit = nullptr);

/// Recurrent layers of a run: share of active units, operations per token.
struct LayerActivity {
  std::string name;
  double active = 0.0;
  double operations = 0.0, dense = 0.0;  ///< per token
};
std::vector<LayerActivity> layer_activity(const Program& program, const RunStats& stats);

/// Everything `run --text` and `run --prompt` do.
struct TextCommand {
  std::string model;
  RunFlags run;
  TextFlags text;
  CommonOptions common;
};
class Console;
Result<int> run_text_command(const TextCommand& command, Console& console);

}  // namespace spikeloom::cli
