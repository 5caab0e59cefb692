#pragma once
/// Pools, and convolutions of each channel by itself, with the neurons that read them: a thread has
/// an output, whose window and neuron it keeps through all steps of a launch.

#include "backends/cuda/kernels/layer_gather.hpp"
#include "backends/cuda/kernels/layer_plain.hpp"

namespace spikeloom::cuda {

template <typename V, LayerForm kForm>
struct PoolLayer {
  static constexpr int kBlocksAtOnce = 6;
  /// Steps whose windows are looked at at once, so that memory is waited for once.
  static constexpr std::uint32_t kAhead = 4;
  struct Shared {
    Tally<V> x, y;
  };
  struct Local {};
  const Clock* clock = nullptr;
  const ResidentSignal* signals = nullptr;
  const ResidentLink* links = nullptr;
  ResidentOp<V> op;
  ResidentSignal source, out;  ///< its only link's
  std::uint32_t delay = 0;     ///< of that link
  LayerShape shape;
  Divisor per_tiles;  ///< blocks of an element
  std::uint32_t batch = 1;
  char* images = nullptr;
  std::uint64_t image_bytes = 0;

  SPIKELOOM_KERNEL std::uint32_t per_element() const { return tiles(op.size, kLayerThreads); }
  SPIKELOOM_KERNEL std::uint32_t threads() const { return kLayerThreads; }
  SPIKELOOM_KERNEL std::uint32_t blocks() const { return per_element() * batch; }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 3; }

  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local&) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    if (phase == 1) {
      const std::uint32_t element = per_tiles.divide(place.block);
      const std::uint32_t output =
          (place.block - element * per_tiles.number) * kLayerThreads + place.thread;
      Own own{output,
              element,
              output < op.size,
              LayerImage{images + element * image_bytes},
              window_of(op, shape, output < op.size ? output : 0, 1),
              {},
              {}};
      if constexpr (kForm == LayerForm::kNone) {
        Passing passing;
        run(own, passing);
      } else {
        with_plain_neurons<V, kForm>(op, [&](const auto& neurons) { move(own, neurons); });
      }
      own.x.add_up(&shared.x);
      own.y.add_up(&shared.y);
    } else if (place.thread == 0 && phase == 0) {
      shared.x.clear(), shared.y.clear();
    } else if (place.thread == 0) {
      if (op.x_tally != nullptr) shared.x.publish(place, op.x_tally);
      if (op.y_tally != nullptr) shared.y.publish(place, op.y_tally);
    }
  }

 private:
  struct Own {
    std::uint32_t output, element;
    bool exists;
    LayerImage image;
    LayerWindow window;
    LayerCount<V> x, y;
  };
  /// What is known of some steps: the active taps, a bit for each step that anything reaches, and
  /// what comes of it.
  template <std::uint32_t kSteps>
  struct Ahead {
    std::uint32_t active[kSteps] = {}, touched = 0;
    V x[kSteps] = {};
  };
  /// What goes on without neurons.
  struct Passing {
    SPIKELOOM_KERNEL bool begin(bool) const { return true; }
    SPIKELOOM_KERNEL bool step(V x) const { return x != V{0}; }
    SPIKELOOM_KERNEL void end() const {}
  };
  /// A neuron: begin() says whether it has anything to do in some steps.
  template <typename Neurons>
  struct Moving {
    const Neurons& neurons;
    equations::Coefficients<V> c;
    V membrane = 0, current = 0;
    bool awake = true;  ///< nothing is known yet

    SPIKELOOM_KERNEL bool begin(bool touched) const { return any_lane(touched || awake); }
    SPIKELOOM_KERNEL bool step(V x) { return neurons.step(c, current, membrane, x); }
    SPIKELOOM_KERNEL void end() {
      Restless<V, has_current(kForm)> restless(neurons.rest);
      restless.note(neurons, c.threshold, current, membrane);
      awake = restless.awake();
    }
  };

  template <typename Neurons>
  SPIKELOOM_KERNEL void move(Own& own, const Neurons& neurons) const {
    Moving<Neurons> moving{neurons, op.neurons.at(own.exists ? own.output : 0, neurons.o)};
    V* const membrane = own.image.template at<V>(op.membrane) + own.output;
    V* const current = own.image.template at<V>(op.current) + own.output;
    if (own.exists) moving.membrane = *membrane;
    if (own.exists && has_current(kForm)) moving.current = *current;
    run(own, moving);
    own.y.sum_spikes();
    if (own.exists) *membrane = moving.membrane;
    if (own.exists && has_current(kForm)) *current = moving.current;
  }

  /// Whether what comes of spikes is their number times one weight.
  SPIKELOOM_KERNEL bool even() const {
    return op.head == Head::kPool ? op.pooling == Pooling::kSum : op.even_taps;
  }
  /// Whether that is all, in kSteps steps.
  template <std::uint32_t kSteps>
  SPIKELOOM_KERNEL bool plain(const Own& own, std::int64_t first) const {
    if (!even() || op.scale != nullptr || op.bias != nullptr || op.counts_input) return false;
    if (source.value == kNowhere) return true;
    if (source.graded == kNowhere) return false;
    const auto* const graded = own.image.template at<std::int64_t>(source.graded);
    bool spikes = true;
    SPIKELOOM_UNROLL
    for (std::uint32_t a = 0; a < kSteps; ++a) {
      const std::int64_t step = first + a - delay;
      spikes = graded[static_cast<std::uint32_t>(step) & (source.slots - 1)] != step + 1 && spikes;
    }
    return spikes;
  }

  /// All steps: what comes to the output, what `what` makes of it, and what is sent.
  template <typename What>
  SPIKELOOM_KERNEL void run(Own& own, What& what) const {
    const std::int64_t first = clock->first;
    const std::uint32_t count = clock->count;
    V weight = 1, last = 0;
    if (op.head != Head::kPool) weight = 0, add_tap<1>(op, own.window.weights, &weight);
    std::uint32_t pairs = 0, s = 0;
    SPIKELOOM_ROLLED
    for (; s + kAhead <= count; s += kAhead) {
      last = some_steps<kAhead>(own, first + s, weight, pairs, what);
    }
    SPIKELOOM_ROLLED
    for (; s < count; ++s) last = some_steps<1>(own, first + s, weight, pairs, what);
    own.x.sum +=
        static_cast<typename Tally<V>::Sum>(pairs) * static_cast<typename Tally<V>::Sum>(weight);
    if (op.head != Head::kPool) own.x.unit += pairs;
    if (op.x_latest != nullptr && own.exists && count != 0) {
      op.x_latest[std::size_t{own.element} * op.size + own.output] = last;
    }
  }
  /// kSteps of them; what came in the last.
  template <std::uint32_t kSteps, typename What>
  SPIKELOOM_KERNEL V some_steps(Own& own, std::int64_t first, V weight, std::uint32_t& pairs,
                                What& what) const {
    Ahead<kSteps> ahead;
    look(own, first, ahead);
    std::uint32_t spikes = 0;
    SPIKELOOM_UNROLL
    for (std::uint32_t a = 0; a < kSteps; ++a) {
      const std::uint32_t count = bit_count(ahead.active[a]);
      ahead.x[a] = static_cast<V>(count) * weight;
      ahead.touched |= (count != 0 ? 1U : 0U) << a;
      spikes += count;
    }
    if (plain<kSteps>(own, first)) {
      pairs += spikes;
      own.x.events += weight != V{0} ? bit_count(ahead.touched) : 0;
    } else {
      weigh(own, first, ahead);
    }
    const std::uint32_t lane = own.output % 32;
    LayerBits<kSteps> sent;  // steps for channels
    if (what.begin(ahead.touched != 0)) {
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kSteps; ++a) sent.note(a, what.step(ahead.x[a]));
      what.end();
      sent.keep(LayerBits<kSteps>::lanes(own.exists));
    }
    // Warps of the last block may have no outputs, and no word.
    if (own.output - lane < op.size) {
      own.y.events += write_steps(own, first, sent);
    }
    if constexpr (kForm == LayerForm::kNone) {
      if (out.value != kNowhere && own.exists) {
        V* const values = own.image.template at<V>(out.value) + own.output;
        const auto start = static_cast<std::uint32_t>(first);
        SPIKELOOM_UNROLL
        for (std::uint32_t a = 0; a < kSteps; ++a) {
          values[((start + a) & (out.slots - 1)) * out.size] = ahead.x[a];
        }
      }
    } else {
      if (op.log_count != 0) log(own, first, sent);
    }
    return ahead.x[kSteps - 1];
  }
  /// What the output did in steps from `first` on; for how many spikes the thread answers.
  template <std::uint32_t kSteps>
  SPIKELOOM_KERNEL std::uint32_t write_steps(const Own& own, std::int64_t first,
                                             const LayerBits<kSteps>& sent) const {
    auto* const bits = own.image.template at<std::uint32_t>(out.bits) + own.output / 32;
    const auto start = static_cast<std::uint32_t>(first);
    const std::uint32_t lane = own.output % 32;
#if defined(__CUDA_ARCH__)
    if (lane >= kSteps) return 0;
    bits[((start + lane) & (out.slots - 1)) * out.words] = sent.own;
#else
    SPIKELOOM_UNROLL
    for (std::uint32_t a = 0; a < kSteps; ++a) {
      write_bits(bits + ((start + a) & (out.slots - 1)) * out.words, lane, sent.at(a));
    }
#endif
    return bit_count(sent.own);
  }
  /// The active taps of the window.
  template <std::uint32_t kSteps>
  SPIKELOOM_KERNEL void look(const Own& own, std::int64_t first, Ahead<kSteps>& ahead) const {
    const auto* const bits = own.image.template at<std::uint32_t>(source.bits);
    std::uint32_t slot[kSteps];
    SPIKELOOM_UNROLL
    for (std::uint32_t a = 0; a < kSteps; ++a) {
      slot[a] = (static_cast<std::uint32_t>(first + a - delay) & (source.slots - 1)) * source.words;
    }
    const auto columns = static_cast<std::uint32_t>(op.window.kernel_columns);
    const auto dilation = static_cast<std::uint32_t>(op.window.dilation_columns);
    const LayerWindow& w = own.window;
    std::uint32_t at = w.first_input, shift = w.first_row * columns + w.first_tap;
    SPIKELOOM_ROLLED
    for (std::uint32_t row = w.first_row; row < w.last_row && own.exists; ++row) {
      if (shape.one_word) {
        // Turned until the row's first tap lies where it belongs.
        const std::uint32_t word = at / 32, turn = at - shift, those = w.mask << shift;
        SPIKELOOM_UNROLL
        for (std::uint32_t a = 0; a < kSteps; ++a) {
          const std::uint32_t both = bits[slot[a] + word];
          ahead.active[a] |= funnel(both, both, turn) & those;
        }
        at += shape.row_step, shift += columns;
        continue;
      }
      if (dilation == 1) {
        const std::uint32_t word = at / 32;
        const bool two = at % 32 + w.width > 32;  // words
        SPIKELOOM_UNROLL
        for (std::uint32_t a = 0; a < kSteps; ++a) {
          const std::uint32_t low = bits[slot[a] + word], high = two ? bits[slot[a] + word + 1] : 0;
          ahead.active[a] |= (funnel(low, high, at) & w.mask) << shift;
        }
      } else {
        SPIKELOOM_ROLLED
        for (std::uint32_t k = 0; k < w.width; ++k) {
          const std::uint32_t bit = at + k * dilation;
          SPIKELOOM_UNROLL
          for (std::uint32_t a = 0; a < kSteps; ++a) {
            ahead.active[a] |= (bits[slot[a] + bit / 32] >> (bit % 32) & 1) << (shift + k);
          }
        }
      }
      at += shape.row_step, shift += columns;
    }
  }
  /// Sums that are other than a number of spikes times a weight, one step after the other.
  template <std::uint32_t kSteps>
  SPIKELOOM_KERNEL void weigh(Own& own, std::int64_t first, Ahead<kSteps>& ahead) const {
    SPIKELOOM_ROLLED
    for (std::uint32_t a = 0; a < kSteps; ++a) {
      std::uint32_t active = 0;
      V x = 0;
      SPIKELOOM_UNROLL
      for (std::uint32_t b = 0; b < kSteps; ++b) {
        if (a == b) active = ahead.active[b], x = ahead.x[b];
      }
      bool touched = active != 0;
      const ResidentRow<V> in = own.image.template row<V>(source, first + a - delay, true);
      if (in.value == nullptr && even()) {
        if (op.head != Head::kPool) own.x.unit += bit_count(active);
      } else if (touched) {
        x = op.head != Head::kPool ? tap_by_tap(own, in, active)
            : in.value != nullptr  ? pooled(op, in, own.output)
                                   : of_spikes(bit_count(active));
      }
      if ((op.scale != nullptr || op.bias != nullptr) && own.exists) {
        x = completed(x, op.scale, op.bias, own.window.channel);
        touched = touched || op.bias != nullptr;
      }
      if (touched) own.x.note(x);
      if (op.counts_input) count_input(own, in);
      ahead.touched = (ahead.touched & ~(1U << a)) | (touched ? 1U : 0U) << a;
      SPIKELOOM_UNROLL
      for (std::uint32_t b = 0; b < kSteps; ++b) {
        if (a == b) ahead.x[b] = x;
      }
    }
  }
  SPIKELOOM_KERNEL V of_spikes(std::uint32_t spikes) const {
    if (op.pooling == Pooling::kMax) return V{1};
    return static_cast<V>(spikes) / static_cast<V>(shape.taps);
  }
  /// A convolution's sum whose inputs or weights are not all the same.
  SPIKELOOM_KERNEL V tap_by_tap(Own& own, const ResidentRow<V>& in, std::uint32_t active) const {
    V sum = 0;
    SPIKELOOM_ROLLED
    for (; active != 0; active &= active - 1) {
      const std::uint32_t t = lowest_bit(active);
      const V x = in.value == nullptr ? V{1} : in.value[input_of_tap(op, shape, own.window, 0, t)];
      if (x == V{0}) continue;
      add_tap<1>(op, own.window.weights + t, x, &sum);
      own.x.note_pairs(x, 1);
    }
    return sum;
  }
  /// Of what is read as one signal, in `in_tally`.
  SPIKELOOM_KERNEL void count_input(const Own& own, const ResidentRow<V>& in) const {
    LayerCount<V> count;
    SPIKELOOM_ROLLED
    for (std::uint32_t w = own.output; w < source.words; w += per_element() * kLayerThreads) {
      count.note_word(in, w);
    }
    if (count.events != 0) count.tally().add(op.in_tally + own.output / 32 % kTallyCopies);
  }
  template <std::uint32_t kSteps>
  SPIKELOOM_KERNEL void log(const Own& own, std::int64_t first,
                            const LayerBits<kSteps>& sent) const {
    SPIKELOOM_ROLLED
    for (std::uint32_t a = 0; a < kSteps; ++a) {
      const V y = sent.at(a) ? V{1} : V{0};
      const std::size_t logged =
          (static_cast<std::size_t>(first + a - clock->log_base) * batch + own.element) * op.size +
          own.output;
      SPIKELOOM_ROLLED
      for (std::uint32_t l = 0; l < op.log_count && own.exists; ++l) op.log[l][logged] = y;
    }
  }
};

}  // namespace spikeloom::cuda
