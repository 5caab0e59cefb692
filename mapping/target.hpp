#pragma once
/// Targets: a many-core machine as the mapper sees it, and the files that describe one.
///
/// A file is TOML (docs/mapping.md has the whole list of names):
///
///     name = "spinnaker1"
///     title = "SpiNNaker, 18 ARM968 cores a chip"
///     topology = "hex"           # hex: six links E NE N W SW S; mesh: E N W S; flat: one chip
///     synapses = "rows"          # rows: padded rows of words; packed: the shortest that holds
///     them size = "board"             # the one that is meant when none is named [sizes.board]
///     rows = [[0, 5], [0, 6]]    # chips of each row y: first x, and the x behind the last
///     [sizes.chip]
///     width = 1
///     height = 1
///     [core.neurons]
///     value = 256
///     source = "..."
///
/// Any `[group.constant]` holds a value, 0 or more, and its source. A name that does not exist is
/// an error, so is a constant without a source. What is absent, or 0, is no limit, or costs
/// nothing.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::mapping {

/// How chips are joined. Directions are the same for all: 0 E, 1 NE, 2 N, 3 W, 4 SW, 5 S; a mesh
/// lacks NE and SW.
enum class Topology { kHex, kMesh, kFlat };
const char* to_string(Topology topology);

/// kRows: a row of 32-bit words for each source, all as long as the longest of the block, as
/// SpiNNaker's sPyNNaker lays them out. kPacked: dense rows without indices or compressed rows with
/// row pointers, whichever is shorter.
enum class SynapseLayout { kRows, kPacked };
const char* to_string(SynapseLayout layout);

/// The constants of a target, all of them optional in a file unless marked.
struct TargetConstants {
  double cores = 0;           ///< core.count, required: cores of a chip that run a network
  double first_core = 0;      ///< core.first: number of the first of them
  double neurons = 0;         ///< core.neurons: at most so many on a core
  double in_axons = 0;        ///< core.in_axons: sources that a core may hear
  double out_axons = 0;       ///< core.out_axons: pairs of neuron and target core
  double data_bytes = 0;      ///< core.data: memory of a core for state, tables, synapses
  double clock = 0;           ///< core.clock, Hz
  double fast_clock = 0;      ///< core.fast_clock, Hz: a second level of performance; 0: none
  double fixed_bytes = 0;     ///< layout.fixed: of every core, whatever it holds
  double state_bytes = 0;     ///< layout.state: of a state value or a parameter of a neuron
  double sum_bytes = 0;       ///< layout.sum: of a slot that input is added up in
  double sums = 0;            ///< layout.sums: slots a neuron has for each tick of delay
  double delay_slots = 0;     ///< layout.delay_slots: ticks that a core can delay; more do not fit
  double spike_bytes = 0;     ///< layout.spikes: buffer of arriving packets
  double block_bytes = 0;     ///< layout.block: entry of a source slice in a core's lookup table
  double row_bytes = 0;       ///< layout.row: header of a row
  double word_bytes = 0;      ///< layout.word: a synapse in a row; 0: as the weights need
  double index_bytes = 0;     ///< layout.index: of a target within a core
  double row_align = 0;       ///< layout.align: rows and arrays begin at multiples of this
  double kernel_bytes = 0;    ///< layout.kernel: geometry of a convolution
  double rows_apart = 0;      ///< layout.rows_in_chip: 1: rows lie in the memory of the chip
  double shared_bytes = 0;    ///< chip.memory: of a chip, for all its cores
  double cycles_tick = 0;     ///< cycles.tick: of every core
  double cycles_neuron = 0;   ///< cycles.neuron: an update
  double cycles_packet = 0;   ///< cycles.packet: a packet that arrives
  double cycles_synapse = 0;  ///< cycles.synapse: an event at a synapse
  double tick_seconds = 0;    ///< tick.seconds: of a tick in real time
  double table_entries = 0;   ///< router.entries; 0: the machine has no key tables
  double key_bits = 0;        ///< router.key_bits
  double router_seconds = 0;  ///< router.seconds: between two packets that it takes
  double router_latency = 0;  ///< router.latency, s: from taking a packet to its output
  double router_timeout = 0;  ///< router.timeout, s that a packet waits for an output; 0: ever
  double link_seconds = 0;    ///< link.seconds: a packet on a link
  double link_output = 0;     ///< link.output: packets that wait before a link; 0: any number
  double link_input = 0;      ///< link.input: packets that wait behind it; 0: any number
  double reinject_packets = 0;   ///< reinject.packets of a chip's queue for dropped ones; 0: lost
  double reinject_seconds = 0;   ///< reinject.seconds between looks at that queue
  double power_base = 0;         ///< power.base, W: a chip whose cores are off
  double power_board = 0;        ///< power.board, W: a chip's share of what else is on a board
  double power_cores = 0;        ///< power.cores: cores of a chip that draw power, used or not
  double power_sleep = 0;        ///< power.sleep, W: a core that waits
  double power_active = 0;       ///< power.active, W more: a core that works
  double power_fast_sleep = 0;   ///< power.fast_sleep, at fast_clock and its voltage
  double power_fast_active = 0;  ///< power.fast_active
  double hop_joules = 0;         ///< power.hop, J: a packet in a router
  friend bool operator==(const TargetConstants&, const TargetConstants&) = default;
};

/// One constant as its file has it.
struct TargetEntry {
  std::string name;  ///< "core.neurons"
  double value = 0.0;
  std::string source;
  friend bool operator==(const TargetEntry&, const TargetEntry&) = default;
};

/// Chips that a row of the machine has: [first, end).
struct ChipSpan {
  std::int32_t first = 0, end = 0;
  friend bool operator==(const ChipSpan&, const ChipSpan&) = default;
};

/// Parts that do not work. A link is dead in both directions.
struct Faults {
  struct Core {
    std::int32_t x = 0, y = 0, core = 0;
    friend auto operator<=>(const Core&, const Core&) = default;
  };
  struct Link {
    std::int32_t x = 0, y = 0, direction = 0;
    friend auto operator<=>(const Link&, const Link&) = default;
  };
  std::vector<std::array<std::int32_t, 2>> chips = {};
  std::vector<Core> cores = {};
  std::vector<Link> links = {};
  friend bool operator==(const Faults&, const Faults&) = default;
};

struct Target {
  std::string name, title, size;
  Topology topology = Topology::kFlat;
  SynapseLayout synapses = SynapseLayout::kPacked;
  std::vector<ChipSpan> rows;  ///< one per y
  std::int32_t width = 0;      ///< the widest row's end
  bool wraps = false;          ///< a torus
  TargetConstants constants;
  std::vector<TargetEntry> entries;  ///< the same constants, with their sources

  std::int32_t height() const { return static_cast<std::int32_t>(rows.size()); }
  friend bool operator==(const Target&, const Target&) = default;
};

/// One constant's name, and where Target keeps it.
struct ConstantInfo {
  std::string_view name;
  double TargetConstants::*member;
  std::string_view meaning;  ///< one line, with its unit
};
std::span<const ConstantInfo> target_constants();

/// A built-in target or a file (a name with a '/' or ".toml"), then ":SIZE": "spinnaker1",
/// "spinnaker1:board", "my.toml:chip". Where the file has `torus = true`, "spinnaker1:24x12" is a
/// torus of 24 x 12 chips. kNotFound lists targets or sizes; kFormat names file and line.
Result<Target> load_target(const std::string& name);
/// `file` is what errors call the text; an empty `size` is the file's own choice.
Result<Target> parse_target(std::string_view text, const std::string& file,
                            const std::string& size = {});
std::vector<std::string> target_names();

/// TOML with `chips = [[x, y]]`, `cores = [[x, y, core]]`, `links = [[x, y, direction]]`, each
/// optional; a direction is a number or one of "E", "NE", "N", "W", "SW", "S".
Result<Faults> load_faults(const std::string& path);
Result<Faults> parse_faults(std::string_view text, const std::string& file);

}  // namespace spikeloom::mapping
