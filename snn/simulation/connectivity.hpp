#pragma once
/// The synapses of a network, source by source, each row made on its own and as often as one likes.
///
/// A projection is cut into blocks of targets (target_block()), a function of the projection alone.
/// A row is the synapses of one source onto one block; how many it has, and where they lead:
///
///     fixed total     the total falls to the blocks, then to the sources (binomial.hpp); targets
///                     uniform
///     fixed out       the degree falls to the blocks; targets uniform
///     fixed in        the block's targets x degree places fall to the sources, uniformly; a place
///                     is a target's by a random permutation (permutation.hpp): in-degrees exact,
///                     out-degrees multinomial, and no row needs another
///     Bernoulli       a binomial number; targets drawn until they are that many different ones
///                     (or, where more than half are connected, those left out)
///     the others      as they are
///
/// "Uniform of n" is floor(word n / 2^32): a choice is off 1/n by less than 2^-32. So a rank makes
/// the rows onto its own targets, and a procedural engine makes a row when its source fires. What
/// is held: 4 bytes for each row of a random projection, 4 bytes for each entry of a list.

#include <cstdint>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "snn/simulation/draws.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom::simulation {

/// `target` is a neuron of the network. A synapse of an ExplicitList has its place there as
/// `entry`.
struct Synapse {
  std::uint32_t target = 0;
  std::uint32_t weight = 0, delay = 0;  ///< random words, for draw() or WholeDraw
  std::uint32_t entry = 0;
};

/// Targets in a block: a power of two of about 8 synapses a row and more, at least 4,096, but less
/// where a block would have over 2^30 synapses.
std::int64_t target_block(const Network& network, const Projection& projection);

/// Neurons [first, second) of each population, numbers within it.
using NeuronRanges = std::vector<std::pair<std::int64_t, std::int64_t>>;

class Connectivity {
 public:
  /// Synapses onto the neurons [first, last) of `network`, which has passed check() and stays where
  /// it is. kResource: memory.
  static Result<Connectivity> make(const Network& network, std::int64_t first, std::int64_t last);

  /// The same for the neurons [first, second) of each population.
  static Result<Connectivity> make(const Network& network, const NeuronRanges& targets);

  /// Bytes that make() would hold, give or take the pages.
  static double expected_bytes(const Network& network, const NeuronRanges& targets);

  /// A block of one projection that has targets here.
  struct Block {
    std::uint32_t projection = 0;
    std::uint32_t number = 0;
    std::int64_t first = 0, size = 0;       ///< targets, within their population
    bool inside = true;                     ///< all of them are here
    std::vector<std::uint32_t> start = {};  ///< of each row; empty: every row has `degree`
    std::uint32_t degree = 0;
    std::vector<std::uint32_t> order = {};  ///< of a list: entries by source
  };
  /// Ascending by projection and number.
  const std::vector<Block>& blocks() const { return blocks_; }
  /// The blocks of the projections from `population`: indices into blocks().
  const std::vector<std::uint32_t>& blocks_from(std::uint32_t population) const {
    return from_[population];
  }

  /// What a thread needs to make rows.
  struct Scratch {
    std::vector<std::uint64_t> taken = {};
    std::vector<std::uint32_t> drawn = {};
  };
  /// Appends the synapses of neuron `source` of the block's source population that lead here, in
  /// the order they are drawn.
  void append_row(const Block& block, std::int64_t source, Scratch& scratch,
                  std::vector<Synapse>& out) const;

  /// The most synapses append_row() would append.
  std::int64_t most_in_row(const Block& block, std::int64_t source) const;

 private:
  const Network* network_ = nullptr;
  NeuronRanges targets_ = {};
  std::vector<std::int64_t> first_neuron_ = {};
  std::vector<Block> blocks_ = {};
  std::vector<std::vector<std::uint32_t>> from_ = {};
};

}  // namespace spikeloom::simulation
