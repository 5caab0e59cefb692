#pragma once
/// Language models: Embedding, recurrent layers, tied Decoder, and their words.
///
///     Input (words) -> Embedding -> EGRU or LSTM, ... -> Decoder (words) -> Output
///
/// A step is a token: one event at the word's index in; after the step the Decoder holds one score
/// (logit) per word for the next token. The words are the network's metadata "vocabulary", so that
/// a model file is complete.

#include <span>
#include <string>

#include "models/language/vocabulary.hpp"
#include "models/loaded_model.hpp"
#include "models/tensors/tensor_file.hpp"

namespace spikeloom {

/// Reads what models/language/training ships: NAME.safetensors (tensors: egru_lm/export.py) with
/// NAME.vocabulary.txt beside it. Matrices are real, or int8 or ternary {-1, 0, 1} with one scale
/// per row; dense, or by source. A model that shares its embedding with another names that file in
/// the metadata entry `embedding_from`, as a path from its own folder to a file in it or in a
/// folder beside it. kFormat, kShape, kNotFound name the tensor or the file.
Result<LoadedModel> read_language_model(const std::string& path);

/// The same from memory, as a program carries its default. `name` is what errors call it.
/// kUnsupported for `embedding_from`: there is no folder to look in.
Result<LoadedModel> parse_language_model(std::span<const std::byte> safetensors,
                                         std::string_view vocabulary, const std::string& name);

/// True for a tensor file of models/language/training.
bool is_language_model(const TensorFile& file);

/// The words of a network that was made by the functions above, or read back from a file.
/// kUnsupported: it has none, or its layers are not the chain above; kShape: another number of
/// words than its Decoder.
Result<Vocabulary> language_vocabulary(const Network& network);

}  // namespace spikeloom
