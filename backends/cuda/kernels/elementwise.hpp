#pragma once
/// Kernels that make one value per element: sums of links, Scale, Threshold, Pool, Delay, input.

#include "backends/cuda/kernels/kernel.hpp"

namespace spikeloom::cuda {

/// What a block of a tile keeps: which values are not 0, and the counts.
template <typename V>
struct TileShared {
  Tally<V> in, out;
  bool filled[kTile];
};

/// Phases 1 and 2 of every kernel below: the mask of what the tile has written, and the counts.
template <typename V>
SPIKELOOM_KERNEL void finish_tile(const Place& place, std::uint32_t phase, bool exists,
                                  const Tally<V>& in, const Tally<V>& out, Tally<V>* in_total,
                                  const Signal<V>& signal, std::uint32_t* mask,
                                  std::uint32_t tile) {
  auto& shared = *static_cast<TileShared<V>*>(place.shared);
  if (phase == 1) {
    in.add_up(place, &shared.in);
    out.add_up(place, &shared.out);
#if defined(__CUDA_ARCH__)
    const std::uint32_t filled = __ballot_sync(~0U, shared.filled[place.thread]);
    const std::uint32_t own = tile * (kTile / 32) + place.thread / 32;
    if (exists && place.thread % 32 == 0 && own < signal.words) mask[own] = filled;
#else
    const std::uint32_t word = tile * (kTile / 32) + place.thread;
    if (!exists || place.thread >= kTile / 32 || word >= signal.words) return;
    std::uint32_t bits = 0;
    for (std::uint32_t j = 0; j < 32; ++j) {
      bits |= (shared.filled[place.thread * 32 + j] ? 1U : 0U) << j;
    }
    mask[word] = bits;
#endif
    return;
  }
  if (place.thread != 0) return;
  if (in_total != nullptr) shared.in.publish(place, in_total);
  shared.out.publish(place, signal.tally);
}

template <typename V>
struct TileLocal {
  Tally<V> in, out;
};

/// Element i of a batch element's step.
struct TilePlace {
  std::uint32_t row = 0;
  std::int64_t step = 0;
  std::uint32_t element = 0, i = 0;
};

/// The phases of a kernel that makes each value of a tile on its own: value(place).
template <typename V, typename Value>
SPIKELOOM_KERNEL void make_tile(const Place& place, std::uint32_t phase, const Rows& rows,
                                const Signal<V>& out, std::type_identity_t<Tally<V>*> in_total,
                                TileLocal<V>& local, Value&& value) {
  auto& shared = *static_cast<TileShared<V>*>(place.shared);
  const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
  const bool exists = rows.exists(row);
  const std::int64_t step = rows.step(row);
  const std::uint32_t element = rows.element(row);
  if (phase != 0) {
    finish_tile(place, phase, exists, local.in, local.out, in_total, out, out.masks(step, element),
                tile);
    return;
  }
  if (place.thread == 0) shared.in.clear(), shared.out.clear();
  const std::uint32_t i = tile * kTile + place.thread;
  shared.filled[place.thread] = false;
  if (!exists || i >= out.size) return;
  const V y = value(TilePlace{row, step, element, i});
  out.values(step, element)[i] = y;
  shared.filled[place.thread] = y != V{0};
  local.out.count(y);
}

enum class Elementwise : std::uint8_t { kCopy, kScale, kThreshold, kRelu };

/// out <- x, factor x, x > threshold, or x where it is above 0, with x the sum of the links.
template <typename V>
struct ElementwiseKernel {
  using Local = TileLocal<V>;
  Rows rows;
  Links<V> links;
  Signal<V> out;
  Tally<V>* in_tally = nullptr;  ///< counts of x; null where nobody asks
  const V* parameter = nullptr;  ///< one per element
  Elementwise work = Elementwise::kCopy;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(out.size, kTile) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 3; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    make_tile(place, phase, rows, out, in_tally, local, [&](const TilePlace& at) {
      const V x = links.sum(*rows.clock, at.step, at.element, at.i);
      local.in.count(x);
      if (work == Elementwise::kScale) return parameter[at.i] * x;
      if (work == Elementwise::kThreshold) return x > parameter[at.i] ? V{1} : V{0};
      return work == Elementwise::kRelu && !(x > V{0}) ? V{0} : x;
    });
  }
};

enum class Pooling : std::uint8_t { kSum, kAverage, kMax };

/// Windows over each channel of `in`; taps outside do not exist.
template <typename V>
struct PoolKernel {
  using Local = TileLocal<V>;
  Rows rows;
  Signal<V> in, out;
  Pooling kind = Pooling::kSum;
  std::int32_t in_rows = 1, in_columns = 1, out_rows = 1, out_columns = 1;
  std::int32_t kernel_rows = 1, kernel_columns = 1, stride_rows = 1, stride_columns = 1;
  std::int32_t pad_rows = 0, pad_columns = 0;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(out.size, kTile) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 3; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    make_tile(place, phase, rows, out, nullptr, local, [&](const TilePlace& at) {
      return pooled(in.values(at.step, at.element), static_cast<std::int32_t>(at.i));
    });
  }

 private:
  SPIKELOOM_KERNEL V pooled(const V* x, std::int32_t i) const {
    const std::int32_t plane = out_rows * out_columns;
    const std::int32_t channel = i / plane, at = i % plane;
    const std::int32_t top = at / out_columns * stride_rows - pad_rows;
    const std::int32_t left = at % out_columns * stride_columns - pad_columns;
    V sum = 0, largest = 0;
    bool any = false;
    for (std::int32_t kr = 0; kr < kernel_rows; ++kr) {
      const std::int32_t r = top + kr;
      if (r < 0 || r >= in_rows) continue;
      for (std::int32_t kc = 0; kc < kernel_columns; ++kc) {
        const std::int32_t c = left + kc;
        if (c < 0 || c >= in_columns) continue;
        const V value = x[(static_cast<std::int64_t>(channel) * in_rows + r) * in_columns + c];
        sum += value;
        largest = any && largest > value ? largest : value;
        any = true;
      }
    }
    if (kind == Pooling::kMax) return largest;
    return kind == Pooling::kAverage ? sum / static_cast<V>(kernel_rows * kernel_columns) : sum;
  }
};

/// out[i] <- in[i] of delay[i] steps ago. The ring of `in` reaches back to before the session.
template <typename V>
struct DelayKernel {
  using Local = TileLocal<V>;
  Rows rows;
  Signal<V> in, out;
  const std::uint32_t* delay = nullptr;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(out.size, kTile) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 3; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    make_tile(place, phase, rows, out, nullptr, local, [&](const TilePlace& at) {
      return in.values(at.step - delay[at.i], at.element)[at.i];
    });
  }
};

/// Tiles that one block of the kernels below goes over: planes may be wide (words of a language).
inline constexpr std::uint32_t kStrip = 16;

SPIKELOOM_KERNEL std::uint32_t strips(std::uint32_t size) { return tiles(size, kStrip * kTile); }

/// Zeros for the steps of a chunk.
template <typename V>
struct ClearKernel {
  struct Local {};
  Rows rows;
  Signal<V> out;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return strips(out.size) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 1; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t, Local&) const {
    const std::uint32_t row = place.block % rows.count(), strip = place.block / rows.count();
    if (!rows.exists(row)) return;
    V* const y = out.values(rows.step(row), rows.element(row));
    for (std::uint32_t tile = strip * kStrip; tile < (strip + 1) * kStrip; ++tile) {
      const std::uint32_t i = tile * kTile + place.thread;
      if (i < out.size) y[i] = V{0};
    }
  }
};

/// What is added to an element of an input.
template <typename V>
struct InputEvent {
  std::uint32_t row = 0;  ///< step within the chunk x batch + element
  std::uint32_t port = 0, index = 0;
  V value = 0;
};

inline constexpr std::uint32_t kInputBlocks = 264;

/// Adds the events of one port to zeros. The sums have to be the same in any order.
template <typename V>
struct InputKernel {
  struct Local {};
  Rows rows;
  Signal<V> out;
  const InputEvent<V>* events = nullptr;
  std::uint32_t port = 0;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return kInputBlocks; }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 1; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t, Local&) const {
    const std::uint32_t count = rows.clock->input_count;
    for (std::uint32_t k = place.block * place.threads + place.thread; k < count;
         k += kInputBlocks * place.threads) {
      const InputEvent<V> event = events[k];
      if (event.port != port) continue;
      add_to(out.values(rows.step(event.row), rows.element(event.row)) + event.index, event.value);
    }
  }
};

/// Mask and counts of values that lie there already.
template <typename V>
struct MarkKernel {
  struct Shared {
    Tally<V> tally;
  };
  struct Local {
    Tally<V> tally;
  };
  Rows rows;
  Signal<V> out;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return strips(out.size) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 3; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    const std::uint32_t row = place.block % rows.count(), strip = place.block / rows.count();
    if (!rows.exists(row)) return;
    if (phase == 0) {
      if (place.thread == 0) shared.tally.clear();
      const std::int64_t step = rows.step(row);
      const std::uint32_t element = rows.element(row);
      mark(place, out.values(step, element), out.masks(step, element), strip, local);
    } else if (phase == 1) {
      local.tally.add_up(place, &shared.tally);
    } else if (place.thread == 0) {
      shared.tally.publish(place, out.tally);
    }
  }

 private:
  SPIKELOOM_KERNEL void mark(const Place& place, const V* y, std::uint32_t* mask,
                             std::uint32_t strip, Local& local) const {
    constexpr std::uint32_t kWords = kStrip * kTile / 32;
    for (std::uint32_t k = place.thread / 32; k < kWords; k += kTile / 32) {
      const std::uint32_t word = strip * kWords + k, lane = place.thread % 32;
      if (word >= out.words) return;  // the same for all lanes
#if defined(__CUDA_ARCH__)
      const std::uint32_t i = word * 32 + lane;
      const V value = i < out.size ? y[i] : V{0};
      local.tally.count(value);
      const std::uint32_t bits = __ballot_sync(~0U, value != V{0});
      if (lane == 0) mask[word] = bits;
#else
      if (lane != 0) return;  // one thread does what a warp does at once
      std::uint32_t bits = 0;
      for (std::uint32_t j = 0; j < 32 && word * 32 + j < out.size; ++j) {
        const V value = y[word * 32 + j];
        local.tally.count(value);
        bits |= (value != V{0} ? 1U : 0U) << j;
      }
      mask[word] = bits;
#endif
    }
  }
};

/// Copies the values of a signal to a log: steps x batch x size.
template <typename V>
struct LogKernel {
  struct Local {};
  Rows rows;
  Signal<V> out;
  V* log = nullptr;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(out.size, kTile) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 1; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t, Local&) const {
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    const std::uint32_t i = tile * kTile + place.thread;
    if (!rows.exists(row) || i >= out.size) return;
    const std::int64_t step = rows.step(row);
    const std::uint32_t element = rows.element(row);
    const auto at = static_cast<std::size_t>(step - rows.clock->log_base) * rows.batch + element;
    log[at * out.size + i] = out.values(step, element)[i];
  }
};

}  // namespace spikeloom::cuda
