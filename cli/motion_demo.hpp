#pragma once
/// The motion demo: a simulated bar, the embedded network, one decision per window.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/pipeline.hpp"
#include "models/motion/motion_network.hpp"
#include "sensors/scene.hpp"

namespace spikeloom::cli {

/// One bar and what the network said about it.
struct MotionRun {
  MovingBarOptions scene;
  std::uint64_t events = 0;
  std::vector<MotionDecision> decisions;  ///< one per kMotionWindow
  RunOutcome outcome;

  int expected() const;  ///< the nearest of the eight directions
  std::size_t right() const;
};

/// The network of models/motion for a 32 x 32 sensor, ready to run. Every spike is recorded.
Result<Pipeline> make_motion_pipeline(const RunFlags& flags);

Result<MotionRun> run_motion(const Pipeline& pipeline, const MovingBarOptions& scene);

/// Writes what `run` and the other commands can be tried on, into an existing folder: motion.nir;
/// right.bs2, up.bs2, left.bs2 and down.bs2, one decision long, `scene` but for its direction;
/// directions.txt, their labels. Returns the names.
Result<std::vector<std::string>> write_motion_files(const MovingBarOptions& scene,
                                                    const std::string& folder);

/// "→", "↗", ...: direction k is 45 k degrees counterclockwise from the right.
const char* direction_arrow(int direction, bool ascii);

}  // namespace spikeloom::cli
