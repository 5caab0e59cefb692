#include "backends/simulation/detail/delivery.hpp"

#include <algorithm>

namespace spikeloom::simulation {
namespace {

/// Rows that are fetched ahead of the one that is being added, and how much of each.
constexpr std::size_t kAhead = 4;
constexpr std::uint32_t kLine = 64 / sizeof(std::uint32_t);
constexpr std::uint32_t kMostLines = 16;

void fetch(const std::uint32_t* synapse, std::uint32_t count) {
  const std::uint32_t lines = std::min(count / kLine + 2, kMostLines);
  for (std::uint32_t line = 0; line < lines; ++line) __builtin_prefetch(synapse + line * kLine);
}

void add_row(const std::uint32_t* synapse, std::uint32_t count, std::int32_t* accumulators) {
  constexpr std::uint32_t kMask = (1U << kTargetBits) - 1;
#pragma GCC unroll 8
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t packed = synapse[i];
    accumulators[packed & kMask] += static_cast<std::int32_t>(packed) >> kTargetBits;
  }
}

void add_row_to_each(const std::uint32_t* synapse, std::uint32_t count, const Receivers& to) {
  constexpr std::uint32_t kMask = (1U << kTargetBits) - 1;
  for (std::uint32_t i = 0; i < count; ++i) to.fetch(synapse[i] & kMask);
  for (std::uint32_t i = 0; i < count; ++i) {
    to.add(synapse[i] & kMask, static_cast<std::int32_t>(synapse[i]) >> kTargetBits);
  }
}

}  // namespace

void Deliveries::start(const Rows::Row& row, std::int32_t skip, std::vector<Active>& to) {
  Active active{row.synapse, row.counts, row.delays, row.wide};
  for (std::int32_t i = 0; i < std::min(skip, row.delays); ++i) {
    if (row.wide) {
      const auto* counts = static_cast<const std::uint32_t*>(active.counts);
      active.synapse += *counts;
      active.counts = counts + 1;
    } else {
      const auto* counts = static_cast<const std::uint16_t*>(active.counts);
      active.synapse += *counts;
      active.counts = counts + 1;
    }
    --active.left;
  }
  if (active.left > 0) to.push_back(active);
}

void Deliveries::add(const Rows::Row& row, std::int32_t age) {
  const std::int32_t wait = row.first_delay - 1 - age;
  if (wait <= 0) return start(row, -wait, active_);
  start(row, 0, waiting_[(turn_ + static_cast<std::size_t>(wait)) % waiting_.size()]);
}

std::uint64_t Deliveries::deliver(const Receivers& to) {
  std::vector<Active>& begin = waiting_[turn_];
  active_.insert(active_.end(), begin.begin(), begin.end());
  begin.clear();
  const std::uint64_t sum = deliver_from(0, to);
  delivered_ = active_.size();
  return sum;
}

std::uint64_t Deliveries::deliver_late(const Receivers& to) {
  std::vector<Active>& begin = waiting_[turn_];
  active_.insert(active_.end(), begin.begin(), begin.end());
  begin.clear();
  turn_ = turn_ + 1 == waiting_.size() ? 0 : turn_ + 1;
  // Those that begin in the next step.
  for (const Active& next : waiting_[turn_]) {
    __builtin_prefetch(next.counts);
    fetch(next.synapse, 0);
  }
  return delivered_ == active_.size() ? 0 : deliver_from(delivered_, to);
}

std::uint64_t Deliveries::deliver_from(std::size_t from, const Receivers& to) {
  due_.clear();
  std::uint64_t sum = 0;
  std::size_t kept = from;
  for (std::size_t i = from; i < active_.size(); ++i) {
    Active active = active_[i];
    std::uint32_t count = 0;
    if (active.wide) {
      const auto* counts = static_cast<const std::uint32_t*>(active.counts);
      count = *counts;
      active.counts = counts + 1;
    } else {
      const auto* counts = static_cast<const std::uint16_t*>(active.counts);
      count = *counts;
      active.counts = counts + 1;
    }
    if (count != 0) due_.push_back({active.synapse, count});
    sum += count;
    active.synapse += count;
    if (--active.left > 0) active_[kept++] = active;
  }
  active_.resize(kept);

  for (std::size_t k = 0; k < std::min(kAhead, due_.size()); ++k) {
    fetch(due_[k].synapse, due_[k].count);
  }
  for (std::size_t k = 0; k < due_.size(); ++k) {
    if (k + kAhead < due_.size()) fetch(due_[k + kAhead].synapse, due_[k + kAhead].count);
    if (to.lazy.empty()) {
      add_row(due_[k].synapse, due_[k].count, to.accumulators);
    } else {
      add_row_to_each(due_[k].synapse, due_[k].count, to);
    }
  }
  return sum;
}

void Deliveries::clear() {
  active_.clear();
  delivered_ = 0;
  for (auto& rows : waiting_) rows.clear();
}

}  // namespace spikeloom::simulation
