#include "models/quantize/input_activity.hpp"

#include <algorithm>
#include <set>

namespace spikeloom {

InputActivityMeter::InputActivityMeter(const Program& program) : program_(program) {
  std::set<std::uint32_t> sources;
  for (std::uint32_t n = 0; n < program.nodes.size(); ++n) {
    if (!is_weight_operation(program.nodes[n].operation)) continue;
    const auto elements = static_cast<std::size_t>(program.nodes[n].in_size);
    meters_.push_back({n, {}, std::vector<double>(elements), std::vector<double>(elements)});
    for (const Link& link : program.nodes[n].inputs) sources.insert(link.source);
  }
  nodes_.assign(sources.begin(), sources.end());
}

void InputActivityMeter::add(std::uint32_t node, std::int64_t step,
                             std::span<const std::uint32_t> index, std::span<const double> value) {
  for (Meter& meter : meters_) {
    for (const Link& link : program_.nodes[meter.node].inputs) {
      if (link.source != node) continue;
      for (std::size_t i = 0; i < index.size(); ++i) {
        meter.arrived.emplace_back(step + link.delay, index[i], value[i]);
      }
    }
  }
}

void InputActivityMeter::end_recording(std::int64_t steps) {
  for (Meter& meter : meters_) {
    // What several links bring in one step adds up before it is squared.
    auto& arrived = meter.arrived;
    std::sort(arrived.begin(), arrived.end());
    for (std::size_t i = 0; i < arrived.size();) {
      const auto [step, element, unused] = arrived[i];
      double sum = 0.0;
      for (; i < arrived.size() && std::get<0>(arrived[i]) == step &&
             std::get<1>(arrived[i]) == element;
           ++i) {
        sum += std::get<2>(arrived[i]);
      }
      if (step >= steps) break;
      meter.sum[element] += sum;
      meter.square[element] += sum * sum;
    }
    arrived.clear();
  }
  steps_ += steps;
}

ActivityProfile InputActivityMeter::activity() const {
  ActivityProfile profile;
  if (steps_ == 0) return profile;
  for (const Meter& meter : meters_) {
    InputActivity& made = profile[program_.nodes[meter.node].name];
    for (std::size_t i = 0; i < meter.sum.size(); ++i) {
      made.mean.push_back(meter.sum[i] / static_cast<double>(steps_));
      made.square.push_back(meter.square[i] / static_cast<double>(steps_));
    }
  }
  return profile;
}

}  // namespace spikeloom
