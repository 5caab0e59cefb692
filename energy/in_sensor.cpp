#include "energy/in_sensor.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

namespace spikeloom {
namespace {

constexpr double kSide = 224.0;
constexpr double kRawBits = 12.0;
constexpr std::array<const char*, 8> kEntries = {"sensor.pixel",
                                                 "sensor.conversion",
                                                 "sensor.pixel_in_sensor",
                                                 "sensor.conversion_in_sensor",
                                                 "sensor.transmission",
                                                 "mac.int8",
                                                 "ac.int8",
                                                 "compare"};
enum { kPixel, kConversion, kPixelIn, kConversionIn, kTransmission, kMac, kAc, kCompare };
using Prices = std::array<double, kEntries.size()>;

struct Work {
  double macs = 0.0, outputs = 0.0;
};

/// ResNet-50 behind its stem: bottlenecks 1x1, 3x3, 1x1 in four stages of 3, 4, 6, 3.
Work behind_the_stem(double stem_channels) {
  constexpr std::array<int, 4> kBlocks = {3, 4, 6, 3};
  Work work;
  const auto convolve = [&](double side, double in, double out, double taps) {
    work.macs += side * side * in * out * taps;
    work.outputs += side * side * out;
  };
  double in = stem_channels;
  double side = kSide / 4.0;
  for (std::size_t stage = 0; stage < kBlocks.size(); ++stage) {
    const double width = 64.0 * static_cast<double>(1 << stage);
    for (int block = 0; block < kBlocks[stage]; ++block) {
      const bool first = block == 0;
      // The 3x3 convolution of a stage's first block halves the plane; the 1x1 before sees it all.
      const double before = first && stage > 0 ? 2.0 * side : side;
      convolve(before, in, width, 1.0);
      convolve(side, width, width, 9.0);
      convolve(side, width, 4.0 * width, 1.0);
      if (first) convolve(side, in, 4.0 * width, 1.0);
      in = 4.0 * width;
    }
    side /= 2.0;
  }
  work.macs += 2048.0 * 1000.0;
  return work;
}

struct Counts {
  Prices conventional{}, in_sensor{};
};

Counts count(const InSensorOptions& options) {
  const double channels = options.channels;
  const double samples = kSide * kSide * 4.0;
  const double stem_outputs = kSide / 2.0 * (kSide / 2.0) * channels;
  const double sent = kSide / 4.0 * (kSide / 4.0) * channels;
  const double stem_macs = stem_outputs * 7.0 * 7.0 * 3.0;
  const Work behind = behind_the_stem(channels);
  Counts counts;
  counts.conventional[kPixel] = samples;
  counts.conventional[kConversion] = samples;
  counts.conventional[kTransmission] = samples * kRawBits;
  counts.conventional[kMac] = stem_macs + behind.macs;
  counts.in_sensor[kPixelIn] = stem_outputs;
  counts.in_sensor[kConversionIn] = stem_outputs;
  counts.in_sensor[kTransmission] = sent;
  counts.in_sensor[kAc] = options.activity * behind.macs;
  counts.in_sensor[kCompare] = behind.outputs;
  return counts;
}

double sum(const Prices& counts, const Prices& prices) {
  double joules = 0.0;
  for (std::size_t i = 0; i < counts.size(); ++i) joules += counts[i] * prices[i];
  return joules;
}

double ratio(const Counts& counts, const Prices& prices) {
  return sum(counts.conventional, prices) / sum(counts.in_sensor, prices);
}

}  // namespace

Result<InSensorStudy> in_sensor_study(const CostTable& table, const InSensorOptions& options) {
  if (options.channels < 1 || options.channels > 4096 || !(options.activity >= 0.0) ||
      options.activity > 1.0) {
    return Error{.what = "not an in-sensor network",
                 .expected = "1 to 4096 channels, an activity of 0 to 1",
                 .got = fmt::format("{} and {}", options.channels, options.activity)};
  }
  InSensorStudy study;
  study.options = options;
  Prices prices{};
  for (std::size_t i = 0; i < kEntries.size(); ++i) {
    const CostEntry* entry = table.find(kEntries[i]);
    if (entry == nullptr) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = fmt::format("the cost table '{}' has no '{}'", table.name, kEntries[i]),
                   .next = "give --table sensor22, or a table with the sensor's entries"};
    }
    InSensorConstant constant{.entry = entry->name,
                              .lowest = entry->lowest.value_or(entry->value),
                              .value = entry->value,
                              .highest = entry->highest.value_or(entry->value)};
    constant.verified = entry->status != CostStatus::kUnverified;
    prices[i] = entry->value;
    study.constants.push_back(constant);
  }
  const Counts counts = count(options);
  study.bandwidth_reduction = counts.conventional[kTransmission] / counts.in_sensor[kTransmission];
  study.conventional_joules = sum(counts.conventional, prices);
  study.in_sensor_joules = sum(counts.in_sensor, prices);
  study.sensor_share = 1.0 - counts.conventional[kMac] * prices[kMac] / study.conventional_joules;
  for (std::size_t i = 0; i < kEntries.size(); ++i) {
    InSensorConstant& constant = study.constants[i];
    Prices changed = prices;
    changed[i] = constant.lowest;
    constant.ratio_at_lowest = ratio(counts, changed);
    changed[i] = constant.highest;
    constant.ratio_at_highest = ratio(counts, changed);
    // conventional(x) = 2.32 in_sensor(x), both linear in x.
    changed[i] = 0.0;
    const double rest = kPublishedInSensorRatio * sum(counts.in_sensor, changed) -
                        sum(counts.conventional, changed);
    const double slope = counts.conventional[i] - kPublishedInSensorRatio * counts.in_sensor[i];
    if (slope != 0.0 && rest / slope >= 0.0) constant.published_at = rest / slope;
  }
  // A ratio of two linear functions is monotone in each price: its extremes are at the corners.
  study.lowest_ratio = std::numeric_limits<double>::infinity();
  for (unsigned corner = 0; corner < (1U << kEntries.size()); ++corner) {
    Prices changed = prices;
    for (std::size_t i = 0; i < kEntries.size(); ++i) {
      changed[i] = (corner >> i & 1U) != 0 ? study.constants[i].highest : study.constants[i].lowest;
    }
    const double at = ratio(counts, changed);
    study.lowest_ratio = std::min(study.lowest_ratio, at);
    study.highest_ratio = std::max(study.highest_ratio, at);
  }
  study.published_inside = study.lowest_ratio <= kPublishedInSensorRatio &&
                           kPublishedInSensorRatio <= study.highest_ratio;
  return study;
}

Value to_value(const InSensorStudy& study) {
  Value value = Value::map();
  value.set("channels", study.options.channels).set("activity", study.options.activity);
  value.set("bandwidth_reduction", study.bandwidth_reduction);
  value.set("conventional_j", study.conventional_joules).set("in_sensor_j", study.in_sensor_joules);
  value.set("sensor_share_of_conventional", study.sensor_share);
  value.set("lowest_ratio", study.lowest_ratio).set("highest_ratio", study.highest_ratio);
  value.set("published_ratio", kPublishedInSensorRatio);
  value.set("published_inside", study.published_inside);
  Value list = Value::list();
  for (const InSensorConstant& constant : study.constants) {
    Value one = Value::map();
    one.set("entry", constant.entry).set("lowest", constant.lowest).set("value", constant.value);
    one.set("highest", constant.highest).set("verified", constant.verified);
    one.set("ratio_at_lowest", constant.ratio_at_lowest);
    one.set("ratio_at_highest", constant.ratio_at_highest);
    one.set("published_at", constant.published_at ? Value(*constant.published_at) : Value());
    list.push(std::move(one));
  }
  value.set("constants", std::move(list));
  return value;
}

}  // namespace spikeloom
