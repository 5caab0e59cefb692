#include "sensors/spike_tensor.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "base/io/npy.hpp"

namespace spikeloom {
namespace {

/// The place of an axis in the result; the sample comes before all and is taken away.
enum Place : std::size_t { kSample, kTime, kChannel, kRow, kColumn, kPlaces, kUnknown = kPlaces };

Place place_of(char letter) {
  switch (letter) {
    case 'n':
    case 'b':
      return kSample;
    case 't':
      return kTime;
    case 'c':
    case 'f':
      return kChannel;
    case 'h':
    case 'y':
      return kRow;
    case 'w':
    case 'x':
      return kColumn;
    default:
      return kUnknown;
  }
}

Error wrong_axes(std::string_view axes, const char* what) {
  return {.code = ErrorCode::kInvalidArgument,
          .what = what,
          .expected = "letters from t, n (sample), c, h, w, once each and t among them",
          .got = std::string(axes.substr(0, 32))};
}

}  // namespace

Result<Tensor> arrange_spike_tensor(const Tensor& tensor, const SpikeTensorOptions& options) {
  const std::string axes = options.axes;
  if (axes.empty()) {
    if (tensor.rank() > 0) return tensor;
    return Error{.code = ErrorCode::kShape,
                 .what = "a spike tensor has a time axis",
                 .got = to_string(tensor.shape())};
  }
  std::array<std::optional<std::size_t>, kPlaces> from;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const Place place = place_of(axes[i]);
    if (place == kUnknown) return wrong_axes(axes, "unknown axis");
    if (from[place]) return wrong_axes(axes, "an axis is named twice");
    from[place] = i;
  }
  if (!from[kTime]) return wrong_axes(axes, "no time axis");
  if (axes.size() != tensor.rank()) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the axes do not fit the array",
                 .expected = fmt::format("{} axes ({})", axes.size(), axes),
                 .got = to_string(tensor.shape())};
  }

  std::vector<std::size_t> stride(tensor.rank(), size_of(tensor.dtype()));
  for (std::size_t i = tensor.rank() - 1; i > 0; --i) {
    stride[i - 1] = stride[i] * static_cast<std::size_t>(tensor.dim(i));
  }
  std::size_t begin = 0;
  if (from[kSample]) {
    const std::int64_t samples = tensor.dim(*from[kSample]);
    if (!options.sample && samples != 1) {
      return Error{.code = ErrorCode::kAmbiguous,
                   .what = fmt::format("the array has {} samples", samples),
                   .next = "choose one"};
    }
    const std::int64_t sample = options.sample.value_or(0);
    if (sample < 0 || sample >= samples) {
      return Error{.code = ErrorCode::kInvalidArgument,
                   .what = "no such sample",
                   .expected = fmt::format("0 to {}", samples - 1),
                   .got = fmt::format("{}", sample)};
    }
    begin = static_cast<std::size_t>(sample) * stride[*from[kSample]];
  }

  Shape shape;
  std::vector<std::size_t> step;
  for (std::size_t place = kTime; place < kPlaces; ++place) {
    if (!from[place]) continue;
    shape.push_back(tensor.dim(*from[place]));
    step.push_back(stride[*from[place]]);
  }
  SPIKELOOM_TRY(const std::int64_t count, element_count(shape));
  const std::size_t element = size_of(tensor.dtype());
  std::vector<std::byte> bytes(static_cast<std::size_t>(count) * element);
  Shape index(shape.size(), 0);
  const std::byte* source = tensor.bytes().data() + begin;
  for (std::byte* out = bytes.data(); out != bytes.data() + bytes.size(); out += element) {
    std::memcpy(out, source, element);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      source += step[axis];
      if (++index[axis] < shape[axis]) break;
      source -= step[axis] * static_cast<std::size_t>(shape[axis]);
      index[axis] = 0;
    }
  }
  return Tensor::from_bytes(tensor.dtype(), std::move(shape), std::move(bytes));
}

Result<Tensor> read_spike_tensor(const std::string& path, const SpikeTensorOptions& options) {
  SPIKELOOM_TRY(const Tensor tensor, io::read_npy(path));
  auto arranged = arrange_spike_tensor(tensor, options);
  if (!arranged.ok()) return std::move(arranged).error().in(path);
  return arranged;
}

}  // namespace spikeloom
