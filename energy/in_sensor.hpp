#pragma once
/// The in-sensor question as a sensitivity study: what a first layer inside the pixel array saves.
///
/// Datta et al. (ICASSP 2023, arXiv 2212.10881) publish 2.32 times less energy than a conventional
/// pipeline. Their constants could not be read and those of their group's earlier paper are quoted
/// from memory, so there is no single ratio here: there is a range, and the value of each constant
/// at which the published ratio would come out.
///
///     conventional = N (pixel + conversion + 12 transmission) + sum over layers MAC_l mac
///     in sensor    = O (pixel_in_sensor + conversion_in_sensor) + P transmission
///                    + sum over layers behind (activity MAC_l ac + outputs_l compare)
///
/// N = 4 W H: the Bayer samples of the W x H x 3 input (4 of them stand for 3 values); O = outputs
/// of the first layer, P = those after its pooling, one bit each. The network is ResNet-50 for 224
/// x 224 (He et al. 2016; the first layer 7x7, stride 2, then a 3x3 pooling of stride 2) with
/// `channels` channels after the first layer. The form is P2M's (Sci. Rep. 12:14396, 2022).

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "energy/cost_table.hpp"

namespace spikeloom {

inline constexpr double kPublishedInSensorRatio = 2.32;  ///< arXiv 2212.10881, abstract

struct InSensorOptions {
  int channels = 64;  ///< of the first layer: 64, 32, 16 or 8 in the paper
  /// Spikes per neuron: 23.89 % in the log of the authors' ResNet-50 on ImageNet.
  double activity = 0.2389;
};

struct InSensorConstant {
  std::string entry;
  double lowest = 0.0, value = 0.0, highest = 0.0;       ///< SI
  double ratio_at_lowest = 0.0, ratio_at_highest = 0.0;  ///< the others as in the table
  /// Where the published ratio comes out, the others as in the table; nothing if nowhere above 0.
  std::optional<double> published_at = {};
  bool verified = false;
};

struct InSensorStudy {
  InSensorOptions options;
  double bandwidth_reduction = 0.0;  ///< bits sent by the conventional sensor over those sent here
  double conventional_joules = 0.0, in_sensor_joules = 0.0;  ///< per frame, constants as given
  double sensor_share = 0.0;  ///< of the conventional energy: pixel, conversion, transmission
  double lowest_ratio = 0.0, highest_ratio = 0.0;  ///< over every corner of the ranges
  bool published_inside = false;
  std::vector<InSensorConstant> constants;
};

/// kUnsupported: the table lacks one of the entries. kInvalidArgument: channels or activity.
Result<InSensorStudy> in_sensor_study(const CostTable& table, const InSensorOptions& options);

Value to_value(const InSensorStudy& study);

}  // namespace spikeloom
