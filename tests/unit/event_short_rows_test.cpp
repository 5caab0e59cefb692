/// Short rows and target slices against the sums their headers define, as two plain loops.

#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "event/short_rows.hpp"
#include "event/target_slices.hpp"
#include "tests/support/kernel_targets.hpp"

namespace spikeloom::test {
namespace {

template <typename WeightType, typename AccType>
struct Case {
  using W = WeightType;
  using A = AccType;
};

struct CaseNames {
  template <typename T>
  static std::string GetName(int) {
    const std::string weight = sizeof(typename T::W) == 1 ? "Int8" : "Float";
    return weight + (std::is_same_v<typename T::A, float> ? "InFloat" : "InInt32");
  }
};

template <typename W, typename A>
struct Matrix {
  std::uint32_t targets = 0;
  std::vector<std::int64_t> start = {0};
  std::vector<std::uint32_t> target;
  std::vector<W> weight;

  /// `signs`: weights -1 and 1 only.
  Matrix(std::uint32_t sources, std::uint32_t wide, double density, bool signs, unsigned seed)
      : targets(wide) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> unit(0.0, 1.0);
    for (std::uint32_t i = 0; i < sources; ++i) {
      // Rows of every length from none to all.
      const double share = i % 7 == 0 ? 0.0 : i % 11 == 0 ? 1.0 : density;
      for (std::uint32_t t = 0; t < targets; ++t) {
        if (unit(random) >= share) continue;
        target.push_back(t);
        if (signs) {
          weight.push_back(unit(random) < 0.5 ? W{1} : static_cast<W>(-1));
        } else if constexpr (std::is_same_v<W, float>) {
          weight.push_back(static_cast<float>(unit(random) - 0.5));
        } else {
          weight.push_back(static_cast<W>(static_cast<int>(unit(random) * 255.0) - 127));
        }
      }
      start.push_back(static_cast<std::int64_t>(target.size()));
    }
  }
  std::uint32_t sources() const { return static_cast<std::uint32_t>(start.size()) - 1; }

  void add(std::uint32_t source, A value, std::vector<A>& sums) const {
    for (auto k = static_cast<std::size_t>(start[source]);
         k < static_cast<std::size_t>(start[source + 1]); ++k) {
      const A term = static_cast<A>(weight[k]) * value;  // rounded on its own
      sums[target[k]] += term;
    }
  }
};

template <typename A>
std::vector<A> values_of(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<A> values(count);
  for (A& value : values) {
    const double draw = std::uniform_real_distribution<double>(-1.0, 1.0)(random);
    value = static_cast<A>(std::is_same_v<A, float> ? draw : 32767.0 * draw);
  }
  return values;
}

template <typename T>
class ShortRowsOf : public testing::Test {};
using Cases =
    testing::Types<Case<std::int8_t, float>, Case<float, float>, Case<std::int8_t, std::int32_t>>;
TYPED_TEST_SUITE(ShortRowsOf, Cases, CaseNames);

TYPED_TEST(ShortRowsOf, AddWhatTheLoopsAdd) {
  using W = typename TypeParam::W;
  using A = typename TypeParam::A;
  for (const bool signs : {false, true}) {
    for (const std::uint32_t targets : {1U, 15U, 16U, 17U, 300U}) {
      const Matrix<W, A> matrix(60, targets, 0.2, signs, targets);
      const auto made = ShortRows<W, A>::make(matrix.targets, matrix.start, matrix.target,
                                              std::span<const W>(matrix.weight));
      ASSERT_TRUE(made.ok()) << made.error().message();
      std::vector<std::uint32_t> rows;
      for (std::uint32_t i = 0; i < matrix.sources(); i += 1 + i % 3) rows.push_back(i);
      const std::vector<A> values = values_of<A>(rows.size(), 5);
      std::vector<A> expected(targets, A{7});
      for (std::size_t k = 0; k < rows.size(); ++k) matrix.add(rows[k], values[k], expected);
      for_each_kernel_target([&] {
        std::vector<A> sums(targets, A{7});
        made->multiply_add(rows, values, sums.data());
        EXPECT_EQ(sums, expected) << targets;
        if (!signs) return;
        sums.assign(targets, A{7});
        made->signed_add(rows, values, sums.data());
        EXPECT_EQ(sums, expected) << targets << " by sign";
      });
    }
  }
}

TYPED_TEST(ShortRowsOf, SlicesGiveTheSameSums) {
  using W = typename TypeParam::W;
  using A = typename TypeParam::A;
  for (const std::uint32_t targets : {1U, 16U, 33U, 300U}) {
    const Matrix<W, A> matrix(60, targets, 0.2, false, targets);
    const auto made = TargetSlices<W, A>::make(matrix.targets, matrix.start, matrix.target,
                                               std::span<const W>(matrix.weight));
    ASSERT_TRUE(made.ok()) << made.error().message();
    std::vector<A> x = values_of<A>(matrix.sources(), 6);
    std::vector<A> expected(targets, A{0});
    for (std::uint32_t i = 0; i < matrix.sources(); ++i) matrix.add(i, x[i], expected);
    x.push_back(A{0});
    for_each_kernel_target([&] {
      std::vector<A> sums(targets, A{9});
      made->multiply(x.data(), sums.data());
      EXPECT_EQ(sums, expected) << targets;
    });
  }
}

TYPED_TEST(ShortRowsOf, ArraysThatDoNotFitAreRefused) {
  using W = typename TypeParam::W;
  using A = typename TypeParam::A;
  struct Bad {
    std::uint32_t targets;
    std::vector<std::int64_t> start;
    std::vector<std::uint32_t> target;
  };
  const std::vector<W> weight(2, W{1});
  for (const Bad& bad : {Bad{4, {0, 1}, {0, 1}}, Bad{4, {0, 2, 1}, {0, 1}}, Bad{4, {0, 2}, {0, 4}},
                         Bad{4, {}, {0, 1}}, Bad{4, {0, 2}, {0}}}) {
    const std::span<const W> weights(weight);
    EXPECT_FALSE((ShortRows<W, A>::make(bad.targets, bad.start, bad.target, weights).ok()));
    EXPECT_FALSE((TargetSlices<W, A>::make(bad.targets, bad.start, bad.target, weights).ok()));
  }
  const std::vector<std::int64_t> start = {0, 0};
  EXPECT_FALSE((ShortRows<W, A>::make(65537, start, {}, {}).ok()));
}

}  // namespace
}  // namespace spikeloom::test
