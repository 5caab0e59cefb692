#include "backends/simulation/detail/slice_state.hpp"

#include <algorithm>
#include <chrono>

#include "snn/simulation/connectivity.hpp"

namespace spikeloom::simulation {
namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
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
  made.accumulators_ = AlignedBuffer<std::int32_t>(slice.accumulators);
  made.receivers_.accumulators = made.accumulators_.data();
  for (const Part& part : slice.parts) {
    const double unit = units[part.population];
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
      made.neurons_.push_back(std::move(lazy));
    } else {
      SPIKELOOM_TRY(auto neurons, make_neurons(network, part, unit, made.accumulators_.data(),
                                               options.in_double));
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
    made.deliveries_ = Deliveries(longest);
  }
  made.slice_ = std::move(slice);
  return made;
}

void SliceState::move(bool currents_in_accumulators, std::int64_t step) {
  for (std::size_t p = 0; p < neurons_.size(); ++p) {
    if (neurons_[p]->accumulates_currents() != currents_in_accumulators) continue;
    part_spikes_[p].clear();
    neurons_[p]->step(stimuli_[p].current(step), first_[p], part_spikes_[p]);
  }
}

void SliceState::begin(std::int64_t step, EnginePhases& phases, bool measure) {
  PhaseClock clock(measure);
  move(true, step);
  clock.add_to(phases.neurons);
  if (regenerated_ == nullptr) events_ += deliveries_.deliver(receivers_);
  clock.add_to(phases.delivery);
}

void SliceState::end(std::int64_t step, EnginePhases& phases, bool measure) {
  PhaseClock clock(measure);
  events_ += regenerated_ != nullptr ? regenerated_->deliver(step, receivers_)
                                     : deliveries_.deliver_late(receivers_);
  for (LazyNeurons* neurons : lazy_) neurons->settle();
  clock.add_to(phases.delivery);
  for (const Stimuli& s : stimuli_) {
    if (s.has_poisson()) s.add_poisson(step, accumulators_.data());
  }
  clock.add_to(phases.stimuli);
  move(false, step);
  std::vector<std::uint32_t>& all = spikes_[step & 1];
  all.clear();
  for (const auto& part : part_spikes_) all.insert(all.end(), part.begin(), part.end());
  clock.add_to(phases.neurons);
}

void SliceState::add(std::uint32_t source, std::int64_t fired, std::int64_t now) {
  if (regenerated_ != nullptr) return regenerated_->add(source, fired, now);
  const Rows::Row row = rows_.row(source);
  if (row.delays > 0) deliveries_.add(row, static_cast<std::int32_t>(now - fired - 1));
}

void SliceState::forget_spikes() {
  deliveries_.clear();
  if (regenerated_ != nullptr) regenerated_->clear();
}

std::uint64_t SliceState::synapse_bytes() const {
  return regenerated_ != nullptr ? regenerated_->bytes() : rows_.bytes();
}

}  // namespace spikeloom::simulation
