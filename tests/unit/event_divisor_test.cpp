#include <gtest/gtest.h>

#include "event/divisor.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::uint32_t kMost = 0xFFFFFFFF;

TEST(event_divisor, quotients_are_those_of_the_division) {
  for (const std::uint32_t d :
       {1U, 2U, 3U, 7U, 10U, 34U, 1156U, 65535U, 65536U, 65537U, 641U, 6700417U, 0x7FFFFFFFU,
        0x80000000U, 0x80000001U, kMost - 1, kMost}) {
    const Divisor divisor(d);
    EXPECT_EQ(divisor.value(), d);
    // Around every power of two and every multiple of d next to one, where a rounded reciprocal
    // would fail first.
    for (int bit = 0; bit < 32; ++bit) {
      const std::uint32_t power = 1U << bit;
      const std::uint32_t multiple = power / d * d;
      for (const std::uint32_t n :
           {power - 1, power, power + 1, multiple - 1, multiple, multiple + 1, kMost - power,
            kMost / d * d, kMost / d * d - 1, kMost}) {
        EXPECT_EQ(divisor.quotient(n), n / d) << n << " / " << d;
      }
    }
  }
}

}  // namespace
}  // namespace spikeloom::detail
