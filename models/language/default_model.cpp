#include "models/language/default_model.hpp"

#include <cstddef>
#include <span>
#include <string_view>

#include "models/detail/embed.hpp"
#include "models/language/language_model.hpp"

SPIKELOOM_EMBED("spikeloom_default_weights", SPIKELOOM_DEFAULT_WEIGHTS);
SPIKELOOM_EMBED("spikeloom_default_words", SPIKELOOM_DEFAULT_WORDS);
SPIKELOOM_EMBED("spikeloom_perplexities", SPIKELOOM_PERPLEXITIES);

extern "C" {
extern const char spikeloom_default_weights[], spikeloom_default_weights_end[];
extern const char spikeloom_default_words[], spikeloom_default_words_end[];
extern const char spikeloom_perplexities[], spikeloom_perplexities_end[];
}

namespace spikeloom {

Result<LoadedModel> default_language_model() {
  const std::span<const char> weights(
      spikeloom_default_weights,
      static_cast<std::size_t>(spikeloom_default_weights_end - spikeloom_default_weights));
  const std::string_view words(
      spikeloom_default_words,
      static_cast<std::size_t>(spikeloom_default_words_end - spikeloom_default_words));
  return parse_language_model(std::as_bytes(weights), words, "the default language model");
}

std::string_view perplexity_line(std::string_view model) {
  std::string_view text(
      spikeloom_perplexities,
      static_cast<std::size_t>(spikeloom_perplexities_end - spikeloom_perplexities));
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.starts_with(model) && line.substr(model.size()).starts_with(": ")) {
      return line.substr(model.size() + 2);
    }
  }
  return {};
}

}  // namespace spikeloom
