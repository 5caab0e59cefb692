#pragma once
/// Two runs of one network, node by node: where they first differ, and by how much.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/pipeline.hpp"

namespace spikeloom::cli {

/// A neuron's membrane before its reset, against its threshold.
struct ThresholdDistance {
  double membrane = 0.0, threshold = 0.0;
  double distance() const { return membrane - threshold; }
};

/// The earliest value that is not the same on both sides; the lowest index wins within a step.
struct FirstDifference {
  std::int64_t step = 0;
  std::uint32_t index = 0;
  double left = 0.0, right = 0.0;  ///< values there; 0 is silence
  std::optional<ThresholdDistance> left_distance, right_distance;
};

struct NodeComparison {
  std::string name, kind;
  bool spiking = false;
  double left_sum = 0.0, right_sum = 0.0;  ///< spikes, or the sum of values where none spike
  double cosine = 1.0;                     ///< of the sums per element; 1 when both are silent
  double largest_difference = 0.0;         ///< of any value
  std::optional<FirstDifference> first;
};

/// One side: its pipeline (with every spike recorded) and what it gave.
struct ComparedRun {
  const Pipeline* pipeline = nullptr;
  RunOutcome outcome;
};

/// Every node recorded on both sides, by name. Spikes have to be equal; other values may differ by
/// `tolerance` x max(1, |value|).
std::vector<NodeComparison> compare_runs(const ComparedRun& left, const ComparedRun& right,
                                         double tolerance);

/// Membrane and threshold of one neuron, out of a run that recorded membranes before reset.
std::optional<ThresholdDistance> threshold_distance(const ComparedRun& run, const std::string& node,
                                                    std::int64_t step, std::uint32_t index);

}  // namespace spikeloom::cli
