/// Reads a ZIP archive: its entries, and as .npz its arrays.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/io/npy.hpp"
#include "base/io/zip.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kMost = 16 << 20;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto archive = spikeloom::io::ZipArchive::view(bytes, "fuzz", kMost);
  if (!archive.ok()) return 0;
  for (const auto& entry : archive->entries()) static_cast<void>(archive->read(entry).ok());
  static_cast<void>(spikeloom::io::parse_npz(bytes, "fuzz", kMost).ok());
  return 0;
}
