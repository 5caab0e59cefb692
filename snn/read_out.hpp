#pragma once
/// Read-out: from what left an Output node to scores and a prediction.
///
/// With y_k(t) the value of output k at step t of T steps:
///   count  sum over t of y_k / spike amplitude      (spikes; several per step count several)
///   first  T - (first step with y_k != 0), 0 if none (earlier spike, higher score)
///   trace  tr_k(T - 1), tr_k(t) = 0.9 tr_k(t - 1) + 0.1 y_k(t), tr_k(-1) = 0: the low-pass output
///   of
///          EGRUs that classify (EvNN, frameworks/pytorch/egru.py)
///   last   y_k(T - 1)      max  max over t of y_k      mean  sum over t of y_k / T
/// The prediction is the index of the highest score; the lowest index wins a tie.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace spikeloom {

enum class ReadOut { kCount, kFirst, kLast, kMax, kMean, kTrace };

/// What a trace keeps of itself in a step.
inline constexpr double kTraceDecay = 0.9;

const char* to_string(ReadOut read_out);
Result<ReadOut> parse_read_out(std::string_view text);

/// Collects the non-zero values of one Output node, step by step.
class ReadOutAccumulator {
 public:
  ReadOutAccumulator(ReadOut read_out, std::size_t outputs, double spike_amplitude);

  /// Values of one step; elements not listed are 0. Steps must not fall.
  void add(std::int64_t step, std::span<const std::uint32_t> index, std::span<const double> value);

  /// Scores after `steps` steps.
  std::vector<double> scores(std::int64_t steps) const;
  /// Spike counts whatever the read-out: sum of values / amplitude.
  std::vector<double> counts() const;
  /// Index of the highest score; -1 without outputs.
  std::int64_t prediction(std::int64_t steps) const;
  void reset();

 private:
  ReadOut read_out_;
  double spike_amplitude_;
  std::vector<double> sum_, last_, maximum_, trace_;  ///< trace_: as of last_step_
  std::vector<std::int64_t> first_, last_step_, nonzero_steps_;
};

}  // namespace spikeloom
