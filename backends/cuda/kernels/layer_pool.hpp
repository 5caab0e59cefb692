#pragma once
/// Pools, and convolutions of each channel by itself, with the neurons that read them: a thread has
/// an output, whose window and neuron it keeps through all steps of a launch.

#include "backends/cuda/kernels/layer_gather.hpp"
#include "backends/cuda/kernels/layer_plain.hpp"

namespace spikeloom::cuda {

template <typename V, LayerForm kForm>
struct PoolLayer {
  static constexpr int kBlocksAtOnce = 8;
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
  std::uint32_t first_element = 0, elements = 1, batch = 1;
  char* images = nullptr;
  std::uint64_t image_bytes = 0;

  SPIKELOOM_KERNEL std::uint32_t per_element() const { return tiles(op.size, kLayerThreads); }
  SPIKELOOM_KERNEL std::uint32_t threads() const { return kLayerThreads; }
  SPIKELOOM_KERNEL std::uint32_t blocks() const { return per_element() * elements; }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 3; }

  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local&) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    if (phase == 1) {
      const std::uint32_t element = first_element + place.block / per_element();
      const std::uint32_t output = place.block % per_element() * kLayerThreads + place.thread;
      Own own{output, element, output < op.size,
              LayerImage{images + element * image_bytes},
              window_of(op, shape, output < op.size ? output : 0, 1), LayerCount<V>(),
              LayerCount<V>()};
      if constexpr (kForm == LayerForm::kNone) {
        run(own, [](V, bool) { return false; });
      } else {
        with_plain_neurons<V, kForm == LayerForm::kLateCurrent>(
            op, [&](const auto& neurons) { move(own, neurons); });
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

  template <typename Neurons>
  SPIKELOOM_KERNEL void move(Own& own, const Neurons& neurons) const {
    constexpr bool kCurrent = kForm == LayerForm::kLateCurrent;
    V membrane = 0, current = 0;
    if (own.exists) {
      membrane = own.image.template at<V>(op.membrane)[own.output];
      if (kCurrent) current = own.image.template at<V>(op.current)[own.output];
    }
    bool awake = true;  // nothing is known yet
    run(own, [&](V x, bool touched) {
      if (!any_lane(touched || awake)) return false;
      const bool spikes = neurons.step(current, membrane, x);
      Restless<V, kCurrent> restless(neurons.rest);
      restless.note(neurons, current, membrane);
      awake = restless.awake();
      return spikes && own.exists;
    });
    own.y.sum = static_cast<typename Tally<V>::Sum>(own.y.events);
    if (!own.exists) return;
    own.image.template at<V>(op.membrane)[own.output] = membrane;
    if (kCurrent) own.image.template at<V>(op.current)[own.output] = current;
  }

  /// All steps: what comes to the output, what `step` makes of it, and what is sent.
  template <typename Step>
  SPIKELOOM_KERNEL void run(Own& own, Step&& step) const {
    const std::int64_t first = clock->first;
    const std::uint32_t count = clock->count;
    const bool even = op.head == Head::kPool || op.even_taps;
    V weight = 1;
    if (op.head != Head::kPool && even) {
      weight = 0;
      add_tap<1>(op, own.window.weights, &weight);
    }
    SPIKELOOM_ROLLED
    for (std::uint32_t s = 0; s < count; s += kAhead) {
      std::uint32_t active[kAhead];
      look(own, first + s, active);
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        if (s + a >= count) break;
        const std::int64_t now = first + s + a;
        const ResidentRow<V> in = own.image.template row<V>(source, now - delay, true);
        bool touched = active[a] != 0;
        V x = 0;
        if (in.value == nullptr && even) {
          x = made_of(bit_count(active[a]), weight);
          if (op.head != Head::kPool) own.x.unit += bit_count(active[a]);
        } else if (touched) {
          x = op.head == Head::kPool ? pooled(op, in, own.output) : tap_by_tap(own, in, active[a]);
        }
        if (op.scale != nullptr || op.bias != nullptr) {
          x = completed(x, op.scale, op.bias, own.window.channel);
          touched = own.exists && (touched || op.bias != nullptr);
        }
        if (touched) own.x.note(x);
        if (op.counts_input) count_input(own, in);
        if (op.x_latest != nullptr && s + a + 1 == count && own.exists) {
          op.x_latest[std::size_t{own.element} * op.size + own.output] = x;
        }
        send(own, now, x, step(x, touched));
      }
    }
  }
  /// The active taps of the window in kAhead steps; of steps that do not come, anything.
  SPIKELOOM_KERNEL void look(const Own& own, std::int64_t first, std::uint32_t* active) const {
    const std::uint32_t* bits[kAhead];
    SPIKELOOM_UNROLL
    for (std::uint32_t a = 0; a < kAhead; ++a) {
      active[a] = 0;
      bits[a] = own.image.template row<V>(source, first + a - delay, false).bits;
    }
    const auto columns = static_cast<std::uint32_t>(op.window.kernel_columns);
    const LayerWindow& w = own.window;
    if (op.window.dilation_columns != 1) {
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead && own.exists; ++a) {
        active[a] = active_taps(op, shape, w, bits[a], 0, 0,
                                static_cast<std::uint32_t>(op.window.kernel_rows));
      }
      return;
    }
    std::uint32_t at = w.first_input, shift = w.first_row * columns + w.first_tap;
    SPIKELOOM_ROLLED
    for (std::uint32_t row = w.first_row; row < w.last_row && own.exists; ++row) {
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        active[a] |= bit_field(bits[a], at, w.width) << shift;
      }
      at += shape.row_step, shift += columns;
    }
  }
  SPIKELOOM_KERNEL V made_of(std::uint32_t active, V weight) const {
    if (op.head == Head::kPool && op.pooling == Pooling::kMax) return active != 0 ? V{1} : V{0};
    const V sum = static_cast<V>(active) * weight;
    return op.head == Head::kPool && op.pooling == Pooling::kAverage
               ? sum / static_cast<V>(shape.taps)
               : sum;
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
  SPIKELOOM_KERNEL void send(Own& own, std::int64_t now, V x, bool spikes) const {
    const ResidentRow<V> to = own.image.template row<V>(out, now, false);
    if constexpr (kForm == LayerForm::kNone) {
      if (to.value != nullptr && own.exists) to.value[own.output] = x;
      spikes = x != V{0} && own.exists;
    }
    // Warps of the last block may have no outputs, and no word.
    if (own.output - own.output % 32 < op.size) {
      write_bits(to.bits + own.output / 32, own.output % 32, spikes);
    }
    if constexpr (kForm == LayerForm::kNone) return;
    own.y.events += spikes ? 1 : 0;
    SPIKELOOM_ROLLED
    for (std::uint32_t l = 0; l < op.log_count; ++l) {
      if (!own.exists) continue;
      const auto logged = static_cast<std::size_t>(now - clock->log_base) * batch + own.element;
      op.log[l][logged * op.size + own.output] = spikes ? V{1} : V{0};
    }
  }
};

}  // namespace spikeloom::cuda
