#include "backends/reference/ring16.hpp"

namespace spikeloom::reference {
namespace {

/// Magnitudes of the weights of one sign.
std::vector<std::int32_t> magnitudes(const std::vector<std::int32_t>& weights, bool positive,
                                     int shift) {
  std::vector<std::int32_t> kept;
  for (const std::int32_t weight : weights) {
    const bool wanted = positive ? weight > 0 : weight < 0;
    kept.push_back(wanted ? ring_weight(static_cast<std::int16_t>(weight), shift) : 0);
  }
  return kept;
}

}  // namespace

RingWeights split(const Weights<std::int32_t>& weights, const SourceRows<std::int32_t>& rows,
                  const RingShift& shift) {
  RingWeights ring;
  ring.shift = shift;
  ring.excitatory.weight = magnitudes(weights.weight, true, shift.excitatory);
  ring.inhibitory.weight = magnitudes(weights.weight, false, shift.inhibitory);
  ring.excitatory_rows = rows;
  ring.inhibitory_rows = rows;
  ring.excitatory_rows.weight = magnitudes(rows.weight, true, shift.excitatory);
  ring.inhibitory_rows.weight = magnitudes(rows.weight, false, shift.inhibitory);
  return ring;
}

}  // namespace spikeloom::reference
