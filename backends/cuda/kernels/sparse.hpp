#pragma once
/// Sparse weights. Integers: rows of the active sources, added up in shared memory by blocks of
/// targets. Real numbers: each target adds up its own synapses in order, so that sums do not depend
/// on who came first.

#include "backends/cuda/kernels/kernel.hpp"

namespace spikeloom::cuda {

/// Synapses of each target, by ascending source. A thread adds up a target, or one after the other
/// where a part is larger than a block.
template <typename V>
struct SparseGatherKernel {
  struct Local {
    Tally<V> tally;
  };
  Rows rows;
  Signal<V> in, out;
  const std::int64_t* start = nullptr;  ///< targets + 1
  const std::uint32_t* source = nullptr;
  const V* weight = nullptr;
  const V* scale = nullptr;  ///< one per target; may be null
  const V* bias = nullptr;
  Parts parts;

  SPIKELOOM_KERNEL std::uint32_t blocks() const {
    return parts.tiles_of(out.size, kTile) * rows.count();
  }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 3; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    auto& total = *static_cast<Tally<V>*>(place.shared);
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    if (!rows.exists(row)) return;
    if (phase == 0) {
      if (place.thread == 0) total.clear();
      const std::uint32_t last = parts.last(tile, out.size, kTile);
      for (std::uint32_t p = parts.first(tile, kTile) + place.thread; p < last;
           p += place.threads) {
        add_up(row, parts.element(p), local);
      }
    } else if (phase == 1) {
      local.tally.add_up(place, &total);
    } else if (place.thread == 0) {
      total.publish(place, out.tally);
    }
  }

 private:
  SPIKELOOM_KERNEL void add_up(std::uint32_t row, std::uint32_t o, Local& local) const {
    const V* const x = in.values(rows.step(row), rows.element(row));
    V sum = 0;
    for (std::int64_t k = start[o]; k < start[o + 1]; ++k) {
      const V value = x[source[k]];
      if (value == V{0}) continue;
      sum += weight[k] * value;
      local.tally.count_pairs(value, 1);
    }
    sum = completed(sum, scale, bias, o);
    out.values(rows.step(row), rows.element(row))[o] = sum;
    local.tally.count(sum);
  }
};

/// The active sources of a row in device memory, in any order.
struct SourceList {
  std::uint32_t* count = nullptr;  ///< one per row of a chunk
  std::uint32_t* index = nullptr;  ///< row x capacity
  std::uint32_t capacity = 0;

  SPIKELOOM_KERNEL std::uint32_t* of(std::uint32_t row) const {
    return index + static_cast<std::size_t>(row) * capacity;
  }
};

/// Empties the lists of a launch.
struct EmptyListsKernel {
  struct Local {};
  Rows rows;
  SourceList list;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(rows.count(), kTile); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 1; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t, Local&) const {
    const std::uint32_t row = place.block * kTile + place.thread;
    if (row < rows.count()) list.count[rows.offset * rows.batch + row] = 0;
  }
};

/// Appends the active sources among kTile words of a row.
template <typename V>
struct CompactKernel {
  struct Shared {
    std::uint32_t count[kTile];
    std::uint32_t room;
  };
  struct Local {};
  Rows rows;
  Signal<V> in;
  SourceList list;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(in.words, kTile) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 3; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local&) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    if (!rows.exists(row)) return;
    const std::uint32_t word = tile * kTile + place.thread;
    const std::uint32_t own = rows.offset * rows.batch + row;
    std::uint32_t bits = 0;
    if (phase != 1 && word < in.words) bits = in.masks(rows.step(row), rows.element(row))[word];
    if (phase == 0) {
      shared.count[place.thread] = bit_count(bits);
    } else if (phase == 1) {
      if (place.thread != 0) return;
      std::uint32_t sum = 0;  // from counts to places
      for (std::uint32_t t = 0; t < kTile; ++t) {
        const std::uint32_t count = shared.count[t];
        shared.count[t] = sum;
        sum += count;
      }
      shared.room = sum == 0 ? 0 : take_room(list.count + own, sum);
    } else {
      std::uint32_t* const to = list.of(own) + shared.room + shared.count[place.thread];
      for (std::uint32_t at = 0; bits != 0; bits &= bits - 1, ++at) {
        to[at] = word * 32 + lowest_bit(bits);
      }
    }
  }
};

/// Rows cut into blocks of `block_targets` targets, or of those that `parts` gives them, at most as
/// many: the synapses of source s in block b are [pivot[b (sources + 1) + s], pivot[b (sources + 1)
/// + s + 1]) from block_start[b] on.
struct BlockedRows {
  const std::uint64_t* block_start = nullptr;
  const std::uint32_t* pivot = nullptr;
  const std::uint32_t* synapse = nullptr;  ///< target within the block + weight 2^16
  const std::uint32_t* fan_out = nullptr;  ///< synapses of each source
  std::uint32_t sources = 0, targets = 0, block_targets = 1;
  Parts parts;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return parts.tiles_of(targets, block_targets); }
};

inline constexpr std::uint32_t kRowThreads = 1024;

/// kLanes threads walk a row together, kAhead rows in turns: what they wait for is on its way then.
template <std::uint32_t kLanes, std::uint32_t kAhead>
struct RowsKernel {
  using V = std::int32_t;
  struct Shared {
    Tally<V> tally;
  };
  struct Local {
    Tally<V> tally;
  };
  Rows rows;
  Signal<V> in, out;
  SourceList list;
  BlockedRows weights;
  const V* scale = nullptr;  ///< one per target; may be null
  const V* bias = nullptr;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return weights.blocks() * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t threads() const { return kRowThreads; }
  std::size_t shared_bytes() const { return sizeof(Shared) + weights.block_targets * sizeof(V); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 4; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    V* const sums = reinterpret_cast<V*>(&shared + 1);
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    if (!rows.exists(row)) return;
    const std::int64_t step = rows.step(row);
    const std::uint32_t element = rows.element(row);
    if (phase == 0) {
      if (place.thread == 0) shared.tally.clear();
      for (std::uint32_t i = place.thread; i < weights.block_targets; i += place.threads) {
        sums[i] = 0;
      }
    } else if (phase == 1) {
      add(place, rows.offset * rows.batch + row, tile, in.values(step, element), sums, local);
    } else if (phase == 2) {
      V* const y = out.values(step, element);
      const std::uint32_t first = weights.parts.first(tile, weights.block_targets);
      const std::uint32_t last = weights.parts.last(tile, weights.targets, weights.block_targets);
      for (std::uint32_t i = place.thread; first + i < last; i += place.threads) {
        const std::uint32_t o = weights.parts.element(first + i);
        const V value = completed(sums[i], scale, bias, o);
        y[o] = value;
        local.tally.count(value);
      }
      local.tally.add_up(place, &shared.tally);
    } else if (place.thread == 0) {
      shared.tally.publish(place, out.tally);
    }
  }

 private:
  SPIKELOOM_KERNEL void add(const Place& place, std::uint32_t list_row, std::uint32_t tile,
                            const V* values, V* sums, Local& local) const {
    const std::uint32_t* const active = list.of(list_row);
    const std::uint32_t count = list.count[list_row];
    const std::uint32_t lane = place.thread % kLanes, walkers = place.threads / kLanes;
    const std::uint32_t* const pivot =
        weights.pivot + static_cast<std::size_t>(tile) * (weights.sources + 1);
    const std::uint32_t* const synapse = weights.synapse + weights.block_start[tile];
    for (std::uint32_t k = place.thread / kLanes; k < count; k += walkers * kAhead) {
      std::uint32_t source[kAhead], next[kAhead], last[kAhead], packed[kAhead];
      V x[kAhead];
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        const std::uint32_t at = k + a * walkers;
        source[a] = at < count ? active[at] : weights.sources;
      }
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        const bool exists = source[a] < weights.sources;
        next[a] = exists ? pivot[source[a]] + lane : 0;
        last[a] = exists ? pivot[source[a] + 1] : 0;
        x[a] = in.unit || !exists ? V{1} : values[source[a]];
      }
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        packed[a] = next[a] < last[a] ? synapse[next[a]] : 0;
      }
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        for (std::uint32_t j = next[a]; j < last[a]; j += kLanes) {
          if (j != next[a]) packed[a] = synapse[j];
          add_to(sums + (packed[a] & 0xFFFF), (static_cast<V>(packed[a]) >> 16) * x[a]);
        }
        if (tile == 0 && lane == 0 && source[a] < weights.sources) {
          local.tally.count_pairs(x[a], weights.fan_out[source[a]]);
        }
      }
    }
  }
};

}  // namespace spikeloom::cuda
