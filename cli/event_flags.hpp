#pragma once
/// The flags with which every command reads a recording.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.hpp"
#include "sensors/codec.hpp"

namespace CLI {
class App;
}

namespace spikeloom::cli {

struct EventFlags {
  std::string format, columns, size;
  std::string time_unit = "auto";
  std::optional<std::uint64_t> sample;
  bool lenient = false;
  bool unsorted = false;
};

/// --input-format, --columns, --size, --sample-number, --event-time-unit, --lenient, --unsorted.
void add_event_flags(CLI::App& command, EventFlags& flags, const char* group = nullptr);

/// kInvalidArgument: a unit or a size that is none.
Result<ReadOptions> read_options(const EventFlags& flags);

/// Whether a .npy file that begins so is a structured array, as recordings are and tensors are not.
bool npy_holds_fields(std::span<const std::byte> start);

/// Whether an HDF5 file has a layout of events, and is not a network.
Result<bool> hdf5_holds_events(const std::string& path);

}  // namespace spikeloom::cli
