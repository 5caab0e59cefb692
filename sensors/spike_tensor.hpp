#pragma once
/// Spike tensors: binned input as a dense array (time, features...), from .npy.
///
/// A spike tensor is not a recording of events: element (t, ...) is the value that a network's
/// input gets at step t. Axes are named by one letter each:
///
///     t time (required) | n or b sample | c or f channel or feature | h or y row | w or x column
///
/// The result has time first, then channel, row, column, whatever the order in the file: "tchw"
/// stays as it is, Lava's "xyct" becomes (time, channel, row, column). A sample axis is taken away
/// by picking one sample.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/tensor.hpp"

namespace spikeloom {

struct SpikeTensorOptions {
  std::string axes = {};                    ///< empty: (time, features...) as it is
  std::optional<std::int64_t> sample = {};  ///< which one, with a sample axis longer than 1
};

/// kInvalidArgument: a letter unknown, repeated or missing, or no such sample. kShape: not as many
/// letters as axes, or no axis at all. kAmbiguous: several samples and none chosen.
Result<Tensor> arrange_spike_tensor(const Tensor& tensor, const SpikeTensorOptions& options);

/// Reads a .npy and arranges it; io::read_npy has the errors of the file.
Result<Tensor> read_spike_tensor(const std::string& path, const SpikeTensorOptions& options = {});

}  // namespace spikeloom
