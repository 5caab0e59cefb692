#include "cli/common_options.hpp"

#include <algorithm>
#include <thread>

#include <CLI/CLI.hpp>

#include "cli/number_check.hpp"

namespace spikeloom::cli {

void add_common_flags(CLI::App& command, CommonOptions& options) {
  constexpr const char* kGroup = "Common";
  command.add_flag("--json", options.json, "print one JSON document")->group(kGroup);
  command.add_option("--seed", options.seed, "seed of everything random (0)")
      ->check(whole_number)
      ->group(kGroup);
  command.add_option("--threads", options.threads, "threads (0: one per processor)")
      ->check(CLI::Range(0, 4096))
      ->group(kGroup);
  command.add_flag("--quiet", options.quiet, "errors only on stderr")->group(kGroup);
  command.add_flag("--verbose", options.verbose, "details on stderr")->group(kGroup);
  command.add_flag("--progress", options.progress, "progress in lines, also without a terminal")
      ->group(kGroup);
}

int thread_count(const CommonOptions& options) {
  if (options.threads > 0) return options.threads;
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

}  // namespace spikeloom::cli
