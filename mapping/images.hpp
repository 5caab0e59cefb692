#pragma once
/// Memory images: the synapses of a Plan, byte by byte as they lie in the memory of cores and
/// chips.
///
/// Everything is little-endian. Weights are int8, int16 or float32, as resources.hpp counts them; a
/// block's row r is position r of the source population (of the pooled sources where pools come
/// first), its targets are positions of the slice. `align` is up to layout.align.
///
///     dense       for each row: gates x targets weights, gate by gate; align
///     sparse      pointers of each row and gate, and the end for each gate (uint16, uint32 beyond
///                 65,535 synapses), align; targets (layout.index bytes), align; weights, align
///     rows        for each row: layout.row bytes of header (uint32: plastic words 0, synapses,
///                 plastic synapses 0), then words up to the longest row, 0 where it is shorter:
///                 weight (int16) << 16 | delay (4 bits, ticks - 1) << 12 | gate << 8 | target
///     kernel      layout.kernel bytes of int16: first channel, row, column; channels, rows and
///                 columns of the slice's box; then of rows and of columns stride, padding before,
///                 extent; groups; taps; bytes of a weight. Then the channels' kernels, align
///     one-to-one  weights of the targets, align (nothing where they are connections alone)
///
/// The word of `rows` is that of sPyNNaker without its type of synapse (weights have a sign here).

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "mapping/plan.hpp"
#include "mapping/population_graph.hpp"
#include "mapping/resources.hpp"
#include "snn/program.hpp"

namespace spikeloom::mapping {

/// A synapse of a block.
struct ImageSynapse {
  std::uint32_t row = 0, gate = 0, target = 0;
  double weight = 0.0;
  std::uint32_t delay = 1;  ///< ticks; only `rows` hold it for each synapse
  friend bool operator==(const ImageSynapse&, const ImageSynapse&) = default;
};

/// What has to be known to read a block.
struct BlockLayout {
  BlockKind kind = BlockKind::kDense;
  std::uint32_t rows = 0, targets = 0, gates = 1;
  std::uint32_t weight_bytes = 1;  ///< 1: int8, 2: int16, 4: float32, 0: none
  std::uint32_t delay = 1;
  std::uint32_t row_words = 0;  ///< `rows` have room for so many words or the longest row
  TargetConstants constants = {};
};

/// kShape: a synapse outside the layout. kUnsupported, naming what: weights that no int16 holds in
/// `rows`, a slice of more than 256 targets or a delay beyond 16 ticks there.
Result<std::vector<std::byte>> encode(const BlockLayout& layout,
                                      std::span<const ImageSynapse> synapses);
/// What encode() was given, ordered by row, gate and target; of dense rows without zero weights.
/// kShape: pointers or counts that lead out of the bytes.
Result<std::vector<ImageSynapse>> decode(const BlockLayout& layout,
                                         std::span<const std::byte> bytes);

/// Images of a Plan that map() made of `graph`, which population_graph() made of `program`.
class MemoryImages {
 public:
  /// All three have to stay alive. `resources` are those that the Plan was made with.
  MemoryImages(const Program& program, const PopulationGraph& graph, const Plan& plan,
               const ResourceOptions& resources = {});

  /// Of everything but kernels.
  BlockLayout layout(std::uint32_t block) const;
  /// kUnsupported, with the layer's name: connections that are a rule and not a list.
  Result<std::vector<std::byte>> block(std::uint32_t block) const;
  /// Address 0 up to the end of the last block. What comes before the first block (tables, states,
  /// buffers) is 0: it is filled when the core starts.
  Result<std::vector<std::byte>> core(std::uint32_t core) const;
  /// The rows in a chip's own memory; empty when it holds none.
  Result<std::vector<std::byte>> chip(std::uint32_t chip) const;
  /// All of them; blocks that have no image (kUnsupported) are listed. kShape: a Plan of another
  /// graph.
  Result<PlanImages> all() const;

 private:
  struct Place {
    bool in_chip = false;
    std::uint32_t number = 0;
  };
  bool is_of_graph() const;
  std::uint32_t neuron(std::uint32_t population, std::uint32_t position) const;
  Result<std::vector<ImageSynapse>> synapses(std::uint32_t block) const;
  Status set_delays(std::uint32_t block, std::vector<ImageSynapse>& synapses) const;
  Result<std::vector<std::byte>> kernel(std::uint32_t block) const;
  Result<std::vector<std::byte>> image(const Place& place) const;

  const Program& program_;
  const PopulationGraph& graph_;
  const Plan& plan_;
  ResourceOptions resources_;
};

}  // namespace spikeloom::mapping
