#pragma once
/// Loading a network from any file this project knows, told apart by content, never by its name.

#include <string>

#include "base/result.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom {

/// NIR (models/nir/nir_reader.hpp), the project's model file (models/model_file/model_file.hpp) or
/// a language model (models/language/language_model.hpp).
///
/// Anything else is refused by what it is: recorded NIR data, a lava-dl network, weights without a
/// graph (PyTorch, safetensors, .npz; apply_weights() puts them into a network), a pickle, an
/// array, event data, text. Other errors are those of the two readers.
Result<LoadedModel> load_model(const std::string& path);

}  // namespace spikeloom
