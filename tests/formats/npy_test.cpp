#include "base/io/npy.hpp"

#include <chrono>
#include <cmath>

#include <gtest/gtest.h>

#include "base/io/half.hpp"
#include "tests/formats/bytes_support.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::io {
namespace {

using test::ByteWriter;

/// A version 1.0 file with this header and body.
ByteWriter npy(std::string_view header, int version = 1) {
  ByteWriter file;
  file.text("\x93NUMPY").put(static_cast<std::uint64_t>(version), 1).put(0, 1);
  file.put(header.size(), version == 1 ? 2 : 4).text(header);
  return file;
}

TEST(Npy, ReadsEveryVersionAndBothByteOrders) {
  for (const int version : {1, 2, 3}) {
    const auto file = npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }\n", version)
                          .put(1, 2)
                          .put(2, 2)
                          .put(0xffff, 2)
                          .put(4, 2)
                          .put(5, 2)
                          .put(6, 2);
    const auto tensor = parse_npy(file.bytes(), "a.npy");
    ASSERT_TRUE(tensor.ok()) << tensor.error().message();
    EXPECT_EQ(tensor->dtype(), DType::kInt16);
    EXPECT_EQ(tensor->shape(), (Shape{2, 3}));
    EXPECT_EQ(tensor->to_doubles(), (std::vector<double>{1, 2, -1, 4, 5, 6}));
  }
  const auto big = npy("{'descr':'>u4','fortran_order':False,'shape':(1,)}").text({"\0\0\1\2", 4});
  const auto tensor = parse_npy(big.bytes(), "b.npy");
  ASSERT_TRUE(tensor.ok()) << tensor.error().message();
  EXPECT_EQ(tensor->at(0), 258.0);
}

TEST(Npy, FortranOrderBecomesCOrder) {
  // [[1, 2, 3], [4, 5, 6]] column by column.
  const auto file = npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }")
                        .text("\x01\x04\x02\x05\x03\x06");
  const auto tensor = parse_npy(file.bytes(), "f.npy");
  ASSERT_TRUE(tensor.ok()) << tensor.error().message();
  EXPECT_EQ(tensor->to_doubles(), (std::vector<double>{1, 2, 3, 4, 5, 6}));
  // Three axes: element (i, j, k) = 100 i + 10 j + k lies at i + 2 j + 4 k.
  ByteWriter cube = npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2, 2), }");
  for (const int value : {0, 100, 10, 110, 1, 101, 11, 111}) {
    cube.put(static_cast<std::uint64_t>(value), 1);
  }
  const auto ordered = parse_npy(cube.bytes(), "c.npy");
  ASSERT_TRUE(ordered.ok());
  EXPECT_EQ(ordered->to_doubles(), (std::vector<double>{0, 1, 10, 11, 100, 101, 110, 111}));
}

TEST(Npy, ScalarsEmptiesAndPythonTwo) {
  const auto scalar = parse_npy(
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), }").floats({2.5f}).bytes(), "s");
  ASSERT_TRUE(scalar.ok());
  EXPECT_EQ(scalar->shape(), Shape{});
  EXPECT_EQ(*scalar->to_scalar(), 2.5);
  const auto empty =
      parse_npy(npy("{'descr': '<f8', 'fortran_order': True, 'shape': (0L, 3L), }").bytes(), "e");
  ASSERT_TRUE(empty.ok()) << empty.error().message();
  EXPECT_EQ(empty->shape(), (Shape{0, 3}));
}

TEST(Npy, HalfPrecisionIsWidened) {
  // IEEE 754-2008 binary16: 1, -2, largest, smallest subnormal, infinity, -0.
  ByteWriter file = npy("{'descr': '<f2', 'fortran_order': False, 'shape': (6,), }");
  for (const int bits : {0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00, 0x8000}) {
    file.put(static_cast<std::uint64_t>(bits), 2);
  }
  const auto tensor = parse_npy(file.bytes(), "h.npy");
  ASSERT_TRUE(tensor.ok());
  EXPECT_EQ(tensor->dtype(), DType::kFloat32);
  EXPECT_EQ(tensor->to_doubles(), (std::vector<double>{1, -2, 65504, 0x1p-24, HUGE_VAL, -0.0}));
  EXPECT_TRUE(std::signbit(tensor->at(5)));
  EXPECT_TRUE(std::isnan(float_from_half(0x7e01)));
  EXPECT_EQ(float_from_bfloat16(0x4049), 3.140625f);
}

TEST(Npy, RefusesByNameWhatItDoesNotRead) {
  const std::pair<const char*, const char*> cases[] = {{"'|O'", "object"},
                                                       {"'<c8'", "complex"},
                                                       {"'<U5'", "text"},
                                                       {"'|S3'", "text"},
                                                       {"'<M8[us]'", "date and time"},
                                                       {"[('a', '<i4')]", "structured"},
                                                       {"'|V8'", "structured"},
                                                       {"'<f16'", "such"}};
  for (const auto& [descr, word] : cases) {
    const auto file =
        npy(std::string("{'descr': ") + descr + ", 'fortran_order': False, 'shape': (1,), }")
            .put(0, 8);
    const auto tensor = parse_npy(file.bytes(), "x.npy");
    ASSERT_FALSE(tensor.ok()) << descr;
    EXPECT_EQ(tensor.error().code, ErrorCode::kUnsupported) << descr;
    EXPECT_NE(tensor.error().what.find(word), std::string::npos) << tensor.error().message();
    EXPECT_EQ(tensor.error().where, "x.npy");
  }
}

TEST(Npy, RefusesEveryPrefixAndAnythingLeftOver) {
  const auto whole = to_npy(Tensor::of<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_npy(std::span(whole).first(size), "p").ok()) << size;
  }
  auto longer = whole;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(parse_npy(longer, "p").ok());
  EXPECT_TRUE(parse_npy(whole, "p").ok());
}

TEST(Npy, RefusesDamagedHeaders) {
  for (const char* header :
       {"", "{", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
        "{'descr': [[[, 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"}) {
    const auto tensor = parse_npy(npy(header).put(0, 4).bytes(), "d.npy");
    ASSERT_FALSE(tensor.ok()) << header;
    EXPECT_EQ(tensor.error().code, ErrorCode::kFormat) << header;
  }
}

TEST(Npy, ClaimsAreCheckedBeforeAnythingIsAllocated) {
  for (const char* shape : {"(1000000000000,)", "(4294967296, 4294967296)", "(281474976710656,)",
                            "(1000000, 1000000, 0, 5)"}) {
    const auto file =
        npy(std::string("{'descr': '<f8', 'fortran_order': True, 'shape': ") + shape + ", }")
            .pad_to(1024);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(parse_npy(file.bytes(), "huge.npy").ok()) << shape;
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
  }
}

TEST(Npy, WritesTheBytesOfNumpy) {
  // numpy.save of np.array([[1.5, -2.0]], dtype='<f4'), NumPy 2.4: 118 bytes of header in all.
  ByteWriter expected;
  expected.text("\x93NUMPY").put(1, 1).put(0, 1).put(118, 2);
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
  header.append(117 - header.size(), ' ');
  expected.text(header + "\n").floats({1.5f, -2.0f});
  EXPECT_EQ(to_npy(Tensor::of<float>({1, 2}, std::vector<float>{1.5f, -2.0f})), expected.bytes());
}

TEST(Npy, MissingFilesAndFoldersAreToldApart) {
  test::TemporaryFolder folder;
  EXPECT_EQ(read_npy(folder / "none.npy").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read_npy(folder / "").error().code, ErrorCode::kIo);
  ASSERT_TRUE(write_npy(folder / "a.npy", Tensor::scalar(1.0)).ok());
  EXPECT_EQ(read_npy(folder / "a.npy", 10).error().code, ErrorCode::kResource);
  EXPECT_EQ(*read_npy(folder / "a.npy")->to_scalar(), 1.0);
}

TEST(Npy, ReadsThePublishedBrailleSample) {
  REQUIRE_SHARED("acceptance/nir/03_rnn");
  const std::string folder = test::shared_path("acceptance/nir/03_rnn").string();
  const auto input = read_npy(folder + "/braille_ds_test0_input_256x12.npy");
  ASSERT_TRUE(input.ok()) << input.error().message();
  EXPECT_EQ(input->shape(), (Shape{256, 12}));
  // The same sample as text beside it.
  const auto text = read_text_file(folder + "/braille_ds_test0_input_256x12.csv");
  ASSERT_TRUE(text.ok());
  std::vector<double> values;
  for (const char c : *text) {
    if (c == '0' || c == '1') values.push_back(c - '0');
  }
  EXPECT_EQ(input->to_doubles(), values);
  const auto spikes = read_npy(folder + "/snntorch_activity_noDelay_bias_zero.npy");
  ASSERT_TRUE(spikes.ok());
  double count = 0;
  for (const double spike : spikes->to_doubles()) count += spike;
  EXPECT_EQ(count, 119.0);
}

}  // namespace
}  // namespace spikeloom::io
