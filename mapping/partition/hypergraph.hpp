#pragma once
/// Hypergraph: who talks to whom, as a multicast machine sees it.
///
/// A vertex is a neuron (or a group of them), a net is one source with all its targets. The packets
/// that a partition costs are, over all nets,
///
///     sum of weight(net) x (parts that the net touches - 1),
///
/// as one packet travels to a part however many targets it has there. The first pin of a net is
/// its source; a net without targets does not exist.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::mapping {

struct Hypergraph {
  std::uint32_t vertices = 0;
  std::uint32_t resources = 1;            ///< kinds of vertex weight
  std::vector<std::uint32_t> weight;      ///< (vertices, resources): what a vertex takes of each
  std::vector<std::uint32_t> net_weight;  ///< e.g. spikes per second of the source
  std::vector<std::uint32_t> net_axons;   ///< sources that the net stands for; empty: one each
  std::vector<std::uint8_t> net_loops;    ///< 1: the source is a target too; empty: none is
  std::vector<std::size_t> net_start;     ///< pins of net e: pin[net_start[e] .. net_start[e + 1])
  std::vector<std::uint32_t> pin;
  std::vector<std::size_t> vertex_start;  ///< nets of vertex v, likewise
  std::vector<std::uint32_t> net_of;

  std::uint32_t nets() const { return static_cast<std::uint32_t>(net_weight.size()); }
  std::span<const std::uint32_t> pins(std::uint32_t net) const {
    return {pin.data() + net_start[net], net_start[net + 1] - net_start[net]};
  }
  std::span<const std::uint32_t> nets_of(std::uint32_t vertex) const {
    return {net_of.data() + vertex_start[vertex], vertex_start[vertex + 1] - vertex_start[vertex]};
  }
  std::uint32_t axons(std::uint32_t net) const { return net_axons.empty() ? 1 : net_axons[net]; }
  bool loops(std::uint32_t net) const { return !net_loops.empty() && net_loops[net] != 0; }
  std::span<const std::uint32_t> weights(std::uint32_t vertex) const {
    return {weight.data() + std::size_t{vertex} * resources, resources};
  }
};

/// Fills vertex_start and net_of from the nets.
void index_vertices(Hypergraph& graph);

/// kInvalidArgument, naming the net or vertex: arrays of wrong lengths, a pin out of range, a pin
/// twice in one net, weights whose sum is beyond 31 bits.
Status check(const Hypergraph& graph);

/// Packets of a partition.
std::uint64_t packets(const Hypergraph& graph, std::span<const std::uint32_t> part,
                      std::uint32_t parts);

}  // namespace spikeloom::mapping
