#pragma once
/// The arrays that the kernel benchmarks and the roofline probe run over.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "event/convolution_stencil.hpp"
#include "event/dense_rows.hpp"
#include "event/sparse_rows.hpp"

namespace spikeloom::bench {

/// Random rows of equal length over `targets`, without multapses, in ascending order.
struct SparseCase {
  const char* name;
  std::uint32_t sources, targets, fan_out;
  std::uint64_t synapses() const { return std::uint64_t{sources} * fan_out; }
};

/// Between 0.13 MB (2 bytes a synapse) and 0.4 MB (6 bytes), beside 50 kB of accumulators, lie in
/// any L2 of 512 kB; 8 to 24 MB in an L3 of 32 MB; 200 to 600 MB in memory.
inline constexpr SparseCase kSparseL2 = {"L2", 64, 12500, 1000};
inline constexpr SparseCase kSparseL3 = {"L3", 4000, 12500, 1000};
inline constexpr SparseCase kSparseMemory = {"memory", 100000, 12500, 1000};

enum class WeightKind { kUniform, kFew, kAny };

template <typename A>
Result<SparseRows<A>> make_sparse(const SparseCase& c, WeightKind kind) {
  return SparseRows<A>::make({c.sources, c.targets}, [&](SynapseSink<A>& sink) {
    std::uint64_t state = 1;
    const auto random = [&state] {  // xorshift64: quick to make 100 million synapses twice
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      return state >> 32;
    };
    for (std::uint32_t source = 0; source < c.sources; ++source) {
      for (std::uint32_t i = 0; i < c.fan_out; ++i) {
        // Stratified: one target in each of fan_out equal stretches.
        const std::uint64_t low = std::uint64_t{c.targets} * i / c.fan_out;
        const std::uint64_t high = std::uint64_t{c.targets} * (i + 1) / c.fan_out;
        const auto target = static_cast<std::uint32_t>(low + random() % (high - low));
        A weight{1};
        if (kind == WeightKind::kFew) weight = static_cast<A>(random() % 256) - A{128};
        if (kind == WeightKind::kAny) weight = static_cast<A>(random() % 4000000) * A(1e-6);
        sink.synapse(source, target, weight);
      }
    }
  });
}

/// Every `step`-th number below `end`, starting at `first`.
inline std::vector<std::uint32_t> every(std::uint32_t first, std::uint32_t step,
                                        std::uint32_t end) {
  std::vector<std::uint32_t> list;
  for (std::uint32_t i = first; i < end; i += step) list.push_back(i);
  return list;
}

/// The sources in turn, about 43 at a time: brunel_dc's spikes in a step.
inline std::vector<std::vector<std::uint32_t>> turns(std::uint32_t sources) {
  const std::uint32_t step = std::max(sources / 43, 1U);
  std::vector<std::vector<std::uint32_t>> lists;
  for (std::uint32_t first = 0; first < step; ++first) lists.push_back(every(first, step, sources));
  return lists;
}

template <typename W>
AlignedBuffer<W> make_dense(std::size_t sources, std::size_t targets) {
  AlignedBuffer<W> rows(sources * dense_row_stride<W>(targets));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<W>(i % 251) - W{125};
  return rows;
}

}  // namespace spikeloom::bench
