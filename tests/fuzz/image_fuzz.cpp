/// Reads bytes as an image of any format.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/io/image.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto image =
      spikeloom::io::parse_image(std::as_bytes(std::span(data, size)), "fuzz", 1 << 20);
  static_cast<void>(image.ok() ? image->samples.size() : 0);
  return 0;
}
