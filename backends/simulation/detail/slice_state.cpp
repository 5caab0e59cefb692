#include "backends/simulation/detail/slice_state.hpp"

#include <algorithm>
#include <chrono>

#include "snn/simulation/connectivity.hpp"

namespace spikeloom::simulation {
namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Steps whose synapses are delivered together: two where the sums of both stay in half a megabyte
/// of cache. Neurons that take synapses one by one cannot have them early, and regenerated rows
/// have sums of their own.
std::int32_t steps_together(const Network& network, const Slice& slice,
                            const EngineOptions& options) {
  const bool lazy = options.closed_form && std::ranges::any_of(slice.parts, [&](const Part& part) {
                      return can_be_lazy(network, part.population);
                    });
  if (lazy || options.procedural) return 1;
  constexpr std::size_t kFewSums = std::size_t{1} << 16;
  return slice.accumulators <= kFewSums ? 2 : 1;
}

}  // namespace

PhaseClock::PhaseClock(bool on) : on_(on) {
  if (on_) last_ = seconds();
}

void PhaseClock::add_to(double& phase) {
  if (!on_) return;
  const double now = seconds();
  phase += now - last_;
  last_ = now;
}

Result<SliceState> SliceState::make(const Network& network, Slice slice,
                                    const std::vector<double>& units,
                                    const EngineOptions& options) {
  const std::vector<std::int64_t> first = first_neurons(network);
  SliceState made;
  const std::int32_t together = steps_together(network, slice, options);
  made.accumulators_ =
      AlignedBuffer<std::int32_t>(static_cast<std::size_t>(together) * slice.accumulators);
  made.receivers_.accumulators = made.accumulators_.data();
  for (const Part& part : slice.parts) {
    const double unit = units[part.population];
    made.is_lazy_.push_back(false);
    if (options.closed_form && can_be_lazy(network, part.population)) {
      auto lazy = std::make_unique<LazyNeurons>(network, part, unit);
      made.receivers_.lazy.resize(slice.accumulators / kBlock, nullptr);
      made.receivers_.base.resize(slice.accumulators / kBlock, 0);
      for (std::size_t block = 0; block < part.padded / kBlock; ++block) {
        made.receivers_.lazy[part.accumulator / kBlock + block] = lazy.get();
        made.receivers_.base[part.accumulator / kBlock + block] =
            static_cast<std::uint32_t>(part.accumulator);
      }
      made.lazy_.push_back(lazy.get());
      made.is_lazy_.back() = true;
      made.neurons_.push_back(std::move(lazy));
    } else {
      SPIKELOOM_TRY(auto neurons, make_neurons(network, part, unit, options.in_double));
      made.neurons_.push_back(std::move(neurons));
    }
    made.stimuli_.emplace_back(network, part, unit);
    made.first_.push_back(static_cast<std::uint32_t>(first[part.population] + part.first));
  }
  made.part_spikes_.resize(slice.parts.size());
  SPIKELOOM_TRY(Connectivity connectivity, Connectivity::make(network, ranges_of(network, slice)));
  if (options.procedural) {
    made.regenerated_ = std::make_unique<RegeneratedRows>(network, slice, std::move(connectivity));
  } else {
    SPIKELOOM_TRY(made.rows_, Rows::make(network, slice, connectivity,
                                         static_cast<std::size_t>(options.threads)));
    std::int32_t longest = 1;
    for (const DelayRange& range : delay_ranges(network)) longest = std::max(longest, range.first);
    made.deliveries_ = Deliveries(longest, together, static_cast<std::int32_t>(slice.segments()));
  }
  made.slice_ = std::move(slice);
  return made;
}

void SliceState::prepare(EnginePhases& phases, bool measure) {
  PhaseClock clock(measure);
  if (regenerated_ == nullptr && lazy_.empty())
    deliveries_.deliver(receivers_, slice_.accumulators);
  clock.add_to(phases.delivery);
}

void SliceState::move(std::int64_t step, EnginePhases& phases, bool measure) {
  PhaseClock clock(measure);
  std::int32_t* sums = input();
  const auto move_part = [&](std::size_t p) {
    part_spikes_[p].clear();
    neurons_[p]->step(sums + slice_.parts[p].accumulator, stimuli_[p].current(step), first_[p],
                      part_spikes_[p]);
  };
  for (std::size_t p = 0; p < neurons_.size(); ++p) {
    if (is_lazy_[p]) move_part(p);
  }
  clock.add_to(phases.neurons);
  if (regenerated_ != nullptr) {
    events_ += regenerated_->deliver(step, receivers_);
  } else {
    deliveries_.deliver(receivers_, slice_.accumulators);
    events_ += deliveries_.deliver_late(receivers_, slice_.accumulators);
  }
  for (LazyNeurons* neurons : lazy_) neurons->settle();
  clock.add_to(phases.delivery);
  for (const Stimuli& s : stimuli_) {
    if (s.has_poisson()) s.add_poisson(step, sums);
  }
  clock.add_to(phases.stimuli);
  for (std::size_t p = 0; p < neurons_.size(); ++p) {
    if (!is_lazy_[p]) move_part(p);
  }
  std::vector<std::uint32_t>& all = spikes_[step & 1];
  all.clear();
  for (const auto& part : part_spikes_) all.insert(all.end(), part.begin(), part.end());
  clock.add_to(phases.neurons);
}

void SliceState::add(std::uint32_t source, std::int64_t fired, std::int64_t now) {
  if (regenerated_ != nullptr) return regenerated_->add(source, fired, now);
  if (!lazy_.empty()) {
    rows_.renumber_once(source, [this](std::uint32_t a) { return receivers_.place(a); });
  }
  const Rows::Row row = rows_.row(source);
  if (row.delays > 0) deliveries_.add(row, static_cast<std::int32_t>(now - fired - 1));
}

void SliceState::forget_spikes() {
  deliveries_.clear();
  std::ranges::fill(accumulators_, 0);
  if (regenerated_ != nullptr) regenerated_->clear();
}

double SliceState::expected_bytes(const Network& network, const Slice& slice,
                                  const EngineOptions& options) {
  return 4.0 * static_cast<double>(slice.accumulators) * steps_together(network, slice, options);
}

std::uint64_t SliceState::synapse_bytes() const {
  return regenerated_ != nullptr ? regenerated_->bytes() : rows_.bytes();
}

}  // namespace spikeloom::simulation
