#include <algorithm>
#include <bit>
#include <cmath>

#include "backends/cuda/input_sums.hpp"
#include "backends/cuda/resident.hpp"

/// What a session asks of its network while it runs: input, counts, records, checkpoints.
namespace spikeloom::cuda {

namespace {

template <typename V>
std::vector<V> narrowed(const std::vector<double>& values) {
  std::vector<V> made(values.size());
  std::transform(values.begin(), values.end(), made.begin(),
                 [](double v) { return static_cast<V>(v); });
  return made;
}

}  // namespace

template <typename V>
Status Resident<V>::clear() {
  // One image goes there; then there are twice as many, and so on.
  SPIKELOOM_CHECK(images_.write(fresh_.data(), fresh_.size()));
  for (std::size_t made = 1; made < batch_; made *= 2) {
    const std::size_t more = std::min<std::size_t>(made, batch_ - made);
    SPIKELOOM_CHECK(
        machine_.copy(images_.data() + made * fresh_.size(), images_.data(), more * fresh_.size()));
  }
  SPIKELOOM_CHECK(events_.clear());
  for (const Buffer<V>& latest : latest_) SPIKELOOM_CHECK(latest.clear());
  inputs_of_.assign(batch_, {});
  return {};
}

template <typename V>
Status Resident<V>::push(std::uint32_t element, const InputQueue& queue, std::size_t pushed) {
  if (pushed == 0) return {};
  InputOf& own = inputs_of_[element];
  const bool fits = own.waiting + pushed <= event_slots_;
  own.known = own.known && !own.summed && fits && queue.sorted() && queue.most() <= kMostExact;
  scratch_.clear();
  for (const QueuedEvent& event : queue.last(pushed)) {
    own.known = own.known && event.value == std::trunc(event.value);
    if (!own.known) return {};
    scratch_.push_back(
        {event.step + 1, first_place_[event.port] + event.index, static_cast<V>(event.value)});
  }
  own.waiting += pushed;
  const std::size_t ring = std::size_t{element} * event_slots_, at = own.end & (event_slots_ - 1);
  const std::size_t before_wrap = std::min<std::size_t>(pushed, event_slots_ - at);
  own.known = false;  // until all is there
  SPIKELOOM_CHECK(events_.write(scratch_.data(), before_wrap, ring + at));
  SPIKELOOM_CHECK(events_.write(scratch_.data() + before_wrap, pushed - before_wrap, ring));
  own.known = true;
  own.end += static_cast<std::uint32_t>(pushed);
  return {};
}

template <typename V>
Status Resident<V>::grow(std::size_t events) {
  if (events > std::size_t{1} << 31) {
    return Error{.code = ErrorCode::kResource,
                 .what = "too many events wait for a CUDA device",
                 .expected = "up to 2^31 a batch element",
                 .got = std::to_string(events),
                 .next = "advance more often"};
  }
  const std::size_t slots = std::bit_ceil(events);
  SPIKELOOM_TRY(events_, Buffer<ResidentEvent<V>>::make(machine_, batch_ * slots));
  event_slots_ = static_cast<std::uint32_t>(slots);
  for (InputOf& own : inputs_of_) own.known = false;
  return {};
}

template <typename V>
Result<bool> Resident<V>::send(std::vector<InputQueue>& queues) {
  std::size_t most = 0;
  for (const InputQueue& queue : queues) most = std::max(most, queue.size());
  const bool grows = most > event_slots_;
  if (grows) SPIKELOOM_CHECK(grow(most));
  for (std::uint32_t e = 0; e < batch_; ++e) {
    if (!inputs_of_[e].known) SPIKELOOM_CHECK(send_all(e, queues[e]));
  }
  return grows;
}

template <typename V>
Status Resident<V>::send_all(std::uint32_t element, InputQueue& queue) {
  const std::span<const QueuedEvent> waiting = queue.waiting();
  scratch_.clear();
  for (std::size_t i = 0; i < waiting.size();) {
    const std::size_t first = i;
    while (i < waiting.size() && waiting[i].step == waiting[first].step) ++i;
    for_each_sum<V>(
        waiting.subspan(first, i - first), [&](std::uint32_t port, std::uint32_t index, V value) {
          scratch_.push_back({waiting[first].step + 1, first_place_[port] + index, value});
        });
  }
  InputOf& own = inputs_of_[element];
  own.summed = scratch_.size() != waiting.size();
  own.waiting = scratch_.size();
  own.end = static_cast<std::uint32_t>(scratch_.size());
  const std::size_t ring = std::size_t{element} * event_slots_;
  SPIKELOOM_CHECK(machine_.clear(events_.data() + ring, event_slots_ * sizeof(ResidentEvent<V>)));
  SPIKELOOM_CHECK(events_.write(scratch_.data(), scratch_.size(), ring));
  SPIKELOOM_CHECK(put(element, cursor_, std::vector<std::uint32_t>(8, 0)));
  own.known = true;
  return {};
}

template <typename V>
std::size_t Resident<V>::drop(std::uint32_t element, InputQueue& queue, std::int64_t step) {
  const std::size_t dropped = queue.drop_before(step);
  InputOf& own = inputs_of_[element];
  own.summed = own.summed && queue.size() > 0;
  own.waiting = queue.size();
  return dropped;
}

template <typename V>
void Resident<V>::complete(std::vector<Tally<V>>& tallies) const {
  for (std::size_t n = 0; n < places_.size(); ++n) {
    const ProgramNode& node = program_.nodes[n];
    const std::uint32_t root = places_[n].counted_as;
    const bool fused = std::holds_alternative<op::Neuron>(node.operation) &&
                       node.inputs.size() == 1 && places_[node.inputs[0].source].latest != kNowhere;
    if (root != kNowhere) {
      const Tally<V> from = tallies[2 * std::size_t{root}];
      for (Tally<V>* const to : {&tallies[2 * n], &tallies[2 * n + 1]}) {
        to->events = from.events;
        to->sum = from.sum;
      }
    } else if (fused) {
      const Tally<V> from = tallies[2 * std::size_t{node.inputs[0].source}];
      tallies[2 * n + 1].events = from.events;
      tallies[2 * n + 1].sum = from.sum;
    }
  }
}

template <typename V>
template <typename T>
Result<std::vector<T>> Resident<V>::fetch(std::uint32_t element, std::uint64_t offset,
                                          std::size_t count) const {
  std::vector<T> values(count);
  SPIKELOOM_CHECK(machine_.download(
      values.data(), images_.data() + element * fresh_.size() + offset, count * sizeof(T)));
  SPIKELOOM_CHECK(machine_.wait());
  return values;
}

template <typename V>
template <typename T>
Status Resident<V>::put(std::uint32_t element, std::uint64_t offset,
                        const std::vector<T>& values) const {
  if (values.empty()) return {};
  return machine_.upload(images_.data() + element * fresh_.size() + offset, values.data(),
                         values.size() * sizeof(T));
}

template <typename V>
Result<std::vector<V>> Resident<V>::read(std::uint32_t element, std::uint32_t signal,
                                         std::int64_t step) const {
  const ResidentSignal& s = signals_[signal];
  const auto slot = static_cast<std::uint64_t>(step) & (s.slots - 1);
  SPIKELOOM_TRY(const auto bits,
                fetch<std::uint32_t>(element, s.bits + slot * s.words * 4, s.words));
  std::vector<V> values;
  bool valued = s.value != kNowhere;
  if (valued && s.graded != kNowhere) {
    SPIKELOOM_TRY(const auto stamp, fetch<std::int64_t>(element, s.graded + slot * 8, 1));
    valued = stamp[0] == step + 1;
  }
  if (valued) {
    SPIKELOOM_TRY(values, fetch<V>(element, s.value + slot * s.size * sizeof(V), s.size));
  }
  std::vector<V> out(s.size, V{0});
  for (std::uint32_t i = 0; i < s.size; ++i) {
    if ((bits[i / 32] >> (i % 32) & 1) != 0) out[i] = valued ? values[i] : V{1};
  }
  return out;
}

template <typename V>
Status Resident<V>::write(std::uint32_t element, std::uint32_t signal, std::int64_t step,
                          const std::vector<double>& values) const {
  if (values.empty()) return {};
  const ResidentSignal& s = signals_[signal];
  const auto slot = static_cast<std::uint64_t>(step) & (s.slots - 1);
  std::vector<std::uint32_t> bits(s.words, 0);
  for (std::uint32_t i = 0; i < s.size; ++i) {
    if (static_cast<V>(values[i]) != V{0}) bits[i / 32] |= 1U << (i % 32);
  }
  SPIKELOOM_CHECK(put(element, s.bits + slot * s.words * 4, bits));
  if (s.value == kNowhere) return {};
  SPIKELOOM_CHECK(put(element, s.value + slot * s.size * sizeof(V), narrowed<V>(values)));
  if (s.graded == kNowhere) return {};
  return put(element, s.graded + slot * 8, std::vector<std::int64_t>{step + 1});
}

template <typename V>
Result<std::vector<V>> Resident<V>::output(std::uint32_t element, std::uint32_t node,
                                           std::int64_t step) const {
  const Place& place = places_[node];
  if (place.latest == kNowhere) return read(element, place.signal, step);
  const auto size = static_cast<std::size_t>(program_.nodes[node].out_size);
  std::vector<V> values(size);
  SPIKELOOM_CHECK(latest_[place.latest].read(values.data(), size, element * size));
  SPIKELOOM_CHECK(machine_.wait());
  return values;
}

template <typename V>
template <typename T>
Result<std::vector<double>> Resident<V>::state(std::uint32_t element, std::uint32_t place,
                                               std::size_t size) const {
  if (place == kNowhere) return std::vector<double>();
  SPIKELOOM_TRY(const auto values, fetch<T>(element, place, size));
  return std::vector<double>(values.begin(), values.end());
}

template <typename V>
Result<CheckpointNode> Resident<V>::save(std::uint32_t element, std::uint32_t n,
                                         std::int64_t step) const {
  const ProgramNode& node = program_.nodes[n];
  const Place& place = places_[n];
  const auto size = static_cast<std::size_t>(node.out_size);
  const auto widened = [](const std::vector<V>& values) {
    return std::vector<double>(values.begin(), values.end());
  };
  CheckpointNode saved;
  SPIKELOOM_TRY(saved.membrane, state<V>(element, place.membrane, size));
  SPIKELOOM_TRY(saved.current, state<V>(element, place.current, size));
  SPIKELOOM_TRY(const auto waiting, state<std::int32_t>(element, place.countdown, size));
  saved.waiting.assign(waiting.begin(), waiting.end());
  if (const auto* delay = std::get_if<op::Delay>(&node.operation)) {
    for (std::int64_t back = longest(*delay); back > 0; --back) {
      SPIKELOOM_TRY(const auto values, read(element, place.gathered, step - back));
      saved.delay.push_back(widened(values));
      // What has left already is not kept by anybody.
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (delay->steps[i] < back) saved.delay.back()[i] = 0.0;
      }
    }
  }
  for (const Link& link : node.inputs) {
    saved.links.emplace_back();
    for (std::int64_t then = step - link.delay; then < step; ++then) {
      SPIKELOOM_TRY(const auto values, read(element, places_[link.source].signal, then));
      saved.links.back().push_back(widened(values));
    }
  }
  return saved;
}

/// States from elsewhere need not be such as a run from the start can have; nor what is on its way,
/// of which nothing but spikes is taken to be. The session does without bounds then, to its end.
template <typename V>
void Resident<V>::keep_bounds(std::uint32_t membrane, const CheckpointNode& saved) {
  const auto beyond = [](const std::vector<double>& values, double bound) {
    return std::any_of(values.begin(), values.end(), [&](double v) { return std::abs(v) > bound; });
  };
  const auto graded = [&](const std::vector<std::vector<double>>& steps) {
    return std::any_of(steps.begin(), steps.end(),
                       [&](const auto& values) { return beyond(values, 1.0); });
  };
  const bool late =
      graded(saved.delay) || std::any_of(saved.links.begin(), saved.links.end(), graded);
  for (ResidentOp<V>& op : ops_) {
    NeuronBounds& bounds = op.neurons.bounds;
    bounds.hold = bounds.hold && !late;
    if (op.membrane != membrane || membrane == kNowhere) continue;
    bounds.hold = bounds.hold && !beyond(saved.current, bounds.current) &&
                  !beyond(saved.membrane, bounds.membrane);
  }
}

template <typename V>
Status Resident<V>::load(std::uint32_t element, std::uint32_t n, std::int64_t step,
                         const CheckpointNode& saved) {
  const ProgramNode& node = program_.nodes[n];
  const Place& place = places_[n];
  keep_bounds(place.membrane, saved);
  if (place.membrane != kNowhere) {
    SPIKELOOM_CHECK(put(element, place.membrane, narrowed<V>(saved.membrane)));
  }
  if (place.current != kNowhere) {
    SPIKELOOM_CHECK(put(element, place.current, narrowed<V>(saved.current)));
  }
  if (place.countdown != kNowhere) {
    const std::vector<std::int32_t> waiting(saved.waiting.begin(), saved.waiting.end());
    SPIKELOOM_CHECK(put(element, place.countdown, waiting));
  }
  for (std::size_t age = 0; age < saved.delay.size(); ++age) {
    const auto back = static_cast<std::int64_t>(saved.delay.size() - age);
    SPIKELOOM_CHECK(write(element, place.gathered, step - back, saved.delay[age]));
  }
  for (std::size_t l = 0; l < saved.links.size(); ++l) {
    for (std::size_t age = 0; age < saved.links[l].size(); ++age) {
      const auto back = static_cast<std::int64_t>(saved.links[l].size() - age);
      SPIKELOOM_CHECK(
          write(element, places_[node.inputs[l].source].signal, step - back, saved.links[l][age]));
    }
  }
  return {};
}

#define SPIKELOOM_RESIDENT(V)                                                                     \
  template Status Resident<V>::clear();                                                           \
  template Status Resident<V>::push(std::uint32_t, const InputQueue&, std::size_t);               \
  template Result<bool> Resident<V>::send(std::vector<InputQueue>&);                              \
  template std::size_t Resident<V>::drop(std::uint32_t, InputQueue&, std::int64_t);               \
  template void Resident<V>::complete(std::vector<Tally<V>>&) const;                              \
  template Result<std::vector<V>> Resident<V>::output(std::uint32_t, std::uint32_t, std::int64_t) \
      const;                                                                                      \
  template Result<CheckpointNode> Resident<V>::save(std::uint32_t, std::uint32_t, std::int64_t)   \
      const;                                                                                      \
  template Status Resident<V>::load(std::uint32_t, std::uint32_t, std::int64_t,                   \
                                    const CheckpointNode&);

SPIKELOOM_RESIDENT(float)
SPIKELOOM_RESIDENT(std::int32_t)

#undef SPIKELOOM_RESIDENT

}  // namespace spikeloom::cuda
