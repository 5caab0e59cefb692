#pragma once
/// Populations: one thread steps one neuron of one batch element through the steps of a launch.

#include "backends/cuda/kernels/kernel.hpp"
#include "snn/neuron_equations.hpp"

namespace spikeloom::cuda {

/// Steps that one launch may have: a thread keeps a bit for each.
inline constexpr std::uint32_t kMostSteps = 64;

/// A neuron while it is stepped.
template <typename V>
struct OneNeuron {
  equations::State<V> now;
  std::int32_t countdown = 0;  ///< steps left to rest
  bool rests = false;          ///< after a spike
  V before = 0;                ///< the membrane before a reset
};

/// A decay of n / 2^12 as factor / 2^shift in lowest terms; `most` is 2^shift - 1 where products
/// are rounded towards 0, 0 where they are rounded down.
struct ReducedDecay {
  std::int32_t factor = 0, most = 0, shift = 0;
};

/// Neurons of whole numbers with a current, all of one kind, whose states stay so small that none
/// saturates and no product with a reduced decay needs more than 32 bits; the membrane takes the
/// new current as it is.
struct NeuronBounds {
  bool hold = false;
  std::int32_t current = 0, membrane = 0;  ///< magnitudes that a state cannot leave
  ReducedDecay current_decay, membrane_decay;
};

/// Coefficients by neuron or, `uniform`, one value each; absent parts are null.
template <typename V>
struct NeuronRef {
  const V* current_decay = nullptr;
  const V* current_gain = nullptr;
  const V* decay = nullptr;
  const V* gain = nullptr;
  const V* drive = nullptr;
  const V* threshold = nullptr;
  const V* reset = nullptr;
  const V* clamp = nullptr;
  const std::int32_t* refractory = nullptr;
  const V* initial = nullptr;  ///< membranes at the start, one per neuron; null for 0
  bool uniform = false;
  equations::Coefficients<V> common;  ///< of all, where they are uniform
  NeuronBounds bounds;
  equations::StepOptions options;

  SPIKELOOM_KERNEL equations::Coefficients<V> at(std::uint32_t neuron) const {
    return at(neuron, options);
  }
  /// Where what of the options matters is known when this is compiled.
  SPIKELOOM_KERNEL equations::Coefficients<V> at(std::uint32_t neuron,
                                                 const equations::StepOptions& o) const {
    if (uniform) return common;
    equations::Coefficients<V> c;
    c.decay = decay[neuron];
    c.gain = gain[neuron];
    c.drive = drive[neuron];
    if (o.clamped) c.clamp = clamp[neuron];
    if (o.has_current) {
      c.current_decay = current_decay[neuron], c.current_gain = current_gain[neuron];
    }
    if (o.spiking) c.threshold = threshold[neuron], c.reset = reset[neuron];
    return c;
  }
  /// One step with input x, which begins anew where the neuron `restarts`; how often it spikes.
  SPIKELOOM_KERNEL V step(OneNeuron<V>& own, std::uint32_t neuron,
                          const equations::Coefficients<V>& c, const equations::StepOptions& o,
                          bool restarts, V x) const {
    V count = 0;
    if (o.late) count = equations::spike_count(own.now.membrane, c.threshold, o.rule);
    if (restarts) {
      own.now = {V{0}, initial != nullptr ? initial[neuron] : V{0}};
      own.countdown = 0;
    }
    own.before = own.now.membrane;
    if (o.late) {
      equations::step_after_late_spikes(own.now, count, x, c, o);
    } else if (own.countdown > 0) {
      --own.countdown;
    } else {
      count = equations::step(own.now, x, c, o, own.before);
      if (own.rests && count != V{0}) own.countdown = refractory[uniform ? 0 : neuron];
    }
    return count;
  }
};

/// batch x neurons each; absent parts are null.
template <typename V>
struct NeuronState {
  V* membrane = nullptr;
  V* current = nullptr;
  std::int32_t* countdown = nullptr;
};

template <typename V>
struct NeuronShared {
  Tally<V> in, out;
  std::uint64_t history[kTile];  ///< bit s: not 0 in step s of the launch
};

/// Phase 1 of kernels with a history: the masks of every step.
template <typename V>
SPIKELOOM_KERNEL void write_masks(const Place& place, const Rows& rows, const Signal<V>& out,
                                  std::uint32_t element, std::uint32_t tile) {
  const auto& shared = *static_cast<NeuronShared<V>*>(place.shared);
  constexpr std::uint32_t kWords = kTile / 32;
#if defined(__CUDA_ARCH__)
  const std::uint64_t history = shared.history[place.thread];
  const std::uint32_t own = tile * kWords + place.thread / 32;
  for (std::uint32_t step = 0; step < rows.steps; ++step) {
    if (rows.offset + step >= rows.clock->count) break;
    const std::uint32_t bits = __ballot_sync(~0U, (history >> step & 1) != 0);
    if (place.thread % 32 != 0 || own >= out.words) continue;
    out.masks(rows.clock->first + rows.offset + step, element)[own] = bits;
  }
#else
  for (std::uint32_t k = place.thread; k < rows.steps * kWords; k += place.threads) {
    const std::uint32_t step = k / kWords, word = k % kWords;
    if (rows.offset + step >= rows.clock->count || tile * kWords + word >= out.words) continue;
    std::uint32_t bits = 0;
    for (std::uint32_t j = 0; j < 32; ++j) {
      bits |= static_cast<std::uint32_t>(shared.history[word * 32 + j] >> step & 1) << j;
    }
    out.masks(rows.clock->first + rows.offset + step, element)[tile * kWords + word] = bits;
  }
#endif
}

template <typename V>
struct NeuronKernel {
  struct Local {
    Tally<V> in, out;
  };
  Rows rows;
  Links<V> links;
  Signal<V> out;
  Tally<V>* in_tally = nullptr;
  NeuronRef<V> neurons;
  NeuronState<V> state;
  V amplitude = 1;
  std::int64_t reset_period = 0, reset_phase = 0;
  bool published = false;  ///< PublishKernel has written the output of this step
  // Logs of membranes and currents: steps x batch x neurons, or null.
  V* membrane_log = nullptr;
  V* current_log = nullptr;
  bool log_before_reset = false;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(out.size, kTile) * rows.batch; }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 3; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    auto& shared = *static_cast<NeuronShared<V>*>(place.shared);
    const std::uint32_t element = place.block % rows.batch, tile = place.block / rows.batch;
    if (phase == 0) {
      if (place.thread == 0) shared.in.clear(), shared.out.clear();
      const std::uint32_t i = tile * kTile + place.thread;
      shared.history[place.thread] = i < out.size ? run(i, element, local) : 0;
    } else if (phase == 1) {
      local.in.add_up(place, &shared.in);
      local.out.add_up(place, &shared.out);
      if (!published) write_masks(place, rows, out, element, tile);
    } else if (place.thread == 0) {
      shared.in.publish(place, in_tally);
      shared.out.publish(place, out.tally);
    }
  }

 private:
  static constexpr std::uint32_t kAhead = 4;

  SPIKELOOM_KERNEL std::uint64_t run(std::uint32_t i, std::uint32_t element, Local& local) const {
    const Clock clock = *rows.clock;
    const equations::StepOptions& o = neurons.options;
    const equations::Coefficients<V> c = neurons.at(i);
    const std::size_t at = static_cast<std::size_t>(element) * out.size + i;
    const bool rests = state.countdown != nullptr;
    OneNeuron<V> own{{o.has_current ? state.current[at] : V{0}, state.membrane[at]},
                     rests ? state.countdown[at] : 0,
                     rests};
    std::uint64_t history = 0;
    const std::uint32_t left = clock.count > rows.offset ? clock.count - rows.offset : 0;
    const std::uint32_t steps = rows.steps < left ? rows.steps : left;
    const Links<V> sources = links;
    const LinkRef<V> only = sources.count == 1 ? sources.link[0] : LinkRef<V>();
    // What is read is on its way before it is wanted.
    V ahead[kAhead] = {};
    for (std::uint32_t k = 0; k < steps; ++k) {
      const std::int64_t step = clock.first + rows.offset + k;
      if (k % kAhead == 0) {
        SPIKELOOM_UNROLL
        for (std::uint32_t a = 0; a < kAhead; ++a) {
          if (k + a >= steps) continue;
          const V* const row = sources.count == 1 ? only.row(clock, step + a, element) : nullptr;
          ahead[a] = sources.count != 1 ? sources.sum(clock, step + a, element, i)
                     : row != nullptr   ? row[i]
                                        : V{0};
        }
      }
      const V x = ahead[0];
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a + 1 < kAhead; ++a) ahead[a] = ahead[a + 1];
      local.in.count(x);
      const bool restarts = reset_period > 0 && (step - reset_phase) % reset_period == 0;
      const V count = neurons.step(own, i, c, o, restarts, x);
      const V y = o.spiking ? count * amplitude : own.now.membrane;
      if (!published) out.values(step, element)[i] = y;
      if (y != V{0}) history |= std::uint64_t{1} << k;
      local.out.count(y);
      const std::size_t logged =
          (static_cast<std::size_t>(step - clock.log_base) * rows.batch + element) * out.size + i;
      if (membrane_log != nullptr) {
        membrane_log[logged] = log_before_reset ? own.before : own.now.membrane;
      }
      if (current_log != nullptr) current_log[logged] = own.now.current;
    }
    state.membrane[at] = own.now.membrane;
    if (o.has_current) state.current[at] = own.now.current;
    if (rests) state.countdown[at] = own.countdown;
    return history;
  }
};

/// Writes the spikes of neurons whose reset timing is "next" before anybody reads them.
template <typename V>
struct PublishKernel {
  struct Local {};
  Rows rows;  ///< of one step
  Signal<V> out;
  NeuronRef<V> neurons;
  const V* membrane = nullptr;
  V amplitude = 1;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(out.size, kTile) * rows.batch; }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 2; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local&) const {
    auto& shared = *static_cast<NeuronShared<V>*>(place.shared);
    const std::uint32_t element = place.block % rows.batch, tile = place.block / rows.batch;
    if (phase == 1) {
      write_masks(place, rows, out, element, tile);
      return;
    }
    shared.history[place.thread] = 0;
    const std::uint32_t i = tile * kTile + place.thread;
    if (!rows.exists(element) || i >= out.size) return;
    const V count =
        equations::spike_count(membrane[static_cast<std::size_t>(element) * out.size + i],
                               neurons.at(i).threshold, neurons.options.rule);
    out.values(rows.step(element), element)[i] = count * amplitude;
    shared.history[place.thread] = count != V{0} ? 1 : 0;
  }
};

}  // namespace spikeloom::cuda
