#pragma once
/// `demo language`: words one by one, and what every word cost.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/text_run.hpp"
#include "cli/token_energy.hpp"

namespace spikeloom::cli {

/// One step of the demo.
struct WordStep {
  std::string word;  ///< that was chosen after the step
  /// Units that emitted: of every recurrent layer, ascending.
  std::vector<std::vector<std::uint32_t>> events;
  std::uint64_t operations = 0, dense_macs = 0;  ///< synaptic operations of this step
  double seconds = 0.0;
  std::optional<double> joules;  ///< by TokenEnergy
};

struct LanguageDemo {
  Pipeline pipeline;
  Vocabulary vocabulary;
  TokenEnergy energy;
  std::vector<std::int64_t> units;  ///< of every recurrent layer
};

/// The default model, or the file of that name; in integers unless `arithmetic` says otherwise.
Result<LanguageDemo> make_language_demo(const std::string& file, const RunFlags& run,
                                        const TextFlags& text, const CommonOptions& common);

/// Reads the prompt, then writes `count` words. `show` is called after each of them.
Result<std::vector<WordStep>> write_words(const LanguageDemo& demo, const TextFlags& text,
                                          std::uint64_t seed, std::int64_t count,
                                          const std::function<Status(const WordStep&)>& show);

/// Events of all layers side by side, `columns` characters a layer: the more events, the darker.
std::string event_strip(const LanguageDemo& demo, const WordStep& step, std::size_t columns,
                        bool ascii);

/// Words as people write them: no blank before a comma, a capital after a full stop.
std::string readable(const std::vector<std::string>& words);

}  // namespace spikeloom::cli
