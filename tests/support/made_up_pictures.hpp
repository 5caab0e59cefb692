#pragma once
/// Colour pictures of 32 x 32 that need no data set; for each network for CIFAR-10 that ships,
/// models/vision/weights/NAME/made-up.txt has what PyTorch decides about the first 24.
/// models/vision/training/spike_vision/made_up.py makes the same.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/io/npy.hpp"

namespace spikeloom::test {

/// Values [picture][y][x][colour]: squares of 8 x 8 pixels in colours of a linear congruential
/// generator, under a pattern.
inline std::vector<std::uint8_t> made_up_pictures(std::size_t count) {
  constexpr std::size_t kSide = 32, kSquares = kSide / 8;
  std::vector<std::uint8_t> values;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t state = i + 1;
    std::array<std::size_t, kSquares * kSquares * 3> squares{};
    for (std::size_t& square : squares) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      square = state >> 56;
    }
    for (std::size_t y = 0; y < kSide; ++y) {
      for (std::size_t x = 0; x < kSide; ++x) {
        for (std::size_t c = 0; c < 3; ++c) {
          const std::size_t square = squares[(y / 8 * kSquares + x / 8) * 3 + c];
          values.push_back(static_cast<std::uint8_t>(3 * square / 4 + (x * y + 7 * i) % 64));
        }
      }
    }
  }
  return values;
}

/// A file that `demo vision --data` reads; every label is 0.
inline Status write_made_up_pictures(const std::string& path, std::size_t count) {
  const auto pictures = static_cast<std::int64_t>(count);
  const std::vector<std::uint8_t> labels(count, 0);
  return io::write_npz(
      path, {{"images", Tensor::of<std::uint8_t>({pictures, 32, 32, 3}, made_up_pictures(count))},
             {"labels", Tensor::of<std::uint8_t>({pictures}, labels)}});
}

}  // namespace spikeloom::test
