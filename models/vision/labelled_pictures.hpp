#pragma once
/// Pictures with labels, as data sets have them, one byte a value.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace spikeloom {

struct LabelledPictures {
  std::string name;
  std::uint32_t width = 0, height = 0, colours = 1;  ///< 1 or 3
  std::vector<std::uint8_t> values = {};             ///< [picture][y][x][colour]
  std::vector<std::uint8_t> labels = {};

  std::size_t size() const { return labels.size(); }
  /// Light of a picture, [y][x][3], 0 to 1; grey counts for all three colours.
  std::vector<float> light(std::size_t picture) const;
  /// The same as a network takes a picture: [colour][y][x].
  std::vector<float> planes(std::size_t picture) const;
};

/// Where Debian's package dataset-fashion-mnist puts its files.
inline constexpr const char* kFashionMnistFolder = "/usr/share/datasets/fashion-mnist";

/// A folder with t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz (MNIST and its kin), or a
/// .npz with `images` (N, rows, columns[, 3]) and `labels` (N), both uint8, as
/// models/vision/training/spike_vision/data.py writes it. kNotFound; kFormat; kShape; kResource.
Result<LabelledPictures> read_labelled_pictures(const std::string& path);

}  // namespace spikeloom
