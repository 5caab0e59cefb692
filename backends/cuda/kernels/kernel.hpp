#pragma once
/// What every kernel of the CUDA backend is made of, for nvcc and for plain C++ compilers.
///
/// A kernel is a struct of numbers and pointers. A block of threads runs its phases one after the
/// other, with a barrier between two phases:
///
///     struct Kernel {
///       struct Local {};                 // what a thread keeps from phase to phase
///       std::uint32_t phases() const;    // the same for every block
///       void operator()(const Place& place, std::uint32_t phase, Local& local) const;
///     };
///
/// So a loop over blocks, phases and threads does on a processor what a GPU does, and the same
/// lines are tested where there is no GPU. Within a phase threads may only meet in atomic
/// additions.

#include <bit>
#include <cstdint>
#include <type_traits>

#if defined(__CUDACC__)
#define SPIKELOOM_KERNEL __host__ __device__ __forceinline__
#else
#define SPIKELOOM_KERNEL inline
#endif
/// Before a loop of constant length whose arrays are to stay in registers.
#if defined(__CUDA_ARCH__)
#define SPIKELOOM_UNROLL _Pragma("unroll")
/// Before one whose code is long.
#define SPIKELOOM_ROLLED _Pragma("unroll 1")
#else
#define SPIKELOOM_UNROLL
#define SPIKELOOM_ROLLED
#endif

namespace spikeloom::cuda {

/// Where a thread is; `shared` is the block's memory.
struct Place {
  std::uint32_t block = 0, thread = 0, threads = 1;
  void* shared = nullptr;
};

/// The steps of the present chunk, in device memory: a recorded sequence runs for every chunk.
struct Clock {
  std::int64_t base = 0;          ///< the session's first step (not 0 after load)
  std::int64_t first = 0;         ///< of the chunk
  std::int64_t log_base = 0;      ///< the first step of the logs
  std::uint32_t count = 0;        ///< steps of the chunk
  std::uint32_t input_count = 0;  ///< input events of the chunk
};

template <typename T>
SPIKELOOM_KERNEL void add_to(T* target, T value) {
#if defined(__CUDA_ARCH__)
  if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
    atomicAdd(reinterpret_cast<unsigned long long*>(target),
              static_cast<unsigned long long>(value));
  } else {
    atomicAdd(target, value);
  }
#else
  *target += value;
#endif
}

/// Adds and says what was there before: room in a list.
SPIKELOOM_KERNEL std::uint32_t take_room(std::uint32_t* target, std::uint32_t value) {
#if defined(__CUDA_ARCH__)
  return atomicAdd(target, value);
#else
  const std::uint32_t before = *target;
  *target += value;
  return before;
#endif
}

SPIKELOOM_KERNEL std::uint32_t bit_count(std::uint32_t word) {
#if defined(__CUDA_ARCH__)
  return static_cast<std::uint32_t>(__popc(static_cast<int>(word)));
#else
  return static_cast<std::uint32_t>(std::popcount(word));
#endif
}

SPIKELOOM_KERNEL std::uint32_t lowest_bit(std::uint32_t word) {
#if defined(__CUDA_ARCH__)
  return static_cast<std::uint32_t>(__ffs(static_cast<int>(word)) - 1);
#else
  return static_cast<std::uint32_t>(std::countr_zero(word));
#endif
}

/// Tallies in device memory are the sums of so many.
inline constexpr std::uint32_t kTallyCopies = 32;

/// Counts of docs/counting.md over the values of a signal.
template <typename V>
struct Tally {
  using Sum = std::conditional_t<std::is_same_v<V, float>, double, std::int64_t>;
  std::uint64_t events = 0;  ///< non-zero values
  Sum sum = 0;
  std::uint64_t unit = 0, graded = 0;  ///< of a weight node: pairs by their value

  SPIKELOOM_KERNEL void clear() { events = unit = graded = 0, sum = 0; }
  SPIKELOOM_KERNEL void count(V value) {
    if (value == V{0}) return;
    ++events;
    sum += static_cast<Sum>(value);
  }
  SPIKELOOM_KERNEL void count_pairs(V value, std::uint32_t pairs) {
    if (value == V{1} || value == V{-1}) {
      unit += pairs;
    } else if (value != V{0}) {
      graded += pairs;
    }
  }
  /// From every thread of a block to the block's own: all of them call it.
  SPIKELOOM_KERNEL void add_up(const Place& place, Tally* to) const {
#if defined(__CUDA_ARCH__)
    const std::uint32_t lane = place.thread % 32, left = place.threads - (place.thread - lane);
    const std::uint32_t mask = left < 32 ? (1U << left) - 1 : ~0U;
    if (__ballot_sync(mask, (events | unit | graded) != 0) == 0) return;
    Tally all = *this;
    for (std::uint32_t offset = 16; offset != 0; offset /= 2) {
      Tally other;
      other.events = __shfl_down_sync(mask, all.events, offset);
      other.sum = __shfl_down_sync(mask, all.sum, offset);
      other.unit = __shfl_down_sync(mask, all.unit, offset);
      other.graded = __shfl_down_sync(mask, all.graded, offset);
      if (lane + offset < 32 && lane + offset < left) {
        all.events += other.events, all.sum += other.sum;
        all.unit += other.unit, all.graded += other.graded;
      }
    }
    if (lane == 0) all.add(to);
#else
    static_cast<void>(place);
    add(to);
#endif
  }
  /// From a block to one of the kTallyCopies that `totals` has: additions to one place queue up.
  SPIKELOOM_KERNEL void publish(const Place& place, Tally* totals) const {
    add(totals + place.block % kTallyCopies);
  }
  /// To a tally that others add to as well.
  SPIKELOOM_KERNEL void add(Tally* to) const {
    if (events != 0) add_to(&to->events, events), add_to(&to->sum, sum);
    if (unit != 0) add_to(&to->unit, unit);
    if (graded != 0) add_to(&to->graded, graded);
  }
};

/// What a layer with weights makes of a sum of its own: scale and bias are one per output, or null.
template <typename V>
SPIKELOOM_KERNEL V completed(V sum, const V* scale, const V* bias, std::uint32_t output) {
  if (scale != nullptr) sum *= scale[output];
  if (bias != nullptr) sum += bias[output];
  return sum;
}

/// The steps [offset, offset + steps) of a chunk for every batch element: one row each.
struct Rows {
  const Clock* clock = nullptr;
  std::uint32_t offset = 0, steps = 1, batch = 1;

  SPIKELOOM_KERNEL std::uint32_t count() const { return steps * batch; }
  SPIKELOOM_KERNEL bool exists(std::uint32_t row) const {
    return offset + row / batch < clock->count;
  }
  SPIKELOOM_KERNEL std::int64_t step(std::uint32_t row) const {
    return clock->first + offset + row / batch;
  }
  SPIKELOOM_KERNEL std::uint32_t element(std::uint32_t row) const { return row % batch; }
};

/// Values of a node over the last steps, and a bit for each that is not 0: a ring of `slots` steps,
/// a power of two, each batch x size.
template <typename V>
struct Signal {
  V* value = nullptr;
  std::uint32_t* mask = nullptr;
  Tally<V>* tally = nullptr;
  std::uint32_t slots = 1, batch = 1, size = 0, words = 0;
  bool unit = false;  ///< what is not 0 is 1

  SPIKELOOM_KERNEL std::size_t place(std::int64_t step, std::uint32_t element) const {
    const auto slot = static_cast<std::uint32_t>(static_cast<std::uint64_t>(step) & (slots - 1));
    return static_cast<std::size_t>(slot) * batch + element;
  }
  SPIKELOOM_KERNEL V* values(std::int64_t step, std::uint32_t element) const {
    return value + place(step, element) * size;
  }
  SPIKELOOM_KERNEL std::uint32_t* masks(std::int64_t step, std::uint32_t element) const {
    return mask + place(step, element) * words;
  }
};

/// A link: what its source gave `delay` steps ago; before the session's first step, `before`
/// (delay x batch x size, oldest first), or silence.
template <typename V>
struct LinkRef {
  Signal<V> source;
  const V* before = nullptr;
  std::uint32_t delay = 0;

  /// Null for silence.
  SPIKELOOM_KERNEL const V* row(const Clock& clock, std::int64_t step,
                                std::uint32_t element) const {
    const std::int64_t then = step - delay;
    if (then >= clock.base) return source.values(then, element);
    if (before == nullptr) return nullptr;
    const auto age = static_cast<std::size_t>(then - clock.base + delay);
    return before + (age * source.batch + element) * source.size;
  }
};

template <typename V>
struct Links {
  const LinkRef<V>* link = nullptr;
  std::uint32_t count = 0;

  /// The sum of the links, in their order.
  SPIKELOOM_KERNEL V sum(const Clock& clock, std::int64_t step, std::uint32_t element,
                         std::uint32_t index) const {
    V sum = 0;
    for (std::uint32_t l = 0; l < count; ++l) {
      const V* const row = link[l].row(clock, step, element);
      if (row != nullptr) sum += row[index];
    }
    return sum;
  }
};

/// Threads of kernels that go over elements; each block writes whole words of a mask.
inline constexpr std::uint32_t kTile = 256;

SPIKELOOM_KERNEL std::uint32_t tiles(std::uint32_t size, std::uint32_t tile) {
  return (size + tile - 1) / tile;
}

/// What each of `count` tiles owns of a node: the positions [bound[t], bound[t + 1]); position p is
/// element order[p], or p without an order. Without bounds tiles are even.
struct Parts {
  const std::uint32_t* bound = nullptr;
  const std::uint32_t* order = nullptr;
  std::uint32_t count = 0;

  SPIKELOOM_KERNEL std::uint32_t tiles_of(std::uint32_t size, std::uint32_t tile) const {
    return bound != nullptr ? count : tiles(size, tile);
  }
  SPIKELOOM_KERNEL std::uint32_t first(std::uint32_t t, std::uint32_t tile) const {
    return bound != nullptr ? bound[t] : t * tile;
  }
  SPIKELOOM_KERNEL std::uint32_t last(std::uint32_t t, std::uint32_t size,
                                      std::uint32_t tile) const {
    if (bound != nullptr) return bound[t + 1];
    return (t + 1) * tile < size ? (t + 1) * tile : size;
  }
  SPIKELOOM_KERNEL std::uint32_t element(std::uint32_t position) const {
    return order != nullptr ? order[position] : position;
  }
};

}  // namespace spikeloom::cuda
