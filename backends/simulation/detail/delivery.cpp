#include "backends/simulation/detail/delivery.hpp"

#include <algorithm>
#include <utility>

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
  constexpr std::uint32_t kMask = kSegment - 1;
#pragma GCC unroll 8
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t packed = synapse[i];
    accumulators[packed & kMask] += static_cast<std::int32_t>(packed) >> kTargetBits;
  }
}

void add_row_to_each(const std::uint32_t* synapse, std::uint32_t count, std::uint32_t base,
                     const Receivers& to) {
  constexpr std::uint32_t kMask = kSegment - 1;
  for (std::uint32_t i = 0; i < count; ++i) {
    to.add(base + (synapse[i] & kMask), static_cast<std::int32_t>(synapse[i]) >> kTargetBits);
  }
}

}  // namespace

void Deliveries::start(const Rows::Row& row, std::int32_t skip, std::vector<Active>& to) const {
  Active active{row.synapse, row.counts, row.delays * segments_, row.wide};
  active.pass(std::min(skip, row.delays) * segments_);
  if (active.left > 0) to.push_back(active);
}

void Deliveries::add(const Rows::Row& row, std::int32_t age) {
  const std::int32_t wait = row.first_delay - 1 - age;
  if (wait <= 0) return start(row, -wait, active_[static_cast<std::size_t>(turn_)]);
  start(row, 0, waiting_[(wait_turn_ + static_cast<std::size_t>(wait)) % waiting_.size()]);
}

void Deliveries::deliver(const Receivers& to, std::size_t stride) {
  if (begun_) return;
  begun_ = true;
  std::vector<Active>& active = active_[static_cast<std::size_t>(turn_)];
  std::vector<Active>& begin = waiting_[wait_turn_];
  active.insert(active.end(), begin.begin(), begin.end());
  begin.clear();
  deliver_from(0, to, stride);
  delivered_ = active.size();
}

std::uint64_t Deliveries::deliver_late(const Receivers& to, std::size_t stride) {
  std::vector<Active>& active = active_[static_cast<std::size_t>(turn_)];
  std::vector<Active>& begin = waiting_[wait_turn_];
  active.insert(active.end(), begin.begin(), begin.end());
  begin.clear();
  if (delivered_ != active.size()) deliver_from(delivered_, to, stride);
  const std::uint64_t events = std::exchange(events_[turn_], 0);
  begun_ = false;
  delivered_ = 0;
  turn_ = turn_ + 1 == together_ ? 0 : turn_ + 1;
  wait_turn_ = wait_turn_ + 1 == waiting_.size() ? 0 : wait_turn_ + 1;
  // Those that begin in the next step.
  for (const Active& next : waiting_[wait_turn_]) {
    __builtin_prefetch(next.counts);
    fetch(next.synapse, 0);
  }
  return events;
}

void Deliveries::deliver_from(std::size_t from, const Receivers& to, std::size_t stride) {
  due_.clear();
  std::vector<Active>& rows = active_[static_cast<std::size_t>(turn_)];
  std::size_t kept = from;
  for (std::size_t i = from; i < rows.size(); ++i) {
    Active active = rows[i];
    Due due{active};
    due.from.left = std::min(together_ * segments_, active.left);
    due.synapses = active.pass(due.from.left);
    if (due.synapses != 0) due_.push_back(due);
    if (active.left > 0) rows[kept++] = active;
  }
  rows.resize(kept);

  for (std::size_t k = 0; k < std::min(kAhead, due_.size()); ++k) {
    fetch(due_[k].from.synapse, due_[k].synapses);
  }
  for (std::size_t k = 0; k < due_.size(); ++k) {
    if (k + kAhead < due_.size()) fetch(due_[k + kAhead].from.synapse, due_[k + kAhead].synapses);
    deliver_row(due_[k], to, stride);
  }
}

void Deliveries::deliver_row(const Due& due, const Receivers& to, std::size_t stride) {
  const std::uint32_t* synapse = due.from.synapse;
  if (!to.lazy.empty()) {
    constexpr std::uint32_t kMask = kSegment - 1;
    for (std::int32_t i = 0; i < due.from.left; ++i) {
      const auto base = static_cast<std::uint32_t>(i % segments_) << kTargetBits;
      for (std::uint32_t left = due.from.count(i); left > 0; --left) {
        to.fetch(base | (*synapse++ & kMask));
      }
    }
    synapse = due.from.synapse;
  }
  for (std::int32_t i = 0, step = 0; i < due.from.left; ++step) {
    const auto turn = static_cast<std::size_t>((turn_ + step) % together_);
    for (std::int32_t segment = 0; segment < segments_; ++segment, ++i) {
      const std::uint32_t count = due.from.count(i);
      const std::uint32_t base = static_cast<std::uint32_t>(segment) << kTargetBits;
      if (to.lazy.empty()) {
        add_row(synapse, count, to.accumulators + turn * stride + base);
      } else {
        add_row_to_each(synapse, count, base, to);
      }
      synapse += count;
      events_[turn] += count;
    }
  }
}

void Deliveries::clear() {
  for (auto& rows : active_) rows.clear();
  for (auto& rows : waiting_) rows.clear();
  delivered_ = 0;
  begun_ = false;
  std::ranges::fill(events_, 0);
}

}  // namespace spikeloom::simulation
