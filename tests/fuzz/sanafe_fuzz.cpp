/// Reads a chip and a mapped network in SANA-FE's YAML, split at the first NUL, and runs what is
/// read for two steps. Without a NUL the text is tried as both.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "backends/emulator/emulator.hpp"
#include "backends/emulator/sanafe.hpp"

using namespace spikeloom::emulator;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t split = text.find('\0');
  const std::string chip_text = text.substr(0, split);
  const std::string network_text = split == std::string::npos ? text : text.substr(split + 1);
  auto chip = parse_sanafe_chip(chip_text, "chip");
  if (!chip.ok()) return 0;
  auto program = parse_sanafe(network_text, "network", *std::move(chip), {1 << 12, 1 << 16});
  if (!program.ok()) return 0;
  const auto shared = std::make_shared<const MappedProgram>(*std::move(program));
  // A mesh has state per router: large ones are left to the tests.
  if (shared->chip.width * shared->chip.height > 64) return 0;
  for (const Timing timing : {Timing::kAnalytic, Timing::kEvents}) {
    Emulator emulator(shared, {timing, true});
    emulator.step();
    emulator.step();
  }
  return 0;
}
