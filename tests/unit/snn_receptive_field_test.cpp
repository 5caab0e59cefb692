/// What several convolutions and pools behind each other listen to, by hand.

#include <gtest/gtest.h>

#include "snn/receptive_field.hpp"

namespace spikeloom::test {
namespace {

op::Pool pool(std::int64_t channels, std::int64_t size, std::int64_t stride) {
  op::Pool made;
  made.channels = channels;
  made.kernel = {size, size};
  made.stride = {stride, stride};
  made.pad_before = {0, 0};
  return made;
}

/// Of three rows and one column.
op::Convolution convolution(std::int64_t in, std::int64_t out, std::int64_t groups) {
  op::Convolution made;
  made.in_channels = in;
  made.out_channels = out;
  made.groups = groups;
  made.kernel = {3, 1};
  made.pad_before = {0, 0};
  return made;
}

TEST(ReceptiveField, OfOneOperationIsItsWindow) {
  op::Convolution conv = convolution(4, 6, 2);
  conv.stride = {2, 1};
  conv.dilation = {3, 1};
  conv.pad_before = {1, 0};
  const auto field = field_through({}, conv);
  ASSERT_TRUE(field.has_value());
  EXPECT_EQ(*field, (ReceptiveField{{2, 1, 7}, {1, 0, 1}, 2, 3}));
  EXPECT_EQ(field_through(field, op::Identity{}), field);
  EXPECT_FALSE(field_through({}, op::Scale{}).has_value());
}

/// Sums of 2 x 2, every second: t is 2t, 2t + 1. Three of them from t - 1 on, by one: 2t - 2 to
/// 2t + 3. Then a pool of two, every second: from 4t - 2 on, with one more, so to 4t + 5.
TEST(ReceptiveField, OfSeveralIsOneWindowOntoTheSources) {
  op::Convolution conv = convolution(4, 6, 2);
  conv.pad_before = {1, 0};
  auto field = field_through({}, pool(4, 2, 2));
  EXPECT_EQ(*field, (ReceptiveField{{2, 0, 2}, {2, 0, 2}, 4, 1}));
  field = field_through(field, conv);
  EXPECT_EQ(*field, (ReceptiveField{{2, 2, 6}, {2, 0, 2}, 2, 3}));
  field = field_through(field, pool(6, 2, 2));
  EXPECT_EQ(*field, (ReceptiveField{{4, 2, 8}, {4, 0, 4}, 2, 3}));
}

}  // namespace
}  // namespace spikeloom::test
