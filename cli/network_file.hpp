#pragma once
/// The MODEL argument of every command.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom::cli {

/// load_model(), and for text files a refusal that says what they are by their top-level keys
/// (YAML or JSON: an architecture, a mapped network, a SLAYER network, ...).
Result<LoadedModel> load_network_file(const std::string& path);

/// What a YAML or JSON text describes, judged by its top-level keys.
struct TextModel {
  std::string format;             ///< "YAML" or "JSON"; empty when it is neither
  std::vector<std::string> keys;  ///< top-level keys, in order
  std::string meaning;            ///< one clause, empty when the keys say nothing
};
TextModel identify_text_model(std::string_view text);

}  // namespace spikeloom::cli
