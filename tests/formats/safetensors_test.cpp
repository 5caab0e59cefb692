#include "models/tensors/safetensors.hpp"

#include <chrono>

#include <gtest/gtest.h>

#include "tests/formats/bytes_support.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom {
namespace {

using test::ByteWriter;

ByteWriter file_of(std::string_view header) {
  return ByteWriter().put(header.size(), 8).text(header);
}

TEST(Safetensors, ReadsEachKindOfElement) {
  auto file = file_of(R"({"__metadata__": {"format": "pt"},
      "w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
      "b": {"dtype": "BF16", "shape": [1], "data_offsets": [16, 18]},
      "h": {"dtype": "F16", "shape": [], "data_offsets": [18, 20]},
      "q": {"dtype": "BOOL", "shape": [2], "data_offsets": [20, 22]},
      "i": {"dtype": "I16", "shape": [1], "data_offsets": [22, 24]},
      "e": {"dtype": "F64", "shape": [0, 3], "data_offsets": [24, 24]}})");
  file.floats({1, 2, 3, 4}).put(0x4049, 2).put(0xc000, 2).put(1, 1).put(0, 1).put(0xfffe, 2);
  const auto read = parse_safetensors(file.bytes(), "m.safetensors");
  ASSERT_TRUE(read.ok()) << read.error().message();
  ASSERT_EQ(read->tensors.size(), 6u);
  EXPECT_EQ(read->tensors[0].name, "w");
  EXPECT_EQ(read->find("w")->to_doubles(), (std::vector<double>{1, 2, 3, 4}));
  EXPECT_EQ(read->find("b")->at(0), 3.140625);
  EXPECT_EQ(*read->find("h")->to_scalar(), -2.0);
  EXPECT_EQ(read->find("q")->to_doubles(), (std::vector<double>{1, 0}));
  EXPECT_EQ(read->find("i")->at(0), -2.0);
  EXPECT_EQ(read->find("e")->shape(), (Shape{0, 3}));
  EXPECT_EQ(*read->metadata.find("format")->as_string(), "pt");
}

TEST(Safetensors, RefusesEveryPrefix) {
  const auto file =
      file_of(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})").floats({1, 2});
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(parse_safetensors(std::span(file.bytes()).first(size), "p").ok()) << size;
  }
  EXPECT_TRUE(parse_safetensors(file.bytes(), "p").ok());
}

TEST(Safetensors, RefusesWhatTheFormatForbids) {
  const std::pair<const char*, ErrorCode> cases[] = {
      {R"([])", ErrorCode::kFormat},
      {R"({"w":{"dtype":"F32","shape":[2]}})", ErrorCode::kFormat},
      {R"({"w":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})", ErrorCode::kUnsupported},
      {R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", ErrorCode::kFormat},
      {R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", ErrorCode::kFormat},
      {R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", ErrorCode::kFormat},
      {R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
           "v":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       ErrorCode::kFormat},
      {R"({"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", ErrorCode::kShape},
      {R"({"w":{"dtype":"F32","shape":[1.5],"data_offsets":[0,8]}})", ErrorCode::kFormat},
      {R"({"__metadata__":{"a":1},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
       ErrorCode::kFormat},
  };
  for (const auto& [header, code] : cases) {
    const auto read = parse_safetensors(file_of(header).floats({1, 2}).bytes(), "x");
    ASSERT_FALSE(read.ok()) << header;
    EXPECT_EQ(read.error().code, code) << read.error().message();
  }
}

TEST(Safetensors, ClaimsAreCheckedBeforeAnythingIsAllocated) {
  const auto start = std::chrono::steady_clock::now();
  for (const char* shape : {"1000000000000", "4294967296,4294967296", "281474976710656"}) {
    const auto file = file_of(std::string(R"({"w":{"dtype":"F32","shape":[)") + shape +
                              R"(],"data_offsets":[0,4000000000000]}})")
                          .pad_to(1024);
    EXPECT_FALSE(parse_safetensors(file.bytes(), "x").ok());
  }
  EXPECT_FALSE(parse_safetensors(ByteWriter().put(99'999'999, 8).text("{").bytes(), "x").ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
}

TEST(Safetensors, WhatIsWrittenIsReadAndAligned) {
  test::TemporaryFolder folder;
  TensorFile file;
  file.tensors = {{"flag", Tensor::of<std::int8_t>({3}, std::vector<std::int8_t>{1, 2, 3})},
                  {"layer.\"w\"", Tensor::of<double>({2}, std::vector<double>{0.5, -1})}};
  file.metadata.set("origin", "test");
  ASSERT_TRUE(write_safetensors(folder / "a", file).ok());
  const auto bytes = test::slurp(folder / "a");
  const auto read = parse_safetensors(bytes, "a");
  ASSERT_TRUE(read.ok()) << read.error().message();
  ASSERT_EQ(read->tensors.size(), 2u);
  EXPECT_EQ(read->tensors[0].name, "flag");
  EXPECT_EQ(read->tensors[0].tensor, file.tensors[0].tensor);
  EXPECT_EQ(read->tensors[1].tensor, file.tensors[1].tensor);
  EXPECT_EQ(read->metadata, file.metadata);
  // The doubles lie first, at a multiple of 8, and the bytes last.
  EXPECT_EQ((bytes.size() - 16 - 3) % 8, 0u);
  EXPECT_EQ(bytes.back(), std::byte{3});
  file.tensors[0].name = "__metadata__";
  EXPECT_EQ(write_safetensors(folder / "b", file).error().code, ErrorCode::kInvalidArgument);
  file.tensors[0].name = "\xff";
  EXPECT_EQ(write_safetensors(folder / "b", file).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(folder.count(), 1u);
}

TEST(TensorFiles, AreToldApartByContent) {
  const auto corpus = test::source_dir() / "tests/fuzz/corpus";
  EXPECT_EQ(read_tensor_file((corpus / "npz/stored.npz").string())->format, "npz");
  EXPECT_EQ(read_tensor_file((corpus / "pt/handwritten.pt").string())->format, "torch");
  EXPECT_EQ(read_tensor_file((corpus / "safetensors/mixed.safetensors").string())->format,
            "safetensors");
  const auto hdf5 = read_tensor_file((corpus / "hdf5/old.h5").string());
  EXPECT_EQ(hdf5.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(parse_tensor_file(ByteWriter().text("hello").bytes(), "x").error().code,
            ErrorCode::kFormat);
  EXPECT_EQ(parse_tensor_file({}, "x").error().code, ErrorCode::kFormat);
  EXPECT_EQ(read_tensor_file("/no/such.pt").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace spikeloom
