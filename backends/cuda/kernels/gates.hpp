#pragma once
/// Recurrent layers of language networks: the sums of a tile of units, and what comes of them.
///
/// A block owns all gates of some units for one batch element, so that a step of a layer is one
/// launch: products with the last output, gates, state, output. Products with the input do not wait
/// for the step before and are made for a whole chunk. Real numbers: a thread owns a target and
/// adds up its synapses by ascending source, as cpu does, whoever is active. Integers: rows of the
/// active sources alone, in any order.

#include "backends/cuda/kernels/kernel.hpp"
#include "snn/recurrent_equations.hpp"

namespace spikeloom::cuda {

/// Units of a block; its targets are gate x kUnitTile + unit.
inline constexpr std::uint32_t kUnitTile = 64;
/// Targets that lie side by side.
inline constexpr std::uint32_t kSlice = 32;

/// Weights of some gates, tile by tile of units. Real numbers by target: slice s of the matrix has
/// the entries [start[s], start[s + 1]) of kSlice synapses each, and lane l of a slice belongs to
/// the target place[s kSlice + l] of the tile; what is missing at the end of a lane has weight 0.
/// Integers by source: row i of tile t is [pivot[t (sources + 1) + i], pivot[.. + i + 1]), places
/// and weights.
template <typename W>
struct GateMatrix {
  const std::uint64_t* start = nullptr;
  const std::uint16_t* source = nullptr;
  const W* weight = nullptr;
  const std::uint16_t* place = nullptr;
  const std::uint32_t* pivot = nullptr;
  const std::uint32_t* fan_out = nullptr;  ///< synapses of each source
  std::uint32_t sources = 0, gates = 3;
  bool adds = false;  ///< pairs count as accumulates whatever the value (docs/counting.md)

  SPIKELOOM_KERNEL std::uint32_t targets() const { return gates * kUnitTile; }
};

enum class GateWork : std::uint8_t {
  kInput,       ///< complete sums of all gates with the layer's input
  kCell,        ///< a step
  kPaperGates,  ///< the paper's z and r, and y' behind the reset gates
  kPaperCell,   ///< the paper's candidate from that, and the step
};

enum class GateCell : std::uint8_t { kEgru, kPaper, kGru, kLstm };

/// Of all gates of a layer, g x units + i.
template <typename V>
struct GateParameters {
  const V* scale = nullptr;  ///< null for 1
  const V* bias = nullptr;
  std::int32_t shift = 0;  ///< integers only

  SPIKELOOM_KERNEL V complete(V sum, std::size_t at) const {
    if constexpr (std::is_integral_v<V>) {
      return equations::gate_sum(sum, scale[at], bias[at], shift);
    } else {
      if (scale != nullptr) sum *= scale[at];
      return sum + bias[at];
    }
  }
};

template <typename V, typename W>
struct GateKernel {
  static constexpr bool kWhole = std::is_integral_v<V>;
  static constexpr std::uint32_t kLanes = 8;  ///< that walk a row of integers together
  struct Shared {
    Tally<V> tally;
    std::uint32_t active;
    bool filled[kUnitTile];
  };
  struct Local {
    Tally<V> tally;
  };
  GateWork work = GateWork::kCell;
  GateCell cell = GateCell::kEgru;
  Rows rows;  ///< kInput: of any number of steps; else of one
  Signal<V> in, out;
  Tally<V>* pairs = nullptr;  ///< of kInput; null where they are known
  GateMatrix<W> matrix;
  GateParameters<V> parameters;
  std::uint32_t units = 0, first_gate = 0, all_gates = 3;
  V* input = nullptr;   ///< rows of a chunk x all_gates x units: what kInput makes
  V* state = nullptr;   ///< batch x units
  V* update = nullptr;  ///< batch x units: the paper's R_z, complete
  V* gated = nullptr;   ///< batch x units
  const V* threshold = nullptr;
  equations::GateTables tables;  ///< integers only
  std::int64_t state_reset = 0;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(units, kUnitTile) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t threads() const {
    return kWhole ? kTile : (matrix.targets() < 2 * kUnitTile ? 2 * kUnitTile : matrix.targets());
  }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return kWhole ? 5 : 4; }
  std::size_t shared_bytes() const {
    const std::size_t each = sizeof(V) + (kWhole ? sizeof(std::uint16_t) : 0);
    return sizeof(Shared) + matrix.targets() * sizeof(V) + matrix.sources * each;
  }

  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    V* const sums = reinterpret_cast<V*>(&shared + 1);
    V* const x = sums + matrix.targets();
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    if (!rows.exists(row)) return;
    const std::int64_t step = rows.step(row);
    const std::uint32_t element = rows.element(row);
    if (phase == 0) {
      begin(place, shared, sums);
      if constexpr (!kWhole) load(place, x, step, element, tile, local);
      return;
    }
    if constexpr (kWhole) {
      auto* const index = reinterpret_cast<std::uint16_t*>(x + matrix.sources);
      if (phase == 1) {
        list(place, shared, index, x, step, element, tile, local);
        return;
      }
      if (phase == 2) {
        walk(place, shared.active, index, x, tile, sums);
        return;
      }
    } else if (phase == 1) {
      gather(place, x, tile, sums);
      return;
    }
    if (phase + 2 == phases()) {
      finish(place, shared, sums, row, step, element, tile, local);
      local.tally.add_up(place, &shared.tally);
    } else {
      publish(place, shared, step, element, tile);
    }
  }

 private:
  SPIKELOOM_KERNEL bool ends_step() const {
    return work == GateWork::kCell || work == GateWork::kPaperCell;
  }
  SPIKELOOM_KERNEL void begin(const Place& place, Shared& shared, V* sums) const {
    if (place.thread == 0) shared.tally.clear(), shared.active = 0;
    if (place.thread < kUnitTile) shared.filled[place.thread] = false;
    for (std::uint32_t t = place.thread; t < matrix.targets(); t += place.threads) sums[t] = V{0};
  }
  /// What the matrix is multiplied with.
  SPIKELOOM_KERNEL const V* values(std::int64_t step, std::uint32_t element) const {
    if (work == GateWork::kInput) return in.values(step, element);
    if (work == GateWork::kPaperCell) return gated + std::size_t{element} * matrix.sources;
    return out.values(step - 1, element);
  }
  /// Products are counted once: by the first tile, and y' that is sent a second time not again.
  SPIKELOOM_KERNEL void count(V value, std::uint32_t source, std::uint32_t tile,
                              Local& local) const {
    if (tile != 0 || work == GateWork::kPaperCell) return;
    if (work == GateWork::kInput && pairs == nullptr) return;
    local.tally.count_pairs(matrix.adds && value != V{0} ? V{1} : value, matrix.fan_out[source]);
  }
  SPIKELOOM_KERNEL void load(const Place& place, V* x, std::int64_t step, std::uint32_t element,
                             std::uint32_t tile, Local& local) const {
    const V* const from = values(step, element);
    for (std::uint32_t i = place.thread; i < matrix.sources; i += place.threads) {
      x[i] = from[i];
      count(x[i], i, tile, local);
    }
  }
  SPIKELOOM_KERNEL void list(const Place& place, Shared& shared, std::uint16_t* index, V* x,
                             std::int64_t step, std::uint32_t element, std::uint32_t tile,
                             Local& local) const {
    const V* const from = values(step, element);
    for (std::uint32_t i = place.thread; i < matrix.sources; i += place.threads) {
      const V value = from[i];
      if (value == V{0}) continue;
      const std::uint32_t at = take_room(&shared.active, 1);
      index[at] = static_cast<std::uint16_t>(i);
      x[at] = value;
      count(value, i, tile, local);
    }
  }
  SPIKELOOM_KERNEL void walk(const Place& place, std::uint32_t active, const std::uint16_t* index,
                             const V* x, std::uint32_t tile, V* sums) const {
    const std::uint32_t lane = place.thread % kLanes, walkers = place.threads / kLanes;
    const std::uint32_t* const pivot =
        matrix.pivot + static_cast<std::size_t>(tile) * (matrix.sources + 1);
    // Four rows in turns: what they wait for is on its way then.
    constexpr std::uint32_t kAhead = 4;
    for (std::uint32_t k = place.thread / kLanes; k < active; k += walkers * kAhead) {
      std::uint32_t next[kAhead], last[kAhead];
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        const std::uint32_t at = k + a * walkers;
        next[a] = at < active ? pivot[index[at]] + lane : 0;
        last[a] = at < active ? pivot[index[at] + 1] : 0;
      }
      std::uint32_t target[kAhead];
      V product[kAhead];
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        const bool exists = next[a] < last[a];
        target[a] = exists ? matrix.place[next[a]] : 0;
        product[a] = exists ? static_cast<V>(matrix.weight[next[a]]) * x[k + a * walkers] : V{0};
      }
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        if (next[a] < last[a]) add_to(sums + target[a], product[a]);
        for (std::uint32_t j = next[a] + kLanes; j < last[a]; j += kLanes) {
          add_to(sums + matrix.place[j], static_cast<V>(matrix.weight[j]) * x[k + a * walkers]);
        }
      }
    }
  }
  SPIKELOOM_KERNEL void gather(const Place& place, const V* x, std::uint32_t tile, V* sums) const {
    for (std::uint32_t t = place.thread; t < matrix.targets(); t += place.threads) {
      const std::uint32_t slice = (tile * matrix.targets() + t) / kSlice, lane = t % kSlice;
      const std::uint64_t last = matrix.start[slice + 1];
      V sum = 0;
#if defined(__CUDA_ARCH__)
#pragma unroll 8
#endif
      for (std::uint64_t k = matrix.start[slice]; k < last; ++k) {
        const std::uint64_t at = k * kSlice + lane;
        sum += static_cast<V>(matrix.weight[at]) * x[matrix.source[at]];
      }
      sums[matrix.place[slice * kSlice + lane]] = sum;
    }
  }

  SPIKELOOM_KERNEL void finish(const Place& place, Shared& shared, const V* sums, std::uint32_t row,
                               std::int64_t step, std::uint32_t element, std::uint32_t tile,
                               Local& local) const {
    if (work == GateWork::kInput) {
      V* const to = input + input_row(row);
      for (std::uint32_t t = place.thread; t < matrix.targets(); t += place.threads) {
        const std::uint32_t i = tile * kUnitTile + t % kUnitTile;
        if (i >= units) continue;
        const std::size_t at = std::size_t{t / kUnitTile} * units + i;
        to[at] = parameters.complete(sums[t], at);
      }
      return;
    }
    const std::uint32_t u = place.thread, i = tile * kUnitTile + u;
    if (u >= kUnitTile || i >= units) return;
    V r[4] = {};
    for (std::uint32_t g = 0; g < matrix.gates; ++g) {
      r[g] = parameters.complete(sums[g * kUnitTile + u], std::size_t{first_gate + g} * units + i);
    }
    const V* const w = input + input_row(row) + i;
    const std::size_t at = std::size_t{element} * units + i;
    if (work == GateWork::kPaperGates) {
      if constexpr (!kWhole) {
        update[at] = r[0];
        gated[at] = equations::sigmoid(w[units] + r[1]) * out.values(step - 1, element)[i];
      }
      return;
    }
    const bool restarts = state_reset > 0 && step % state_reset == 0;
    const equations::Unit<V> made = unit(w, r, restarts ? V{0} : state[at], at, step, element, i);
    state[at] = made.state;
    out.values(step, element)[i] = made.output;
    shared.filled[u] = made.output != V{0};
    local.tally.count(made.output);
  }

  SPIKELOOM_KERNEL std::size_t input_row(std::uint32_t row) const {
    return (std::size_t{rows.offset} * rows.batch + row) * all_gates * units;
  }

  SPIKELOOM_KERNEL equations::Unit<V> unit(const V* w, const V* r, V h, std::size_t at,
                                           std::int64_t step, std::uint32_t element,
                                           std::uint32_t i) const {
    const std::size_t n = units;
    equations::GateSums<V> a{w[0], w[n], w[2 * n], r[0], r[1], r[2]};
    if constexpr (kWhole) {
      return equations::egru(tables, a, h, threshold[i]);
    } else {
      switch (cell) {
        case GateCell::kGru: {
          const V y = equations::gru_state(a, h);
          return {y, y};
        }
        case GateCell::kLstm:
          return equations::lstm(w[0] + r[0], w[n] + r[1], w[2 * n] + r[2], w[3 * n] + r[3], h);
        case GateCell::kPaper:
          a.rz = update[at];
          a.rg = r[0];
          return equations::egru_paper(a, h, out.values(step - 1, element)[i], threshold[i]);
        default:
          return equations::egru(a, h, threshold[i]);
      }
    }
  }

  /// The counts, and which of the tile's units emitted.
  SPIKELOOM_KERNEL void publish(const Place& place, const Shared& shared, std::int64_t step,
                                std::uint32_t element, std::uint32_t tile) const {
    if (ends_step()) {
      constexpr std::uint32_t kWords = kUnitTile / 32;
#if defined(__CUDA_ARCH__)
      const std::uint32_t word = tile * kWords + place.thread / 32;
      if (place.thread < kUnitTile) {
        const std::uint32_t bits = __ballot_sync(~0U, shared.filled[place.thread]);
        if (place.thread % 32 == 0 && word < out.words) out.masks(step, element)[word] = bits;
      }
#else
      const std::uint32_t word = tile * kWords + place.thread;
      if (place.thread < kWords && word < out.words) {
        std::uint32_t bits = 0;
        for (std::uint32_t j = 0; j < 32; ++j) {
          bits |= (shared.filled[place.thread * 32 + j] ? 1U : 0U) << j;
        }
        out.masks(step, element)[word] = bits;
      }
#endif
    }
    Tally<V>* const total = work == GateWork::kInput ? pairs : out.tally;
    if (place.thread == 0 && total != nullptr) shared.tally.publish(place, total);
  }
};

}  // namespace spikeloom::cuda
