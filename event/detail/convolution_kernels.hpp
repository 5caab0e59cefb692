#pragma once
/// The inner loops of ConvolutionStencil, chosen by the processor at run time.

#include <cstddef>
#include <cstdint>

#include "event/convolution_stencil.hpp"

namespace spikeloom::detail {

/// `values` is null for events of value 1.
template <typename W, typename A>
struct ConvolutionCall {
  StencilView<W> stencil;
  const std::uint32_t* sources;
  std::size_t count;
  const A* values;
  A* acc;
  std::uint32_t first_row, last_row;
  Product product;
};

void run_convolution(const ConvolutionCall<float, float>& call);
void run_convolution(const ConvolutionCall<std::int8_t, std::int32_t>& call);
void run_convolution(const ConvolutionCall<std::int16_t, std::int32_t>& call);

}  // namespace spikeloom::detail
