/// The kernels of module event: synaptic events per second, by form of the rows, where they lie,
/// and instruction set. `./dev bench --benchmark_filter=dense` runs some of them.

#include <cmath>

#include <benchmark/benchmark.h>

#include "bench/kernel_cases.hpp"
#include "event/bitmask_rows.hpp"
#include "event/kernel_targets.hpp"

namespace spikeloom {
namespace {

using bench::SparseCase;
using bench::WeightKind;

void report(benchmark::State& state, std::uint64_t events) {
  state.counters["synaptic_events/s"] =
      benchmark::Counter(static_cast<double>(events) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
  use_kernel_target({});
}

bool force(benchmark::State& state, const std::string& target) {
  if (use_kernel_target(target)) return true;
  state.SkipWithError("this processor has no such instructions");
  return false;
}

/// Weights that the product suits: any, -1 0 1, or powers of two (shift codes in integers).
template <typename W>
AlignedBuffer<W> make_rows(std::uint32_t sources, std::uint32_t targets, Product product) {
  auto rows = bench::make_dense<W>(sources, targets);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (product == Product::kSign) rows[i] = static_cast<W>(static_cast<int>(i % 3) - 1);
    if (product != Product::kShift) continue;
    const int code = static_cast<int>(i % 9) - 4;
    rows[i] = static_cast<W>(code);
    if (std::is_same_v<W, float>) rows[i] = static_cast<W>(code == 0 ? 0.0 : std::ldexp(1.0, code));
  }
  return rows;
}

template <typename W, typename A>
void dense(benchmark::State& state, const std::string& target, std::uint32_t sources,
           std::uint32_t targets, std::uint32_t step, Product product) {
  if (!force(state, target)) return;
  const auto rows = make_rows<W>(sources, targets, product);
  const auto list = bench::every(0, step, sources);
  const std::vector<A> values(list.size(), A{3});
  AlignedBuffer<A> acc(targets);
  const std::size_t stride = dense_row_stride<W>(targets);
  for (auto _ : state) {
    if (product == Product::kOne) {
      add_dense_rows<W, A>(rows.data(), stride, targets, list, acc.data());
    } else {
      multiply_add_dense_rows<W, A>(rows.data(), stride, 0, targets, list, values, acc.data(),
                                    product);
    }
    benchmark::ClobberMemory();
  }
  report(state, std::uint64_t{targets} * list.size());
}

template <typename W>
void convolution(benchmark::State& state, const std::string& target, std::int64_t in,
                 std::int64_t out, std::int64_t size, std::int64_t kernel, std::int64_t stride) {
  if (!force(state, target)) return;
  using A = typename ConvolutionStencil<W>::Accumulator;
  const std::int64_t pad = kernel / 2;
  const WindowAxis axis{size, (size + 2 * pad - kernel) / stride + 1, kernel, stride, 1, pad};
  const ConvolutionGeometry g{in, out, 1, axis, axis};
  const std::vector<double> weights(static_cast<std::size_t>(g.weights()), 1.0);
  const auto stencil = ConvolutionStencil<W>::make(g, weights);
  if (!stencil.ok()) return state.SkipWithError(stencil.error().message().c_str());
  // One input in ten, scattered: 7 is prime to every size here.
  std::vector<std::uint32_t> list;
  for (std::uint32_t i = 0; i < g.inputs(); ++i) {
    if (i * 7 % 10 == (i / 10) % 10) list.push_back(i);
  }
  std::uint64_t events = 0;
  for (const std::uint32_t source : list) events += stencil->pairs(source);
  AlignedBuffer<A> acc(static_cast<std::size_t>(g.outputs()));
  for (auto _ : state) {
    stencil->add_events(list, acc.data());
    benchmark::ClobberMemory();
  }
  report(state, events);
}

/// Rows in turn, so that all of them are walked.
template <typename A>
void sparse(benchmark::State& state, const SparseCase& c, WeightKind kind, bool graded) {
  const auto rows = bench::make_sparse<A>(c, kind);
  if (!rows.ok()) return state.SkipWithError(rows.error().message().c_str());
  AlignedBuffer<A> acc(c.targets);
  const auto lists = bench::turns(c.sources);
  const std::vector<A> values(lists[0].size(), A{3});
  std::uint64_t events = 0;
  std::size_t turn = 0;
  for (auto _ : state) {
    const auto& list = lists[turn++ % lists.size()];
    if (graded) {
      rows->multiply_add(list, {values.data(), list.size()}, acc.data());
    } else {
      rows->add(list, acc.data());
    }
    events += list.size() * c.fan_out;
    benchmark::ClobberMemory();
  }
  state.counters["synaptic_events/s"] =
      benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
  state.counters["bytes/synapse"] =
      static_cast<double>(rows->bytes()) / static_cast<double>(rows->synapses());
}

/// A tenth of all pairs is joined; as many rows at a time as brunel_dc has spikes in a step.
void bitmask(benchmark::State& state, const std::string& target, std::uint32_t active) {
  if (!force(state, target)) return;
  const SparseCase c = {"", 12500, 12500, 1250};
  const auto rows = bench::make_sparse<float>(c, WeightKind::kUniform);
  if (!rows.ok()) return state.SkipWithError(rows.error().message().c_str());
  const auto bits = BitmaskRows<float>::make(*rows);
  if (!bits.ok()) return state.SkipWithError(bits.error().message().c_str());
  AlignedBuffer<float> acc(c.targets);
  const std::uint32_t step = c.sources / active;
  std::vector<std::vector<std::uint32_t>> lists;
  for (std::uint32_t first = 0; first < step; ++first) {
    lists.push_back(bench::every(first, step, c.sources));
  }
  std::uint64_t events = 0;
  std::size_t turn = 0;
  for (auto _ : state) {
    const auto& list = lists[turn++ % lists.size()];
    bits->add(list, acc.data());
    events += list.size() * c.fan_out;
    benchmark::ClobberMemory();
  }
  report(state, 0);
  state.counters["synaptic_events/s"] =
      benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
}

template <class... Arguments>
void add_case(const std::string& name, Arguments&&... arguments) {
  benchmark::RegisterBenchmark(name.c_str(), std::forward<Arguments>(arguments)...)
      ->Unit(benchmark::kMicrosecond);
}

bool register_all() {
  for (const std::string& t : kernel_targets()) {
    // 0.5 MB of weights each (L2), then every seventh row of 64 MB, 9 MB in all (L3).
    const auto int8 = dense<std::int8_t, std::int32_t>;
    const auto int16 = dense<std::int16_t, std::int32_t>;
    const auto real = dense<float, float>;
    add_case("kernels/dense/int8/L2/" + t, int8, t, 512, 1024, 1, Product::kOne);
    add_case("kernels/dense/int16/L2/" + t, int16, t, 256, 1024, 1, Product::kOne);
    add_case("kernels/dense/float/L2/" + t, real, t, 128, 1024, 1, Product::kOne);
    add_case("kernels/dense/int8/graded/L2/" + t, int8, t, 512, 1024, 1, Product::kMultiply);
    add_case("kernels/dense/int8/sign/L2/" + t, int8, t, 512, 1024, 1, Product::kSign);
    add_case("kernels/dense/int8/shift/L2/" + t, int8, t, 512, 1024, 1, Product::kShift);
    add_case("kernels/dense/int16/graded/L2/" + t, int16, t, 256, 1024, 1, Product::kMultiply);
    add_case("kernels/dense/float/graded/L2/" + t, real, t, 128, 1024, 1, Product::kMultiply);
    add_case("kernels/dense/float/shift/L2/" + t, real, t, 128, 1024, 1, Product::kShift);
    add_case("kernels/dense/int8/L3/" + t, int8, t, 65536, 1024, 7, Product::kOne);
    add_case("kernels/dense/float/L3/" + t, real, t, 16384, 1024, 7, Product::kOne);
    add_case("kernels/dense/float/10_targets/" + t, real, t, 256, 10, 1, Product::kOne);
    for (const std::int64_t out : {2, 8, 16, 32}) {
      const std::string shape = std::to_string(out) + "_channels_3x3/";
      add_case("kernels/convolution/float/" + shape + t, convolution<float>, t, 8, out, 32, 3, 1);
      add_case("kernels/convolution/int8/" + shape + t, convolution<std::int8_t>, t, 8, out, 32, 3,
               1);
    }
    add_case("kernels/convolution/float/16_channels_5x5_stride_2/" + t, convolution<float>, t, 8,
             16, 32, 5, 2);
    add_case("kernels/bitmask/43_rows/" + t, bitmask, t, 43);
    add_case("kernels/bitmask/500_rows/" + t, bitmask, t, 500);
  }
  for (const SparseCase& c : {bench::kSparseL2, bench::kSparseL3, bench::kSparseMemory}) {
    const std::string level = c.name;
    add_case("kernels/sparse/uniform/" + level, sparse<float>, c, WeightKind::kUniform, false);
    add_case("kernels/sparse/uniform_integer/" + level, sparse<std::int32_t>, c,
             WeightKind::kUniform, false);
    add_case("kernels/sparse/table/" + level, sparse<float>, c, WeightKind::kFew, false);
    add_case("kernels/sparse/integer/" + level, sparse<std::int32_t>, c, WeightKind::kFew, false);
    add_case("kernels/sparse/float/" + level, sparse<float>, c, WeightKind::kAny, false);
    add_case("kernels/sparse/float/graded/" + level, sparse<float>, c, WeightKind::kAny, true);
  }
  return true;
}
[[maybe_unused]] const bool registered = register_all();

}  // namespace
}  // namespace spikeloom
