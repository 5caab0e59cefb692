/// Reads bytes as a description of a network, and as a list of synapses in each format.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "models/simulation/description.hpp"
#include "models/simulation/edge_list.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeloom;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto read = parse_simulation(text, "fuzz.toml", "no folder");
  if (read.ok() && !check(read->network).ok()) __builtin_trap();
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const char* name : {"fuzz.csv", "fuzz.npz", "fuzz.h5"}) {
    const auto list = parse_edge_list(bytes, name);
    if (list.ok() && list->source.size() != list->target.size()) __builtin_trap();
  }
  return 0;
}
