#include <algorithm>
#include <bit>

#include "backends/emulator/mesh_timing_private.hpp"

namespace spikeloom::emulator {

void MeshTiming::Slot::clear() {
  arrivals.clear();
  places.clear();
  grants.clear();
  departures.clear();
  deliveries.clear();
  used = false;
}

MeshTiming::MeshTiming(const Chip& chip, const RouterParameters& parameters)
    : parameters_(parameters),
      routers_(chip.width * chip.height),
      core_ports_(chip.max_cores_per_tile()),
      ports_(core_ports_ + kDirections),
      sending_(chip.cores.size()),
      receiving_(chip.cores.size()) {
  for (std::uint32_t router = 0; router < routers_; ++router) {
    router_places_.push_back({router / chip.height, router % chip.height, router});
  }
  for (const CoreSite& core : chip.cores) {
    core_places_.push_back(router_places_[core.tile]);
    core_offsets_.push_back(core.offset);
  }
  senders_.resize(chip.cores.size());
  receivers_.resize(chip.cores.size());
  inputs_.resize(std::size_t{parameters_.planes} * routers_ * ports_);
  outputs_.resize(inputs_.size());
  for (std::uint32_t plane = 0; plane < parameters_.planes; ++plane) {
    for (const auto& [x, y, router] : router_places_) {
      for (std::uint32_t index = 0; index < ports_; ++index) {
        const std::uint32_t here = port(plane, router, index);
        inputs_[here].router = router;
        inputs_[here].plane = plane;
        inputs_[here].first_port = outputs_[here].first_port = port(plane, router, 0);
        outputs_[here].places = parameters_.buffer_flits;
        outputs_[here].to_core = index < core_ports_;
      }
      if (x + 1 < chip.width) connect(plane, router, 0, router + chip.height);
      if (x > 0) connect(plane, router, 1, router - chip.height);
      if (y + 1 < chip.height) connect(plane, router, 2, router + 1);
      if (y > 0) connect(plane, router, 3, router - 1);
    }
    for (std::uint32_t core = 0; core < chip.cores.size(); ++core) {
      inputs_[port(plane, chip.cores[core].tile, chip.cores[core].offset)].core = core;
    }
  }
}

/// A link to a neighbour: it leaves by `direction` and enters on the side it comes from.
void MeshTiming::connect(std::uint32_t plane, std::uint32_t router, std::uint32_t direction,
                         std::uint32_t neighbour) {
  const std::uint32_t output = port(plane, router, core_ports_ + direction);
  const std::uint32_t input = port(plane, neighbour, core_ports_ + (direction ^ 1U));
  outputs_[output].downstream = input;
  inputs_[input].upstream = output;
}

std::uint32_t MeshTiming::cycles(double seconds) const {
  return static_cast<std::uint32_t>(std::min(seconds / parameters_.clock_seconds + 0.5, 4e9));
}

/// The output that leads from this input's router to a core.
std::uint32_t MeshTiming::route(const Input& input, std::uint32_t core) const {
  const Place& here = router_places_[input.router];
  const Place& there = core_places_[core];
  if (here.tile == there.tile) return input.first_port + core_offsets_[core];
  const std::uint32_t first = input.first_port + core_ports_;
  if (here.x != there.x) return first + (here.x < there.x ? 0 : 1);
  return first + (here.y < there.y ? 2 : 3);
}

double MeshTiming::step(std::span<const CoreTraffic> cores) {
  traffic_ = cores;
  now_ = last_fetch_ = last_arrival_ = 0;
  sending_.restart();
  receiving_.restart();
  flits_.clear();
  for (Output& output : outputs_) output.next_in_turn = 0;
  for (std::uint32_t core = 0; core < cores.size(); ++core) start(core);
  for (;;) {
    std::uint64_t next = std::min(sending_.earliest(), receiving_.earliest());
    for (std::uint64_t ahead = 1; ahead < slots_.size() && now_ + ahead < next; ++ahead) {
      if (slots_[(now_ + ahead) % slots_.size()].used) next = now_ + ahead;
    }
    if (next == CoreCalendar::kNever) break;
    now_ = next;
    run_cycle();
  }
  return static_cast<double>(end_of_step()) * parameters_.clock_seconds;
}

void MeshTiming::start(std::uint32_t core) {
  Sender& sender = senders_[core];
  sender = {};
  sender.places.fill(parameters_.buffer_flits);
  Receiver& receiver = receivers_[core];
  receiver.queue.clear();
  receiver.first = 0;
  receiver.done = 0;
  schedule_next(core);
}

/// The core turns to its next message, or to the neurons after the last one.
void MeshTiming::schedule_next(std::uint32_t core) {
  Sender& sender = senders_[core];
  const CoreTraffic& traffic = traffic_[core];
  if (sender.next < traffic.messages.size()) {
    sending_.add(now_ + std::max(1U, cycles(traffic.messages[sender.next].generation)), core);
    return;
  }
  sender.done = now_ + cycles(traffic.tail);
  last_fetch_ = std::max(last_fetch_, now_);
}

void MeshTiming::try_to_send(std::uint32_t core) {
  Sender& sender = senders_[core];
  const auto plane = static_cast<std::uint32_t>(sender.sent % parameters_.planes);
  sender.waits = sender.places[plane] == 0;
  if (sender.waits) return;
  --sender.places[plane];
  ++sender.sent;
  const Axon& axon = *traffic_[core].messages[sender.next++].axon;
  flits_.push_back({axon.core, std::max(1U, cycles(axon.receive_latency))});
  slot(now_ + 2).arrivals.push_back({port(plane, core_places_[core].tile, core_offsets_[core]),
                                     static_cast<std::uint32_t>(flits_.size() - 1)});
  schedule_next(core);
}

void MeshTiming::run_cycle() {
  Slot& now = slot(now_);
  for (const Arrival& arrival : now.arrivals) {
    Input& input = inputs_[arrival.input];
    input.flits[(input.head + input.count) % input.flits.size()] = arrival.flit;
    if (++input.count == 1) offer_head(input, arrival.input, now_);
  }
  for (const std::uint32_t input : now.places) give_back_place(input);
  sending_.take(now_, [this](std::uint32_t core) { try_to_send(core); });
  for (const std::uint32_t output : now.grants) grant(output);
  for (const std::uint32_t output : now.departures) depart(output);
  for (const std::uint32_t flit : now.deliveries) deliver(flit);
  receiving_.take(now_, [this](std::uint32_t core) { finish_receiving(core); });
  now.clear();
}

/// The flit at the head of a buffer asks for its output.
void MeshTiming::offer_head(const Input& input, std::uint32_t index, std::uint64_t cycle) {
  const std::uint32_t output = route(input, flits_[input.flits[input.head]].core);
  outputs_[output].requests |= std::uint64_t{1} << (index - input.first_port);
  slot(cycle).grants.push_back(output);
}

/// An output that nobody holds goes to the next input in turn.
void MeshTiming::grant(std::uint32_t output) {
  Output& out = outputs_[output];
  if (out.holder != kNone || out.requests == 0) return;
  const std::uint64_t later = out.requests >> out.next_in_turn;
  const auto input = static_cast<std::uint32_t>(
      later != 0 ? out.next_in_turn + static_cast<std::uint32_t>(std::countr_zero(later))
                 : static_cast<std::uint32_t>(std::countr_zero(out.requests)));
  out.requests &= ~(std::uint64_t{1} << input);
  out.holder = input;
  out.next_in_turn = input + 1 == ports_ ? 0 : input + 1;
  slot(now_ + 1).departures.push_back(output);
}

void MeshTiming::depart(std::uint32_t output) {
  Output& out = outputs_[output];
  const std::uint32_t input = out.first_port + out.holder;
  Input& buffer = inputs_[input];
  const std::uint32_t flit = buffer.flits[buffer.head];
  out.waits = out.to_core ? receivers_[flits_[flit].core].waiting() >= parameters_.receive_places
                          : out.places == 0;
  if (out.waits) return;
  if (out.to_core) {
    slot(now_ + 1).deliveries.push_back(flit);
  } else {
    --out.places;
    slot(now_ + 3).arrivals.push_back({out.downstream, flit});
  }
  slot(now_ + 2).places.push_back(input);
  buffer.head = (buffer.head + 1) % buffer.flits.size();
  if (--buffer.count != 0) offer_head(buffer, input, now_ + 1);
  out.holder = kNone;
  if (out.requests != 0) slot(now_ + 1).grants.push_back(output);
}

void MeshTiming::give_back_place(std::uint32_t input) {
  const Input& buffer = inputs_[input];
  if (buffer.upstream != kNone) {
    Output& out = outputs_[buffer.upstream];
    ++out.places;
    if (out.waits) slot(now_).departures.push_back(buffer.upstream);
    return;
  }
  Sender& sender = senders_[buffer.core];
  ++sender.places[buffer.plane];
  if (sender.waits && sender.sent % parameters_.planes == buffer.plane) try_to_send(buffer.core);
}

void MeshTiming::deliver(std::uint32_t flit) {
  const std::uint32_t core = flits_[flit].core;
  Receiver& receiver = receivers_[core];
  last_arrival_ = std::max(last_arrival_, now_ + 2);
  if (receiver.busy) {
    receiver.queue.push_back(flits_[flit].cycles);
    return;
  }
  receiver.busy = true;
  receiver.done = now_ + flits_[flit].cycles;
  receiving_.add(receiver.done - 1, core);
}

/// At the end of the last cycle of a message's work.
void MeshTiming::finish_receiving(std::uint32_t core) {
  Receiver& receiver = receivers_[core];
  receiver.busy = receiver.waiting() != 0;
  if (!receiver.busy) return;
  receiver.done = now_ + 1 + receiver.queue[receiver.first++];
  receiving_.add(receiver.done - 1, core);
  if (receiver.first == receiver.queue.size()) {
    receiver.queue.clear();
    receiver.first = 0;
  }
  for (std::uint32_t plane = 0; plane < parameters_.planes; ++plane) {
    const std::uint32_t output = port(plane, core_places_[core].tile, core_offsets_[core]);
    if (outputs_[output].waits) slot(now_ + 1).departures.push_back(output);
  }
}

std::uint64_t MeshTiming::end_of_step() const {
  // The last places are given back two cycles after the last flit has left.
  const std::uint64_t arrived = std::max(last_fetch_, last_arrival_) + (flits_.empty() ? 1 : 3);
  std::uint64_t neurons = 0;
  std::uint64_t messages = 0;
  for (std::size_t core = 0; core < senders_.size(); ++core) {
    neurons = std::max(neurons, std::max(senders_[core].done, last_fetch_) - last_fetch_);
    messages = std::max(messages, std::max(receivers_[core].done, arrived) - arrived);
  }
  return arrived + neurons + messages;
}

}  // namespace spikeloom::emulator
