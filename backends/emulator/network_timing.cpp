#include "backends/emulator/network_timing.hpp"

#include <fmt/format.h>

#include "backends/emulator/analytic_timing_private.hpp"
#include "backends/emulator/mesh_timing_private.hpp"

namespace spikeloom::emulator {

const char* to_string(Timing timing) { return timing == Timing::kAnalytic ? "analytic" : "events"; }

Result<Timing> parse_timing(std::string_view text) {
  for (const Timing timing : {Timing::kAnalytic, Timing::kEvents}) {
    if (text == to_string(timing)) return timing;
  }
  return Error{.code = ErrorCode::kInvalidArgument,
               .what = "not a timing of the network on chip",
               .expected = "analytic or events",
               .got = std::string(text)};
}

std::unique_ptr<NetworkTiming> make_network_timing(Timing timing, const MappedProgram& program) {
  if (timing == Timing::kAnalytic) return std::make_unique<AnalyticTiming>();
  return std::make_unique<MeshTiming>(program.chip, RouterParameters{});
}

}  // namespace spikeloom::emulator
