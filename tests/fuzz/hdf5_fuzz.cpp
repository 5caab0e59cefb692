/// Walks every group, dataset and attribute of an HDF5 image.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/io/hdf5.hpp"

namespace {

using spikeloom::io::Hdf5Group;
using spikeloom::io::Hdf5Kind;

void read_attributes(const Hdf5Group& group, const std::string& object) {
  const auto names = group.attributes(object);
  if (!names.ok()) return;
  for (const std::string& name : *names) static_cast<void>(group.attribute(name, object).ok());
}

void walk(const Hdf5Group& group, int& budget) {
  read_attributes(group, {});
  const auto names = group.children();
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    // A graph of hard links has more paths than objects; a harness need not take them all.
    if (--budget < 0) return;
    switch (group.kind(name)) {
      case Hdf5Kind::kGroup:
        if (const auto child = group.group(name); child.ok()) walk(*child, budget);
        break;
      case Hdf5Kind::kDataset: {
        const auto info = group.info(name);
        static_cast<void>(info.ok() && info->is_string ? group.read_strings(name).ok()
                                                       : group.read_tensor(name).ok());
        read_attributes(group, name);
        break;
      }
      case Hdf5Kind::kMissing:
      case Hdf5Kind::kOther:
        break;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto file = spikeloom::io::Hdf5File::open_bytes(bytes, "fuzz", {.max_bytes = 16 << 20});
  int budget = 1000;
  if (file.ok()) walk(file->root(), budget);
  return 0;
}
