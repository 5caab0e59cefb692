#pragma once
/// A network a layer at a time: one launch does an operation for all steps of a chunk.
///
/// Neurons' state stays in registers through all steps, sums lie in shared memory for some steps,
/// between layers there are bits (and values, where what is not 0 may be other than 1) in the
/// element's image (resident.hpp).
///
/// A thread looks at its window's bits and adds the weights of those that are set, for several
/// channels at once, in the order of the sources: float32 sums are those of the other backends.
/// Windows of whole numbers are products on tensor cores where they can be (layer_products.hpp).

#include "backends/cuda/kernels/layer_gather.hpp"
#include "backends/cuda/kernels/layer_plain.hpp"
#include "backends/cuda/kernels/layer_products.hpp"

namespace spikeloom::cuda {

/// What reaches neurons: through a convolution's windows, from a Dense layer's rows, from links; or
/// whatever the operation says. (Of Pools: layer_pool.hpp.)
enum class LayerHead : std::uint8_t { kWindow, kRows, kLinks, kAny };

/// The input of a chunk: clear slots, then the events, then the values of those steps in which one
/// adds to another or is not 1, then the counts of one input after the other.
template <typename V>
struct LayerInputKernel {
  struct Shared {
    Tally<V> count;
    std::uint32_t found;
  };
  struct Local {};
  const Clock* clock = nullptr;
  const ResidentInput<V>* inputs = nullptr;
  const ResidentSignal* signals = nullptr;
  const ResidentEvent<V>* events = nullptr;
  std::uint32_t event_slots = 0;  ///< a power of two
  std::uint32_t input_count = 0, cursor = 0, batch = 1;
  char* images = nullptr;
  std::uint64_t image_bytes = 0;

  static constexpr std::uint32_t kBefore = 3;  ///< phases before the counts
  SPIKELOOM_KERNEL std::uint32_t blocks() const { return batch; }
  SPIKELOOM_KERNEL std::uint32_t threads() const { return 512; }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return kBefore + 2 * input_count; }

  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local&) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    const LayerImage image{images + place.block * image_bytes};
    if (phase == 0) {
      if (place.thread == 0) shared.found = 0, shared.count.clear();
      SPIKELOOM_ROLLED
      for (std::uint32_t i = 0; i < input_count; ++i) clear(place, image, inputs[i].signal);
    } else if (phase == 1) {
      arrive(place, image, shared);
    } else if (phase == 2) {
      resolve(place, image, shared.found);
    } else if ((phase - kBefore) % 2 == 0) {
      note(place, image, inputs[(phase - kBefore) / 2], shared);
    } else if (place.thread == 0) {
      shared.count.publish(place, inputs[(phase - kBefore) / 2].tally);
      shared.count.clear();
      if (phase + 1 == phases()) advance(image, shared.found);
    }
  }

 private:
  SPIKELOOM_KERNEL std::uint32_t start(const LayerImage& image) const {
    const auto* const at = image.at<std::uint32_t>(cursor);
    const std::uint32_t before = static_cast<std::uint32_t>(clock->first - 1) & 3;
    return at[before] + at[4 + before];
  }
  SPIKELOOM_KERNEL void advance(const LayerImage& image, std::uint32_t found) const {
    const std::uint32_t end = start(image) + found;
    const std::uint32_t last = static_cast<std::uint32_t>(clock->first + clock->count - 1) & 3;
    auto* const at = image.at<std::uint32_t>(cursor);
    at[last] = end, at[4 + last] = 0;
  }
  SPIKELOOM_KERNEL const ResidentInput<V>& input_of(std::uint32_t place) const {
    std::uint32_t i = input_count - 1;
    while (i > 0 && inputs[i].first_place > place) --i;
    return inputs[i];
  }
  /// Its old step's values were written if they had to be looked at.
  SPIKELOOM_KERNEL void clear(const Place& place, const LayerImage& image,
                              std::uint32_t signal) const {
    const ResidentSignal s = signals[signal];
    const Clock now = *clock;
    SPIKELOOM_ROLLED
    for (std::uint32_t k = 0; k < now.count; ++k) {
      std::uint32_t* const bits = image.row<V>(s, now.first + k, false).bits;
      for (std::uint32_t w = place.thread; w < s.words; w += place.threads) bits[w] = 0;
      const ResidentRow<V> old = image.row<V>(s, now.first + k - s.slots, true);
      if (old.value == nullptr) continue;
      SPIKELOOM_ROLLED
      for (std::uint32_t i = place.thread; i < s.size; i += place.threads) old.value[i] = V{0};
    }
  }
  SPIKELOOM_KERNEL void arrive(const Place& place, const LayerImage& image, Shared& shared) const {
    const ResidentEvent<V>* const ring = events + std::size_t{place.block} * event_slots;
    const std::uint32_t from = start(image);
    const std::int64_t first = clock->first, last = first + clock->count;
    std::uint32_t found = 0;
    SPIKELOOM_ROLLED
    for (std::uint32_t k = place.thread; k < event_slots; k += place.threads) {
      const ResidentEvent<V> event = ring[(from + k) & (event_slots - 1)];
      if (event.due <= first || event.due > last) break;  // they lie in the order of their steps
      ++found;
      const ResidentInput<V>& input = input_of(event.place);
      const ResidentSignal& s = signals[input.signal];
      const std::uint32_t i = event.place - input.first_place, bit = 1U << (i % 32);
      const ResidentRow<V> row = image.row<V>(s, event.due - 1, false);
      if ((set_bits(row.bits + i / 32, bit) & bit) != 0 || event.value != V{1}) {
        const auto slot =
            static_cast<std::uint32_t>(static_cast<std::uint64_t>(event.due - 1) & (s.slots - 1));
        image.at<std::int64_t>(s.graded)[slot] = event.due;
      }
    }
    if (found != 0) add_to(&shared.found, found);
  }
  SPIKELOOM_KERNEL void resolve(const Place& place, const LayerImage& image,
                                std::uint32_t found) const {
    const ResidentEvent<V>* const ring = events + std::size_t{place.block} * event_slots;
    const std::uint32_t from = start(image);
    SPIKELOOM_ROLLED
    for (std::uint32_t k = place.thread; k < found; k += place.threads) {
      const ResidentEvent<V> event = ring[(from + k) & (event_slots - 1)];
      const ResidentInput<V>& input = input_of(event.place);
      const ResidentRow<V> row = image.row<V>(signals[input.signal], event.due - 1, true);
      if (row.value != nullptr) add_to(row.value + (event.place - input.first_place), event.value);
    }
  }
  SPIKELOOM_KERNEL void note(const Place& place, const LayerImage& image,
                             const ResidentInput<V>& input, Shared& shared) const {
    const ResidentSignal s = signals[input.signal];
    const Clock now = *clock;
    LayerCount<V> count;
    SPIKELOOM_ROLLED
    for (std::uint32_t k = 0; k < now.count; ++k) {
      const ResidentRow<V> row = image.row<V>(s, now.first + k, true);
      for (std::uint32_t w = place.thread; w < s.words; w += place.threads) count.note_word(row, w);
      if (input.log_count == 0) continue;
      const auto logged =
          static_cast<std::size_t>(now.first + k - now.log_base) * batch + place.block;
      SPIKELOOM_ROLLED
      for (std::uint32_t l = 0; l < input.log_count; ++l) {
        SPIKELOOM_ROLLED
        for (std::uint32_t i = place.thread; i < s.size; i += place.threads) {
          input.log[l][logged * s.size + i] = row.at(i);
        }
      }
    }
    count.add_up(&shared.count);
  }
};

/// An operation of every element. A block has a tile: 32 outputs, of each of kChannels channels. In
/// turns its warps add up what reaches the tile in kLayerTurn steps, each in some, and then move
/// the tile's neurons through these steps, each those of its channels. Of Dense layers four outputs
/// that lie side by side count as channels; their tile is 128 outputs, of which each warp has 32.
template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
struct LayerKernel {
  /// Blocks that a multiprocessor is to have at once: so many registers there are for a thread.
  static constexpr int kBlocksAtOnce =
      kForm == LayerForm::kGeneral || (kChannels == 16 && std::is_integral_v<V>) ? 5
      : kChannels >= 8                                                           ? 6
                                                                                 : 8;
  /// Channels whose neurons a thread has.
  static constexpr std::uint32_t kOwn = kChannels > kLayerWarps ? kChannels / kLayerWarps : 1;
  struct Shared {
    Tally<V> x, y;
    alignas(16) std::uint32_t touched[kLayerTurn];  ///< of each step: which of the 32 outputs
    alignas(8) V sum[kLayerTurn][kChannels][32];
  };
  struct Local {
    LayerCount<V> x, y;
    LayerWindow window;
    V membrane[kOwn] = {}, current[kOwn] = {};
    std::int32_t countdown = 0;
    bool awake = true;  ///< nothing is known yet
    std::int64_t first = 0;
    std::uint32_t count = 0;
  };
  const Clock* clock = nullptr;
  const ResidentSignal* signals = nullptr;
  const ResidentLink* links = nullptr;
  ResidentOp<V> op;
  ResidentSignal source, out;  ///< its only link's, or its first's
  std::uint32_t delay = 0;     ///< of that link
  LayerShape shape;
  Divisor per_tiles;  ///< blocks of an element
  std::uint32_t batch = 1;
  char* images = nullptr;
  std::uint64_t image_bytes = 0;

  SPIKELOOM_KERNEL std::uint32_t items() const { return op.size / kChannels; }
  SPIKELOOM_KERNEL std::uint32_t threads() const { return kLayerThreads; }
  SPIKELOOM_KERNEL std::uint32_t per_element() const { return tiles(items(), 32); }
  SPIKELOOM_KERNEL std::uint32_t blocks() const { return per_element() * batch; }
  /// Two for kLayerTurn steps; then the counts.
  SPIKELOOM_KERNEL std::uint32_t phases_of(std::uint32_t steps) const {
    return 2 * tiles(steps, kLayerTurn) + 2;
  }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return phases_of(clock->count); }

  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    const std::uint32_t element = per_tiles.divide(place.block);
    const std::uint32_t tile = place.block - element * per_tiles.number;
    const Own own{tile * 32 + place.thread % 32, place.thread / 32, element,
                  LayerImage{images + element * image_bytes}};
    if (phase == 0) begin(place, own, shared, local);
    const std::uint32_t phases = phases_of(local.count);
    if (phase + 1 == phases) {
      if (place.thread == 0 && op.x_tally != nullptr) shared.x.publish(place, op.x_tally);
      if (place.thread == 0 && op.y_tally != nullptr) shared.y.publish(place, op.y_tally);
      return;
    }
    if (phase + 2 == phases) {
      store(own, local);
      local.x.add_up(&shared.x);
      if (kForm != LayerForm::kGeneral) local.y.sum_spikes();
      local.y.add_up(&shared.y);
      return;
    }
    const std::uint32_t from = phase / 2 * kLayerTurn;
    const std::uint32_t left = local.count - from,
                        to = from + (left < kLayerTurn ? left : kLayerTurn);
    if (phase % 2 == 0) {
      SPIKELOOM_ROLLED
      for (std::uint32_t s = from + own.warp; s < to; s += kLayerWarps) {
        add_up(own, s, shared, local);
      }
    } else {
      SPIKELOOM_ROLLED
      for (std::uint32_t s = from; s < to; s += kLayerWarps) step(own, s, shared, local);
    }
  }

 private:
  /// Which thread of an element's this is: its output of the first channel, its warp in the block.
  struct Own {
    std::uint32_t item = 0, warp = 0, element = 0;
    LayerImage image;
  };
  static constexpr bool kWindows = kHead == LayerHead::kWindow;
  static constexpr bool kQuads = kHead == LayerHead::kRows && kChannels == 4;
  /// Whether the thread has outputs to add up; whether it has neurons to move.
  SPIKELOOM_KERNEL bool exists(const Own& own) const { return own.item < items(); }
  SPIKELOOM_KERNEL bool moves(const Own& own) const {
    if constexpr (kQuads) return quad_output(own) < op.size;
    return exists(own) && first_channel(own) < kChannels;
  }
  SPIKELOOM_KERNEL static std::uint32_t quad_output(const Own& own) {
    return own.item / 32 * 128 + own.warp * 32 + own.item % 32;
  }
  /// Of the channels that this warp has the first, and its output.
  SPIKELOOM_KERNEL static std::uint32_t first_channel(const Own& own) { return own.warp * kOwn; }
  SPIKELOOM_KERNEL std::uint32_t first_output(const Own& own, const Local& local) const {
    if constexpr (kQuads) return quad_output(own);
    return kWindows ? local.window.output + first_channel(own) * op.plane : own.item;
  }
  SPIKELOOM_KERNEL bool has_neurons(const Own& own) const { return op.has_neurons && moves(own); }
  SPIKELOOM_KERNEL std::size_t log_place(const Own& own, std::int64_t step) const {
    return (static_cast<std::size_t>(step - clock->log_base) * batch + own.element) * op.size;
  }
  SPIKELOOM_KERNEL void begin(const Place& place, const Own& own, Shared& shared,
                              Local& local) const;
  SPIKELOOM_KERNEL void store(const Own& own, const Local& local) const;
  SPIKELOOM_KERNEL bool gather(const Own& own, std::int64_t step, const ResidentRow<V>& in, V* x,
                               Local& local) const;
  SPIKELOOM_KERNEL bool complete(const Own& own, const ResidentRow<V>& in, bool touched, V* x,
                                 Local& local) const;
  SPIKELOOM_KERNEL void count_input(const Own& own, const ResidentRow<V>& in) const;
  SPIKELOOM_KERNEL void add_up(const Own& own, std::uint32_t s, Shared& shared, Local& local) const;
  SPIKELOOM_KERNEL bool multiply_up(const Own& own, std::uint32_t s, const ResidentRow<V>& in,
                                    Shared& shared, Local& local) const;
  SPIKELOOM_KERNEL void step(const Own& own, std::uint32_t first, Shared& shared,
                             Local& local) const;
  template <typename Neurons>
  SPIKELOOM_KERNEL void step_plain(const Own& own, std::uint32_t first, const Shared& shared,
                                   const Neurons& neurons, Local& local) const;
  SPIKELOOM_KERNEL void log(const Own& own, std::uint32_t from, std::uint32_t steps,
                            std::uint32_t first, const LayerBits<kOwn>* spiked,
                            const Local& local) const;
  SPIKELOOM_KERNEL void step_general(const Own& own, std::uint32_t first, const Shared& shared,
                                     Local& local) const;
};

template <typename V>
using GeneralLayer = LayerKernel<V, 1, LayerForm::kGeneral, LayerHead::kAny>;
template <typename V, std::uint32_t kChannels, LayerForm kForm>
using WindowLayer = LayerKernel<V, kChannels, kForm, LayerHead::kWindow>;
template <typename V, std::uint32_t kOutputs, LayerForm kForm>
using RowLayer = LayerKernel<V, kOutputs, kForm, LayerHead::kRows>;
template <typename V, LayerForm kForm>
using LinkLayer = LayerKernel<V, 1, kForm, LayerHead::kLinks>;

}  // namespace spikeloom::cuda

#include "backends/cuda/kernels/layer_neurons.hpp"
