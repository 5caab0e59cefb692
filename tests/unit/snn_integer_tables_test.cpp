/// Integer sigmoid and tanh against the C library's, over every input that is not saturated.

#include <cmath>

#include <gtest/gtest.h>

#include "snn/integer_tables.hpp"

namespace spikeloom::test {
namespace {

constexpr double kUnit = 32768.0;

template <typename Integer, typename Real>
double worst_error(Integer integer, Real real) {
  double worst = 0.0;
  for (std::int32_t x = -80000; x <= 80000; ++x) {
    worst = std::max(worst, std::abs(integer(x) - kUnit * real(x / 4096.0)));
  }
  return worst;
}

TEST(IntegerTables, StayWithinOneUnit) {
  const auto sigmoid = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
  EXPECT_LT(worst_error(integer_sigmoid, sigmoid), 1.0);
  EXPECT_LT(worst_error(integer_tanh, [](double x) { return std::tanh(x); }), 1.0);
}

TEST(IntegerTables, KnowTheirFixedPointsAndSymmetry) {
  EXPECT_EQ(integer_sigmoid(0), 16384);
  EXPECT_EQ(integer_tanh(0), 0);
  EXPECT_EQ(integer_sigmoid(INT32_MAX), 32768);
  EXPECT_EQ(integer_sigmoid(INT32_MIN), 0);
  EXPECT_EQ(integer_tanh(INT32_MAX), 32768);
  EXPECT_EQ(integer_tanh(INT32_MIN), -32768);
  for (std::int32_t x = 1; x < 70000; x += 7) {
    EXPECT_EQ(integer_sigmoid(x) + integer_sigmoid(-x), 32768) << x;
    EXPECT_EQ(integer_tanh(x), -integer_tanh(-x)) << x;
    EXPECT_LE(integer_sigmoid(x - 1), integer_sigmoid(x));
    EXPECT_LE(integer_tanh(x - 1), integer_tanh(x));
  }
}

/// 32768 / (1 + exp(-1)) = 23955.33, at 65/64 24055.63; 32768 tanh(1) = 24955.92, at 129/128
/// 25062.79.
TEST(IntegerTables, InterpolateBetweenEntriesAsTheyAreSpecified) {
  EXPECT_EQ(integer_sigmoid(4096), 23955);
  EXPECT_EQ(integer_sigmoid(4160), 24056);
  EXPECT_EQ(integer_sigmoid(4112), 23955 + 25);  // (101 x 16 + 32) >> 6 = 25
  EXPECT_EQ(integer_sigmoid(-4112), 32768 - 23980);
  EXPECT_EQ(integer_tanh(4096), 24956);
  EXPECT_EQ(integer_tanh(4128), 25063);
  EXPECT_EQ(integer_tanh(4104), 24956 + 27);  // (107 x 8 + 16) >> 5 = 27
  EXPECT_EQ(integer_tanh(-4104), -24983);
}

TEST(IntegerTables, HaveNoEntryNearATie) {
  // Distance of the exact value, in long double, from the nearest n + 1/2.
  long double nearest = 1.0L;
  const auto look = [&](long double exact) {
    nearest = std::min(nearest, std::abs(exact - std::floor(exact) - 0.5L));
  };
  for (std::size_t k = 0; k <= 1024; ++k) {
    const auto i = static_cast<long double>(k);
    look(32768.0L / (1.0L + std::exp(-i / 64.0L)));
    look(32768.0L * std::tanh(i / 128.0L));
  }
  EXPECT_GT(nearest, 1e-4L);
}

}  // namespace
}  // namespace spikeloom::test
