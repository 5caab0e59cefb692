#pragma once
/// The flags that every subcommand has.

#include <cstdint>

namespace CLI {
class App;
}

namespace spikeloom::cli {

struct CommonOptions {
  bool json = false;       ///< one JSON document on stdout instead of text
  std::uint64_t seed = 0;  ///< of everything random
  int threads = 0;         ///< 0: as many as there are processors
  bool quiet = false;      ///< errors only
  bool verbose = false;    ///< details as well
  bool progress = false;   ///< progress in lines, also when stderr is no terminal
};

void add_common_flags(CLI::App& command, CommonOptions& options);

/// `threads`, or the number of processors.
int thread_count(const CommonOptions& options);

}  // namespace spikeloom::cli
