#include "cli/exit_codes.hpp"

#include <array>

namespace spikeloom::cli {
namespace {

constexpr std::array<ExitCodeInfo, 11> kTable = {{
    {kExitOk, "done"},
    {kExitNo, "done, and the answer is no: compare found a difference, the demo was wrong"},
    {kExitUsage, "a wrong command line, or a value out of range"},
    {kExitFile, "a file, node or backend does not exist, or cannot be read or written"},
    {kExitFormat, "a file is damaged, truncated, empty or not of the format it should be"},
    {kExitShape, "shapes or sizes do not fit each other"},
    {kExitAmbiguous, "more than one meaning; the message names the option to give"},
    {kExitUnsupported, "understood, but not something this version does"},
    {kExitResource, "it does not fit into memory or a limit"},
    {kExitInternal, "a fault in spikeloom itself"},
    {kExitCancelled, "stopped by Ctrl-C"},
}};

}  // namespace

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return kExitUsage;
    case ErrorCode::kNotFound:
    case ErrorCode::kIo:
      return kExitFile;
    case ErrorCode::kFormat:
      return kExitFormat;
    case ErrorCode::kUnsupported:
      return kExitUnsupported;
    case ErrorCode::kShape:
      return kExitShape;
    case ErrorCode::kAmbiguous:
      return kExitAmbiguous;
    case ErrorCode::kResource:
      return kExitResource;
    case ErrorCode::kCancelled:
      return kExitCancelled;
  }
  return kExitInternal;
}

std::span<const ExitCodeInfo> exit_codes() { return kTable; }

}  // namespace spikeloom::cli
