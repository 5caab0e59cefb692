#pragma once
/// `demo gesture`: a clip of an event camera, what a network makes of it, and the decision as it
/// grows.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/network_file.hpp"
#include "cli/pipeline.hpp"
#include "models/gesture/gestures.hpp"

namespace spikeloom::cli {

struct GestureRequest {
  std::string model;  ///< "lif", "egru", or a network file
  ModelFlags model_flags;
  InputFlags input;  ///< one recording; none: a clip of `gesture` is rendered
  Gesture gesture = Gesture::kOther;
  std::uint64_t seed = 0;  ///< of the clip
  RunFlags run;
  int threads = 1;
};

struct GestureRun {
  Pipeline pipeline;
  EventPacket events;
  std::uint32_t width = 0, height = 0;
  std::string name;
  std::optional<Gesture> truth;  ///< of a rendered clip
  RunOutcome outcome;
  /// The class scores at the end of each part of the recording: sums of what left the output.
  std::vector<std::int64_t> part_end;
  std::vector<std::vector<double>> scores;
  bool graded = false;                      ///< the output gives numbers; else spikes
  std::optional<std::uint32_t> population;  ///< the last node that emits events

  std::size_t classes() const { return outcome.outputs.front().counts.size(); }
  std::optional<std::size_t> prediction() const;
  /// Of a part: graded scores as softmax of their mean, counts over their sum; all 0 in silence.
  std::vector<double> shares(std::size_t part) const;
};

/// A name of the embedded networks stands for itself, everything else for a file.
Result<LoadedModel> load_gesture_network(const GestureRequest& request);
Result<GestureRun> run_gesture(const GestureRequest& request);

/// The refusal of a text that find_gesture() does not know.
Error no_such_gesture(const std::string& text);

/// Name of a class of a network of so many classes.
std::string gesture_class(std::size_t number, std::size_t classes);

std::string gesture_text(const GestureRun& run, bool ascii);
Value gesture_value(const GestureRun& run);

}  // namespace spikeloom::cli
