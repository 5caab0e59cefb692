/// Stands in for mpi_ranks.cpp in a build without MPI.

#include "backends/mpi/launcher_private.hpp"
#include "backends/mpi/mpi_ranks.hpp"
#include "base/build_info.hpp"

namespace spikeloom::simulation {

Result<std::shared_ptr<Ranks>> join_ranks() {
  if (launched_ranks() <= 1) return std::shared_ptr<Ranks>();
  return Error{.code = ErrorCode::kUnsupported,
               .what = "mpirun has started more than one rank, and this build cannot join them",
               .next = build_info::mpi_reason};
}

}  // namespace spikeloom::simulation
