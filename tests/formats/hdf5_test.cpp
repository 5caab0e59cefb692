#include "base/io/hdf5.hpp"

#include <chrono>

#include <gtest/gtest.h>

#include "tests/formats/bytes_support.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::io {
namespace {

using test::ByteWriter;

std::filesystem::path corpus(const char* name) {
  return test::source_dir() / "tests/fuzz/corpus/hdf5" / name;
}

/// What one message of a version 1 object header looks like; the body is padded to 8 bytes.
void message(ByteWriter& out, int type, ByteWriter body) {
  body.pad_to((body.size() + 7) / 8 * 8);
  out.put(static_cast<std::uint64_t>(type), 2).put(body.size(), 2).put(0, 4).append(body.bytes());
}

ByteWriter object_header(const ByteWriter& messages, int count) {
  ByteWriter header;
  header.put(1, 2).put(static_cast<std::uint64_t>(count), 2).put(1, 4).put(messages.size(), 4);
  return header.put(0, 4).append(messages.bytes());
}

/// A file with one dataset "d", by the format specification: superblock 0, a root group whose one
/// link is a message in its header, and the dataset's header from these messages.
std::vector<std::byte> file_of(const ByteWriter& dataset, int count, std::size_t size = 1024) {
  constexpr std::uint64_t kNone = ~0ull, kRoot = 96, kDataset = 200;
  ByteWriter file;
  file.text("\x89HDF\r\n\x1a\n").put(0, 5).put(8, 1).put(8, 1).put(0, 1);
  file.put(4, 2).put(16, 2).put(0, 4).put(0, 8).put(kNone, 8).put(size, 8).put(kNone, 8);
  file.put(0, 8).put(kRoot, 8).put(0, 24);
  ByteWriter root;
  message(root, 0x02, ByteWriter().put(0, 2).put(kNone, 8).put(kNone, 8));
  message(root, 0x06, ByteWriter().put(1, 1).put(0, 1).put(1, 1).text("d").put(kDataset, 8));
  file.append(object_header(root, 2).bytes());
  file.pad_to(kDataset).append(object_header(dataset, count).bytes());
  return file.pad_to(size).bytes();
}

ByteWriter float32() {  // IEEE, little endian: section IV.A.2.d of the specification
  ByteWriter type;
  type.put(0x11, 1).put(0x20, 1).put(31, 1).put(0, 1).put(4, 4).put(0, 2).put(32, 2);
  return type.put(23, 1).put(8, 1).put(0, 1).put(23, 1).put(127, 4);
}

ByteWriter text_type() {  // variable-length UTF-8
  ByteWriter type;
  type.put(0x19, 1).put(1, 1).put(1, 1).put(0, 1).put(16, 4);
  return type.put(0x13, 1).put(0, 3).put(1, 4);
}

ByteWriter vector_space(std::uint64_t extent) {
  return ByteWriter().put(1, 1).put(1, 1).put(0, 6).put(extent, 8);
}

ByteWriter dataset_of(std::uint64_t extent, const ByteWriter& type, const ByteWriter& layout) {
  ByteWriter messages;
  message(messages, 0x01, vector_space(extent));
  message(messages, 0x03, type);
  message(messages, 0x08, layout);
  return messages;
}

ByteWriter contiguous(std::uint64_t address, std::uint64_t bytes) {
  return ByteWriter().put(3, 1).put(1, 1).put(address, 8).put(bytes, 8);
}

TEST(Hdf5, ReadsAFileMadeByHand) {
  auto bytes = file_of(dataset_of(3, float32(), contiguous(1000, 12)), 3);
  const auto values = ByteWriter().floats({1.5f, -2, 3}).bytes();
  std::copy(values.begin(), values.end(), bytes.begin() + 1000);
  const auto file = Hdf5File::open_bytes(bytes, "hand.h5");
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(*file->root().children(), std::vector<std::string>{"d"});
  const auto tensor = file->root().read_tensor("d");
  ASSERT_TRUE(tensor.ok()) << tensor.error().message();
  EXPECT_EQ(tensor->to_doubles(), (std::vector<double>{1.5, -2, 3}));
}

/// The two files hold the same values, written by h5py 3.16 with libver 'earliest' and 'latest':
/// old and new groups, headers, chunk indexes.
class Hdf5FromH5py : public testing::TestWithParam<const char*> {};

TEST_P(Hdf5FromH5py, ReadsEveryKind) {
  const auto file = Hdf5File::open(corpus(GetParam()).string());
  ASSERT_TRUE(file.ok()) << file.error().message();
  const Hdf5Group root = file->root();
  EXPECT_EQ(*root.read_string("s"), "text");
  EXPECT_EQ(root.read_strings("edges")->shape, (Shape{1, 2}));
  EXPECT_EQ(root.read_strings("edges")->values, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(root.read_strings("fs")->values, (std::vector<std::string>{"ab"}));
  EXPECT_EQ(root.info("b")->dtype, DType::kBool);
  EXPECT_EQ(root.read_tensor("b")->to_doubles(), (std::vector<double>{1, 0}));
  EXPECT_EQ(*root.read_tensor("h")->to_scalar(), 1.5);
  EXPECT_EQ(root.info("be")->type, "big-endian float64");
  EXPECT_EQ(root.read_tensor("be")->to_doubles(), (std::vector<double>{0, 1}));
  const auto info = root.info("z");
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->filters, (std::vector<std::string>{"shuffle", "deflate", "fletcher32"}));
  const auto z = root.read_tensor("z");
  ASSERT_TRUE(z.ok()) << z.error().message();
  EXPECT_EQ(z->shape(), (Shape{4, 5}));
  for (std::int64_t i = 0; i < 20; ++i) EXPECT_EQ(z->at(i), static_cast<double>(i));
  EXPECT_EQ(*root.attribute("n")->as_integer(), 3);
  EXPECT_EQ(*root.attribute("t")->as_string(), "x");
  EXPECT_EQ(*root.attributes(), (std::vector<std::string>{"n", "t"}));
  const auto group = root.group("g");
  ASSERT_TRUE(group.ok());
  EXPECT_EQ(group->path(), "/g");
  EXPECT_EQ(group->kind("soft"), Hdf5Kind::kOther);
  EXPECT_EQ(group->read_tensor("soft").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(group->read_tensor("e")->shape(), (Shape{0, 2}));
  EXPECT_EQ(group->read_tensor("u")->to_doubles(), std::vector<double>(7, 3.0));
}

TEST_P(Hdf5FromH5py, NoPrefixDoesMoreThanFail) {
  const auto whole = test::slurp(corpus(GetParam()));
  for (std::size_t size = 0; size < whole.size(); size += 11) {
    const auto file = Hdf5File::open_bytes(std::span(whole).first(size), "part.h5");
    ASSERT_FALSE(file.ok()) << size;
    EXPECT_EQ(file.error().code, ErrorCode::kFormat);
  }
}

TEST_P(Hdf5FromH5py, AnyFlippedByteIsReadOrRefused) {
  const auto whole = test::slurp(corpus(GetParam()));
  for (std::size_t at = 0; at < whole.size(); at += 7) {
    auto bytes = whole;
    bytes[at] ^= std::byte{0xff};
    const auto file = Hdf5File::open_bytes(bytes, "bad.h5", {.max_bytes = 1 << 20});
    if (!file.ok()) continue;
    for (const char* name : {"b", "s", "edges", "z", "fs"}) {
      static_cast<void>(file->root().read_tensor(name).ok());
      static_cast<void>(file->root().read_strings(name).ok());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Hdf5FromH5py, testing::Values("old.h5", "new.h5"),
                         [](const auto& info) { return std::string(info.param).substr(0, 3); });

TEST(Hdf5, NewGroupsAndIndexesWithManyEntries) {
  const auto file = Hdf5File::open(corpus("new.h5").string());
  ASSERT_TRUE(file.ok());
  const auto group = file->root().group("g");
  ASSERT_TRUE(group.ok());
  for (int i = 0; i < 12; ++i) {  // more than eight: a fractal heap
    const auto number = group->read_tensor("n" + std::to_string(i));
    ASSERT_TRUE(number.ok()) << number.error().message();
    EXPECT_EQ(*number->to_scalar(), i);
    EXPECT_EQ(*file->root().attribute("a" + std::to_string(i), "g")->as_integer(), i);
  }
  const auto tree = file->root().read_tensor("t2");
  ASSERT_TRUE(tree.ok()) << tree.error().message();
  EXPECT_EQ(tree->at(11), 11.0);
  EXPECT_EQ(file->root().read_tensor("fa")->at(8), 8.0);
}

TEST(Hdf5, ClaimsAreCheckedBeforeAnythingIsAllocated) {
  constexpr std::uint64_t kHuge = 1'000'000'000'000;
  const ByteWriter chunks =
      ByteWriter().put(3, 1).put(2, 1).put(2, 1).put(1000, 8).put(0xffffffff, 4).put(4, 4);
  const std::vector<std::byte> files[] = {
      file_of(dataset_of(kHuge, float32(), contiguous(1000, 4 * kHuge)), 3),
      file_of(dataset_of(kHuge, float32(), contiguous(~0ull, 0)), 3),
      file_of(dataset_of(1ull << 62, float32(), contiguous(1000, 0)), 3),
      file_of(dataset_of(kHuge, float32(), chunks), 3),
      file_of(dataset_of(8, float32(), chunks), 3),
      file_of(dataset_of(10, float32(), contiguous(1000, 40)), 3),
      file_of(dataset_of(kHuge, text_type(), contiguous(1000, 16 * kHuge)), 3),
      file_of(dataset_of(1, text_type(), contiguous(1008, 16)), 3)};
  for (std::size_t i = 0; i < std::size(files); ++i) {
    auto bytes = files[i];
    if (i == 7) {  // a text of 4 GB in a heap that is not there
      const auto reference = ByteWriter().put(0xffffffff, 4).put(96, 8).put(1, 4).bytes();
      std::copy(reference.begin(), reference.end(), bytes.begin() + 1008);
    }
    const auto start = std::chrono::steady_clock::now();
    const auto file = Hdf5File::open_bytes(bytes, "huge.h5");
    ASSERT_TRUE(file.ok()) << file.error().message();
    const auto tensor = file->root().read_tensor("d");
    const auto strings = file->root().read_strings("d");
    EXPECT_FALSE(tensor.ok()) << i;
    EXPECT_FALSE(strings.ok()) << i;
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100)) << i;
  }
}

TEST(Hdf5, FailuresAreToldApart) {
  test::TemporaryFolder folder;
  EXPECT_EQ(Hdf5File::open(folder / "none.h5").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Hdf5File::open(folder / "").error().code, ErrorCode::kIo);
  const auto text = ByteWriter().text("this is not HDF5").pad_to(4096).bytes();
  EXPECT_EQ(Hdf5File::open_bytes(text, "x").error().what, "not an HDF5 file");
  auto bytes = file_of(dataset_of(3, float32(), contiguous(1000, 12)), 3);
  bytes.resize(1000);
  EXPECT_EQ(Hdf5File::open_bytes(bytes, "x").error().what, "the HDF5 file is truncated");
  const auto file = Hdf5File::open(corpus("old.h5").string());
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->root().read_tensor("nothing").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(file->root().read_tensor("g").error().code, ErrorCode::kFormat);
  EXPECT_EQ(file->root().group("b").error().code, ErrorCode::kFormat);
  EXPECT_EQ(file->root().read_tensor("s").error().code, ErrorCode::kFormat);
  EXPECT_EQ(file->root().read_strings("b").error().code, ErrorCode::kFormat);
  EXPECT_EQ(file->root().kind("g/e"), Hdf5Kind::kMissing);
  EXPECT_EQ(file->root().attribute("none").error().code, ErrorCode::kNotFound);
}

TEST(Hdf5, ACycleOfHardLinksEnds) {
  auto bytes = file_of(dataset_of(3, float32(), contiguous(1000, 12)), 3);
  bytes[96 + 16 + 8 + 24 + 8 + 4] = std::byte{96};  // the link's address: the root itself
  const auto file = Hdf5File::open_bytes(bytes, "cycle.h5", {.max_depth = 20});
  ASSERT_TRUE(file.ok());
  Result<Hdf5Group> group = file->root();
  int depth = 0;
  while (group.ok() && depth < 1000) {
    group = group->group("d");
    ++depth;
  }
  EXPECT_EQ(depth, 21);
  EXPECT_EQ(group.error().code, ErrorCode::kResource);
}

TEST(Hdf5, WhatIsWrittenIsRead) {
  test::TemporaryFolder folder;
  const Tensor weight = Tensor::of<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  auto flags = Tensor::from_bytes(DType::kBool, {2}, {std::byte{1}, std::byte{0}});
  ASSERT_TRUE(flags.ok());
  {
    auto writer = Hdf5Writer::create(folder / "a.h5");
    ASSERT_TRUE(writer.ok()) << writer.error().message();
    auto group = writer->root().create_group("g");
    ASSERT_TRUE(group.ok());
    for (const auto compression : {Hdf5Compression::kNone, Hdf5Compression::kDeflate}) {
      const std::string suffix = compression == Hdf5Compression::kNone ? "" : "_z";
      ASSERT_TRUE(group->write_tensor("w" + suffix, weight, compression).ok());
      ASSERT_TRUE(group->write_tensor("q" + suffix, *flags, compression).ok());
      ASSERT_TRUE(group->write_tensor("s" + suffix, Tensor::scalar(2.5), compression).ok());
      ASSERT_TRUE(group->write_tensor("e" + suffix, Tensor(), compression).ok());
    }
    ASSERT_TRUE(group->write_string("t", "caf\xc3\xa9").ok());
    const std::vector<std::string> edges = {"a", "", "b", "c"};
    ASSERT_TRUE(group->write_strings("edges", {2, 2}, edges).ok());
    ASSERT_TRUE(group->write_attribute("dt", Value(1e-4), "w").ok());
    ASSERT_TRUE(group->write_attribute("names", Value(Value::List{"x", "y"})).ok());
    ASSERT_TRUE(group->write_attribute("yes", Value(true)).ok());
    EXPECT_FALSE(group->write_tensor("a/b", weight).ok());
    EXPECT_FALSE(group->write_tensor("w", weight).ok());
    EXPECT_FALSE(group->write_attribute("mixed", Value(Value::List{1, "y"})).ok());
    EXPECT_FALSE(std::filesystem::exists(folder / "a.h5"));
    ASSERT_TRUE(writer->commit().ok());
    EXPECT_EQ(group->write_string("late", "x").error().code, ErrorCode::kInvalidArgument);
  }
  const auto file = Hdf5File::open(folder / "a.h5");
  ASSERT_TRUE(file.ok()) << file.error().message();
  const auto group = file->root().group("g");
  ASSERT_TRUE(group.ok());
  for (const std::string suffix : {"", "_z"}) {
    EXPECT_EQ(*group->read_tensor("w" + suffix), weight);
    EXPECT_EQ(*group->read_tensor("q" + suffix), *flags);
    EXPECT_EQ(*group->read_tensor("s" + suffix), Tensor::scalar(2.5));
    EXPECT_EQ(group->read_tensor("e" + suffix)->shape(), Shape{0});
  }
  EXPECT_EQ(group->info("w_z")->filters, std::vector<std::string>{"deflate"});
  EXPECT_EQ(*group->read_string("t"), "caf\xc3\xa9");
  EXPECT_EQ(group->read_strings("edges")->values[2], "b");
  EXPECT_EQ(*group->attribute("dt", "w")->as_real(), 1e-4);
  EXPECT_EQ(*group->attribute("names"), Value(Value::List{"x", "y"}));
  EXPECT_EQ(*group->attribute("yes")->as_bool(), true);
}

TEST(Hdf5, NothingHalfWrittenRemains) {
  test::TemporaryFolder folder;
  {
    auto writer = Hdf5Writer::create(folder / "a.h5");
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->root().write_string("t", "x").ok());
  }
  EXPECT_EQ(folder.count(), 0u);
  EXPECT_EQ(Hdf5Writer::create(folder / "no/such/a.h5").error().code, ErrorCode::kIo);
  for (const char* name : {"a.h5", "b.h5"}) {  // equal content, equal bytes
    auto writer = Hdf5Writer::create(folder / name);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->root().write_tensor("x", Tensor::full({3}, 1.0f)).ok());
    ASSERT_TRUE(writer->commit().ok());
  }
  EXPECT_EQ(test::slurp(folder / "a.h5"), test::slurp(folder / "b.h5"));
}

TEST(Hdf5, NamesTheFilterItLacks) {
  REQUIRE_SHARED("acceptance/nir/06_reference_writer/uncompressed_lzf.nir");
  const auto path = test::shared_path("acceptance/nir/06_reference_writer/uncompressed_lzf.nir");
  const auto file = Hdf5File::open(path.string());
  ASSERT_TRUE(file.ok());
  const auto node = file->root().group("node")->group("nodes")->group("a");
  ASSERT_TRUE(node.ok());
  const auto weight = node->read_tensor("weight");
  ASSERT_FALSE(weight.ok());
  EXPECT_EQ(weight.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(weight.error().message(),
            path.string() +
                ": /node/nodes/a/weight: the dataset uses the filter 'lzf', which this build "
                "cannot decode; rewrite the file with gzip or no compression");
}

}  // namespace
}  // namespace spikeloom::io
