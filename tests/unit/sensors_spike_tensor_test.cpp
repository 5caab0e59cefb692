#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/io/npy.hpp"
#include "sensors/spike_tensor.hpp"

namespace spikeloom {
namespace {

Tensor counted(Shape shape) {
  std::int64_t count = 1;
  for (const auto side : shape) count *= side;
  std::vector<std::int32_t> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 0);
  return Tensor::of<std::int32_t>(std::move(shape), values);
}

TEST(SensorsSpikeTensor, WithoutAxesItStaysAsItIs) {
  const Tensor tensor = counted({4, 3});
  EXPECT_EQ(*arrange_spike_tensor(tensor, {}), tensor);
  EXPECT_EQ(*arrange_spike_tensor(tensor, {.axes = "tc"}), tensor);
  EXPECT_EQ(arrange_spike_tensor(Tensor::scalar(1.0F), {}).error().code, ErrorCode::kShape);
}

TEST(SensorsSpikeTensor, MovesTimeFirst) {
  const auto moved = arrange_spike_tensor(counted({2, 3}), {.axes = "ct"});
  ASSERT_TRUE(moved.ok());
  EXPECT_EQ(moved->shape(), (Shape{3, 2}));
  EXPECT_EQ(moved->to_doubles(), (std::vector<double>{0, 3, 1, 4, 2, 5}));
}

TEST(SensorsSpikeTensor, LavaOrderBecomesChannelRowColumn) {
  // Element (x, y, c, t) is 60 x + 20 y + 5 c + t for sizes x 2, y 3, c 4, t 5.
  const auto moved = arrange_spike_tensor(counted({2, 3, 4, 5}), {.axes = "xyct"});
  ASSERT_TRUE(moved.ok());
  ASSERT_EQ(moved->shape(), (Shape{5, 4, 3, 2}));
  std::int64_t index = 0;
  for (int t = 0; t < 5; ++t) {
    for (int c = 0; c < 4; ++c) {
      for (int y = 0; y < 3; ++y) {
        for (int x = 0; x < 2; ++x) {
          EXPECT_EQ(moved->at(index++), 60 * x + 20 * y + 5 * c + t);
        }
      }
    }
  }
}

TEST(SensorsSpikeTensor, PicksOneSample) {
  const auto second = arrange_spike_tensor(counted({2, 3, 2}), {.axes = "ntc", .sample = 1});
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->shape(), (Shape{3, 2}));
  EXPECT_EQ(second->to_doubles(), (std::vector<double>{6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(arrange_spike_tensor(counted({2, 3, 2}), {.axes = "ntc"}).error().code,
            ErrorCode::kAmbiguous);
  EXPECT_TRUE(arrange_spike_tensor(counted({1, 3, 2}), {.axes = "ntc"}).ok());
  EXPECT_FALSE(arrange_spike_tensor(counted({2, 3, 2}), {.axes = "ntc", .sample = 2}).ok());
  EXPECT_FALSE(arrange_spike_tensor(counted({0, 3, 2}), {.axes = "ntc", .sample = 0}).ok());
  const auto last_axis = arrange_spike_tensor(counted({3, 2, 2}), {.axes = "tcb", .sample = 1});
  EXPECT_EQ(last_axis->to_doubles(), (std::vector<double>{1, 3, 5, 7, 9, 11}));
}

TEST(SensorsSpikeTensor, RefusesAxesThatDoNotFit) {
  for (const char* axes : {"c", "tt", "tq", "ch", "tyh"}) {
    EXPECT_EQ(arrange_spike_tensor(counted({2, 3}), {.axes = axes}).error().code,
              ErrorCode::kInvalidArgument)
        << axes;
  }
  EXPECT_EQ(arrange_spike_tensor(counted({2, 3}), {.axes = "tchw"}).error().code,
            ErrorCode::kShape);
}

TEST(SensorsSpikeTensor, EmptyTimeIsEmpty) {
  const auto moved = arrange_spike_tensor(counted({2, 0}), {.axes = "ct"});
  ASSERT_TRUE(moved.ok());
  EXPECT_EQ(moved->shape(), (Shape{0, 2}));
}

TEST(SensorsSpikeTensor, ReadsAFileAndNamesItInErrors) {
  const std::string path = testing::TempDir() + "sensors_spike_tensor.npy";
  ASSERT_TRUE(io::write_npy(path, counted({2, 3})).ok());
  const auto read = read_spike_tensor(path, {.axes = "ct"});
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->shape(), (Shape{3, 2}));
  EXPECT_EQ(read->dtype(), DType::kInt32);
  const auto wrong = read_spike_tensor(path, {.axes = "t"});
  EXPECT_NE(wrong.error().message().find(path), std::string::npos);
  EXPECT_EQ(read_spike_tensor("no/such.npy").error().code, ErrorCode::kNotFound);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace spikeloom
