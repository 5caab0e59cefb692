#pragma once
/// What a task costs on an emulated chip, beside its other figures.

#include <optional>
#include <string>
#include <vector>

#include "backends/emulator/plan_emulator.hpp"
#include "base/result.hpp"
#include "base/value.hpp"
#include "snn/program.hpp"

namespace spikeloom::cli {

/// Modelled joules and seconds of an inference on a machine; `why_not` alone where there is none.
struct ChipFigure {
  std::string target, why_not;
  std::size_t cores = 0;
  std::int64_t steps = 0;     ///< emulated
  double inferences = 1.0;    ///< that they stand for
  double joules = 0.0;        ///< of an inference, as long as its ticks last
  double work_joules = 0.0;   ///< of it, for cores that work, and packets
  double seconds = 0.0;       ///< of an inference
  double work_seconds = 0.0;  ///< of it, until the slowest core of each tick is done
  std::uint64_t lost = 0;     ///< packets dropped or late
};

/// Events of every step of a recording.
using StepEvents = std::vector<std::vector<emulator::PlacedEvent>>;

struct ChipRequest {
  Arithmetic arithmetic = Arithmetic::kFloat32;
  double tick_seconds = 0.0;  ///< 0: ticks last as long as their work
  std::uint32_t cores = 0;    ///< to spread the network over; 0: as few as hold it
};

/// Maps onto SpiNNaker2 and runs the recordings one by one. A network that cannot be mapped or
/// placed, or that no inference is of, gives a figure with the reason. kCancelled: interrupted().
Result<ChipFigure> chip_figure(const Program& program, const std::vector<StepEvents>& recordings,
                               double inferences, const ChipRequest& request);

/// "on an emulated spinnaker2, 12 cores: ... an inference, ... of it work; ...", or why not.
std::string chip_line(const ChipFigure& figure);
Value to_value(const ChipFigure& figure);

}  // namespace spikeloom::cli
