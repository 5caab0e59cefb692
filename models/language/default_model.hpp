#pragma once
/// The language model that every build carries: models/language/weights/demo-small.
///
/// Its safetensors file and its words lie in the binary, so that it runs without any file.

#include <string_view>

#include "base/result.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom {

/// As it ships, in real numbers; quantize_language() makes it whole.
Result<LoadedModel> default_language_model();

/// What models/language/weights/perplexity.txt says about a model that ships, by the name of its
/// folder: its perplexity and, in the same line, that of a dense LSTM of equal parameters. Empty
/// for a model it does not know. Everything that prints one of these perplexities prints this line.
std::string_view perplexity_line(std::string_view model);

}  // namespace spikeloom
