#pragma once
/// A program run by its Plan on the emulator, beside cpu.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backends/backend.hpp"
#include "backends/emulator/plan_emulator.hpp"
#include "base/result.hpp"

namespace spikeloom::test {

/// (node, step) -> (index, value) of what is not 0.
using SentEvents =
    std::map<std::pair<std::uint32_t, std::int64_t>, std::vector<std::pair<std::uint32_t, double>>>;

/// Events of the inputs by step; `node` is an index into Program::nodes.
using InputByStep = std::vector<std::vector<emulator::PlacedEvent>>;

/// What these nodes send on cpu.
Result<SentEvents> sent_on_cpu(const Program& program, const InputByStep& input,
                               const std::vector<std::uint32_t>& nodes,
                               Arithmetic arithmetic = Arithmetic::kInteger);

struct EmulatedRun {
  SentEvents sent;
  emulator::TickRecord total;
  std::vector<emulator::Loss> losses;
  std::vector<emulator::Saturation> saturations;
  std::vector<std::uint32_t> nodes;  ///< of the populations that are not inputs
  bool rows_from_images = false;     ///< all of them
};
/// Cores walk the rows of their images. The error of these where a valid Plan has none.
Result<EmulatedRun> run_plan(const Program& program, const mapping::Plan& plan,
                             const InputByStep& input, const emulator::PlanOptions& options = {});

/// Says where two differ first; empty when they are equal.
std::string difference(const SentEvents& expected, const SentEvents& got, const Program& program);

}  // namespace spikeloom::test
