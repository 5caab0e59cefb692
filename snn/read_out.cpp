#include "snn/read_out.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

namespace spikeloom {
namespace {

constexpr std::array<const char*, 6> kNames = {"count", "first", "last", "max", "mean", "trace"};

}  // namespace

const char* to_string(ReadOut read_out) { return kNames[static_cast<std::size_t>(read_out)]; }

Result<ReadOut> parse_read_out(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (text == kNames[i]) return static_cast<ReadOut>(i);
  }
  return Error{.what = "unknown read-out",
               .expected = "count|first|last|max|mean|trace",
               .got = "'" + std::string(text) + "'"};
}

ReadOutAccumulator::ReadOutAccumulator(ReadOut read_out, std::size_t outputs,
                                       double spike_amplitude)
    : read_out_(read_out), spike_amplitude_(spike_amplitude) {
  sum_.resize(outputs);
  last_.resize(outputs);
  maximum_.resize(outputs);
  trace_.resize(outputs);
  first_.resize(outputs);
  last_step_.resize(outputs);
  nonzero_steps_.resize(outputs);
  reset();
}

void ReadOutAccumulator::reset() {
  std::fill(sum_.begin(), sum_.end(), 0.0);
  std::fill(last_.begin(), last_.end(), 0.0);
  std::fill(trace_.begin(), trace_.end(), 0.0);
  std::fill(maximum_.begin(), maximum_.end(), -std::numeric_limits<double>::infinity());
  std::fill(first_.begin(), first_.end(), -1);
  std::fill(last_step_.begin(), last_step_.end(), -1);
  std::fill(nonzero_steps_.begin(), nonzero_steps_.end(), 0);
}

void ReadOutAccumulator::add(std::int64_t step, std::span<const std::uint32_t> index,
                             std::span<const double> value) {
  for (std::size_t i = 0; i < index.size(); ++i) {
    const std::uint32_t k = index[i];
    sum_[k] += value[i];
    last_[k] = value[i];
    maximum_[k] = std::max(maximum_[k], value[i]);
    if (first_[k] < 0) first_[k] = step;
    const auto silent = static_cast<double>(step - last_step_[k]);
    const double kept = last_step_[k] < 0 ? 0.0 : trace_[k] * std::pow(kTraceDecay, silent);
    trace_[k] = kept + (1.0 - kTraceDecay) * value[i];
    last_step_[k] = step;
    ++nonzero_steps_[k];
  }
}

std::vector<double> ReadOutAccumulator::counts() const {
  std::vector<double> counts(sum_);
  for (double& count : counts) count /= spike_amplitude_;
  return counts;
}

std::vector<double> ReadOutAccumulator::scores(std::int64_t steps) const {
  std::vector<double> scores(sum_.size(), 0.0);
  for (std::size_t k = 0; k < scores.size(); ++k) {
    switch (read_out_) {
      case ReadOut::kCount:
        scores[k] = sum_[k] / spike_amplitude_;
        break;
      case ReadOut::kFirst:
        scores[k] = first_[k] < 0 ? 0.0 : static_cast<double>(steps - first_[k]);
        break;
      case ReadOut::kLast:
        scores[k] = last_step_[k] == steps - 1 ? last_[k] : 0.0;
        break;
      case ReadOut::kMax:
        // Steps that were not listed were zero.
        scores[k] = nonzero_steps_[k] < steps ? std::max(maximum_[k], 0.0) : maximum_[k];
        break;
      case ReadOut::kMean:
        scores[k] = steps > 0 ? sum_[k] / static_cast<double>(steps) : 0.0;
        break;
      case ReadOut::kTrace:
        scores[k] =
            trace_[k] * std::pow(kTraceDecay, static_cast<double>(steps - 1 - last_step_[k]));
        break;
    }
  }
  return scores;
}

std::int64_t ReadOutAccumulator::prediction(std::int64_t steps) const {
  const std::vector<double> score = scores(steps);
  if (score.empty()) return -1;
  return std::max_element(score.begin(), score.end()) - score.begin();
}

}  // namespace spikeloom
