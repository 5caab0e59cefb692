/// A dense product of all inputs, by Eigen as the cpu backend calls it, beside the rows of graded
/// events with every source active: what `--schedule auto` goes by (docs/performance.md).

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include "bench/kernel_cases.hpp"

namespace spikeloom {
namespace {

void report(benchmark::State& state, std::uint32_t inputs, std::uint32_t outputs,
            std::uint32_t batch) {
  const double weights = static_cast<double>(inputs) * outputs * batch;
  state.counters["weights/s"] = benchmark::Counter(
      weights * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

/// Weights W, sums A; the weights lie by source, as rows do.
template <typename W, typename A>
void product(benchmark::State& state, std::uint32_t inputs, std::uint32_t outputs,
             std::uint32_t batch) {
  const auto weights = bench::make_dense<W>(inputs, outputs);
  using Matrix = Eigen::Matrix<A, Eigen::Dynamic, Eigen::Dynamic>;
  const Eigen::Map<const Eigen::Matrix<W, Eigen::Dynamic, Eigen::Dynamic>, Eigen::Aligned64,
                   Eigen::OuterStride<>>
      rows(weights.data(), outputs, inputs,
           Eigen::OuterStride<>(static_cast<Eigen::Index>(dense_row_stride<W>(outputs))));
  const Matrix x = Matrix::Constant(inputs, batch, A{3});
  Matrix y = Matrix::Zero(outputs, batch);
  for (auto _ : state) {
    if (batch == 1) {
      y.col(0).noalias() += rows.template cast<A>() * x.col(0);
    } else {
      y.noalias() += rows.template cast<A>() * x;
    }
    benchmark::ClobberMemory();
  }
  report(state, inputs, outputs, batch);
}

template <typename W, typename A>
void rows(benchmark::State& state, std::uint32_t inputs, std::uint32_t outputs,
          std::uint32_t batch) {
  const auto weights = bench::make_dense<W>(inputs, outputs);
  const auto list = bench::every(0, 1, inputs);
  const std::vector<A> values(inputs, A{3});
  std::vector<AlignedBuffer<A>> sums;
  for (std::uint32_t b = 0; b < batch; ++b) sums.emplace_back(outputs);
  for (auto _ : state) {
    for (AlignedBuffer<A>& acc : sums) {
      multiply_add_dense_rows<W, A>(weights.data(), dense_row_stride<W>(outputs), 0, outputs, list,
                                    values, acc.data(), Product::kMultiply);
    }
    benchmark::ClobberMemory();
  }
  report(state, inputs, outputs, batch);
}

template <typename W, typename A>
void add_pair(const std::string& weights, std::uint32_t inputs, std::uint32_t outputs,
              std::uint32_t batch) {
  const std::string shape = weights + "/" + std::to_string(inputs) + "x" + std::to_string(outputs) +
                            "/batch_" + std::to_string(batch);
  benchmark::RegisterBenchmark(("products/eigen/" + shape).c_str(), product<W, A>, inputs, outputs,
                               batch);
  benchmark::RegisterBenchmark(("products/rows/" + shape).c_str(), rows<W, A>, inputs, outputs,
                               batch);
}

[[maybe_unused]] const bool kRegistered = [] {
  add_pair<float, float>("float", 1024, 512, 1);
  add_pair<std::int8_t, std::int32_t>("int8", 1024, 512, 1);
  add_pair<std::int16_t, std::int32_t>("int16", 1024, 512, 1);
  for (const std::uint32_t batch : {1U, 16U, 64U}) {
    add_pair<float, float>("float", 1350, 1350, batch);
  }
  return true;
}();

}  // namespace
}  // namespace spikeloom
