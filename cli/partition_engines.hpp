#pragma once
/// Graph partitioners of others, to compare with: METIS (Karypis and Kumar 1998) and Scotch
/// (Pellegrini and Roman 1996), where the build found them (Debian: libmetis-dev, libscotch-dev).
///
/// Both cut graphs, so they get one edge for every pair of neurons with a synapse, weighted by the
/// rates of its synapses, and know nothing of packets or axons.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "mapping/partition/partition.hpp"

namespace spikeloom::cli {

struct PartitionEngine {
  std::string name;    ///< "metis", "scotch"
  std::string reason;  ///< why the build has it not; empty: it has
};
std::vector<PartitionEngine> partition_engines();

/// A partition that may be over the limits: both balance as well as they can. kUnsupported: not in
/// this build, or more resources than the engine knows (Scotch: one). kResource: the graph is too
/// large for its 32-bit numbers.
Result<mapping::Partition> partition_by(std::string_view engine, const mapping::Hypergraph& graph,
                                        const mapping::PartitionOptions& options);

}  // namespace spikeloom::cli
