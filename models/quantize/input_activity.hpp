#pragma once
/// What reaches the weight nodes of a network while it runs on recordings: quantize() fits scales
/// to it.
///
///     InputActivityMeter meter(program);
///     for (each recording) {                     // recorded with the y of meter.nodes()
///       meter.add(node, step, index, value);     // as a session's Sink hears it
///       meter.end_recording(steps);
///     }
///     options.activity = meter.activity();

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "snn/program.hpp"

namespace spikeloom {

/// Mean and mean square of each input element of a weight node, over all steps.
struct InputActivity {
  std::vector<double> mean, square;
};

/// By the name of the weight node.
using ActivityProfile = std::map<std::string, InputActivity>;

class InputActivityMeter {
 public:
  explicit InputActivityMeter(const Program& program);

  /// The nodes whose output has to be recorded, ascending.
  const std::vector<std::uint32_t>& nodes() const { return nodes_; }
  /// Non-zero outputs of a node in a step; other nodes than those above are ignored.
  void add(std::uint32_t node, std::int64_t step, std::span<const std::uint32_t> index,
           std::span<const double> value);
  void end_recording(std::int64_t steps);
  /// Of everything so far; empty without a step.
  ActivityProfile activity() const;

 private:
  struct Meter {
    std::uint32_t node = 0;
    std::vector<std::tuple<std::int64_t, std::uint32_t, double>> arrived;  ///< step, element, value
    std::vector<double> sum, square;
  };

  const Program& program_;
  std::vector<std::uint32_t> nodes_;
  std::vector<Meter> meters_;
  std::int64_t steps_ = 0;
};

}  // namespace spikeloom
