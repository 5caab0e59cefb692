#include "models/vision/labelled_pictures.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "base/io/idx.hpp"
#include "base/io/npy.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLargestSide = 4096;

Error misfit(const std::string& path, std::string what, std::string expected, std::string got) {
  return Error{.code = ErrorCode::kShape,
               .what = std::move(what),
               .where = path,
               .expected = std::move(expected),
               .got = std::move(got)};
}

Result<LabelledPictures> from_tensors(const std::string& path, const Tensor& images,
                                      const Tensor& labels) {
  for (const Tensor* tensor : {&images, &labels}) {
    if (tensor->dtype() != DType::kUInt8) {
      return misfit(path, "pictures and labels are bytes", "uint8", to_string(tensor->dtype()));
    }
  }
  const bool has_colours = images.rank() == 4;
  const bool fits = (images.rank() == 3 || has_colours) && labels.rank() == 1 &&
                    images.dim(0) == labels.dim(0) && images.dim(1) >= 1 && images.dim(2) >= 1 &&
                    images.dim(1) <= kLargestSide && images.dim(2) <= kLargestSide &&
                    (!has_colours || images.dim(3) == 1 || images.dim(3) == 3);
  if (!fits) {
    return misfit(path, "pictures and labels do not fit",
                  "(N, rows, columns) or (N, rows, columns, 1 or 3), and (N)",
                  to_string(images.shape()) + " and " + to_string(labels.shape()));
  }
  LabelledPictures made;
  made.name = path;
  made.height = static_cast<std::uint32_t>(images.dim(1));
  made.width = static_cast<std::uint32_t>(images.dim(2));
  made.colours = has_colours ? static_cast<std::uint32_t>(images.dim(3)) : 1;
  const auto copy = [](const Tensor& from, std::vector<std::uint8_t>& to) {
    to.resize(from.bytes().size());
    if (!to.empty()) std::memcpy(to.data(), from.bytes().data(), to.size());
  };
  copy(images, made.values);
  copy(labels, made.labels);
  return made;
}

Result<Tensor> read_idx(const fs::path& file) {
  SPIKELOOM_TRY(const auto bytes, io::read_file(file.string()));
  return io::parse_idx(bytes, file.string(), std::uint64_t{1} << 30);
}

}  // namespace

std::vector<float> LabelledPictures::light(std::size_t picture) const {
  const std::size_t pixels = std::size_t{width} * height;
  const std::uint8_t* from = values.data() + picture * pixels * colours;
  std::vector<float> light(3 * pixels);
  for (std::size_t i = 0; i < light.size(); ++i) {
    light[i] = static_cast<float>(from[colours == 3 ? i : i / 3]) / 255.0F;
  }
  return light;
}

std::vector<float> LabelledPictures::planes(std::size_t picture) const {
  const std::size_t pixels = std::size_t{width} * height;
  const std::uint8_t* from = values.data() + picture * pixels * colours;
  std::vector<float> planes(pixels * colours);
  for (std::size_t i = 0; i < planes.size(); ++i) {
    planes[i % colours * pixels + i / colours] = static_cast<float>(from[i]) / 255.0F;
  }
  return planes;
}

Result<LabelledPictures> read_labelled_pictures(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    SPIKELOOM_TRY(const Tensor images, read_idx(fs::path(path) / "t10k-images-idx3-ubyte.gz"));
    SPIKELOOM_TRY(const Tensor labels, read_idx(fs::path(path) / "t10k-labels-idx1-ubyte.gz"));
    return from_tensors(path, images, labels);
  }
  SPIKELOOM_TRY(const auto arrays, io::read_npz(path));
  const Tensor *images = nullptr, *labels = nullptr;
  for (const auto& [name, tensor] : arrays) {
    if (name == "images") images = &tensor;
    if (name == "labels") labels = &tensor;
  }
  if (images == nullptr || labels == nullptr) {
    return misfit(path, "not pictures with labels", "arrays 'images' and 'labels'", "others");
  }
  return from_tensors(path, *images, *labels);
}

}  // namespace spikeloom
