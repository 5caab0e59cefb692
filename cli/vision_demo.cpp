#include "cli/vision_demo.hpp"

#include <chrono>
#include <filesystem>

#include <fmt/format.h>

#include "cli/interrupt.hpp"
#include "models/load.hpp"
#include "models/vision/shipped_models.hpp"

namespace spikeloom::cli {
namespace {

/// The names that the model's metadata give, or numbers.
std::vector<std::string> class_names(const Network& network, std::size_t classes) {
  for (const MetadataItem& item : network.metadata()) {
    const auto* names = std::get_if<StringArray>(&item.value);
    if (item.name == "classes" && names != nullptr && names->values.size() == classes) {
      return names->values;
    }
  }
  std::vector<std::string> numbers;
  for (std::size_t k = 0; k < classes; ++k) numbers.push_back(fmt::format("class {}", k));
  return numbers;
}

Result<std::size_t> class_count(const Network& network) {
  for (const Node& node : network.nodes()) {
    const auto* output = std::get_if<node::Output>(&node.kind);
    if (output == nullptr) continue;
    SPIKELOOM_TRY(const Shape shape, output->shape.to_integers());
    SPIKELOOM_TRY(const std::int64_t count, element_count(shape));
    return static_cast<std::size_t>(count);
  }
  return Error{.code = ErrorCode::kShape, .what = "the network has no output"};
}

}  // namespace

Result<VisionModels> load_vision(const VisionFiles& files) {
  VisionModels loaded;
  SPIKELOOM_TRY(loaded.spiking, files.model.empty() ? fashion_model() : load_model(files.model));
  SPIKELOOM_TRY(loaded.dense,
                files.dense.empty() ? fashion_dense_model() : load_model(files.dense));
  SPIKELOOM_TRY(const std::size_t classes, class_count(loaded.spiking.network));
  loaded.classes = class_names(loaded.spiking.network, classes);
  std::error_code error;
  if (files.data == kFashionMnistFolder && !std::filesystem::exists(files.data, error)) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "the pictures of Fashion-MNIST are not here",
                 .where = files.data,
                 .next = "apt-get install dataset-fashion-mnist, or give --data"};
  }
  SPIKELOOM_TRY(loaded.pictures, read_labelled_pictures(files.data));
  if (loaded.pictures.size() == 0) {
    return Error{.code = ErrorCode::kShape, .what = "there are no pictures", .where = files.data};
  }
  for (const std::uint8_t label : loaded.pictures.labels) {
    if (label >= classes) {
      return Error{.code = ErrorCode::kShape,
                   .what = "a label is no class of the network",
                   .where = files.data,
                   .expected = fmt::format("below {}", classes),
                   .got = fmt::format("{}", label)};
    }
  }
  return loaded;
}

Result<VisionTally> tally(PictureNetwork& network, const LabelledPictures& pictures,
                          std::size_t count, const char* what, Console& console) {
  VisionTally sums;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t picture = 0; picture < std::min(count, pictures.size()); ++picture) {
    if (interrupted()) return interrupted_error();
    SPIKELOOM_TRY(const PictureDecision decision, network.decide(pictures, picture));
    ++sums.pictures;
    sums.right += decision.best == pictures.labels[picture] ? 1 : 0;
    sums.decisions.push_back(decision.best);
    sums.sent.raw += encode_raw(pictures.light(picture)).size();
    if (decision.spikes) {
      sums.outputs += decision.spikes->size();
      sums.spikes += decision.spikes->count();
      sums.sent.bitmap += encode_bitmap(*decision.spikes).size();
      sums.sent.addresses += encode_addresses(*decision.spikes).size();
    }
    console.progress(what, static_cast<std::int64_t>(picture + 1),
                     static_cast<std::int64_t>(std::min(count, pictures.size())));
  }
  console.end_progress();
  sums.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  sums.stats = network.stats();
  sums.layers = describe_layers(network.pipeline().program());
  return sums;
}

}  // namespace spikeloom::cli
