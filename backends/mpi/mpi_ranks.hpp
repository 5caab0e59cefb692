#pragma once
/// Ranks over MPI: `mpirun -n 4 spikeloom simulate ...`.
///
/// A rank that dies takes the others with it, as mpirun ends them all: what can be gone on from is
/// the last checkpoint.

#include <memory>

#include "backends/simulation/ranks.hpp"
#include "base/result.hpp"

namespace spikeloom::simulation {

/// The ranks that mpirun has started this process with; null where it has not, or alone. Starts
/// MPI, which ends with the last owner; call it once, from the thread that will advance the engine.
/// kUnsupported: started by mpirun, but built without MPI. kIo: MPI does not start.
Result<std::shared_ptr<Ranks>> join_ranks();

}  // namespace spikeloom::simulation
