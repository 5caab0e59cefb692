#pragma once
/// What the environment says about who started this process.

#include <cstdlib>
#include <initializer_list>

namespace spikeloom::simulation {

/// Processes that a launcher (Open MPI's mpirun, MPICH's, Slurm's PMI) has started together; 1
/// without one.
inline int launched_ranks() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"}) {
    if (const char* size = std::getenv(name)) return std::atoi(size);
  }
  return 1;
}

}  // namespace spikeloom::simulation
