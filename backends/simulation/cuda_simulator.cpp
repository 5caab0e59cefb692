#include "backends/simulation/cuda_simulator.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <new>
#include <string>

#include <fmt/format.h>

#include "backends/cuda/machine.hpp"
#include "backends/simulation/detail/neurons.hpp"
#include "backends/simulation/detail/rows.hpp"
#include "backends/simulation/detail/slices.hpp"
#include "backends/simulation/detail/stimuli.hpp"
#include "snn/simulation/weight_units.hpp"

namespace spikeloom::simulation {
namespace {

using cuda::Buffer;

/// Steps of a recorded sequence.
constexpr std::uint32_t kChunk = 256;

Error unsupported(std::string what, std::string got) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = std::move(what),
               .got = std::move(got),
               .next = "give --backend cpu"};
}

Result<Slice> whole_slice(const Network& network) {
  SPIKELOOM_CHECK(check(network));
  for (std::uint32_t p = 0; p < network.populations.size(); ++p) {
    if (has_whole_currents(network, p, false)) continue;
    return unsupported(
        "cuda simulates iaf_psc_exp with shared parameters and one synaptic time constant below "
        "9.5 steps",
        "population " + network.populations[p].name);
  }
  for (const Stimulus& stimulus : network.stimuli) {
    if (std::holds_alternative<PoissonStimulus>(stimulus)) {
      return unsupported("cuda has no Poisson stimuli", "one");
    }
  }
  if (neuron_count(network) > static_cast<std::int64_t>(kSegment)) {
    return unsupported(fmt::format("cuda simulates 1 to {} neurons", kSegment),
                       std::to_string(neuron_count(network)));
  }
  std::vector<Slice> slices = make_slices(network, 0, 1, 1, true);
  if (slices.size() == 1 && network.populations.size() < 256) return std::move(slices[0]);
  return unsupported(
      fmt::format("cuda simulates 1 to {} neurons of up to 255 populations, each rounded up to {}",
                  kSegment, kBlock),
      fmt::format("{} of {}", neuron_count(network), network.populations.size()));
}

class DeviceSimulator final : public CudaSimulator {
 public:
  Status build(Network network, Slice slice, std::shared_ptr<cuda::Machine> machine, int threads);

  const Network& network() const override { return network_; }
  std::int64_t step() const override { return step_; }
  Status advance(std::int64_t steps, const SpikeSink& sink) override;
  Result<std::vector<double>> state(std::uint32_t population,
                                    std::string_view variable) const override;
  SimulationCounts counts() const override;
  std::uint64_t synapses() const override { return synapse_.size(); }
  std::uint64_t device_bytes() const override { return machine_->memory(); }

 private:
  Status build_neurons();
  Status build_rows(int threads);
  Status record();
  Status set_drive();
  std::int64_t next_change() const;
  Status run_chunk(std::uint32_t count, const SpikeSink& sink, bool& stopped);
  Status launch(std::uint32_t count, std::int64_t first, std::uint32_t fired_before);
  Status keep();
  Status go_back() const;

  std::shared_ptr<cuda::Machine> machine_;
  Network network_;
  Slice slice_;
  std::vector<WholeCurrentParameters> parameters_;  ///< of each part
  std::vector<double> units_;                       ///< of each part
  std::vector<Stimuli> stimuli_;
  std::vector<std::uint32_t> number_;  ///< of the first neuron of each block, in the network
  std::int64_t step_ = 0;
  std::uint64_t spikes_ = 0;
  std::int32_t first_delay_ = 1, delays_ = 0;
  std::vector<std::uint32_t> offset_;               ///< as on the device
  std::vector<std::vector<std::uint32_t>> recent_;  ///< who fired, a ring over all delays
  std::vector<cuda::CircuitPopulation> populations_;
  cuda::Circuit circuit_;
  Buffer<cuda::Clock> clock_;
  Buffer<cuda::CircuitPopulation> population_;
  Buffer<std::uint8_t> population_of_;
  Buffer<float> membrane_;
  Buffer<std::int32_t> current_, countdown_, ring_;
  Buffer<std::uint32_t> recent_fired_, counts_, log_, offsets_, synapse_;
  Buffer<std::uint64_t> start_, sent_;
  std::unique_ptr<cuda::Sequence> chunk_;
  /// Everything that a chunk changes, as it was before.
  struct Kept {
    Buffer<float> membrane;
    Buffer<std::int32_t> current, countdown, ring;
    Buffer<std::uint32_t> recent_fired;
    Buffer<std::uint64_t> sent;
  } kept_;
  bool lost_ = false;
};

Status DeviceSimulator::build(Network network, Slice slice, std::shared_ptr<cuda::Machine> machine,
                              int threads) {
  machine_ = std::move(machine);
  network_ = std::move(network);
  slice_ = std::move(slice);
  SPIKELOOM_CHECK(build_neurons());
  SPIKELOOM_CHECK(build_rows(threads));
  return record();
}

Status DeviceSimulator::build_neurons() {
  const std::vector<double> units = weight_units(network_);
  const std::vector<std::int64_t> first = first_neurons(network_);
  const std::size_t size = slice_.accumulators;
  std::vector<float> membrane(size, 0.0F);
  std::vector<std::int32_t> countdown(size, -1);
  std::vector<std::uint8_t> population_of(size / kBlock);
  number_.resize(size / kBlock);
  std::int32_t shortest_refractory = std::numeric_limits<std::int32_t>::max();
  for (std::size_t p = 0; p < slice_.parts.size(); ++p) {
    const Part& part = slice_.parts[p];
    units_.push_back(units[part.population]);
    parameters_.push_back(whole_current_parameters(network_, part, units_.back()));
    const WholeCurrentParameters& made = parameters_.back();
    stimuli_.emplace_back(network_, part, units_.back());
    populations_.push_back({made.decay, made.gain, 0.0F, made.current_decay, made.threshold,
                            made.reset, made.refractory_steps});
    shortest_refractory = std::min(shortest_refractory, made.refractory_steps);
    std::ranges::copy(made.initial,
                      membrane.begin() + static_cast<std::ptrdiff_t>(part.accumulator));
    std::fill_n(countdown.begin() + static_cast<std::ptrdiff_t>(part.accumulator), part.size, 0);
    for (std::size_t b = 0; b < part.padded / kBlock; ++b) {
      population_of[part.accumulator / kBlock + b] = static_cast<std::uint8_t>(p);
      number_[part.accumulator / kBlock + b] = static_cast<std::uint32_t>(
          first[part.population] + static_cast<std::int64_t>(b * kBlock));
    }
  }
  SPIKELOOM_TRY(clock_, Buffer<cuda::Clock>::make(*machine_, 1));
  SPIKELOOM_TRY(population_, Buffer<cuda::CircuitPopulation>::make(*machine_, populations_.size()));
  SPIKELOOM_TRY(population_of_, Buffer<std::uint8_t>::of(*machine_, population_of));
  SPIKELOOM_TRY(membrane_, Buffer<float>::of(*machine_, membrane));
  SPIKELOOM_TRY(countdown_, Buffer<std::int32_t>::of(*machine_, countdown));
  SPIKELOOM_TRY(current_, Buffer<std::int32_t>::make(*machine_, size));
  const auto spikes_each = kChunk / static_cast<std::uint32_t>(shortest_refractory + 1) + 1;
  SPIKELOOM_TRY(log_, Buffer<std::uint32_t>::make(*machine_, size * spikes_each));
  SPIKELOOM_TRY(recent_fired_, Buffer<std::uint32_t>::make(*machine_, 2 * size));
  SPIKELOOM_TRY(counts_, Buffer<std::uint32_t>::make(*machine_, kChunk + 2));
  SPIKELOOM_TRY(sent_, Buffer<std::uint64_t>::make(*machine_, 1));
  return {};
}

Status DeviceSimulator::build_rows(int threads) {
  std::int32_t first = kLongestDelay, last = 0;
  for (const DelayRange& range : delay_ranges(network_)) {
    if (range.count == 0) continue;
    first = std::min(first, range.first);
    last = std::max(last, range.first + range.count);
  }
  if (last > 0) {
    first_delay_ = first;
    delays_ = last - first;
  }
  recent_.resize(static_cast<std::size_t>(first_delay_ + delays_));
  SPIKELOOM_TRY(const Connectivity connectivity,
                Connectivity::make(network_, ranges_of(network_, slice_)));
  SPIKELOOM_TRY(const Rows rows,
                Rows::make(network_, slice_, connectivity, static_cast<std::size_t>(threads)));
  const std::size_t size = slice_.accumulators, width = static_cast<std::size_t>(delays_) + 1;
  std::vector<std::uint64_t> start(size, 0);
  offset_.assign(size * width, 0);
  for (const Part& part : slice_.parts) {
    for (std::int64_t i = 0; i < part.size; ++i) {
      const std::size_t at = part.accumulator + static_cast<std::size_t>(i);
      const Rows::Row row =
          rows.row(number_[at / kBlock] + static_cast<std::uint32_t>(at % kBlock));
      if (row.delays == 0) continue;
      start[at] = static_cast<std::uint64_t>(row.synapse - rows.begin());
      std::uint32_t sum = 0;
      for (std::int32_t d = 0; d < delays_; ++d) {
        const std::int32_t k = first_delay_ + d - row.first_delay;
        if (k >= 0 && k < row.delays) sum += row.count(static_cast<std::size_t>(k));
        offset_[at * width + static_cast<std::size_t>(d) + 1] = sum;
      }
    }
  }
  SPIKELOOM_TRY(start_, Buffer<std::uint64_t>::of(*machine_, start));
  SPIKELOOM_TRY(offsets_, Buffer<std::uint32_t>::of(*machine_, offset_));
  SPIKELOOM_TRY(synapse_, Buffer<std::uint32_t>::make(*machine_, rows.synapses()));
  SPIKELOOM_CHECK(synapse_.write(rows.begin(), rows.synapses()));
  const std::size_t slots = std::bit_ceil(static_cast<std::size_t>(first_delay_ + delays_));
  SPIKELOOM_TRY(ring_, Buffer<std::int32_t>::make(*machine_, slots * size));
  circuit_.slots = static_cast<std::uint32_t>(slots);
  return machine_->wait();
}

Status DeviceSimulator::record() {
  circuit_.clock = clock_.data();
  circuit_.population = population_.data();
  circuit_.population_of = population_of_.data();
  circuit_.membrane = membrane_.data();
  circuit_.current = current_.data();
  circuit_.countdown = countdown_.data();
  circuit_.ring = ring_.data();
  circuit_.neurons = static_cast<std::uint32_t>(slice_.accumulators);
  circuit_.recent = recent_fired_.data();
  circuit_.count = counts_.data();
  circuit_.logged = counts_.data() + kChunk + 1;
  circuit_.log = log_.data();
  circuit_.sent = sent_.data();
  circuit_.start = start_.data();
  circuit_.offset = offsets_.data();
  circuit_.synapse = synapse_.data();
  circuit_.first_delay = static_cast<std::uint32_t>(first_delay_);
  circuit_.delays = static_cast<std::uint32_t>(delays_);
  circuit_.target_bits = kTargetBits;
  std::vector<cuda::KernelCall> calls;
  for (std::uint32_t k = 0; k < kChunk; ++k) {
    calls.push_back(cuda::call(cuda::CircuitKernel{circuit_, k}));
  }
  SPIKELOOM_TRY(chunk_, machine_->record(std::move(calls)));
  return set_drive();
}

/// Currents are constant between two changes.
Status DeviceSimulator::set_drive() {
  for (std::size_t p = 0; p < populations_.size(); ++p) {
    const WholeCurrentParameters& own = parameters_[p];
    populations_[p].drive =
        static_cast<float>(own.from_current * (own.standing_current + stimuli_[p].current(step_)));
  }
  return population_.write(populations_.data(), populations_.size());
}

std::int64_t DeviceSimulator::next_change() const {
  std::int64_t next = std::numeric_limits<std::int64_t>::max();
  for (const Stimulus& stimulus : network_.stimuli) {
    const auto* current = std::get_if<CurrentStimulus>(&stimulus);
    if (current == nullptr) continue;
    for (const double time : {current->start, current->stop}) {
      const double at = std::round(time / network_.dt);
      if (at > static_cast<double>(step_) && at < 9e18) {
        next = std::min(next, static_cast<std::int64_t>(at));
      }
    }
  }
  return next;
}

Status DeviceSimulator::advance(std::int64_t steps, const SpikeSink& sink) {
  if (steps < 0) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "a simulation cannot go back",
                 .expected = ">= 0 steps",
                 .got = std::to_string(steps)};
  }
  if (lost_) {
    return Error{.code = ErrorCode::kIo,
                 .what = "the device failed in an earlier step, and what it held is lost"};
  }
  const std::int64_t last = step_ + steps;
  bool stopped = false;
  while (step_ < last) {
    const std::int64_t most = std::min<std::int64_t>(last - step_, kChunk);
    const auto count = static_cast<std::uint32_t>(std::min(most, next_change() - step_));
    if (Status status = run_chunk(count, sink, stopped); !status.ok()) {
      lost_ = true;
      return status;
    }
    if (stopped) return Error{.code = ErrorCode::kCancelled, .what = "the simulation was stopped"};
  }
  return {};
}

Status DeviceSimulator::keep() {
  if (kept_.membrane.empty()) {
    SPIKELOOM_TRY(kept_.membrane, Buffer<float>::make(*machine_, membrane_.size()));
    SPIKELOOM_TRY(kept_.current, Buffer<std::int32_t>::make(*machine_, current_.size()));
    SPIKELOOM_TRY(kept_.countdown, Buffer<std::int32_t>::make(*machine_, countdown_.size()));
    SPIKELOOM_TRY(kept_.ring, Buffer<std::int32_t>::make(*machine_, ring_.size()));
    SPIKELOOM_TRY(kept_.recent_fired, Buffer<std::uint32_t>::make(*machine_, recent_fired_.size()));
    SPIKELOOM_TRY(kept_.sent, Buffer<std::uint64_t>::make(*machine_, 1));
  }
  SPIKELOOM_CHECK(kept_.membrane.copy(membrane_));
  SPIKELOOM_CHECK(kept_.current.copy(current_));
  SPIKELOOM_CHECK(kept_.countdown.copy(countdown_));
  SPIKELOOM_CHECK(kept_.ring.copy(ring_));
  SPIKELOOM_CHECK(kept_.recent_fired.copy(recent_fired_));
  return kept_.sent.copy(sent_);
}

Status DeviceSimulator::go_back() const {
  SPIKELOOM_CHECK(membrane_.copy(kept_.membrane));
  SPIKELOOM_CHECK(current_.copy(kept_.current));
  SPIKELOOM_CHECK(countdown_.copy(kept_.countdown));
  SPIKELOOM_CHECK(ring_.copy(kept_.ring));
  SPIKELOOM_CHECK(recent_fired_.copy(kept_.recent_fired));
  return sent_.copy(kept_.sent);
}

/// Steps [first, first + count); the spikes of the step before lie on the device.
Status DeviceSimulator::launch(std::uint32_t count, std::int64_t first,
                               std::uint32_t fired_before) {
  const cuda::Clock clock{.first = first, .count = count};
  SPIKELOOM_CHECK(clock_.write(&clock, 1));
  std::vector<std::uint32_t> counts(kChunk + 2, 0);
  counts[0] = fired_before;
  SPIKELOOM_CHECK(counts_.write(counts.data(), counts.size()));
  return machine_->run(*chunk_);
}

Status DeviceSimulator::run_chunk(std::uint32_t count, const SpikeSink& sink, bool& stopped) {
  const std::int64_t first = step_;
  const auto reach = static_cast<std::int64_t>(recent_.size());
  const auto before = first == 0
                          ? 0U
                          : static_cast<std::uint32_t>(
                                recent_[static_cast<std::size_t>((first - 1) % reach)].size());
  if (sink) SPIKELOOM_CHECK(keep());
  SPIKELOOM_CHECK(launch(count, first, before));
  std::vector<std::uint32_t> counts(kChunk + 2);
  SPIKELOOM_CHECK(counts_.read(counts.data(), counts.size()));
  SPIKELOOM_CHECK(machine_->wait());
  std::vector<std::uint32_t> fired(counts.back());
  SPIKELOOM_CHECK(log_.read(fired.data(), fired.size()));
  SPIKELOOM_CHECK(machine_->wait());
  constexpr std::uint32_t kNeuron = (1U << kTargetBits) - 1;
  std::vector<std::uint32_t> by_step(fired.size()), place(count + 1, 0);
  for (std::uint32_t k = 0; k < count; ++k) place[k + 1] = place[k] + counts[k + 1];
  for (const std::uint32_t entry : fired) {
    by_step[place[entry >> kTargetBits]++] = entry & kNeuron;
  }
  auto next = by_step.begin();
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t k = 0; k < count; ++k) {
    auto& recent = recent_[static_cast<std::size_t>(step_ % reach)];
    recent.assign(next, next + counts[k + 1]);
    next += counts[k + 1];
    std::ranges::sort(recent);  // neurons of the network lie in the same order
    numbers.clear();
    for (const std::uint32_t i : recent) {
      numbers.push_back(number_[i / kBlock] + static_cast<std::uint32_t>(i % kBlock));
    }
    spikes_ += recent.size();
    ++step_;
    if (!sink || sink(step_ - 1, numbers)) continue;
    stopped = true;
    if (k + 1 == count) break;
    // The device is further on than what the sink has seen.
    SPIKELOOM_CHECK(go_back());
    SPIKELOOM_CHECK(launch(k + 1, first, before));
    SPIKELOOM_CHECK(machine_->wait());
    break;
  }
  return network_.stimuli.empty() ? Status() : set_drive();
}

Result<std::vector<double>> DeviceSimulator::state(std::uint32_t population,
                                                   std::string_view variable) const {
  const auto part = std::ranges::find(slice_.parts, population, &Part::population);
  if (part == slice_.parts.end()) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "no such population",
                 .got = std::to_string(population)};
  }
  const auto size = static_cast<std::size_t>(part->size);
  const auto p = static_cast<std::size_t>(part - slice_.parts.begin());
  std::vector<float> membrane(size);
  std::vector<std::int32_t> current(size), countdown(size), arrived(size);
  SPIKELOOM_CHECK(membrane_.read(membrane.data(), size, part->accumulator));
  SPIKELOOM_CHECK(current_.read(current.data(), size, part->accumulator));
  SPIKELOOM_CHECK(countdown_.read(countdown.data(), size, part->accumulator));
  // What the next step will begin with.
  const std::size_t slot = static_cast<std::uint64_t>(step_ - 1) & (circuit_.slots - 1);
  SPIKELOOM_CHECK(ring_.read(arrived.data(), size, slot * slice_.accumulators + part->accumulator));
  SPIKELOOM_CHECK(machine_->wait());
  std::vector<double> values(size, 0.0);
  for (std::size_t i = 0; i < size; ++i) {
    if (variable == "V_m") {
      values[i] = static_cast<double>(membrane[i]) + parameters_[p].rest;
    } else if (variable == "I_syn_ex") {
      const float decayed = static_cast<float>(current[i]) * parameters_[p].current_decay;
      values[i] = static_cast<double>(std::lrint(decayed) + arrived[i]) * units_[p];
    } else if (variable == "refractory") {
      values[i] = static_cast<double>(countdown[i]);
    } else if (variable != "I_syn_in") {
      return Error{.code = ErrorCode::kNotFound,
                   .what = "iaf_psc_exp has no such state variable",
                   .got = std::string(variable)};
    }
  }
  return values;
}

SimulationCounts DeviceSimulator::counts() const {
  SimulationCounts counts;
  counts.spikes = spikes_;
  counts.neuron_updates =
      static_cast<std::uint64_t>(step_) * static_cast<std::uint64_t>(neuron_count(network_));
  // Those of the last step have not been sent yet; of the latest, some are still on their way.
  std::uint64_t sent = 0, waiting = 0;
  if (!sent_.read(&sent, 1).ok() || !machine_->wait().ok()) return counts;
  const std::size_t width = static_cast<std::size_t>(delays_) + 1;
  const auto reach = static_cast<std::int64_t>(recent_.size());
  for (std::int64_t then = std::max<std::int64_t>(step_ - reach, 0); then < step_; ++then) {
    const auto done = std::clamp<std::int64_t>(step_ - then - first_delay_, 0, delays_);
    for (const std::uint32_t i : recent_[static_cast<std::size_t>(then % reach)]) {
      waiting += offset_[(i + 1) * width - 1] - offset_[i * width + static_cast<std::size_t>(done)];
    }
  }
  if (step_ > 0) {
    for (const std::uint32_t i : recent_[static_cast<std::size_t>((step_ - 1) % reach)]) {
      sent += offset_[(i + 1) * width - 1];
    }
  }
  counts.synaptic_events = sent - waiting;
  return counts;
}

}  // namespace

Result<std::unique_ptr<CudaSimulator>> CudaSimulator::make(Network network,
                                                           std::shared_ptr<cuda::Machine> machine,
                                                           int threads) {
  SPIKELOOM_TRY(Slice slice, whole_slice(network));
  auto made = std::make_unique<DeviceSimulator>();
  try {
    SPIKELOOM_CHECK(made->build(std::move(network), std::move(slice), std::move(machine), threads));
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource, .what = "no memory for the network"};
  }
  return std::unique_ptr<CudaSimulator>(std::move(made));
}

}  // namespace spikeloom::simulation
