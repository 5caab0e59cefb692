#include <cmath>

#include "backends/emulator/core_work_private.hpp"

namespace spikeloom::emulator {
namespace {

struct Arrived {
  double sum = 0.0;
  bool any = false;
};

/// What arrived at a neuron, which is then forgotten.
Arrived take(CoreState& state, std::uint32_t neuron) {
  Arrived arrived;
  if (!state.packed.empty()) {
    const std::int64_t packed = state.packed[neuron];
    if (packed == 0) return arrived;
    state.packed[neuron] = 0;
    arrived.any = true;
    // The count is the low part; what is left is a whole multiple of 2^24.
    arrived.sum = static_cast<double>((packed - (packed & kCountMask)) >> kCountBits);
    return arrived;
  }
  if (state.touched[neuron] == 0) return arrived;
  state.touched[neuron] = 0;
  arrived.any = true;
  arrived.sum = state.sum[neuron];
  state.sum[neuron] = 0.0;
  return arrived;
}

/// v in steps of 1/64, towards zero.
double quantised(double v) {
  const double scaled = v * 64.0;
  // Beyond 2^53 a double is whole already.
  if (!(std::abs(scaled) < 9007199254740992.0)) return v;
  return static_cast<double>(static_cast<std::int64_t>(scaled)) / 64.0;
}

/// Fires at `over`, and applies the mode to the potential.
void reset_forward(const NeuronParameters& p, double& v) {
  switch (p.reset_mode) {
    case ResetMode::kHard:
      v = p.reset;
      break;
    case ResetMode::kSoft:
      v -= p.threshold;
      break;
    case ResetMode::kNone:
    case ResetMode::kSaturate:
      break;
  }
}

void reset_reverse(const NeuronParameters& p, double soft_term, double& v) {
  switch (p.reverse_reset_mode) {
    case ResetMode::kHard:
      v = p.reverse_reset;
      break;
    case ResetMode::kSoft:
      v += soft_term;
      break;
    case ResetMode::kSaturate:
      v = p.reverse_threshold;
      break;
    case ResetMode::kNone:
      break;
  }
}

/// True when a Loihi neuron at rest (v = 0, no bias, no event) stays there and silent.
bool rests_at_zero(const NeuronParameters& p) {
  return p.input_decay == 0.0 && p.refractory_delay == 0 && p.threshold >= 0.0 &&
         (p.reverse_threshold <= 0.0 || p.reverse_reset_mode == ResetMode::kNone) &&
         !p.force_update;
}

/// Seconds and energy of a core's neurons, and the messages of those that fire.
class Work {
 public:
  Work(const CoreContext& core) : core_(core) { core_.traffic.messages.clear(); }

  void begin_run(const NeuronRun& run) {
    costs_ = &core_.kind.somas[run.soma];
    counted_ = run.begin;
  }
  void updated() { ++updates_; }
  void fired(std::uint32_t neuron) {
    flush_to(neuron + 1);
    pending_ += costs_->spike.latency;
    ++fires_;
    core_.fired.push_back(core_.program.neuron[neuron]);
    const std::uint32_t end = core_.program.first_axon[neuron + 1];
    for (std::uint32_t a = core_.program.first_axon[neuron]; a != end; ++a) {
      core_.traffic.messages.push_back(
          {&core_.program.axons[a], pending_ + core_.kind.message_out.latency});
      total_ += pending_ + core_.kind.message_out.latency;
      pending_ = 0.0;
    }
  }
  void end_run(const NeuronRun& run) {
    flush_to(run.end);
    StepRecord& record = core_.record;
    record.energy.soma += (run.end - run.begin) * costs_->access.energy +
                          static_cast<double>(run_updates_) * costs_->update.energy +
                          static_cast<double>(fires_) * costs_->spike.energy;
    record.updated += run_updates_;
    record.fired += fires_;
    core_.load.updated += run_updates_;
    core_.load.fired += fires_;
    run_updates_ = 0;
    fires_ = 0;
  }
  void finish() {
    core_.traffic.tail = pending_;
    core_.load.neuron_seconds += total_ + pending_;
    core_.load.messages_out += core_.traffic.messages.size();
  }

 private:
  /// Charges the accesses and updates up to a neuron.
  void flush_to(std::uint32_t neuron) {
    pending_ += (neuron - counted_) * costs_->access.latency +
                static_cast<double>(updates_) * costs_->update.latency;
    counted_ = neuron;
    run_updates_ += updates_;
    updates_ = 0;
  }

  const CoreContext& core_;
  const SomaUnit* costs_ = nullptr;
  std::uint32_t counted_ = 0;
  std::uint64_t updates_ = 0, run_updates_ = 0, fires_ = 0;
  double pending_ = 0.0, total_ = 0.0;
};

void work_loihi(const CoreContext& core, const NeuronRun& run, bool first_step, Work& work) {
  const NeuronParameters& p = run.parameters;
  CoreState& state = core.state;
  const bool may_rest = rests_at_zero(p);
  for (std::uint32_t n = run.begin; n != run.end; ++n) {
    const Arrived arrived = take(state, n);
    const double bias = core.program.bias[n];
    double v = state.potential[n];
    const bool awake = v != 0.0 || arrived.any || bias != 0.0 || p.force_update;
    if (!awake && may_rest) continue;
    if (!first_step) {
      state.current[n] *= p.input_decay;
      v *= p.leak_decay;
    }
    v = quantised(v);
    bool fires = false;
    if (state.refractory[n] == 0) {
      v += bias;
      state.current[n] += arrived.sum;
      v += state.current[n];
      if (v > p.threshold) {
        reset_forward(p, v);
        state.refractory[n] = p.refractory_delay;
        fires = true;
      }
      if (v < p.reverse_threshold) reset_reverse(p, -p.reverse_threshold, v);
    }
    if (state.refractory[n] > 0) --state.refractory[n];
    state.potential[n] = v;
    // One that is at rest may still fire: by what is left of its input, or below its threshold.
    if (awake || fires) work.updated();
    if (fires) work.fired(n);
  }
}

void work_truenorth(const CoreContext& core, const NeuronRun& run, Work& work) {
  const NeuronParameters& p = run.parameters;
  for (std::uint32_t n = run.begin; n != run.end; ++n) {
    const Arrived arrived = take(core.state, n);
    const double bias = core.program.bias[n];
    double v = core.state.potential[n];
    const bool awake = v != 0.0 || arrived.any || bias != 0.0 || p.force_update;
    if (!p.leak_towards_zero) {
      v += p.leak;
    } else if (v > 0.0) {
      v -= p.leak;
    } else if (v < 0.0) {
      v += p.leak;
    }
    v += bias;
    v += arrived.sum;
    const bool fires = v >= p.threshold;
    if (fires) {
      if (p.reset_mode == ResetMode::kSaturate) {
        v = p.threshold;
      } else {
        reset_forward(p, v);
      }
    } else if (v <= p.reverse_threshold) {
      reset_reverse(p, p.reverse_threshold, v);
    }
    core.state.potential[n] = v;
    if (awake || fires) work.updated();
    if (fires) work.fired(n);
  }
}

/// Steps between two spikes of a rate; 0: never.
std::uint64_t interval(double rate) {
  if (rate <= 0.0) return 0;
  const double steps = 1.0 / rate;
  return steps < 1e18 ? static_cast<std::uint64_t>(steps) : 0;
}

void work_input(const CoreContext& core, const NeuronRun& run, std::uint64_t step, Work& work) {
  for (std::uint32_t n = run.begin; n != run.end; ++n) {
    const std::uint32_t index = core.program.input[n];
    const InputUnit& unit = core.program.inputs[index];
    std::size_t& next = core.state.next_spike[index];
    bool fires = false;
    if (next < unit.spikes.size()) fires = unit.spikes[next++] != 0;
    const std::uint64_t every = interval(unit.rate);
    if (every != 0 && step % every == 0) fires = true;
    if (!fires) continue;
    work.updated();
    work.fired(n);
  }
}

}  // namespace

CoreState initial_state(const CoreProgram& core, bool compact) {
  const std::size_t neurons = core.neuron.size();
  CoreState state;
  state.potential = core.potential;
  state.current.assign(neurons, 0.0);
  state.refractory.assign(neurons, 0);
  if (compact) {
    state.packed.assign(neurons, 0);
  } else {
    state.sum.assign(neurons, 0.0);
    state.touched.assign(neurons, 0);
  }
  state.next_spike.assign(core.inputs.size(), 0);
  return state;
}

void work_off_neurons(const CoreContext& core, std::uint64_t step) {
  Work work(core);
  for (const NeuronRun& run : core.program.runs) {
    work.begin_run(run);
    switch (core.kind.somas[run.soma].model) {
      case SomaModel::kLoihi:
        work_loihi(core, run, step == 1, work);
        break;
      case SomaModel::kTrueNorth:
        work_truenorth(core, run, work);
        break;
      case SomaModel::kInput:
        work_input(core, run, step, work);
        break;
    }
    work.end_run(run);
  }
  work.finish();
}

void receive(const Axon& axon, const CoreProgram& program, CoreState& state) {
  if (!state.packed.empty()) {
    std::int64_t* const packed = state.packed.data();
    const CompactSynapse* synapse = program.compact.data() + axon.first;
    for (const CompactSynapse* const end = synapse + axon.count; synapse != end; ++synapse) {
      packed[synapse->neuron] += synapse->weight * (std::int64_t{1} << kCountBits) + 1;
    }
    return;
  }
  const WideSynapse* synapse = program.wide.data() + axon.first;
  for (const WideSynapse* const end = synapse + axon.count; synapse != end; ++synapse) {
    state.sum[synapse->neuron] += synapse->weight;
    state.touched[synapse->neuron] = 1;
  }
}

}  // namespace spikeloom::emulator
