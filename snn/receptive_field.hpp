#pragma once
/// Which sources an element behind convolutions and pools listens to.

#include <cstdint>
#include <optional>

#include "snn/program.hpp"

namespace spikeloom {

/// Along one axis, target position t listens to the sources
/// t stride - pad .. t stride - pad + extent - 1, as far as they exist.
struct FieldAxis {
  std::int64_t stride = 1, pad = 0, extent = 1;
  friend bool operator==(const FieldAxis&, const FieldAxis&) = default;
};

/// A window over rows and columns. Channels come in `groups` of equal size on either side; a
/// target channel listens to all channels of its group.
struct ReceptiveField {
  FieldAxis rows, columns;
  std::uint32_t groups = 1;
  std::uint32_t taps = 1;  ///< weights of a kernel for one pair of channels
  friend bool operator==(const ReceptiveField&, const ReceptiveField&) = default;
};

/// The field of what reads elements of this `field` through an operation; nothing: through no
/// window yet. Operations other than convolutions and pools leave it as it is.
std::optional<ReceptiveField> field_through(const std::optional<ReceptiveField>& field,
                                            const Operation& operation);

}  // namespace spikeloom
