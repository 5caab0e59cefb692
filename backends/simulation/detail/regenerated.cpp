#include "backends/simulation/detail/regenerated.hpp"

#include <algorithm>

namespace spikeloom::simulation {
namespace {

std::size_t ring_size(const Network& network) {
  std::int32_t longest = 0;
  for (const DelayRange& range : delay_ranges(network)) {
    longest = std::max(longest, range.first + range.count);
  }
  return static_cast<std::size_t>(longest) + 1;
}

}  // namespace

RegeneratedRows::RegeneratedRows(const Network& network, const Slice& slice,
                                 Connectivity connectivity)
    : network_(&network),
      connectivity_(std::move(connectivity)),
      values_(whole_values(network)),
      accumulator_(network, slice),
      first_(first_neurons(network)),
      accumulators_(slice.accumulators),
      sums_(ring_size(network) * slice.accumulators),
      events_(ring_size(network), 0) {}

void RegeneratedRows::add(std::uint32_t source, std::int64_t step, std::int64_t from) {
  const auto p = static_cast<std::uint32_t>(
      std::upper_bound(first_.begin(), first_.end(), std::int64_t{source}) - first_.begin() - 1);
  for (const std::uint32_t b : connectivity_.blocks_from(p)) {
    const Connectivity::Block& block = connectivity_.blocks()[b];
    synapses_.clear();
    connectivity_.append_row(block, source - first_[p], scratch_, synapses_);
    const WholeValues& values = values_[block.projection];
    const std::uint32_t target = network_->projections[block.projection].target;
    for (const Synapse& synapse : synapses_) {
      const std::int64_t arrival = step + values.delay_of(synapse);
      if (arrival < from) continue;
      const std::int32_t weight = values.weight_of(synapse);
      const std::size_t at = slot(arrival);
      sums_[at * accumulators_ + accumulator_(target, synapse.target, weight)] += weight;
      ++events_[at];
    }
  }
}

std::uint64_t RegeneratedRows::deliver(std::int64_t step, const Receivers& to) {
  const std::size_t at = slot(step);
  if (events_[at] == 0) return 0;
  std::int32_t* sums = sums_.data() + at * accumulators_;
  for (std::size_t i = 0; i < accumulators_; ++i) {
    if (to.lazy.empty()) {
      to.accumulators[i] += sums[i];
    } else if (sums[i] != 0) {
      to.add(to.place(static_cast<std::uint32_t>(i)), sums[i]);
    }
    sums[i] = 0;
  }
  return std::exchange(events_[at], 0);
}

void RegeneratedRows::clear() {
  std::fill(sums_.begin(), sums_.end(), 0);
  std::fill(events_.begin(), events_.end(), 0);
}

double RegeneratedRows::expected_bytes(const Network& network, const Slice& slice) {
  return 4.0 * static_cast<double>(ring_size(network)) * static_cast<double>(slice.accumulators) +
         Connectivity::expected_bytes(network, ranges_of(network, slice));
}

}  // namespace spikeloom::simulation
