/// Reads the text parts of a SLAYER network: the input's first byte picks the description, the
/// weights, the layers, or weight counts to infer layers from.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/io/yaml.hpp"
#include "models/slayer/slayer_inference.hpp"
#include "models/slayer/slayer_topology.hpp"
#include "models/slayer/slayer_weights.hpp"

using namespace spikeloom;

namespace {

void infer(std::string_view bytes) {
  std::vector<SlayerWeightCount> files;
  for (std::size_t i = 0; i + 2 < bytes.size() && files.size() < 12; i += 3) {
    const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(bytes[i + k]); };
    files.push_back(
        {static_cast<SlayerKind>(byte(0) % 3), byte(0) / 3 + 1, std::int64_t{byte(1)} * byte(2)});
  }
  static_cast<void>(infer_slayer_topology(files, {2, 64, 64}).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      static_cast<void>(io::parse_yaml(text, "fuzz").ok());
      break;
    case 1:
      static_cast<void>(parse_slayer_weights(text, "fuzz").ok());
      break;
    case 2:
      if (const auto topology = parse_slayer_topology(text); topology.ok()) {
        static_cast<void>(slayer_weight_counts(*topology).ok());
      }
      break;
    default:
      infer(text);
  }
  return 0;
}
