#include "models/vision/pixel_front_end.hpp"

#include <cmath>
#include <optional>

#include <fmt/format.h>

namespace spikeloom {
namespace {

constexpr std::string_view kGroup = "front_end";
constexpr std::int64_t kMostPixels = std::int64_t{1} << 24;
constexpr double kLevels = 127.0;

Error broken(std::string what, std::string expected, std::string got,
             ErrorCode code = ErrorCode::kShape) {
  return Error{.code = code,
               .what = std::move(what),
               .where = "front_end",
               .expected = std::move(expected),
               .got = std::move(got),
               .next = "export the model again (models/vision/training)"};
}

const Metadata* find_group(const Network& network) {
  for (const MetadataItem& item : network.metadata()) {
    if (item.name == kGroup) return std::get_if<std::vector<MetadataItem>>(&item.value);
  }
  return nullptr;
}

template <typename Kind>
Result<Kind> entry(const Metadata& group, std::string_view name) {
  for (const MetadataItem& item : group) {
    if (item.name != name) continue;
    if (const Kind* value = std::get_if<Kind>(&item.value)) return *value;
    return broken(fmt::format("'{}' is of another kind", name), "a number or a text as documented",
                  "another", ErrorCode::kFormat);
  }
  return broken("an entry is missing", std::string(name), "nothing", ErrorCode::kNotFound);
}

Result<std::uint32_t> side(const Metadata& group, std::string_view name) {
  SPIKELOOM_TRY(const Tensor tensor, entry<Tensor>(group, name));
  SPIKELOOM_TRY(const double value, tensor.to_scalar());
  if (!(value >= 1.0 && value <= 4096.0) || value != std::floor(value)) {
    return broken(fmt::format("'{}' is no size", name), "1 to 4096", fmt::format("{}", value),
                  ErrorCode::kInvalidArgument);
  }
  return static_cast<std::uint32_t>(value);
}

Result<TransferCurve> curve_of(const Metadata& group) {
  SPIKELOOM_TRY(const std::string name, entry<std::string>(group, "curve"));
  if (name == "in-sensor") return kInSensorCurve;
  if (name == "p2m") return kP2mCurve;
  if (name == "ideal") return kIdealCurve;
  return broken("unknown transfer curve", "in-sensor, p2m or ideal", name,
                ErrorCode::kInvalidArgument);
}

/// The shape of the network's only Input.
Result<Shape> input_shape(const Network& network) {
  std::optional<Shape> shape;
  for (const Node& node : network.nodes()) {
    const auto* input = std::get_if<node::Input>(&node.kind);
    if (input == nullptr) continue;
    if (shape) return broken("the network has several inputs", "one Input", "several");
    SPIKELOOM_TRY(shape, input->shape.to_integers());
  }
  if (!shape) return broken("the network has no input", "one Input", "none");
  return *shape;
}

}  // namespace

bool has_pixel_front_end(const Network& network) { return find_group(network) != nullptr; }

Result<PixelFrontEnd> pixel_front_end(const Network& network) {
  const Metadata* group = find_group(network);
  if (group == nullptr) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "the network has no pixels in front of it",
                 .where = "metadata",
                 .expected = "a group 'front_end'",
                 .next = "give a spiking network of models/vision/training"};
  }
  PixelFrontEnd made;
  SPIKELOOM_TRY(made.options.curve, curve_of(*group));
  SPIKELOOM_TRY(made.height, side(*group, "rows"));
  SPIKELOOM_TRY(made.width, side(*group, "columns"));
  SPIKELOOM_TRY(const std::uint32_t pool, side(*group, "pool"));
  if (pool > 1) made.options.geometry.pool = {pool, pool, 0};
  SPIKELOOM_TRY(const Tensor weight, entry<Tensor>(*group, "weight"));
  SPIKELOOM_TRY(const Tensor threshold, entry<Tensor>(*group, "threshold"));
  SPIKELOOM_TRY(const Tensor largest_tensor, entry<Tensor>(*group, "largest"));
  SPIKELOOM_TRY(const double largest, largest_tensor.to_scalar());
  if (weight.rank() != 4 || weight.dim(1) != 3 || weight.dim(2) != 3 || weight.dim(3) != 3) {
    return broken("the weights of the pixels are of another shape", "(channels, 3, 3, 3)",
                  to_string(weight.shape()));
  }
  if (threshold.size() != weight.dim(0)) {
    return broken("there is not one threshold a channel", fmt::format("{}", weight.dim(0)),
                  fmt::format("{}", threshold.size()));
  }
  if (std::int64_t{made.width} * made.height > kMostPixels) {
    return broken("the picture is too large", fmt::format("at most {} pixels", kMostPixels),
                  fmt::format("{} x {}", made.width, made.height), ErrorCode::kResource);
  }
  for (const double value : weight.to_doubles()) {
    made.weights.push_back(static_cast<float>(value * largest / kLevels));
  }
  for (const double value : threshold.to_doubles()) made.thresholds.push_back({value, 1});
  SPIKELOOM_TRY(const PixelConvolution pixels, make_pixels(made, made.options));
  SPIKELOOM_TRY(const Shape wanted, input_shape(network));
  const Shape sent = {pixels.channels(), pixels.out_height(), pixels.out_width()};
  if (sent != wanted) {
    return broken("the pixels do not fit the network behind them", to_string(wanted),
                  to_string(sent));
  }
  return made;
}

Result<PixelConvolution> make_pixels(const PixelFrontEnd& front_end,
                                     const PixelConvolutionOptions& options) {
  return PixelConvolution::create(front_end.width, front_end.height, options, front_end.weights);
}

}  // namespace spikeloom
