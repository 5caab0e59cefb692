#pragma once
/// The PopulationGraph of a lowered network.
///
/// Populations are the sources of events and what keeps a state or is not linear: Input, Embedding,
/// neurons, Threshold, MaxPool2d, ReLU, recurrent layers, and an Output that weights lead into (a
/// read-out of sums). Everything between two of them is one projection: a convolution behind a pool
/// is one window, a dense layer behind a pool has a row for each pooled source. An Output behind
/// neurons takes nothing. Embedding and Decoder hold one row a word, far beyond a core: they are
/// listed as off the chip, with their bytes; an Embedding's vector arrives as graded events.
///
/// Weights count as they are stored: 1 byte where all are integers of 8 bits, 2 of 16, else 4.

#include <vector>

#include "base/result.hpp"
#include "mapping/population_graph.hpp"
#include "mapping/target.hpp"
#include "snn/program.hpp"

namespace spikeloom::mapping {

struct RateOptions {
  /// Events that a neuron sends a tick, where no run has said otherwise.
  double assumed = 0.05;
  /// By Program node; empty, or negative for a node that was not measured.
  std::vector<double> by_node;
};

/// kUnsupported: a node that no target executes; it is named.
Result<PopulationGraph> population_graph(const Program& program, const RateOptions& rates = {});

/// kUnsupported: a layer whose neurons send more events than the keys of the target's packets tell
/// apart; it is named. Targets without keys take every layer.
Status check_events(const Program& program, const Target& target);

}  // namespace spikeloom::mapping
