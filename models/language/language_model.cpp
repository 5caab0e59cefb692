#include "models/language/language_model.hpp"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "models/detail/node_checks.hpp"
#include "models/tensors/safetensors.hpp"

namespace spikeloom {
namespace {

constexpr std::string_view kFormat = "spikeloom-language-1";
constexpr std::int64_t kMostLayers = 64;

Error broken(const std::string& name, std::string what, std::string expected, std::string got,
             ErrorCode code = ErrorCode::kFormat) {
  return Error{.code = code,
               .what = std::move(what),
               .where = name,
               .expected = std::move(expected),
               .got = std::move(got),
               .next = "export the model again (models/language/training)"};
}

std::string_view metadata_text(const TensorFile& file, std::string_view key) {
  const Value* value = file.metadata.find(key);
  const auto* text = value == nullptr ? nullptr : value->as_string();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

/// Takes the tensors of one file by their names.
class Tensors {
 public:
  Tensors(const TensorFile& file, std::string name) : file_(file), name_(std::move(name)) {}

  Result<Tensor> get(const std::string& key) const {
    const Tensor* tensor = file_.find(key);
    if (tensor == nullptr) {
      return broken(name_, fmt::format("there is no tensor '{}'", key), key, "nothing",
                    ErrorCode::kNotFound);
    }
    return *tensor;
  }

  std::optional<Tensor> scale(const std::string& key) const {
    const Tensor* tensor = file_.find(key + ".scale");
    return tensor == nullptr ? std::nullopt : std::optional<Tensor>(*tensor);
  }

  /// A matrix of `rows` rows, stored as it is or by source.
  Result<Tensor> matrix(const std::string& key, std::int64_t rows) const {
    Tensor matrix;
    if (file_.find(key + ".value") != nullptr) {
      SPIKELOOM_TRY(matrix, from_sources(key, rows));
    } else {
      SPIKELOOM_TRY(matrix, get(key));
    }
    if (matrix.rank() != 2 || matrix.size() == 0) {
      return broken(name_, fmt::format("tensor '{}' is not a matrix", key), "(rows, columns)",
                    to_string(matrix.shape()), ErrorCode::kShape);
    }
    return matrix;
  }

 private:
  /// Compressed rows by source, laid out as a matrix whose absent entries are 0.
  Result<Tensor> from_sources(const std::string& key, std::int64_t rows) const {
    SPIKELOOM_TRY(const Tensor begin, get(key + ".row_begin"));
    SPIKELOOM_TRY(const Tensor target, get(key + ".target"));
    SPIKELOOM_TRY(const Tensor value, get(key + ".value"));
    SPIKELOOM_TRY(const auto starts, begin.to_integers());
    SPIKELOOM_TRY(const auto targets, target.to_integers());
    const std::int64_t columns = static_cast<std::int64_t>(starts.size()) - 1;
    const auto entries = static_cast<std::int64_t>(targets.size());
    bool fits = columns > 0 && value.size() == entries && starts.front() == 0 &&
                starts.back() == entries && rows <= (std::int64_t{1} << 40) / columns;
    for (std::int64_t i = 0; i < columns && fits; ++i) {
      const auto at = static_cast<std::size_t>(i);
      fits = starts[at] <= starts[at + 1] && starts[at + 1] - starts[at] <= rows;
      for (std::int64_t k = starts[at]; k < starts[at + 1] && fits; ++k) {
        const std::int64_t row = targets[static_cast<std::size_t>(k)];
        const bool ascends = k == starts[at] || row > targets[static_cast<std::size_t>(k) - 1];
        fits = row >= 0 && row < rows && ascends;
      }
    }
    if (!fits || rows * columns > kMostSparseness * (entries + columns + 1)) {
      return broken(
          name_, fmt::format("the compressed rows of '{}' are inconsistent", key),
          fmt::format("row starts rising from 0 to {}, targets rising below {}", entries, rows),
          "others");
    }
    const std::size_t width = size_of(value.dtype());
    std::vector<std::byte> bytes(static_cast<std::size_t>(rows * columns) * width);
    for (std::int64_t i = 0; i < columns; ++i) {
      for (std::int64_t k = starts[static_cast<std::size_t>(i)];
           k < starts[static_cast<std::size_t>(i) + 1]; ++k) {
        const std::int64_t place = targets[static_cast<std::size_t>(k)] * columns + i;
        std::memcpy(bytes.data() + static_cast<std::size_t>(place) * width,
                    value.bytes().data() + static_cast<std::size_t>(k) * width, width);
      }
    }
    return Tensor::from_bytes(value.dtype(), {rows, columns}, std::move(bytes));
  }

  /// A small file must not ask for a huge matrix.
  static constexpr std::int64_t kMostSparseness = 10'000;

  const TensorFile& file_;
  std::string name_;
};

/// The parameters that every recurrent kind has.
template <typename Kind>
Status fill(const Tensors& tensors, const std::string& prefix, std::int64_t rows, Kind& kind) {
  SPIKELOOM_TRY(kind.kernel, tensors.matrix(prefix + ".kernel", rows));
  SPIKELOOM_TRY(kind.recurrent, tensors.matrix(prefix + ".recurrent", rows));
  SPIKELOOM_TRY(kind.bias, tensors.get(prefix + ".bias"));
  SPIKELOOM_TRY(kind.recurrent_bias, tensors.get(prefix + ".recurrent_bias"));
  kind.kernel_scale = tensors.scale(prefix + ".kernel");
  kind.recurrent_scale = tensors.scale(prefix + ".recurrent");
  return {};
}

bool all_finite(const Tensor& tensor) {
  if (tensor.dtype() != DType::kFloat32 && tensor.dtype() != DType::kFloat64) return true;
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    if (!std::isfinite(tensor.at(i))) return false;
  }
  return true;
}

/// Adds a node behind the last one.
class Chain {
 public:
  explicit Chain(std::string name) : name_(std::move(name)) {}

  Status add(const std::string& node_name, NodeKind kind) {
    std::vector<std::string> warnings;
    auto status = detail::check_node(kind, warnings);
    if (!status.ok()) return Error(status.error()).in(fmt::format("{}, {}", name_, node_name));
    const NodeId id = builder_.add(node_name, std::move(kind));
    if (last_) builder_.connect(*last_, id);
    last_ = id;
    return {};
  }
  NetworkBuilder& builder() { return builder_; }

 private:
  std::string name_;
  NetworkBuilder builder_;
  std::optional<NodeId> last_;
};

Result<LoadedModel> build(const TensorFile& file, const Vocabulary& vocabulary,
                          const std::string& name) {
  const std::string_view cell = metadata_text(file, "cell");
  if (cell != "egru" && cell != "lstm") {
    return broken(name, "the kind of recurrent layer is not known", "egru or lstm",
                  fmt::format("'{}'", cell), ErrorCode::kUnsupported);
  }
  for (const NamedTensor& tensor : file.tensors) {
    if (all_finite(tensor.tensor)) continue;
    return broken(
        name, fmt::format("tensor '{}' has weights that are infinite or not a number", tensor.name),
        "finite numbers", "others", ErrorCode::kInvalidArgument);
  }
  if (const std::string_view way = metadata_text(file, "embedding_from");
      !way.empty() && file.find("embedding") == nullptr) {
    Error error =
        broken(name, "the embedding of this model lies in another file", "a tensor 'embedding'",
               fmt::format("'{}'", way.substr(0, 200)), ErrorCode::kUnsupported);
    error.next = "read it by its path, with that file beside it";
    return error;
  }
  const Tensors tensors(file, name);
  node::Embedding embedding;
  SPIKELOOM_TRY(embedding.weight, tensors.get("embedding"));
  embedding.weight_scale = tensors.scale("embedding");
  node::Decoder decoder{embedding.weight, {}, embedding.weight_scale};
  SPIKELOOM_TRY(decoder.bias, tensors.get("decoder.bias"));
  const auto words = static_cast<std::int64_t>(vocabulary.size());
  if (embedding.weight.rank() != 2 || embedding.weight.dim(0) != words) {
    return broken(name, "the vocabulary does not fit the model",
                  fmt::format("{} words, one per row of the embedding",
                              embedding.weight.rank() == 2 ? embedding.weight.dim(0) : 0),
                  fmt::format("{} words", words), ErrorCode::kShape);
  }
  Chain chain(name);
  SPIKELOOM_CHECK(chain.add("input", node::Input{shape_tensor({words})}));
  SPIKELOOM_CHECK(chain.add("embedding", embedding));
  std::int64_t layers = 0;
  for (; layers < kMostLayers; ++layers) {
    const std::string prefix = fmt::format("layer{}", layers + 1);
    const Tensor* bias = file.find(prefix + ".bias");
    if (bias == nullptr) break;
    if (cell == "egru") {
      node::Egru layer;
      SPIKELOOM_CHECK(fill(tensors, prefix, bias->size(), layer));
      SPIKELOOM_TRY(layer.threshold, tensors.get(prefix + ".threshold"));
      SPIKELOOM_CHECK(chain.add(prefix, std::move(layer)));
    } else {
      node::Lstm layer;
      SPIKELOOM_CHECK(fill(tensors, prefix, bias->size(), layer));
      SPIKELOOM_CHECK(chain.add(prefix, std::move(layer)));
    }
  }
  if (layers == 0) {
    return broken(name, "there is no recurrent layer", "tensors layer1.bias, layer1.kernel, ...",
                  "none", ErrorCode::kNotFound);
  }
  SPIKELOOM_CHECK(chain.add("decoder", std::move(decoder)));
  SPIKELOOM_CHECK(chain.add("output", node::Output{shape_tensor({words})}));
  StringArray list{{words}, vocabulary.words()};
  Metadata metadata;
  metadata.push_back({"vocabulary", std::move(list)});
  chain.builder().set_metadata(std::move(metadata));
  LoadedModel model;
  SPIKELOOM_TRY(model.network, std::move(chain.builder()).build());
  model.report.file = name;
  model.report.format = "language model (safetensors)";
  model.run_settings = Value::map();
  return model;
}

/// Takes the embedding from the file that `embedding_from` names, relative to the model's folder
/// (egru_lm/share.py): a file under the folder that holds the model's folder, never elsewhere.
Status take_shared_embedding(TensorFile& file, const std::string& path) {
  const std::string way(metadata_text(file, "embedding_from"));
  if (way.empty() || file.find("embedding") != nullptr) return {};
  namespace fs = std::filesystem;
  const fs::path given(way);
  bool plain = given.is_relative() && way.ends_with(".safetensors") && way.size() < 1024 &&
               way.find('\0') == std::string::npos;
  std::size_t place = 0;
  for (const fs::path& part : given) plain = plain && (part != ".." || place == 0), ++place;
  if (!plain) {
    return broken(path, "the metadata entry embedding_from is no path that is followed",
                  "NAME.safetensors in this folder or one beside it",
                  fmt::format("'{}'", way.substr(0, 200)));
  }
  const std::string source = (fs::path(path).parent_path() / given).string();
  auto shared = read_tensor_file(source);
  if (!shared.ok()) {
    Error error = std::move(shared).error().in(fmt::format("embedding of {}", path));
    error.next = "keep the folder of that model beside this one";
    return error;
  }
  for (NamedTensor& tensor : shared->tensors) {
    if (tensor.name == "embedding" || tensor.name == "embedding.scale") {
      file.tensors.push_back(std::move(tensor));
    }
  }
  if (file.find("embedding") != nullptr) return {};
  return broken(source, fmt::format("there is no tensor 'embedding', which {} takes from it", path),
                "embedding", "nothing", ErrorCode::kNotFound);
}

}  // namespace

bool is_language_model(const TensorFile& file) { return metadata_text(file, "format") == kFormat; }

Result<LoadedModel> parse_language_model(std::span<const std::byte> safetensors,
                                         std::string_view vocabulary, const std::string& name) {
  SPIKELOOM_TRY(const TensorFile file, parse_safetensors(safetensors, name));
  SPIKELOOM_TRY(const Vocabulary words, Vocabulary::parse(vocabulary, name));
  return build(file, words, name);
}

Result<LoadedModel> read_language_model(const std::string& path) {
  SPIKELOOM_TRY(TensorFile file, read_tensor_file(path));
  if (!is_language_model(file)) {
    return broken(path, "this is no language model of models/language/training",
                  fmt::format("the metadata entry format = {}", kFormat),
                  fmt::format("'{}'", metadata_text(file, "format")));
  }
  const std::size_t dot = path.rfind(".safetensors");
  const std::string beside = path.substr(0, dot) + ".vocabulary.txt";
  auto bytes = io::read_file(beside);
  if (!bytes.ok()) {
    Error error = std::move(bytes).error();
    error.next = "the words of a language model lie beside it, one a line";
    return error;
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  SPIKELOOM_TRY(const Vocabulary words, Vocabulary::parse(text, beside));
  SPIKELOOM_CHECK(take_shared_embedding(file, path));
  return build(file, words, path);
}

Result<Vocabulary> language_vocabulary(const Network& network) {
  std::int64_t scores = -1;
  for (const Node& node : network.nodes()) {
    if (const auto* decoder = std::get_if<node::Decoder>(&node.kind)) {
      scores = decoder->weight.rank() == 2 ? decoder->weight.dim(0) : 0;
    }
  }
  const StringArray* words = nullptr;
  for (const MetadataItem& item : network.metadata()) {
    if (item.name == "vocabulary") words = std::get_if<StringArray>(&item.value);
  }
  if (words == nullptr || scores < 0) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "this network is no language model",
                 .expected = "a Decoder and its words (metadata 'vocabulary')",
                 .got = scores < 0 ? "no Decoder" : "no words",
                 .next = "give a model of models/language, or feed recordings with --input"};
  }
  if (static_cast<std::int64_t>(words->values.size()) != scores) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the vocabulary does not fit the model",
                 .expected = fmt::format("{} words, as the Decoder has", scores),
                 .got = fmt::format("{} words", words->values.size()),
                 .next = "export the model again with its own vocabulary"};
  }
  return Vocabulary::make(words->values);
}

}  // namespace spikeloom
