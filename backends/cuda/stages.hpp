#pragma once
/// Which nodes of a program may run many steps before the next node runs any.

#include <cstdint>
#include <vector>

#include "snn/program.hpp"

namespace spikeloom::cuda {

/// Nodes of one cycle, which have to take turns step by step; or a single node outside cycles,
/// which may do all steps of a chunk at once.
struct Stage {
  std::vector<std::uint32_t> nodes;  ///< in the program's order
  bool cyclic = false;
};

/// The strongly connected parts of the links, sources before those who read them.
std::vector<Stage> find_stages(const Program& program);

}  // namespace spikeloom::cuda
