/// Event arrays in .npy.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/io/npy.hpp"
#include "sensors/recording_io.hpp"

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

/// A version 1.0 header and bytes behind it.
std::vector<std::byte> structured(const std::string& descr, const std::string& shape,
                                  const std::vector<int>& data) {
  const std::string text =
      "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }\n";
  std::vector<std::byte> bytes;
  for (const char c : std::string("\x93NUMPY\x01") + '\0')
    bytes.push_back(static_cast<std::byte>(c));
  bytes.push_back(static_cast<std::byte>(text.size() & 0xFF));
  bytes.push_back(static_cast<std::byte>(text.size() >> 8));
  for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
  for (const int value : data) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(EventsNpy, FieldsOfAnyOrderAndSize) {
  const auto bytes =
      structured("[('y', '|u1'), ('t', '>u4'), ('flag', '|V1'), ('x', '<i2'), ('on', '|b1')]",
                 "(2,)", {7, 0, 0, 1, 2, 99, 3, 1, 1, 8, 0, 0, 1, 3, 99, 4, 0, 0});
  const auto result = read_recording_bytes(bytes, "a.npy");
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->recording.events,
            (EventPacket{{258 * kMicrosecond, 259 * kMicrosecond}, {259, 4}, {7, 8}, {1, 0}}));
  const auto cut = read_recording_bytes(std::span(bytes).first(bytes.size() - 1), "a.npy");
  ASSERT_FALSE(cut.ok());
  EXPECT_NE(cut.error().where.find("byte"), std::string::npos) << cut.error().message();
}

TEST(EventsNpy, OtherStructuresAreRefused) {
  for (const char* descr :
       {"[('t', '<i8'), ('x', '<u2')]", "[('t', '<f8'), ('x', '<u2'), ('y', '<u2')]",
        "[('t', '<i8', (2,)), ('x', '<u2'), ('y', '<u2')]", "[('t'"}) {
    EXPECT_FALSE(read_recording_bytes(structured(descr, "(0,)", {}), "a.npy").ok()) << descr;
  }
  EXPECT_EQ(read_recording_bytes(
                structured("[('t', '<i8'), ('x', '<u2'), ('y', '<u2')]", "(1, 2)", {}), "a.npy")
                .error()
                .code,
            ErrorCode::kShape);
}

}  // namespace
}  // namespace spikeloom
