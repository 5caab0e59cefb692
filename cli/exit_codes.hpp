#pragma once
/// Exit codes of the command, one table for every subcommand (docs/cli.md prints the same).

#include <span>
#include <string_view>

#include "base/result.hpp"

namespace spikeloom::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitNo = 1;  ///< it worked, and the answer is no: `compare`, `demo --all`
inline constexpr int kExitUsage = 2;
inline constexpr int kExitFile = 3;
inline constexpr int kExitFormat = 4;
inline constexpr int kExitShape = 5;
inline constexpr int kExitAmbiguous = 6;
inline constexpr int kExitUnsupported = 7;
inline constexpr int kExitResource = 8;
inline constexpr int kExitInternal = 9;
inline constexpr int kExitCancelled = 130;  ///< as a shell reports SIGINT

int exit_code(ErrorCode code);

struct ExitCodeInfo {
  int code;
  std::string_view meaning;
};

/// The whole table, in rising order.
std::span<const ExitCodeInfo> exit_codes();

}  // namespace spikeloom::cli
