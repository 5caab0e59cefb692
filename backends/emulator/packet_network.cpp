#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "backends/emulator/packet_network_private.hpp"

namespace spikeloom::emulator {
namespace {

std::size_t places(double count) {
  return count > 0.0 ? static_cast<std::size_t>(std::max(1.0, std::min(count, 1e9))) : 0;
}

/// The chip's own cores are its last input.
constexpr std::uint32_t kOwn = kLinkDirections;

}  // namespace

Picoseconds picoseconds(double seconds) {
  return static_cast<Picoseconds>(std::llround(std::min(seconds, 1e6) * 1e12));
}

PacketNetwork::PacketNetwork(const mapping::TargetConstants& constants, const PacketRoutes& routes)
    : routes_(routes),
      router_(picoseconds(constants.router_seconds)),
      latency_(picoseconds(constants.router_latency)),
      timeout_(picoseconds(constants.router_timeout)),
      on_link_(picoseconds(constants.link_seconds)),
      reinject_(picoseconds(constants.reinject_seconds)),
      output_(places(constants.link_output)),
      input_(places(constants.link_input)),
      kept_(places(constants.reinject_packets)),
      chips_(routes.links() / kLinkDirections),
      links_(routes.links()),
      link_busy_(routes.links(), 0),
      link_timeouts_(routes.links(), 0) {}

void PacketNetwork::push(Picoseconds time, Kind kind, std::uint32_t where, std::uint32_t detail) {
  events_.push({time, order_++, kind, where, detail});
}

std::uint32_t PacketNetwork::make_copy(std::uint32_t packet, std::uint32_t step) {
  const Copy made = {packet, step, packets_[packet].route->steps[step].links, true};
  ++open_;
  ++packets_[packet].copies;
  if (free_copies_.empty()) {
    copies_.push_back(made);
    return static_cast<std::uint32_t>(copies_.size() - 1);
  }
  const std::uint32_t number = free_copies_.back();
  free_copies_.pop_back();
  copies_[number] = made;
  return number;
}

void PacketNetwork::close(std::uint32_t copy) {
  free_copies_.push_back(copy);
  --open_;
  const std::uint32_t packet = copies_[copy].packet;
  if (--packets_[packet].copies == 0) done_.push_back(packet);
}

std::uint32_t PacketNetwork::send(const PacketRoute& route, Picoseconds time) {
  auto packet = static_cast<std::uint32_t>(packets_.size());
  if (free_packets_.empty()) {
    packets_.push_back({&route, 0});
  } else {
    packet = free_packets_.back();
    free_packets_.pop_back();
    packets_[packet] = {&route, 0};
  }
  if (route.starts.empty()) done_.push_back(packet);
  for (const std::uint32_t start : route.starts) {
    push(std::max(time, now_), Kind::kEnter, route.steps[start].chip, make_copy(packet, start));
  }
  return packet;
}

void PacketNetwork::forget() {
  free_packets_.insert(free_packets_.end(), done_.begin(), done_.end());
  done_.clear();
}

NetworkCounts PacketNetwork::take_counts() { return std::exchange(counts_, {}); }

void PacketNetwork::run(Picoseconds end) {
  while (!events_.empty() && events_.top().time < end) {
    const Event event = events_.top();
    events_.pop();
    // Of a wait that is over: it must not move the time, from which later packets start.
    if (event.kind == Kind::kTimeout && !waits(event)) continue;
    now_ = event.time;
    handle(event);
  }
  // Full buffers in a ring, and no time-out: nothing will ever move again.
  if (events_.empty() && open_ > 0) lose_what_is_stuck();
}

bool PacketNetwork::waits(const Event& timeout) const {
  const Chip& chip = chips_[timeout.where];
  return chip.holds && chip.wait == timeout.detail;
}

void PacketNetwork::handle(const Event& event) {
  switch (event.kind) {
    case Kind::kEnter:
      chips_[event.where].inputs[kOwn].push(event.detail);
      wake(event.where);
      break;
    case Kind::kRouter:
      chips_[event.where].wakes = false;
      route(event.where);
      break;
    case Kind::kOutput:
      start_link(event.where);
      break;
    case Kind::kCarried:
      links_[event.where].stuck = true;
      deposit(event.where);
      break;
    case Kind::kTimeout:
      drop_held(event.where);
      break;
    case Kind::kReinject:
      reinject(event.where);
      break;
  }
}

/// The router looks at its inputs as soon as it is free.
void PacketNetwork::wake(std::uint32_t number) {
  Chip& chip = chips_[number];
  if (chip.holds || chip.wakes) return;
  chip.wakes = true;
  push(std::max(now_, chip.free_at), Kind::kRouter, number);
}

bool PacketNetwork::take_next(Chip& chip, std::uint32_t number) {
  for (std::uint32_t i = 0; i <= kOwn; ++i) {
    const std::uint32_t from = (chip.turn + i) % (kOwn + 1);
    if (chip.inputs[from].empty()) continue;
    chip.held = chip.inputs[from].front();
    chip.inputs[from].pop();
    chip.turn = (from + 1) % (kOwn + 1);
    // Before a waiting link is let in: that asks when the router is free.
    chip.free_at = now_ + router_;
    if (from != kOwn) {
      // Room for what the link behind this input may hold: the neighbour's link towards here.
      const std::uint32_t other = routes_.behind(number * kLinkDirections + from);
      if (other != kNowhere) {
        const std::uint32_t back = (from + kLinkDirections / 2) % kLinkDirections;
        deposit(other * kLinkDirections + back);
      }
    }
    return true;
  }
  return false;
}

void PacketNetwork::route(std::uint32_t number) {
  Chip& chip = chips_[number];
  if (chip.holds || !take_next(chip, number)) return;
  const std::uint32_t copy = chip.held;
  if (copies_[copy].to_cores) {
    const PacketRoute& way = *packets_[copies_[copy].packet].route;
    const RouteStep& step = way.steps[copies_[copy].step];
    for (std::uint32_t i = step.first_core; i < step.end_core; ++i) {
      arrivals_.push_back({copies_[copy].packet, way.delivered[i], now_ + latency_});
    }
  }
  if (place(number, copy)) {
    close(copy);
    const auto waits = [](const auto& input) { return !input.empty(); };
    if (std::any_of(std::begin(chip.inputs), std::end(chip.inputs), waits)) wake(number);
    return;
  }
  chip.holds = true;
  ++chip.wait;
  if (timeout_ > 0) push(now_ + timeout_, Kind::kTimeout, number, chip.wait);
}

/// Puts a copy into the outputs that have room; true when none is missing.
bool PacketNetwork::place(std::uint32_t chip, std::uint32_t number) {
  const PacketRoute& way = *packets_[copies_[number].packet].route;
  const RouteStep& step = way.steps[copies_[number].step];
  for (std::uint32_t d = 0, child = step.next; d < kLinkDirections; ++d) {
    if ((step.links >> d & 1U) == 0) continue;
    const std::uint32_t next = child++;
    if ((copies_[number].links >> d & 1U) == 0) continue;
    const std::uint32_t link = chip * kLinkDirections + d;
    if (output_ > 0 && links_[link].output.size() >= output_) continue;
    links_[link].output.push({make_copy(copies_[number].packet, next), now_ + latency_});
    push(now_ + latency_, Kind::kOutput, link);
    copies_[number].links &= static_cast<std::uint8_t>(~(1U << d));
  }
  return copies_[number].links == 0;
}

void PacketNetwork::start_link(std::uint32_t number) {
  Link& link = links_[number];
  if (link.carries || link.output.empty() || link.output.front().second > now_) return;
  link.carried = link.output.front().first;
  link.output.pop();
  link.carries = true;
  link.since = now_;
  push(now_ + on_link_, Kind::kCarried, number);
  // The output has room again.
  const std::uint32_t from = number / kLinkDirections;
  Chip& chip = chips_[from];
  if (!chip.holds || (copies_[chip.held].links >> number % kLinkDirections & 1U) == 0) return;
  if (!place(from, chip.held)) return;
  close(chip.held);
  chip.holds = false;
  wake(from);
}

/// Puts what a link has carried into the input behind it, when it has room.
void PacketNetwork::deposit(std::uint32_t number) {
  Link& link = links_[number];
  if (!link.stuck) return;
  const std::uint32_t to = routes_.behind(number);
  const std::uint32_t side = (number % kLinkDirections + kLinkDirections / 2) % kLinkDirections;
  auto& input = chips_[to].inputs[side];
  if (input_ > 0 && input.size() >= input_) return;
  input.push(link.carried);
  link.carries = false;
  link.stuck = false;
  link_busy_[number] += now_ - link.since;
  wake(to);
  start_link(number);
}

void PacketNetwork::drop_held(std::uint32_t number) {
  Chip& chip = chips_[number];
  const std::uint32_t copy = chip.held;
  ++counts_.timed_out;
  for (std::uint32_t d = 0; d < kLinkDirections; ++d) {
    link_timeouts_[number * kLinkDirections + d] += copies_[copy].links >> d & 1U;
  }
  copies_[copy].to_cores = false;
  if (chip.dropped.size() < kept_) {
    chip.dropped.push(copy);
    if (!chip.reinjects) {
      chip.reinjects = true;
      const Picoseconds next = reinject_ > 0 ? (now_ / reinject_ + 1) * reinject_ : now_;
      push(next, Kind::kReinject, number);
    }
  } else {
    lose(copies_[copy]);
    close(copy);
  }
  chip.holds = false;
  wake(number);
}

void PacketNetwork::reinject(std::uint32_t number) {
  Chip& chip = chips_[number];
  chip.reinjects = false;
  counts_.reinjected += chip.dropped.size();
  for (; !chip.dropped.empty(); chip.dropped.pop()) {
    chip.inputs[kOwn].push(chip.dropped.front());
  }
  wake(number);
}

/// Cores behind the links that a copy has not left by.
void PacketNetwork::lose(const Copy& copy) {
  const PacketRoute& way = *packets_[copy.packet].route;
  std::vector<std::uint32_t> open;
  const auto add = [&](const RouteStep& step, std::uint8_t links) {
    for (std::uint32_t d = 0, child = step.next; d < kLinkDirections; ++d) {
      if ((step.links >> d & 1U) == 0) continue;
      if ((links >> d & 1U) != 0) open.push_back(child);
      ++child;
    }
  };
  const RouteStep& start = way.steps[copy.step];
  if (copy.to_cores) {
    for (std::uint32_t i = start.first_core; i < start.end_core; ++i) {
      lost_.push_back({copy.packet, way.delivered[i]});
    }
  }
  add(start, copy.links);
  while (!open.empty()) {
    const RouteStep& step = way.steps[open.back()];
    open.pop_back();
    for (std::uint32_t i = step.first_core; i < step.end_core; ++i) {
      lost_.push_back({copy.packet, way.delivered[i]});
    }
    add(step, step.links);
  }
}

void PacketNetwork::lose_what_is_stuck() {
  const auto lose_copy = [this](std::uint32_t copy) {
    lose(copies_[copy]);
    close(copy);
  };
  for (Chip& chip : chips_) {
    if (std::exchange(chip.holds, false)) {
      copies_[chip.held].to_cores = false;
      lose_copy(chip.held);
    }
    for (auto& input : chip.inputs) {
      for (; !input.empty(); input.pop()) lose_copy(input.front());
    }
  }
  for (std::uint32_t l = 0; l < links_.size(); ++l) {
    Link& link = links_[l];
    if (std::exchange(link.carries, false)) {
      link.stuck = false;
      link_busy_[l] += now_ - link.since;
      lose_copy(link.carried);
    }
    for (; !link.output.empty(); link.output.pop()) lose_copy(link.output.front().first);
  }
}

}  // namespace spikeloom::emulator
