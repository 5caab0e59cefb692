#pragma once
/// One network over several devices: each has a part of the outputs of weights and of the neurons
/// behind them, and the weights of that part; all else every device computes for itself.
///
/// A device's part is a program of its own with the same nodes, smaller. Behind a divided node
/// whose output somebody reads as a whole stands a node more: an Exchange, which holds what all
/// devices have of it. So a sum stays on one device, with its sources in their order.

#include <cstdint>
#include <vector>

#include "backends/cuda/share.hpp"
#include "snn/integer.hpp"
#include "snn/program.hpp"

namespace spikeloom::cuda {

/// A node of a part that holds the whole of another one: device d has [bounds[d], bounds[d + 1]).
struct Exchange {
  bool here = false;  ///< the node is one
  std::uint32_t source = 0;
  std::vector<std::uint32_t> bounds;
};

/// How a node of the whole program is divided.
struct NodeDivision {
  std::vector<std::uint32_t> bounds;  ///< devices + 1; empty: every device has all of it
  std::uint32_t place = 0;            ///< index of the node in every part
  std::uint32_t whole = 0;  ///< index of the node with the whole output: itself or its Exchange
  bool reads_part = false;  ///< its input is divided as its output is
};

/// What one device runs.
struct Part {
  Program program;
  IntegerProgram integer;  ///< nodes are empty in float32
  std::vector<Share> shares;
};

struct Division {
  std::vector<NodeDivision> nodes;      ///< of the whole program
  std::vector<Exchange> exchanges;      ///< of every part, by node
  std::vector<std::uint32_t> original;  ///< node of the whole program, by node of a part
};

/// Divided are Dense, Sparse, RandomSparse and Convolution (by channels; without groups), and
/// neurons, Scale and Threshold where all they read is divided alike. `shares` of a Plan, or none:
/// device d has what d's share of its cores have, else an even part. kUnsupported: nothing can be
/// divided; names the nodes.
Result<Division> divide(const Program& program, const std::vector<Share>& shares,
                        std::uint32_t devices);

/// The part of a device. `integer` is null in float32.
Part make_part(const Program& program, const IntegerProgram* integer, const Division& division,
               const std::vector<Share>& shares, std::uint32_t device);

}  // namespace spikeloom::cuda
