#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "event/aligned_buffer.hpp"
#include "event/dense_rows.hpp"
#include "tests/support/kernel_targets.hpp"

/// Every kernel against the sum as its header defines it, written as two plain loops.
namespace spikeloom::test {
namespace {

template <typename WeightType, typename AccType>
struct Case {
  using W = WeightType;
  using A = AccType;
};

template <typename T>
class DenseRows : public testing::Test {};

using Cases = testing::Types<Case<float, float>, Case<std::int8_t, std::int32_t>,
                             Case<std::int16_t, std::int32_t>>;

struct CaseNames {
  template <typename T>
  static std::string GetName(int) {
    return sizeof(typename T::W) == 4 ? "Float" : sizeof(typename T::W) == 1 ? "Int8" : "Int16";
  }
};
TYPED_TEST_SUITE(DenseRows, Cases, CaseNames);

/// Weights over the whole range of their type; floats whose sums depend on the order.
template <typename W>
W any_weight(std::mt19937& random) {
  if constexpr (std::is_same_v<W, float>) {
    return std::uniform_real_distribution<float>(-1.0F, 1.0F)(random);
  } else {
    std::uniform_int_distribution<int> weight(std::numeric_limits<W>::min(),
                                              std::numeric_limits<W>::max());
    return static_cast<W>(weight(random));
  }
}

template <typename A>
A any_value(std::mt19937& random) {
  if constexpr (std::is_same_v<A, float>) {
    return std::uniform_real_distribution<float>(-3.0F, 3.0F)(random);
  } else {
    return std::uniform_int_distribution<A>(-300, 300)(random);
  }
}

template <typename W, typename A>
struct Matrix {
  std::size_t targets, stride;
  AlignedBuffer<W> rows;
  std::vector<A> start;

  Matrix(std::size_t inputs, std::size_t outputs, std::mt19937& random)
      : targets(outputs), stride(dense_row_stride<W>(outputs)), rows(inputs * stride) {
    for (W& w : rows) w = any_weight<W>(random);
    for (std::size_t t = 0; t < targets; ++t) start.push_back(any_value<A>(random));
  }

  std::vector<A> expected(std::size_t first, std::size_t last,
                          const std::vector<std::uint32_t>& sources,
                          const std::vector<A>* values) const {
    std::vector<A> acc = start;
    for (std::size_t t = first; t < last; ++t) {
      for (std::size_t k = 0; k < sources.size(); ++k) {
        A term = rows[sources[k] * stride + t];
        if (values != nullptr) term *= (*values)[k];
        acc[t] += term;
      }
    }
    return acc;
  }
};

std::vector<std::uint32_t> every(std::uint32_t step, std::uint32_t end) {
  std::vector<std::uint32_t> list;
  for (std::uint32_t s = 0; s < end; s += step) list.push_back(s);
  return list;
}

TYPED_TEST(DenseRows, AddAndMultiplyAddInEverySize) {
  using W = typename TypeParam::W;
  using A = typename TypeParam::A;
  for_each_kernel_target([] {
    std::mt19937 random(7);
    for (const std::size_t targets : {1,  2,  3,  4,   5,   7,   8,   10,  15,  16,  17,  31,  33,
                                      63, 64, 65, 100, 127, 128, 129, 255, 256, 300, 513, 1030}) {
      const Matrix<W, A> m(40, targets, random);
      for (const auto& sources : {every(1, 40), every(3, 40), every(39, 40), every(1, 1)}) {
        std::vector<A> values;
        for (std::size_t k = 0; k < sources.size(); ++k) values.push_back(any_value<A>(random));
        std::vector<A> acc = m.start;
        add_dense_rows<W, A>(m.rows.data(), m.stride, targets, sources, acc.data());
        EXPECT_EQ(acc, m.expected(0, targets, sources, nullptr)) << targets << " targets";
        acc = m.start;
        multiply_add_dense_rows<W, A>(m.rows.data(), m.stride, targets, sources, values,
                                      acc.data());
        EXPECT_EQ(acc, m.expected(0, targets, sources, &values)) << targets << " targets";
      }
    }
  });
}

TYPED_TEST(DenseRows, ARangeOfTargetsTouchesNothingElse) {
  using W = typename TypeParam::W;
  using A = typename TypeParam::A;
  for_each_kernel_target([] {
    std::mt19937 random(8);
    const Matrix<W, A> m(12, 200, random);
    const auto sources = every(2, 12);
    const std::vector<A> values(sources.size(), A{3});
    for (const auto& [first, last] : std::vector<std::pair<std::size_t, std::size_t>>{
             {0, 200}, {0, 64}, {64, 200}, {1, 2}, {3, 199}, {50, 50}, {60, 20}, {199, 200}}) {
      std::vector<A> acc = m.start;
      add_dense_rows<W, A>(m.rows.data(), m.stride, first, last, sources, acc.data());
      EXPECT_EQ(acc, m.expected(first, last, sources, nullptr)) << first << " to " << last;
      acc = m.start;
      multiply_add_dense_rows<W, A>(m.rows.data(), m.stride, first, last, sources, values,
                                    acc.data());
      EXPECT_EQ(acc, m.expected(first, last, sources, &values)) << first << " to " << last;
    }
  });
}

TYPED_TEST(DenseRows, NoSourcesChangeNothing) {
  using W = typename TypeParam::W;
  using A = typename TypeParam::A;
  std::mt19937 random(9);
  const Matrix<W, A> m(2, 20, random);
  std::vector<A> acc = m.start;
  add_dense_rows<W, A>(m.rows.data(), m.stride, 20, {}, acc.data());
  multiply_add_dense_rows<W, A>(m.rows.data(), m.stride, 20, {}, {}, acc.data());
  EXPECT_EQ(acc, m.start);
}

// More rows than the cache holds, so that the version with prefetch runs, and more than 256.
TYPED_TEST(DenseRows, ManyFarRows) {
  using W = typename TypeParam::W;
  using A = typename TypeParam::A;
  for_each_kernel_target([] {
    std::mt19937 random(10);
    const Matrix<W, A> m(3000, 390, random);
    const auto sources = every(2, 3000);
    const std::vector<A> values(sources.size(), A{2});
    std::vector<A> acc = m.start;
    add_dense_rows<W, A>(m.rows.data(), m.stride, 390, sources, acc.data());
    EXPECT_EQ(acc, m.expected(0, 390, sources, nullptr));
    acc = m.start;
    multiply_add_dense_rows<W, A>(m.rows.data(), m.stride, 390, sources, values, acc.data());
    EXPECT_EQ(acc, m.expected(0, 390, sources, &values));
  });
}

// 600 rows of the extreme weights: 16-bit sums on the way would wrap if they held more than 256.
TEST(DenseRowsInt8, ExtremeWeightsDoNotWrap) {
  for (const int weight : {-128, 127}) {
    for_each_kernel_target([weight] {
      const std::size_t stride = dense_row_stride<std::int8_t>(70);
      AlignedBuffer<std::int8_t> rows(600 * stride);
      std::fill(rows.begin(), rows.end(), static_cast<std::int8_t>(weight));
      std::vector<std::int32_t> acc(70, 5);
      add_dense_rows<std::int8_t, std::int32_t>(rows.data(), stride, 70, every(1, 600), acc.data());
      EXPECT_EQ(acc, std::vector<std::int32_t>(70, 5 + 600 * weight));
    });
  }
}

}  // namespace
}  // namespace spikeloom::test
