/// Reads bytes as the checkpoint of a small simulated network: refused, or the network goes on.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "backends/simulation/engine.hpp"

namespace {

using namespace spikeloom::simulation;

/// Every arithmetic of states: whole currents, and two models in float.
std::unique_ptr<Engine> make_engine() {
  Network network;
  network.populations = {
      {"a", 3, "iaf_psc_exp", {}}, {"b", 2, "adaptive_lif", {}}, {"c", 2, "izhikevich", {}}};
  network.projections = {{"", 0, 1, AllToAll{}, Constant{10.0}, Constant{0.3}}};
  auto engine = Engine::make(network, {});
  if (!engine.ok()) std::abort();
  return *std::move(engine);
}

}  // namespace

/// What follows the magic and the fingerprint comes from the input, so that it gets past them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto engine = make_engine();
  static const std::vector<std::byte> good = *engine->save();
  constexpr std::size_t kFront = 16;
  std::vector<std::byte> bytes(good.begin(), good.begin() + kFront);
  const auto* input = reinterpret_cast<const std::byte*>(data);
  bytes.insert(bytes.end(), input, input + size);
  if (engine->load(bytes).ok() && !engine->advance(5).ok()) std::abort();
  return 0;
}
