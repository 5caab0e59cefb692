/// The kernels of layers once more, in a namespace of their own, as a device compiles them: what
/// CUDA has for lanes is a meeting of fibers here (lane_engine.hpp).

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "snn/neuron_equations.hpp"
#include "tests/support/lane_engine.hpp"

namespace {

using spikeloom::test::current_thread;
using spikeloom::test::meet_lanes;

struct ThreadIndex {
  std::uint32_t x;
};
ThreadIndex thread_index() { return {current_thread()}; }

template <typename T>
std::uint64_t bits_of(T value) {
  std::uint64_t bits = 0;
  static_assert(sizeof value <= sizeof bits);
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}
template <typename T>
T value_of(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
/// Of the lane that `from` names; those beyond the warp's are this lane's own.
template <typename T>
T lane_value(T own, std::uint32_t from) {
  const std::uint64_t* const all = meet_lanes(bits_of(own));
  return value_of<T>(all[from < 32 ? from : current_thread() % 32]);
}

}  // namespace

// Names that CUDA has reserved for itself.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
#define __CUDA_ARCH__ 900
#define __device__
#define __forceinline__ inline
#define threadIdx thread_index()
// What is defined below is in a twin of the namespace that it is compiled in everywhere else.
#define cuda cuda_lanes

namespace spikeloom::cuda {

inline std::uint32_t __ballot_sync(std::uint32_t, bool bit) {
  const std::uint64_t* const all = meet_lanes(bit ? 1 : 0);
  std::uint32_t word = 0;
  for (std::uint32_t lane = 0; lane < 32; ++lane) word |= (all[lane] != 0 ? 1U : 0U) << lane;
  return word;
}
inline int __any_sync(std::uint32_t mask, bool bit) { return __ballot_sync(mask, bit) != 0; }
template <typename T>
T __shfl_sync(std::uint32_t, T own, int lane) {
  return lane_value(own, static_cast<std::uint32_t>(lane) % 32);
}
template <typename T>
T __shfl_down_sync(std::uint32_t, T own, std::uint32_t by) {
  return lane_value(own, current_thread() % 32 + by);
}
template <typename T>
T __shfl_xor_sync(std::uint32_t, T own, int with) {
  return lane_value(own, current_thread() % 32 ^ static_cast<std::uint32_t>(with));
}
inline std::uint32_t __reduce_add_sync(std::uint32_t, std::uint32_t own) {
  const std::uint64_t* const all = meet_lanes(own);
  std::uint32_t sum = 0;
  for (std::uint32_t lane = 0; lane < 32; ++lane) sum += static_cast<std::uint32_t>(all[lane]);
  return sum;
}
inline int __popc(int word) { return std::popcount(static_cast<std::uint32_t>(word)); }
inline int __ffs(int word) {
  return word == 0 ? 0 : std::countr_zero(static_cast<std::uint32_t>(word)) + 1;
}
inline std::uint32_t __funnelshift_r(std::uint32_t low, std::uint32_t high, std::uint32_t by) {
  return static_cast<std::uint32_t>((std::uint64_t{high} << 32 | low) >> (by % 32));
}
inline std::uint32_t __umulhi(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint32_t>(std::uint64_t{a} * b >> 32);
}
inline int __dp4a(int a, int b, int c) {
  const auto byte = [](int word, int k) {
    return static_cast<std::int8_t>(static_cast<std::uint32_t>(word) >> (8 * k) & 255);
  };
  for (int k = 0; k < 4; ++k) c += byte(a, k) * byte(b, k);
  return c;
}
/// mma.m16n8k32 of bytes, as the PTX manual lays it out.
inline void multiply_in_lanes(const std::uint32_t* weights, std::uint32_t low, std::uint32_t high,
                              std::int32_t* sum) {
  std::uint32_t a[32][4], b[32][2];
  const auto share = [](std::uint32_t first, std::uint32_t second, auto&& keep) {
    const std::uint64_t* const all = meet_lanes(std::uint64_t{second} << 32 | first);
    for (std::uint32_t lane = 0; lane < 32; ++lane) keep(lane, all[lane]);
  };
  for (std::uint32_t half = 0; half < 2; ++half) {
    const std::size_t at = std::size_t{2} * half;
    share(weights[at], weights[at + 1], [&](std::uint32_t lane, std::uint64_t both) {
      a[lane][at] = static_cast<std::uint32_t>(both);
      a[lane][at + 1] = static_cast<std::uint32_t>(both >> 32);
    });
  }
  share(low, high, [&](std::uint32_t lane, std::uint64_t both) {
    b[lane][0] = static_cast<std::uint32_t>(both),
    b[lane][1] = static_cast<std::uint32_t>(both >> 32);
  });
  const auto byte = [](std::uint32_t word, std::uint32_t k) {
    return std::int32_t{static_cast<std::int8_t>(word >> (8 * (k % 4)) & 255)};
  };
  const std::uint32_t own = current_thread() % 32;
  for (std::uint32_t i = 0; i < 4; ++i) {
    const std::uint32_t row = own / 4 + i / 2 * 8, column = own % 4 * 2 + i % 2;
    for (std::uint32_t k = 0; k < 32; ++k) {
      const std::uint32_t part = k % 16 / 4, high_half = k / 16;
      sum[i] += byte(a[row % 8 * 4 + part][row / 8 + 2 * high_half], k) *
                byte(b[column * 4 + part][high_half], k);
    }
  }
}
template <typename T>
T atomicAdd(T* to, T value) {
  return std::exchange(*to, *to + value);
}
inline std::uint32_t atomicOr(std::uint32_t* to, std::uint32_t value) {
  return std::exchange(*to, *to | value);
}

}  // namespace spikeloom::cuda

// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

#include "backends/cuda/kernels/layer.hpp"
#include "backends/cuda/kernels/layer_pool.hpp"

namespace spikeloom::test {
namespace {

template <typename K>
bool run_blocks(const LaneLaunch& launch, std::uint64_t seed) {
  K kernel;
  if (launch.size != sizeof kernel) return false;
  std::memcpy(static_cast<void*>(&kernel), launch.kernel, sizeof kernel);
  std::vector<std::max_align_t> shared(launch.shared / sizeof(std::max_align_t) + 1);
  for (std::uint32_t b = 0; b < launch.blocks; ++b) {
    std::memset(shared.data(), 0xA5, shared.size() * sizeof shared[0]);
    const auto thread = [&](std::uint32_t t) {
      typename K::Local local;
      const std::uint32_t phases = kernel.phases();
      for (std::uint32_t phase = 0; phase < phases; ++phase) {
        if (phase != 0) meet_block();
        kernel(cuda::Place{b, t, launch.threads, shared.data()}, phase, local);
      }
    };
    if (!run_fibers(launch.threads, seed + b, thread)) return false;
  }
  return true;
}

struct Entry {
  LaneKernel kernel;
  bool (*run)(const LaneLaunch&, std::uint64_t);
};

template <typename V, std::uint32_t kChannels, cuda::LayerForm kForm, cuda::LayerHead kHead>
Entry entry() {
  return {{.real = std::is_same_v<V, float>,
           .channels = kChannels,
           .form = static_cast<int>(kForm),
           .head = static_cast<int>(kHead)},
          run_blocks<cuda::LayerKernel<V, kChannels, kForm, kHead>>};
}

template <typename V, cuda::LayerForm kForm>
Entry pool_entry() {
  return {{.kind = LaneKernel::Kind::kPool,
           .real = std::is_same_v<V, float>,
           .form = static_cast<int>(kForm)},
          run_blocks<cuda::PoolLayer<V, kForm>>};
}

template <typename V>
std::vector<Entry> entries() {
  using cuda::LayerForm;
  using cuda::LayerHead;
  return {
      {{.kind = LaneKernel::Kind::kInput, .real = std::is_same_v<V, float>},
       run_blocks<cuda::LayerInputKernel<V>>},
      entry<V, 1, LayerForm::kGeneral, LayerHead::kAny>(),
      entry<V, 1, LayerForm::kMembrane, LayerHead::kWindow>(),
      entry<V, 8, LayerForm::kMembrane, LayerHead::kWindow>(),
      entry<V, 16, LayerForm::kMembrane, LayerHead::kWindow>(),
      entry<V, 8, LayerForm::kLateCurrent, LayerHead::kWindow>(),
      entry<V, 16, LayerForm::kLateCurrent, LayerHead::kWindow>(),
      entry<V, 1, LayerForm::kMembrane, LayerHead::kRows>(),
      entry<V, 1, LayerForm::kLateCurrent, LayerHead::kRows>(),
      entry<V, 4, LayerForm::kMembrane, LayerHead::kRows>(),
      entry<V, 4, LayerForm::kLateCurrent, LayerHead::kRows>(),
      entry<V, 1, LayerForm::kMembrane, LayerHead::kLinks>(),
      pool_entry<V, LayerForm::kNone>(),
      pool_entry<V, LayerForm::kMembrane>(),
      pool_entry<V, LayerForm::kLateCurrent>(),
      entry<V, 1, LayerForm::kOwnMembrane, LayerHead::kWindow>(),
      entry<V, 8, LayerForm::kOwnMembrane, LayerHead::kWindow>(),
      entry<V, 16, LayerForm::kOwnMembrane, LayerHead::kWindow>(),
      entry<V, 8, LayerForm::kOwnLateCurrent, LayerHead::kWindow>(),
      entry<V, 16, LayerForm::kOwnLateCurrent, LayerHead::kWindow>(),
      entry<V, 1, LayerForm::kOwnMembrane, LayerHead::kRows>(),
      entry<V, 1, LayerForm::kOwnLateCurrent, LayerHead::kRows>(),
      entry<V, 4, LayerForm::kOwnMembrane, LayerHead::kRows>(),
      entry<V, 4, LayerForm::kOwnLateCurrent, LayerHead::kRows>(),
  };
}

}  // namespace

bool run_twin(const LaneKernel& which, const LaneLaunch& launch, std::uint64_t seed) {
  const std::vector<Entry> all = which.real ? entries<float>() : entries<std::int32_t>();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Entry& entry) { return entry.kernel == which; });
  return found != all.end() && found->run(launch, seed);
}

}  // namespace spikeloom::test
