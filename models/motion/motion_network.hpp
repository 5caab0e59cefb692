#pragma once
/// The network of `spikeloom demo motion`: it tells eight directions of a moving bar from events.
///
/// A bank of Reichardt detectors (Hassenstein and Reichardt, Z. Naturforsch. 11b:513, 1956): two
/// taps a small way apart, one of them delayed, and a neuron that spikes when both arrive together,
/// which they do if something moved from the delayed tap to the other one in about that time.
///
///     Input (2, H, W)             channel 0 OFF, 1 ON
///     edge_weights   Conv2d 5x5   ON events of 5 pixels in line, in 4 orientations
///     edges          LIF          4 x H x W: spikes when 4 of the 5 come together
///     direct         Conv2d 5x5   the tap ahead, for 8 directions, every second pixel
///     delayed        Conv2d 5x5   the tap behind; 4 px apart along the axes, 3 sqrt(2) on
///     diagonals delay_N        Delay        N = 10, 20, 30, 40 ms (times 3 sqrt(2) / 4 on the
///     diagonals) detectors_N    LIF          8 x H/2 x W/2: coincidence of `direct` and `delay_N`
///     flat, votes    Flatten, Linear   sums the detectors of each direction
///     directions     LIF          8 neurons
///     Output (8)
///
/// A line of pixels that fires at once fixes the orientation whatever the speed, which an edge seen
/// through two points cannot (a fast edge that runs askew looks like a slow one); the delays decide
/// between the two ways it can move. A detector accepts 5 ms on either side of its delay, so the
/// four cover speeds from 4 px / 45 ms = 89 px/s to 800 px/s without a gap. Only ON events count: a
/// bar's trailing edge right behind its leading edge could be taken for one that moves back.
///
/// Leaky neurons with membrane time constants of 2 ms (edges) and 8 ms; steps of 1 ms. Written for
/// `motion_discretisation()`: forward Euler, so a spike adds r dt / tau = 1 to a membrane. Weights
/// are 0 and 1, so every synaptic operation is an accumulate.
///
/// Directions are counted counterclockwise as one looks at the image: direction k is 45 k degrees,
/// 0 right, 2 up (towards smaller y); the same as in sensors/scene.hpp.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "snn/discretisation.hpp"
#include "snn/network.hpp"

namespace spikeloom {

inline constexpr std::size_t kMotionDirections = 8;
inline constexpr Time kMotionStep = kMillisecond;
/// Long enough for a decision at 100 px/s wherever the window begins.
inline constexpr Time kMotionWindow = 200 * kMillisecond;

struct MotionOptions {
  std::uint32_t width = 32;
  std::uint32_t height = 32;
};

/// kInvalidArgument: a side under 16 or over 1024 pixels.
Result<Network> make_motion_network(const MotionOptions& options = {});

/// Preset "nir" with dt = 1 ms.
Discretisation motion_discretisation();

/// What the eight direction neurons said in one window.
struct MotionDecision {
  std::optional<int> direction;  ///< the one with most spikes; nothing on a tie or in silence
  std::vector<double> counts;    ///< spikes of each direction
  /// (winner - runner-up) / winner: 1 when no other direction spoke, 0 without a winner.
  double margin = 0.0;
};

MotionDecision decide_motion(std::span<const double> counts);

/// Collects the spikes of the Output node into windows.
class MotionDecoder {
 public:
  /// `window_steps` > 0.
  explicit MotionDecoder(std::int64_t window_steps = kMotionWindow / kMotionStep);
  /// Spikes of one step, as a backend's Sink gets them; in any order of steps from 0 on.
  void add(std::int64_t step, std::span<const std::uint32_t> index, std::span<const double> value);
  /// One decision per whole window of the first `steps` steps.
  std::vector<MotionDecision> decisions(std::int64_t steps) const;

 private:
  std::int64_t window_steps_;
  std::vector<double> counts_;  ///< window x direction
};

}  // namespace spikeloom
