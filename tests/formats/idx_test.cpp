/// IDX arrays (MNIST's format), as they are and in gzip.

#include "base/io/idx.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include "base/io/file.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::vector<std::byte> gzipped(const std::vector<std::byte>& bytes) {
  std::vector<std::byte> out(1000);
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
  stream.avail_in = static_cast<unsigned>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<unsigned>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// (2, 3) of bytes, and (2) of big-endian int16.
const std::vector<std::byte> kBytes =
    bytes_of({0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255});
const std::vector<std::byte> kShorts = bytes_of({0, 0, 0x0B, 1, 0, 0, 0, 2, 1, 0, 0xFF, 0xFE});

TEST(Idx, ReadsElementsAndSizes) {
  for (const auto& bytes : {kBytes, gzipped(kBytes)}) {
    EXPECT_TRUE(io::looks_like_idx(bytes));
    const auto array = io::parse_idx(bytes, "x");
    ASSERT_TRUE(array.ok()) << error_of(array);
    EXPECT_EQ(array->dtype(), DType::kUInt8);
    EXPECT_EQ(array->shape(), (Shape{2, 3}));
    EXPECT_EQ(array->to_doubles(), (std::vector<double>{1, 2, 3, 4, 5, 255}));
  }
  const auto shorts = io::parse_idx(kShorts, "x");
  ASSERT_TRUE(shorts.ok()) << error_of(shorts);
  EXPECT_EQ(shorts->to_doubles(), (std::vector<double>{256, -2}));
}

TEST(Idx, RefusesEveryTruncationAndWhatFollows) {
  for (const auto& bytes : {kBytes, kShorts, gzipped(kBytes)}) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto array = io::parse_idx(std::span(bytes).first(size), "x");
      // The last eight bytes of gzip are a checksum of what has been read whole.
      if (array.ok()) {
        EXPECT_GE(size + 8, bytes.size());
      }
    }
  }
  auto longer = kBytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(io::parse_idx(longer, "x").ok());
  EXPECT_FALSE(io::parse_idx(gzipped(longer), "x").ok());
}

TEST(Idx, RefusesSizesThatTheFileCannotHold) {
  const auto huge = bytes_of({0, 0, 8, 3, 127, 255, 255, 255, 127, 255, 255, 255, 0, 0, 0, 1, 0});
  EXPECT_FALSE(io::parse_idx(huge, "x").ok());
  EXPECT_FALSE(io::parse_idx(gzipped(huge), "x").ok());
  EXPECT_FALSE(io::looks_like_idx(bytes_of({0, 0, 7, 1})));
  EXPECT_FALSE(io::looks_like_idx(bytes_of({0, 0, 8, 0})));
}

TEST(Idx, ReadsMnist) {
  REQUIRE_SHARED("data/mnist");
  const auto read = [](const std::string& name) {
    const auto bytes = io::read_file(shared_path("data/mnist/" + name).string());
    return io::parse_idx(*bytes, name);
  };
  const auto images = read("t10k-images-idx3-ubyte.gz");
  const auto labels = read("t10k-labels-idx1-ubyte.gz");
  ASSERT_TRUE(images.ok()) << error_of(images);
  ASSERT_TRUE(labels.ok()) << error_of(labels);
  EXPECT_EQ(images->shape(), (Shape{10000, 28, 28}));
  EXPECT_EQ(labels->shape(), (Shape{10000}));
  // The first digits of the test set, as published: 7 2 1 0 4 1 4 9 5 9.
  const std::vector<double> published = {7, 2, 1, 0, 4, 1, 4, 9, 5, 9};
  for (std::size_t i = 0; i < published.size(); ++i) {
    EXPECT_EQ(labels->at(static_cast<std::int64_t>(i)), published[i]);
  }
}

}  // namespace
}  // namespace spikeloom::test
