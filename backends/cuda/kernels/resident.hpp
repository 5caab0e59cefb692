#pragma once
/// What layers (layer.hpp) know of a network and of a batch element.
///
/// What an element is lies in its image: per node a ring of the last steps' bits (and values, where
/// what is not 0 may be other than 1), the neurons' state, and where its input stands. A weight
/// node or pool and the neurons that are all that reads it are one operation.

#include "backends/cuda/kernels/elementwise.hpp"
#include "backends/cuda/kernels/lanes.hpp"
#include "backends/cuda/kernels/neurons.hpp"

namespace spikeloom::cuda {

inline constexpr std::uint32_t kNowhere = ~std::uint32_t{0};

/// Rings of `slots` steps, a power of two; places in the image are in bytes.
struct ResidentSignal {
  std::uint32_t bits = 0;
  std::uint32_t value = kNowhere;  ///< nowhere: what is not 0 is 1
  /// Inputs: per slot the last step + 1 whose values have to be looked at; in others they are 1.
  std::uint32_t graded = kNowhere;
  std::uint32_t size = 0, words = 0, slots = 1;
};

/// One step of a signal.
template <typename V>
struct ResidentRow {
  std::uint32_t* bits = nullptr;
  V* value = nullptr;  ///< null: what is not 0 is 1

  SPIKELOOM_KERNEL V at(std::uint32_t i) const {
    if ((bits[i / 32] >> (i % 32) & 1) == 0) return V{0};
    return value == nullptr ? V{1} : value[i];
  }
};

/// An input event that waits in its element's ring, by step.
template <typename V>
struct ResidentEvent {
  std::int64_t due = 0;     ///< its step + 1
  std::uint32_t place = 0;  ///< ports one after the other
  V value = 0;
};

struct ResidentLink {
  std::uint32_t signal = 0, delay = 0;
};

/// 16 bytes of weights.
struct alignas(16) Quad {
  std::uint32_t word[4];
};

/// Four values at once.
template <typename V>
struct alignas(16) Four {
  V v[4] = {};
};

enum class Head : std::uint8_t { kDelay, kLinks, kDense, kConvolution, kPool };

/// divided() where the divisor is more than 1.
SPIKELOOM_KERNEL std::uint32_t divided_by_several(std::uint32_t number, std::uint32_t per) {
#if defined(__CUDA_ARCH__)
  return __umulhi(number, per);
#else
  return static_cast<std::uint32_t>(std::uint64_t{number} * per >> 32);
#endif
}
/// number / divisor with `per` = per_divisor(divisor), where number x divisor is below 2^32.
SPIKELOOM_KERNEL std::uint32_t divided(std::uint32_t number, std::uint32_t per) {
  return per == 0 ? number : divided_by_several(number, per);
}
/// The smallest whole number above 2^32 / divisor; 0 for 1.
constexpr std::uint32_t per_divisor(std::uint32_t divisor) {
  return divisor == 1 ? 0 : static_cast<std::uint32_t>((std::uint64_t{1} << 32) / divisor + 1);
}

/// Divides numbers up to `most` by a number that a kernel is given: quickly where divided() is
/// exact.
struct Divisor {
  std::uint32_t number = 1, reciprocal = 0;
  bool exact = false;

  Divisor() = default;
  Divisor(std::uint32_t by, std::uint64_t most)
      : number(by), reciprocal(per_divisor(by)), exact(most * by >> 32 == 0) {}
  SPIKELOOM_KERNEL std::uint32_t divide(std::uint32_t value) const {
    return exact ? divided(value, reciprocal) : value / number;
  }
};

/// When a neuron without input does nothing at all.
enum class Rest : std::uint8_t { kNever, kAtZero, kBelowThreshold };

struct ResidentWindow {
  std::int32_t in_rows = 1, in_columns = 1, out_rows = 1, out_columns = 1;
  std::int32_t kernel_rows = 1, kernel_columns = 1, stride_rows = 1, stride_columns = 1;
  std::int32_t dilation_rows = 1, dilation_columns = 1, pad_rows = 0, pad_columns = 0;
};

/// x <- the head; then y <- what the neurons make of x, or x scaled or compared, or x.
template <typename V>
struct ResidentOp {
  Head head = Head::kLinks;
  Elementwise work = Elementwise::kCopy;
  Pooling pooling = Pooling::kSum;
  Rest rest = Rest::kNever;
  bool has_neurons = false, narrow = false, counts_input = false;
  bool log_before_reset = false;
  std::uint8_t log_count = 0;
  std::uint32_t node = 0, size = 0, out = 0;
  std::uint32_t first_link = 0, links = 0;
  // Gathering heads: one link; weights are (in channels, taps, out channels of a group).
  std::uint32_t plane = 1;                      ///< outputs of a channel
  std::uint32_t per_plane = 0, per_column = 0;  ///< Pool: division by plane and columns (divided())
  std::uint32_t groups = 1, in_group = 1, out_group = 1;
  ResidentWindow window;
  bool even_taps = false;  ///< integers: each output channel's weights are all the same
  std::uint32_t inputs = 0, outputs = 0;  ///< Dense: of one repeat
  const void* weight = nullptr;
  /// Of windows whose sums are products of matrices (layer_products.hpp): for each piece of the out
  /// channels `product_count` words of taps, of each a Quad a thread. Null elsewhere.
  const Quad* products = nullptr;
  std::uint32_t product_count = 0;
  bool by_position = false;  ///< multiply_by_position()
  const V* scale = nullptr;
  const V* bias = nullptr;
  const V* parameter = nullptr;
  const std::uint32_t* delay = nullptr;
  // Neurons.
  NeuronRef<V> neurons;
  std::uint32_t membrane = kNowhere, current = kNowhere, countdown = kNowhere;
  V amplitude = 1;
  std::int64_t reset_period = 0, reset_phase = 0;
  // Logs: steps x batch x size, or null.
  V* x_log = nullptr;
  V* x_latest = nullptr;  ///< batch x size: of a launch's last step
  V* log[3] = {};
  V* membrane_log = nullptr;
  V* current_log = nullptr;
  // Counts; null where nobody asks.
  Tally<V>* x_tally = nullptr;
  Tally<V>* y_tally = nullptr;
  Tally<V>* in_tally = nullptr;
};

template <typename V>
struct ResidentInput {
  std::uint32_t signal = 0, first_place = 0;
  std::uint8_t log_count = 0;
  V* log[3] = {};
  Tally<V>* tally = nullptr;
};

}  // namespace spikeloom::cuda
