#pragma once
/// The reference's language layers: recurrent cells, Embedding and Decoder, written by hand from
/// the equations in snn/recurrent_equations.hpp without sharing their code.

#include <cstdint>
#include <vector>

#include "snn/integer.hpp"
#include "snn/program.hpp"

namespace spikeloom::reference {

/// h and y' of a recurrent layer.
template <typename Real>
struct RecurrentState {
  std::vector<Real> state, output;
};

/// Synaptic operations of one step (docs/counting.md).
struct OperationCount {
  std::uint64_t ac = 0, mac = 0;
};

/// One step from the summed input `in`; the new y is in `state.output`. `threshold` is the
/// layer's, sharpened where the run asks for it.
template <typename Real>
OperationCount step(const op::Recurrent& layer, const std::vector<Real>& threshold,
                    const std::vector<Real>& in, RecurrentState<Real>& state);

template <typename Real>
void look_up(const op::Embedding& embedding, const std::vector<Real>& in, std::vector<Real>& out);

/// The decoder's weights, all of one source together.
template <typename Real>
std::vector<Real> by_source(const op::Decoder& decoder);

template <typename Real>
OperationCount decode(const op::Decoder& decoder, const std::vector<Real>& weights,
                      const std::vector<Real>& in, std::vector<Real>& out);

// The same in integers (docs/integer.md); `integer` is the node's part of the IntegerProgram.

OperationCount step(const op::Recurrent& layer, const IntegerNode& integer,
                    const std::vector<std::int32_t>& threshold, const std::vector<std::int32_t>& in,
                    RecurrentState<std::int32_t>& state);
void look_up(const op::Embedding& embedding, const IntegerNode& integer,
             const std::vector<std::int32_t>& in, std::vector<std::int32_t>& out);
OperationCount decode(const op::Decoder& decoder, const IntegerNode& integer,
                      const std::vector<std::int32_t>& weights, const std::vector<std::int32_t>& in,
                      std::vector<std::int32_t>& out);

}  // namespace spikeloom::reference
