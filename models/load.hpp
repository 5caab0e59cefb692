#pragma once
/// Loading a network from any file this project knows, told apart by content, never by its name.

#include <string>

#include "base/result.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom {

/// NIR (models/nir/nir_reader.hpp), the project's model file (models/model_file/model_file.hpp),
/// a network of lava-dl (models/netx/netx_reader.hpp) or a language model
/// (models/language/language_model.hpp). SLAYER's networks are several files:
/// models/slayer/slayer_reader.hpp.
///
/// Anything else is refused by what it is: recorded NIR data, weights without a graph (PyTorch,
/// safetensors, .npz; apply_weights() puts them into a network), a pickle, an array, event data,
/// text. Other errors are those of the readers.
Result<LoadedModel> load_model(const std::string& path);

}  // namespace spikeloom
