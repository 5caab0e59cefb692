#pragma once
/// The gesture networks that every build carries: models/gesture/weights, trained on simulated
/// clips by models/gesture/training.
///
///     lif    three convolutions and a dense layer of leaky integrate-and-fire neurons
///     egru   three convolutions with ReLU, then event-based gated recurrent units
///
/// Both see events of a 128 x 128 camera in steps of 25 ms (gesture_frames.hpp) and end in a linear
/// read-out of 11 classes (gestures.hpp) whose mean over time decides.

#include <array>
#include <string_view>

#include "base/result.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom {

inline constexpr std::array<std::string_view, 2> kGestureModels = {"lif", "egru"};

/// As they ship, with their cards. kNotFound: another name.
Result<LoadedModel> gesture_model(std::string_view name);

}  // namespace spikeloom
