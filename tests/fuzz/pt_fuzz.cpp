/// Reads a PyTorch file. Changing a pickle inside a ZIP breaks its checksum, so an input that is no
/// ZIP is also taken for the pickle itself.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/io/zip.hpp"
#include "models/tensors/detail/pickle.hpp"
#include "models/tensors/torch.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  if (!spikeloom::io::looks_like_zip(bytes)) {
    static_cast<void>(spikeloom::detail::parse_pickle(bytes, "fuzz").ok());
    return 0;
  }
  static_cast<void>(spikeloom::parse_torch(bytes, "fuzz", {.max_bytes = 16 << 20}).ok());
  return 0;
}
