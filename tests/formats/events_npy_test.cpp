/// Event arrays in .npy.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/io/npy.hpp"
#include "sensors/recording_io.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom {
namespace {

template <typename T>
Result<ReadRecording> read(Shape shape, const std::vector<T>& values,
                           const ReadOptions& options = {}) {
  const auto bytes = io::to_npy(Tensor::of<T>(std::move(shape), values));
  return read_recording_bytes(bytes, "events.npy", options);
}

TEST(EventsNpy, ReadsIntegerRowsAsMicroseconds) {
  const auto result = read<std::int64_t>({3, 4}, {5, 1, 2, 1, 6, 3, 4, 0, 6, 0, 0, -1});
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->report.format, "npy");
  EXPECT_EQ(result->recording.events,
            (EventPacket{{5000, 6000, 6000}, {1, 3, 0}, {2, 4, 0}, {1, 0, 0}}));
  EXPECT_EQ(result->report.dropped_bytes, 0U);
}

TEST(EventsNpy, NanosecondsBeyondTheRangeOfADouble) {
  const std::int64_t epoch = 1700000000123456789;
  const auto result =
      read<std::int64_t>({1, 4}, {epoch, 1, 2, 1}, {.time_unit = EventTimeUnit::kNanoseconds});
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->recording.events.time[0], epoch);
  EXPECT_EQ(read<std::int64_t>({1, 4}, {epoch, 1, 2, 1}).error().where, "events.npy: row 0");
}

TEST(EventsNpy, RealTimesNeedAUnit) {
  const std::vector<double> values = {0.5, 1, 2, 1};
  EXPECT_EQ(read<double>({1, 4}, values).error().code, ErrorCode::kAmbiguous);
  const auto result = read<double>({1, 4}, values, {.time_unit = EventTimeUnit::kSeconds});
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->recording.events.time[0], 500 * kMillisecond);
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), 1e300}) {
    EXPECT_FALSE(read<double>({1, 4}, {bad, 1, 2, 1}, {.time_unit = EventTimeUnit::kSeconds}).ok());
    EXPECT_FALSE(read<double>({1, 4}, {1, bad, 2, 1}, {.time_unit = EventTimeUnit::kSeconds}).ok());
  }
}

TEST(EventsNpy, ColumnsInAnyOrder) {
  const auto result = read<std::uint32_t>({2, 3}, {1, 9, 5, 2, 9, 6}, {.columns = "x-t"});
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->recording.events, (EventPacket{{5000, 6000}, {1, 2}, {0, 0}, {1, 1}}));
}

TEST(EventsNpy, ErrorsNameTheRow) {
  for (const std::vector<std::int64_t>& row :
       {std::vector<std::int64_t>{4, 1, 2, 1}, {6, -1, 2, 1}, {6, 1, 65536, 1}, {6, 1, 2, 2}}) {
    std::vector<std::int64_t> values = {5, 1, 2, 1};
    values.insert(values.end(), row.begin(), row.end());
    const auto result = read<std::int64_t>({2, 4}, values);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().where, "events.npy: row 1") << result.error().message();
    const auto lenient = read<std::int64_t>({2, 4}, values, {.lenient = true});
    ASSERT_TRUE(lenient.ok());
    EXPECT_EQ(lenient->recording.events.size(), 1U);
    EXPECT_EQ(lenient->report.dropped_bytes, 4 * sizeof(std::int64_t));
  }
}

TEST(EventsNpy, SpikeTensorsAndDamagedFilesAreRefused) {
  const auto tensor = read<float>({3, 2, 4}, std::vector<float>(24, 0.0F));
  ASSERT_FALSE(tensor.ok());
  EXPECT_EQ(tensor.error().code, ErrorCode::kShape);
  EXPECT_NE(tensor.error().message().find("(3, 2, 4)"), std::string::npos);

  const auto bytes = io::to_npy(Tensor::of<std::int64_t>({1, 4}, std::vector<std::int64_t>(4)));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(read_recording_bytes(std::span(bytes).first(size), "cut.npy").ok()) << size;
  }
}

TEST(EventsNpy, StructuredArraysAreRefusedByName) {
  constexpr const char* kPath = "acceptance/events/prophesee/evt3_sample.npy";
  REQUIRE_SHARED(kPath);
  const auto result = read_recording(test::shared_path(kPath).string());
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(result.error().message().find("structured"), std::string::npos)
      << result.error().message();
}

}  // namespace
}  // namespace spikeloom
