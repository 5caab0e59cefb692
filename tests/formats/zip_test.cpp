#include "base/io/zip.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include "base/io/npy.hpp"
#include "tests/formats/bytes_support.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::io {
namespace {

using test::ByteWriter;

/// One entry of a hand-made archive; the fields a test may falsify.
struct Part {
  std::string name;
  std::string packed;
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
  int method = 0;
  int flags = 0;
  std::string extra = {};
};

std::uint32_t crc_of(const std::string& text) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

Part stored(std::string name, std::string text) {
  return {std::move(name), text, text.size(), crc_of(text)};
}

/// "hello hello hello hello" as raw DEFLATE: Python's zlib.compressobj(9, zlib.DEFLATED, -15).
Part deflated() {
  const std::string packed("\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x27\x01", 10);
  const std::string text = "hello hello hello hello";
  return {"h.txt", packed, text.size(), crc_of(text), 8};
}

ByteWriter archive(const std::vector<Part>& parts, std::size_t local_shift = 0) {
  ByteWriter file;
  ByteWriter directory;
  for (const Part& part : parts) {
    const auto common = [&](ByteWriter& out) {
      out.put(static_cast<std::uint64_t>(part.flags), 2);
      out.put(static_cast<std::uint64_t>(part.method), 2).put(0, 4).put(part.crc, 4);
      out.put(part.packed.size(), 4).put(part.bytes, 4).put(part.name.size(), 2);
    };
    directory.text("PK\1\2").put(20, 2).put(20, 2);
    common(directory);
    directory.put(part.extra.size(), 2).put(0, 10).put(file.size() + local_shift, 4);
    directory.text(part.name).text(part.extra);
    file.text("PK\3\4").put(20, 2);
    common(file);
    file.put(0, 2).text(part.name).text(part.packed);
  }
  const std::size_t start = file.size();
  file.append(directory.bytes());
  file.text("PK\5\6").put(0, 4).put(parts.size(), 2).put(parts.size(), 2);
  file.put(directory.size(), 4).put(start, 4).put(0, 2);
  return file;
}

std::string as_text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Zip, ReadsStoredAndDeflatedEntries) {
  const auto file = archive({stored("a", "abc"), deflated(), stored("empty", "")});
  const auto zip = ZipArchive::view(file.bytes(), "t.zip");
  ASSERT_TRUE(zip.ok()) << zip.error().message();
  ASSERT_EQ(zip->entries().size(), 3u);
  const auto text = zip->read(*zip->find("h.txt"));
  ASSERT_TRUE(text.ok()) << text.error().message();
  EXPECT_EQ(as_text(*text), "hello hello hello hello");
  EXPECT_EQ(as_text(*zip->read(*zip->find("a"))), "abc");
  EXPECT_TRUE(zip->read(*zip->find("empty"))->empty());
  EXPECT_EQ(zip->find("b"), nullptr);
}

TEST(Zip, ReadsZip64Sizes) {
  Part part = stored("a", "abc");
  part.bytes = 0xffffffff;
  part.extra = std::string("\1\0\x08\0\3\0\0\0\0\0\0\0", 12);
  const auto zip = ZipArchive::view(archive({part}).bytes(), "t.zip");
  // The view needs its bytes only while it is used; this one is not used any more.
  ASSERT_TRUE(zip.ok()) << zip.error().message();
  EXPECT_EQ(zip->entries()[0].bytes, 3u);
}

TEST(Zip, RefusesEveryPrefix) {
  const auto file = archive({stored("a", "abc"), deflated()});
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(ZipArchive::view(std::span(file.bytes()).first(size), "t").ok()) << size;
  }
}

TEST(Zip, RefusesFalseClaims) {
  Part bomb = deflated();
  bomb.bytes = 1 << 20;
  Part encrypted = stored("a", "abc");
  encrypted.flags = 1;
  Part other = stored("a", "abc");
  other.method = 12;
  Part uneven = stored("a", "abc");
  uneven.bytes = 4;
  const std::pair<std::vector<Part>, ErrorCode> cases[] = {
      {{bomb}, ErrorCode::kFormat},
      {{encrypted}, ErrorCode::kUnsupported},
      {{other}, ErrorCode::kUnsupported},
      {{uneven}, ErrorCode::kFormat},
      {{stored("a", "abc"), stored("a", "abd")}, ErrorCode::kFormat},
  };
  for (const auto& [parts, code] : cases) {
    const auto zip = ZipArchive::view(archive(parts).bytes(), "t.zip");
    ASSERT_FALSE(zip.ok());
    EXPECT_EQ(zip.error().code, code) << zip.error().message();
  }
  EXPECT_FALSE(ZipArchive::view(archive({stored("a", "abc")}, 5).bytes(), "t").ok());
}

TEST(Zip, RefusesOverlappingEntries) {
  // Two directory entries over the same local data: the trick of the non-recursive ZIP bomb.
  auto file = archive({stored("a", "abc"), stored("b", "abc")}).bytes();
  const std::size_t second = 2 * (30 + 1 + 3) + 46 + 1 + 42;
  ASSERT_EQ(file[second], std::byte{34});
  file[second] = std::byte{0};
  const auto zip = ZipArchive::view(file, "t.zip");
  ASSERT_FALSE(zip.ok());
  EXPECT_NE(zip.error().what.find("overlap"), std::string::npos) << zip.error().message();
}

TEST(Zip, LimitsTheSumOfAllEntries) {
  const auto file =
      archive({stored("a", std::string(600, 'x')), stored("b", std::string(600, 'x'))});
  EXPECT_EQ(ZipArchive::view(file.bytes(), "t", 1000).error().code, ErrorCode::kResource);
  EXPECT_TRUE(ZipArchive::view(file.bytes(), "t", 1200).ok());
}

TEST(Zip, ChecksTheChecksum) {
  Part part = stored("a", "abc");
  part.crc ^= 1;
  const auto file = archive({part});
  const auto zip = ZipArchive::view(file.bytes(), "t.zip");
  ASSERT_TRUE(zip.ok());
  EXPECT_EQ(zip->read(zip->entries()[0]).error().code, ErrorCode::kFormat);
}

TEST(Npz, ReadsWhatNumpyWrote) {
  const auto folder = test::source_dir() / "tests/fuzz/corpus/npz";
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const auto arrays = read_npz((folder / name).string());
    ASSERT_TRUE(arrays.ok()) << arrays.error().message();
    EXPECT_EQ(arrays->at(0).first, "a");
    EXPECT_EQ(arrays->at(0).second.at(2), 2.0);
  }
}

TEST(Npz, WhatIsWrittenIsReadAndNamesWhatIsWrong) {
  test::TemporaryFolder folder;
  const NamedTensors tensors = {{"w", Tensor::of<float>({2, 2}, std::vector<float>{1, 2, 3, 4})},
                                {"n", Tensor::scalar<std::int64_t>(-5)}};
  ASSERT_TRUE(write_npz(folder / "a.npz", tensors).ok());
  const auto read = read_npz(folder / "a.npz");
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(*read, tensors);
  EXPECT_EQ(folder.count(), 1u);
  const auto file = archive({stored("readme.txt", "abc")});
  const auto refused = parse_npz(file.bytes(), "x.npz");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().where, "x.npz: readme.txt");
}

}  // namespace
}  // namespace spikeloom::io
