#pragma once
/// The MODEL argument of every command.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cli/run_flags.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom::cli {

/// What a model needs besides its file: a SLAYER network's weights and layers.
struct ModelFlags {
  std::string weights;  ///< folder
  std::string layers;   ///< empty: inferred
};
void add_model_flags(CLI::App& command, ModelFlags& flags);

/// load_model(), SLAYER's YAML descriptions, and for other text files a refusal that says what they
/// are by their top-level keys (YAML or JSON: an architecture, a mapped network, ...). `input`: the
/// recordings of the run, whose size helps to infer a SLAYER network's layers.
Result<LoadedModel> load_network_file(const std::string& path, const ModelFlags& flags = {},
                                      const InputFlags& input = {});

/// What a YAML or JSON text describes, judged by its top-level keys.
struct TextModel {
  std::string format;             ///< "YAML" or "JSON"; empty when it is neither
  std::vector<std::string> keys;  ///< top-level keys, in order
  std::string meaning;            ///< one clause, empty when the keys say nothing
};
TextModel identify_text_model(std::string_view text);

}  // namespace spikeloom::cli
