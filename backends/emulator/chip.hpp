#pragma once
/// A many-core chip as the emulator sees it: tiles on a mesh, cores on the tiles, units in the
/// cores, and what each of their operations costs.
///
///     energy in J and latency in s, per operation
///     synapse unit    one synaptic event
///     dendrite unit   the same event, added to its neuron's sum
///     soma unit       access: every neuron, every step; update: a neuron that has to be computed;
///                     spike: a neuron that fires
///     axon out        one message, at its sender;  axon in: one message, at its receiver
///     tile            one hop of a message, by direction
///
/// Tiles are numbered down the columns: tile t stands at x = t / height, y = t % height, and y
/// grows to the north. The messages of a core leave in the order of its neurons.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom::emulator {

struct Cost {
  double energy = 0.0;
  double latency = 0.0;
};

struct HopCosts {
  Cost east = {}, west = {}, north = {}, south = {};
};

enum class SomaModel : std::uint8_t { kLoihi, kTrueNorth, kInput };

/// A unit, or a row of equal ones: "soma", or "inputs[0..15]" as inputs[0], inputs[1], ...
struct UnitName {
  std::string base;
  bool indexed = false;
  std::uint32_t first = 0, last = 0;

  std::uint32_t count() const { return indexed ? last - first + 1 : 1; }
  /// The unit of this name within the row, or -1.
  std::int64_t find(std::string_view name) const;
};

struct SynapseUnit {
  UnitName name;
  Cost event;
};

struct DendriteUnit {
  UnitName name;
  Cost event;
  bool is_delay_line = false;  ///< with delays: named in the file, not emulated
};

struct SomaUnit {
  UnitName name;
  SomaModel model = SomaModel::kLoihi;
  Cost access, update, spike;
};

/// What equal cores have in common. A neuron that names no unit gets the first of each list.
struct CoreKind {
  std::string name;
  std::uint32_t max_neurons = 0;
  Cost message_in, message_out;
  std::vector<SynapseUnit> synapses;
  std::vector<DendriteUnit> dendrites;
  std::vector<SomaUnit> somas;
};

struct CoreSite {
  std::uint32_t tile = 0, offset = 0;  ///< offset: within the tile
  std::uint32_t kind = 0;
};

struct Tile {
  std::uint32_t x = 0, y = 0;
  std::uint32_t first_core = 0, core_count = 0;
  std::uint32_t costs = 0;  ///< index into Chip::hop_costs
};

struct Chip {
  std::string name;
  std::uint32_t width = 0, height = 0;
  std::vector<Tile> tiles;
  std::vector<CoreSite> cores;  ///< tile by tile
  std::vector<CoreKind> kinds;
  std::vector<HopCosts> hop_costs;
  /// Seconds of the barrier that ends a step, by the number of tiles in use: that of the largest
  /// key that is not above it, or the first.
  std::map<std::uint64_t, double> barrier = {};

  double barrier_seconds(std::uint64_t used_tiles) const;
  /// "tile.offset", as mappings write it.
  std::string core_name(std::uint32_t core) const;
  std::uint32_t max_cores_per_tile() const;
};

/// One message's way: hops in x first, then in y. Energy is that of the destination's tile, latency
/// that of the source's.
struct Way {
  std::uint32_t hops = 0;
  Cost cost;
};
Way way_between(const Chip& chip, std::uint32_t source_tile, std::uint32_t destination_tile);

}  // namespace spikeloom::emulator
