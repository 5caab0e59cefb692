#pragma once
/// What a part of a population takes of a core.
///
/// Bytes are those that are laid out, padding, indices, row pointers and delays included. With a
/// target's constants (target.hpp), for n neurons:
///
///     state    n x state values x layout.state
///     buffers  n x sums x layout.sums x (longest delay + 1) x layout.sum + layout.spikes
///     tables   layout.fixed + layout.block x source slices that may send here
///     rows     by projection, from the shortest of what the target can hold:
///       dense        sources x align(n x weight)
///       sparse       align((sources + 1) x gates x pointer) + align(synapses x layout.index)
///                    + align(synapses x weight); pointers have 2 bytes up to 65,535 synapses
///       rows         sources x (layout.row + layout.word x longest row of the block)
///       kernel       layout.kernel + align(channels x sources' channels x taps x weight), once
///       one-to-one   align(n x weight)
///     cycles   cycles.tick + n x cycles.neuron + packets x cycles.packet
///              + synaptic events x cycles.synapse, at the populations' rates
///
/// (align: up to a multiple of layout.align.)

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "mapping/plan.hpp"
#include "mapping/population_graph.hpp"

namespace spikeloom::mapping {

/// A box of a population: from `first`, `size` channels, rows and columns.
struct Box {
  Extent3 first = {0, 0, 0}, size = {1, 1, 1};
  std::uint32_t neurons() const { return size[0] * size[1] * size[2]; }
};

/// Sources along one axis that [first, first + size) listens to, [begin, end) within 0 .. length.
struct Listened {
  std::int64_t begin = 0, end = 0;
};
Listened listened(const WindowAxis& axis, std::uint32_t first, std::uint32_t size,
                  std::uint32_t length);
/// True when one of [first, first + size) listens to one of the sources [begin, end): strides that
/// are longer than windows leave gaps.
bool hears(const WindowAxis& axis, std::uint32_t first, std::uint32_t size, std::int64_t begin,
           std::int64_t end);
/// The sources' box that `box` listens to through a window; empty sizes where it is padding alone.
Box listened(const Window& window, const Box& box, const Population& source,
             const Population& target);

/// A resource of a core that has a limit.
enum class Resource { kNeurons, kData, kInAxons, kOutAxons, kCycles, kDelay, kChipMemory };
const char* to_string(Resource resource);

struct ResourceOptions {
  std::uint32_t neurons_per_core = 0;  ///< at most, besides the target's limit; 0: no more
  std::uint32_t weight_bytes = 0;      ///< count weights as so many bytes; 0: as they are
  bool real_time = false;              ///< cycles of a tick are a limit
  /// At most so many neurons of each population on a core; empty, or 0: no more limit.
  std::vector<std::uint32_t> population_neurons = {};
};

/// Limits of a core; 0 is none.
struct CoreLimits {
  std::uint64_t neurons = 0, in_axons = 0, out_axons = 0, data_bytes = 0, delay = 0;
  double cycles = 0.0;
};
CoreLimits core_limits(const Target& target, const ResourceOptions& options);
/// The same for the slices of one population.
CoreLimits core_limits(const Target& target, const ResourceOptions& options,
                       std::uint32_t population);

/// The first limit that a core is over.
std::optional<Resource> over(const CoreUse& use, const CoreLimits& limits);
/// What `use` takes of a resource, and what of it there is.
double amount(const CoreUse& use, Resource resource);
double amount(const CoreLimits& limits, Resource resource);

class ResourceModel {
 public:
  /// Both have to stay alive.
  ResourceModel(const PopulationGraph& graph, const Target& target, const ResourceOptions& options);

  /// One core's use by a box of a population; out_axons are left 0. Appends its blocks, without
  /// slice and address, where `blocks` is given. `source_slices` is by population.
  CoreUse use(std::uint32_t population, const Box& box,
              const std::vector<std::uint32_t>& source_slices,
              std::vector<PlanBlock>* blocks = nullptr) const;

  /// Projections into a population.
  const std::vector<std::uint32_t>& into(std::uint32_t population) const {
    return into_[population];
  }
  /// Longest delay of what arrives at a population.
  std::uint32_t longest_delay(std::uint32_t population) const;

 private:
  PlanBlock block(const Projection& projection, const Box& box) const;
  PlanBlock listed(const Projection& projection, const Box& box) const;
  std::uint64_t align(std::uint64_t bytes) const;
  std::uint64_t weight(const Projection& projection) const;
  std::uint64_t sparse_bytes(std::uint64_t rows, std::uint64_t synapses,
                             const Projection& projection) const;

  const PopulationGraph& graph_;
  const Target& target_;
  ResourceOptions options_;
  std::vector<std::vector<std::uint32_t>> into_;
  mutable std::vector<std::uint32_t> row_length_;  ///< by source, while a list is counted
};

}  // namespace spikeloom::mapping
