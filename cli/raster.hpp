#pragma once
/// A spike raster in text: time to the right, neurons downwards.
///
/// A cell of the terminal is 2 x 4 dots (Unicode's Braille patterns), or one character with
/// `ascii`. Where neurons or steps are more than dots, a dot stands for all of them: it is set
/// when any spiked.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace spikeloom::cli {

struct RasterOptions {
  /// Names of the neurons: then each has a row of its own, whatever `height` says.
  std::vector<std::string> names = {};
  int width = 72;             ///< columns of the drawing
  int height = 8;             ///< most rows
  bool ascii = false;         ///< '.', ':' and '#' by how many spikes a cell holds
  double step_seconds = 0.0;  ///< for the time axis; 0: steps
};

/// `step` and `index` of every spike, both of one length; others than [0, steps) and [0, neurons)
/// are left out.
std::string draw_raster(std::span<const std::int64_t> step, std::span<const std::int64_t> index,
                        std::int64_t neurons, std::int64_t steps, const RasterOptions& options);

}  // namespace spikeloom::cli
