#pragma once
/// The language model that every build carries: models/language/weights/demo-small.
///
/// Its safetensors file and its words lie in the binary, so that it runs without any file.

#include "base/result.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom {

/// As it ships, in real numbers; quantize_language() makes it whole.
Result<LoadedModel> default_language_model();

}  // namespace spikeloom
