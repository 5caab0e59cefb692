#pragma once
/// The part of a DVS pixel array that every pixel goes through with every frame.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace spikeloom::detail {

/// Pixels come in blocks; pixels j and j + half of one share a block of random words, so that what
/// a pixel draws does not depend on the width of a register.
inline constexpr std::size_t kDvsBlock = 1024;
inline constexpr std::size_t kDvsHalf = kDvsBlock / 2;

/// The constants of one frame; a part of the model that is off is 0.
struct DvsFrame {
  bool first = false;   ///< sets lp and base
  double filter = 0.0;  ///< dt / tau / 275; 0: no filter
  double leak = 0.0;    ///< dt leak_hz
  double jitter = 0.0;
  double shot = 0.0;                               ///< dt shot_hz / 2
  double threshold_on = 0.0, threshold_off = 0.0;  ///< nominal
  std::uint64_t seed = 0;
  std::uint64_t counter = 0;  ///< of the random words of the array's first block
};

struct DvsPixels {
  const float* frame = nullptr;
  double *lp = nullptr, *base = nullptr;
  const double *on = nullptr, *off = nullptr, *eta = nullptr;
};

/// A pixel whose difference has reached a threshold.
struct DvsCandidate {
  std::uint32_t pixel = 0;
  std::int32_t count = 0;  ///< of ON events; negative: OFF
  double start = 0.0;      ///< d at the beginning and at the end of the interval
  double end = 0.0;
};

struct DvsShot {
  std::uint32_t pixel = 0;
  std::uint8_t polarity = 0;
};

struct DvsFound {
  std::vector<DvsCandidate> candidates;
  std::vector<DvsShot> shots;
};

/// Steps the blocks [begin, end) of the array and appends to `found`, by pixel within a block's
/// half.
void dvs_step(const DvsFrame& frame, const DvsPixels& pixels, std::size_t begin, std::size_t end,
              DvsFound& found);

}  // namespace spikeloom::detail
