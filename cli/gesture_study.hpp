#pragma once
/// How many gestures a network still recognises when the camera or its weights get worse.

#include <cstdint>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/value.hpp"
#include "cli/run_flags.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom::cli {

struct StudyOptions {
  std::uint64_t clips = 110, seed = 0;  ///< clip k: seed + k, which also gives its class
  RunFlags run;
  int threads = 1;
};

struct StudyPoint {
  double value = 0.0;
  std::uint64_t clips = 0, right = 0;
  double events = 0.0;  ///< of a clip, mean
  double accuracy() const {
    return clips > 0 ? static_cast<double>(right) / static_cast<double>(clips) : 0.0;
  }
};

struct StudyCurve {
  std::string name, unit, meaning;
  std::vector<StudyPoint> points;
};

/// Four curves: mismatch of thresholds, shot noise, bandwidth, bits of the weights. Everything else
/// is as gesture_camera() draws it for the clip.
Result<std::vector<StudyCurve>> gesture_study(const LoadedModel& model, const StudyOptions& options,
                                              const ProgressSink& progress);

std::string study_text(const std::vector<StudyCurve>& curves, bool ascii);
Value study_value(const std::vector<StudyCurve>& curves);
/// A page with one drawing a curve.
std::string study_page(const std::vector<StudyCurve>& curves, const std::string& model);

}  // namespace spikeloom::cli
