#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "event/convolution_stencil.hpp"
#include "event/dense_rows.hpp"
#include "event/products.hpp"
#include "event/sparse_rows.hpp"
#include "tests/support/kernel_targets.hpp"

/// Kernels that only add or shift, against the multiplication.
namespace spikeloom::test {
namespace {

/// 0 or +-2^k, k in [least, most].
double power_of_two(std::mt19937& random, int least, int most) {
  const int k = least + static_cast<int>(random() % static_cast<unsigned>(most - least + 1));
  const int sign = static_cast<int>(random() % 3) - 1;
  return std::ldexp(sign, k);
}

std::vector<float> float_values(std::size_t count, std::mt19937& random) {
  std::uniform_real_distribution<float> value(-9.0F, 9.0F);
  std::vector<float> values;
  while (values.size() < count) values.push_back(value(random));
  return values;
}

std::vector<std::int32_t> integer_values(std::size_t count, std::mt19937& random) {
  std::uniform_int_distribution<std::int32_t> value(-32767, 32767);
  std::vector<std::int32_t> values;
  while (values.size() < count) values.push_back(value(random));
  return values;
}

std::vector<std::uint32_t> all_below(std::uint32_t end) {
  std::vector<std::uint32_t> list;
  for (std::uint32_t i = 0; i < end; ++i) list.push_back(i);
  return list;
}

TEST(Products, ShiftCodesAndScalars) {
  EXPECT_EQ(shift_code(0), 0);
  EXPECT_EQ(shift_code(1), 1);
  EXPECT_EQ(shift_code(-1), -1);
  EXPECT_EQ(shift_code(-64), -7);
  EXPECT_EQ(shift_code(16384), 15);
  for (const int weight : {0, 1, -1, 2, -4, 64, -128, 16384}) {
    EXPECT_EQ(shifted_product(-321, static_cast<int>(shift_code(weight))), -321 * weight);
    EXPECT_EQ(shifted_product(-3.3F, static_cast<float>(weight)) + 0.0F,
              -3.3F * static_cast<float>(weight) + 0.0F);
  }
  EXPECT_EQ(signed_product(5, -1), -5);
}

// Where a product leaves the normal floats it would be rounded, or overflow: these are multiplied.
TEST(Products, FloatsShiftOnlyWithinTheNormalNumbers) {
  ShiftRange range;
  for (const double w : {0.0, 0.25, -8.0}) range.take(w);
  EXPECT_EQ(range.least, -2);
  EXPECT_EQ(range.most, 3);
  const auto can = [&](float value) { return can_shift(std::vector<float>{1.0F, value}, range); };
  const float least = std::numeric_limits<float>::min();
  const float most = std::numeric_limits<float>::max();
  EXPECT_TRUE(can(-7.5F));
  EXPECT_TRUE(can(4 * least));
  EXPECT_FALSE(can(3.9F * least));
  EXPECT_TRUE(can(most / 8));
  EXPECT_FALSE(can(most / 4));
  EXPECT_FALSE(can(0.0F));
  EXPECT_FALSE(can(least / 2));
  EXPECT_FALSE(can(std::numeric_limits<float>::infinity()));
  EXPECT_FALSE(can(std::numeric_limits<float>::quiet_NaN()));
}

TEST(Products, DenseFloatRows) {
  for_each_kernel_target([] {
    std::mt19937 random(11);
    for (const std::size_t targets : {1, 7, 8, 65, 300}) {
      const std::size_t stride = dense_row_stride<float>(targets);
      AlignedBuffer<float> rows(40 * stride);
      for (float& w : rows) w = static_cast<float>(power_of_two(random, -4, 5));
      const auto values = float_values(40, random);
      std::vector<float> shifted(targets, 0.1F), multiplied = shifted;
      multiply_add_dense_rows<float, float>(rows.data(), stride, 0, targets, all_below(40), values,
                                            shifted.data(), Product::kShift);
      for (std::size_t t = 0; t < targets; ++t) {
        for (std::size_t k = 0; k < 40; ++k) {
          const float term = rows[k * stride + t] * values[k];
          multiplied[t] += term;
        }
      }
      EXPECT_EQ(shifted, multiplied) << targets;
    }
  });
}

TEST(Products, DenseIntegerRows) {
  for_each_kernel_target([] {
    std::mt19937 random(12);
    for (const std::size_t targets : {1, 7, 8, 65, 300}) {
      for (const bool ternary : {true, false}) {
        const std::size_t stride = dense_row_stride<std::int8_t>(targets);
        std::vector<int> weights(40 * stride);
        AlignedBuffer<std::int8_t> rows(40 * stride);
        for (std::size_t i = 0; i < weights.size(); ++i) {
          weights[i] = static_cast<int>(power_of_two(random, 0, ternary ? 0 : 6));
          rows[i] = ternary ? static_cast<std::int8_t>(weights[i]) : shift_code(weights[i]);
        }
        const auto values = integer_values(40, random);
        std::vector<std::int32_t> acc(targets, 17), expected = acc;
        multiply_add_dense_rows<std::int8_t, std::int32_t>(
            rows.data(), stride, 0, targets, all_below(40), values, acc.data(),
            ternary ? Product::kSign : Product::kShift);
        for (std::size_t t = 0; t < targets; ++t) {
          for (std::size_t k = 0; k < 40; ++k) expected[t] += weights[k * stride + t] * values[k];
        }
        EXPECT_EQ(acc, expected) << targets << (ternary ? " ternary" : " shifts");
      }
    }
  });
}

/// Channel counts that fill a vector and that do not; in groups, too.
TEST(Products, Convolutions) {
  for_each_kernel_target([] {
    std::mt19937 random(13);
    for (const auto& [channels, groups] : {std::pair{3, 1}, {8, 1}, {17, 1}, {6, 2}}) {
      const WindowAxis axis{7, 7, 3, 1, 1, 1};
      const ConvolutionGeometry g{2, channels, groups, axis, axis};
      std::vector<double> powers, ternary, codes;
      for (std::int64_t i = 0; i < g.weights(); ++i) {
        powers.push_back(power_of_two(random, 0, 6));
        codes.push_back(shift_code(static_cast<int>(powers.back())));
        ternary.push_back(power_of_two(random, 0, 0));
      }
      const auto sources = all_below(static_cast<std::uint32_t>(g.inputs()));
      const auto outputs = static_cast<std::size_t>(g.outputs());
      const auto run = [&]<typename W, typename A>(const std::vector<double>& weights, W,
                                                   const std::vector<A>& values, Product product) {
        const auto stencil = ConvolutionStencil<W>::make(g, weights);
        EXPECT_TRUE(stencil.ok());
        std::vector<A> acc(outputs, A{1});
        stencil->multiply_add_events(sources, values, acc.data(), 0, 7, product);
        return acc;
      };
      const auto whole = integer_values(sources.size(), random);
      const auto real = float_values(sources.size(), random);
      EXPECT_EQ(run(codes, std::int8_t{}, whole, Product::kShift),
                run(powers, std::int16_t{}, whole, Product::kMultiply));
      EXPECT_EQ(run(ternary, std::int8_t{}, whole, Product::kSign),
                run(ternary, std::int16_t{}, whole, Product::kMultiply));
      EXPECT_EQ(run(powers, float{}, real, Product::kShift),
                run(powers, float{}, real, Product::kMultiply));
    }
  });
}

struct Synapse {
  std::uint32_t source, target;
  int weight;
};

template <typename A>
SparseRows<A> sparse(std::uint32_t sources, std::uint32_t targets,
                     const std::vector<Synapse>& synapses) {
  auto rows = SparseRows<A>::make({sources, targets}, [&](SynapseSink<A>& sink) {
    for (const Synapse& s : synapses) sink.synapse(s.source, s.target, static_cast<A>(s.weight));
  });
  EXPECT_TRUE(rows.ok());
  return *std::move(rows);
}

/// The same rows with the products made by shifts, once a row, and one by one; and counted.
template <typename A>
void check_sparse(const std::vector<A>& values) {
  constexpr std::uint32_t kSources = 20, kTargets = 70000;
  std::mt19937 random(14);
  for (const bool uniform : {true, false}) {
    std::vector<Synapse> synapses;
    for (std::uint32_t i = 0; i < 6000; ++i) {
      const auto source = static_cast<std::uint32_t>(random() % kSources);
      const int weight = uniform ? 1 << (source % 7) : static_cast<int>(power_of_two(random, 0, 6));
      synapses.push_back({source, static_cast<std::uint32_t>(random() % kTargets), weight});
    }
    const SparseRows<A> rows = sparse<A>(kSources, kTargets, synapses);
    ASSERT_TRUE(rows.few_weights());
    EXPECT_EQ(rows.products(3), uniform ? 1U : 15U);
    std::vector<A> shifted(kTargets, A{0}), multiplied = shifted, expected = shifted;
    rows.multiply_add(all_below(kSources), values, shifted.data(), 0, kTargets, Product::kShift);
    rows.multiply_add(all_below(kSources), values, multiplied.data());
    std::stable_sort(synapses.begin(), synapses.end(),
                     [](const Synapse& a, const Synapse& b) { return a.source < b.source; });
    for (const Synapse& s : synapses) {
      const A term = static_cast<A>(s.weight) * values[s.source];
      expected[s.target] += term;
    }
    EXPECT_EQ(shifted, expected);
    EXPECT_EQ(multiplied, expected);
  }
}

TEST(Products, SparseRows) {
  std::mt19937 random(15);
  check_sparse<float>(float_values(20, random));
  check_sparse<std::int32_t>(integer_values(20, random));
}

// 17 weights, or one beyond 8 bits, and every synapse is multiplied.
TEST(Products, ManyWeightsOfSparseRowsAreMultiplied) {
  std::vector<Synapse> many, large;
  for (int i = 0; i < 17; ++i) many.push_back({0, static_cast<std::uint32_t>(i), i + 1});
  for (int i = 0; i < 17; ++i) large.push_back({0, static_cast<std::uint32_t>(i), 1 << (i % 9)});
  const std::vector<std::int32_t> values = {-3};
  for (const auto& synapses : {many, large}) {
    const SparseRows<std::int32_t> rows = sparse<std::int32_t>(1, 17, synapses);
    EXPECT_FALSE(rows.few_weights());
    EXPECT_EQ(rows.products(0), 17U);
    std::vector<std::int32_t> acc(17, 0);
    rows.multiply_add(all_below(1), values, acc.data());
    for (std::size_t t = 0; t < 17; ++t) EXPECT_EQ(acc[t], -3 * synapses[t].weight);
  }
}

/// Range by range, in whatever steps, into sums that exist for the range only.
TEST(SparseRanges, AddWhatTheWholeDoes) {
  constexpr std::uint32_t kSources = 30, kTargets = 140000;
  std::mt19937 random(16);
  std::vector<Synapse> synapses;
  for (std::uint32_t i = 0; i < 9000; ++i) {
    synapses.push_back({static_cast<std::uint32_t>(random() % kSources),
                        static_cast<std::uint32_t>(random() % kTargets),
                        static_cast<int>(random() % 200)});
  }
  const SparseRows<float> rows = sparse<float>(kSources, kTargets, synapses);
  const auto list = all_below(kSources);
  const auto values = float_values(kSources, random);
  std::vector<float> whole(kTargets, 0.0F), graded = whole;
  rows.add(list, whole.data());
  rows.multiply_add(list, values, graded.data());
  for (const std::uint32_t step : {4096U, 16384U, 65536U, 5000U, 140000U}) {
    RowCursor cursor, graded_cursor;
    for (std::uint32_t first = 0; first < kTargets; first += step) {
      const std::uint32_t last = std::min(first + step, kTargets);
      if (step == 4096 && first / step % 5 == 3) continue;  // a range that nobody asks for
      std::vector<float> sums(last - first, 0.0F);
      rows.add_range(list, {}, first, last, cursor, sums.data());
      EXPECT_TRUE(std::equal(sums.begin(), sums.end(), whole.begin() + first)) << first;
      std::fill(sums.begin(), sums.end(), 0.0F);
      rows.add_range(list, values, first, last, graded_cursor, sums.data());
      EXPECT_TRUE(std::equal(sums.begin(), sums.end(), graded.begin() + first)) << first;
    }
  }
}

}  // namespace
}  // namespace spikeloom::test
