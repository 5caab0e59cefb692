#include "models/tensors/torch.hpp"

#include <chrono>

#include <gtest/gtest.h>
#include <zlib.h>

#include "base/io/hdf5.hpp"
#include "tests/formats/bytes_support.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom {
namespace {

using test::ByteWriter;

/// A ZIP archive of stored entries.
std::vector<std::byte> archive(const std::vector<std::pair<std::string, std::string>>& entries) {
  ByteWriter file, directory;
  for (const auto& [name, text] : entries) {
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size()));
    const auto common = [&, &name = name, &text = text](ByteWriter& out) {
      out.put(0, 8).put(crc, 4).put(text.size(), 4).put(text.size(), 4).put(name.size(), 2);
    };
    directory.text("PK\1\2").put(20, 2).put(20, 2);
    common(directory);
    directory.put(0, 12).put(file.size(), 4).text(name);
    file.text("PK\3\4").put(20, 2);
    common(file);
    file.put(0, 2).text(name).text(text);
  }
  const std::size_t start = file.size();
  file.append(directory.bytes()).text("PK\5\6").put(0, 4);
  file.put(entries.size(), 2).put(entries.size(), 2).put(directory.size(), 4).put(start, 4);
  return file.put(0, 2).bytes();
}

// Pieces of pickles, opcode by opcode as Python's pickletools.py lists them.
std::string word(const std::string& text) {  // BINUNICODE
  return "X" + std::string(1, static_cast<char>(text.size())) + std::string(3, '\0') + text;
}
std::string number(unsigned value) {  // BININT
  std::string out = "J";
  for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}
std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
std::string tuple(const std::string& items) { return "(" + items + "t"; }
std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }

struct View {
  std::string type = "FloatStorage", key = "0";
  unsigned stored = 6, offset = 0;
  std::vector<unsigned> shape, stride;
};

std::string tensor(const View& view) {
  std::string shape, stride;
  for (const unsigned value : view.shape) shape += number(value);
  for (const unsigned value : view.stride) stride += number(value);
  const std::string storage = tuple(word("storage") + global("torch", view.type) + word(view.key) +
                                    word("cpu") + number(view.stored)) +
                              "Q";
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple(storage + number(view.offset) + tuple(shape) + tuple(stride) + "\x89" +
               global("collections", "OrderedDict") + ")R") +
         "R";
}

std::string raw(const ByteWriter& writer) {
  return {reinterpret_cast<const char*>(writer.bytes().data()), writer.size()};
}

Result<TensorFile> parse(const std::string& body, const std::string& data,
                         const std::string& order = "little") {
  return parse_torch(archive({{"m/data.pkl", pickle(body)},
                              {"m/byteorder", order},
                              {"m/data/0", data},
                              {"m/version", "3\n"}}),
                     "m.pt");
}

const std::string kSix = raw(ByteWriter().floats({0, 1, 2, 3, 4, 5}));

TEST(Torch, ReadsAStateDict) {
  const auto file =
      parse(global("collections", "OrderedDict") + ")R(" + word("fc.weight") +
                tensor({.shape = {2, 3}, .stride = {3, 1}}) + word("epoch") + number(7) + "u",
            kSix);
  ASSERT_TRUE(file.ok()) << file.error().message();
  ASSERT_EQ(file->tensors.size(), 1u);
  EXPECT_EQ(file->tensors[0].name, "fc.weight");
  EXPECT_EQ(file->tensors[0].tensor.shape(), (Shape{2, 3}));
  EXPECT_EQ(file->tensors[0].tensor.to_doubles(), (std::vector<double>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(*file->metadata.find("epoch")->as_integer(), 7);
}

TEST(Torch, CopiesViewsOfASharedStorage) {
  const auto file =
      parse(tuple(tensor({.shape = {3, 2}, .stride = {1, 3}}) +               // transposed
                  tensor({.offset = 1, .shape = {2}, .stride = {2}}) +        // every second
                  tensor({.offset = 5, .shape = {2, 2}, .stride = {0, 0}}) +  // expanded
                  tensor({.offset = 4, .shape = {}, .stride = {}})),
            kSix);
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(file->find("0")->to_doubles(), (std::vector<double>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(file->find("1")->to_doubles(), (std::vector<double>{1, 3}));
  EXPECT_EQ(file->find("2")->to_doubles(), (std::vector<double>{5, 5, 5, 5}));
  EXPECT_EQ(*file->find("3")->to_scalar(), 4.0);
}

TEST(Torch, ReadsEveryStorage) {
  struct Case {
    const char* type;
    std::string data;
    DType dtype;
    double value;
  };
  const Case cases[] = {
      {"DoubleStorage", raw(ByteWriter().put(0xbff8000000000000, 8)), DType::kFloat64, -1.5},
      {"HalfStorage", raw(ByteWriter().put(0xc000, 2)), DType::kFloat32, -2},
      {"BFloat16Storage", raw(ByteWriter().put(0x4049, 2)), DType::kFloat32, 3.140625},
      {"LongStorage", raw(ByteWriter().put(~0ull, 8)), DType::kInt64, -1},
      {"IntStorage", raw(ByteWriter().put(~0ull, 4)), DType::kInt32, -1},
      {"ShortStorage", raw(ByteWriter().put(300, 2)), DType::kInt16, 300},
      {"CharStorage", raw(ByteWriter().put(0xff, 1)), DType::kInt8, -1},
      {"ByteStorage", raw(ByteWriter().put(0xff, 1)), DType::kUInt8, 255},
      {"BoolStorage", raw(ByteWriter().put(1, 1)), DType::kBool, 1}};
  for (const Case& one : cases) {
    const auto file =
        parse(tensor({.type = one.type, .stored = 1, .shape = {1}, .stride = {1}}), one.data);
    ASSERT_TRUE(file.ok()) << file.error().message();
    EXPECT_EQ(file->tensors[0].name, "tensor");
    EXPECT_EQ(file->tensors[0].tensor.dtype(), one.dtype) << one.type;
    EXPECT_EQ(file->tensors[0].tensor.at(0), one.value) << one.type;
  }
  const auto big = parse(tensor({.type = "ShortStorage", .stored = 1, .shape = {1}, .stride = {1}}),
                         "\x01\x02", "big");
  ASSERT_TRUE(big.ok());
  EXPECT_EQ(big->tensors[0].tensor.at(0), 258.0);
}

TEST(Torch, RunsNothingAndNamesWhatItWouldRun) {
  // What a hostile pickle looks like: os.system('true'), and the same by STACK_GLOBAL.
  for (const std::string& body :
       {global("os", "system") + tuple(word("true")) + "R",
        word("posix") + word("system") + "\x93" + tuple(word("true")) + "R",
        global("builtins", "eval") + tuple(word("1")) + "R"}) {
    const auto file = parse(body, kSix);
    ASSERT_FALSE(file.ok());
    EXPECT_EQ(file.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(file.error().what.find("not data"), std::string::npos) << file.error().message();
  }
  const auto named = parse(global("os", "system") + ")R", kSix);
  EXPECT_NE(named.error().what.find("'os.system'"), std::string::npos) << named.error().message();
  const auto script = parse_torch(
      archive({{"m/data.pkl", pickle("N")}, {"m/constants.pkl", pickle("N")}}), "script.pt");
  EXPECT_EQ(script.error().code, ErrorCode::kUnsupported);
  const auto complex = parse(global("torch", "ComplexFloatStorage"), kSix);
  EXPECT_NE(complex.error().what.find("torch.ComplexFloatStorage"), std::string::npos);
}

TEST(Torch, RefusesFalseClaims) {
  const View false_views[] = {
      {.offset = 1, .shape = {2, 3}, .stride = {3, 1}},
      {.shape = {7}, .stride = {1}},
      {.shape = {2}, .stride = {0x7fffffff}},
      {.shape = {2, 3}, .stride = {3}},
      {.key = "1", .shape = {2, 3}, .stride = {3, 1}},
      {.type = "DoubleStorage", .shape = {2, 3}, .stride = {3, 1}},
      {.stored = 5, .shape = {5}, .stride = {1}},
  };
  for (const View& view : false_views) {
    const auto file = parse(tensor(view), kSix);
    ASSERT_FALSE(file.ok());
    EXPECT_EQ(file.error().code, ErrorCode::kFormat) << file.error().message();
  }
}

TEST(Torch, ClaimsAreCheckedBeforeAnythingIsAllocated) {
  const auto start = std::chrono::steady_clock::now();
  // Expanded views of one element: 10^12 and 2^60 elements.
  for (const View& view : {View{.shape = {1000000, 1000000}, .stride = {0, 0}},
                           View{.shape = {1u << 30, 1u << 30}, .stride = {0, 0}}}) {
    EXPECT_EQ(parse(tensor(view), kSix).error().code, ErrorCode::kResource);
  }
  // Lists in lists through the memo: 2^60 leaves in a few hundred bytes.
  std::string nested = "]q\x01";
  for (int i = 0; i < 60; ++i)
    nested +=
        "](h\x01h\x01"
        "eq\x01";
  EXPECT_EQ(parse(nested, kSix).error().code, ErrorCode::kResource);
  // A list in itself.
  EXPECT_EQ(parse("]q\x01h\x01"
                  "a",
                  kSix)
                .error()
                .code,
            ErrorCode::kResource);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(Torch, DeepNestingDoesNotUseUpTheStack) {
  EXPECT_FALSE(parse("N" + std::string(1'000'000, '\x85'), kSix).ok());
  EXPECT_FALSE(parse(std::string(1'000'000, '('), kSix).ok());
}

TEST(Torch, RefusesEveryPrefix) {
  const std::string body = tuple(tensor({.shape = {2, 3}, .stride = {3, 1}}) + word("x"));
  const std::string whole = pickle(body);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto bytes = archive({{"m/data.pkl", whole.substr(0, size)}, {"m/data/0", kSix}});
    EXPECT_FALSE(parse_torch(bytes, "m.pt").ok()) << size;
  }
  const auto bytes = archive({{"m/data.pkl", whole}, {"m/data/0", kSix}});
  EXPECT_TRUE(parse_torch(bytes, "m.pt").ok());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(parse_torch(std::span(bytes).first(size), "m.pt").ok()) << size;
  }
}

TEST(Torch, RefusesTheFormatBeforeOneSix) {
  // How torch.save began a file then: a pickle of its magic number 0x1950a86a20f9469cfc6c.
  const auto bytes =
      ByteWriter().text({"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15}).bytes();
  const auto file = parse_tensor_file(bytes, "old.pt");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(file.error().next.find("torch.save"), std::string::npos);
}

TEST(Torch, ThePublishedWeightsAreThoseOfTheNetwork) {
  REQUIRE_SHARED("acceptance/nir/02_cnn");
  const std::string folder = test::shared_path("acceptance/nir/02_cnn").string();
  const auto weights = read_tensor_file(folder + "/pretrained_ann_weights.pth");
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  ASSERT_EQ(weights->tensors.size(), 5u);
  const auto network = io::Hdf5File::open(folder + "/cnn_sinabs.nir");
  ASSERT_TRUE(network.ok()) << network.error().message();
  const auto nodes = network->root().group("node")->group("nodes");
  ASSERT_TRUE(nodes.ok());
  for (const auto& [name, tensor] : weights->tensors) {
    const auto node = nodes->group(name.substr(0, name.find('.')));
    ASSERT_TRUE(node.ok()) << node.error().message();
    const auto weight = node->read_tensor("weight");
    ASSERT_TRUE(weight.ok()) << weight.error().message();
    EXPECT_EQ(*weight, tensor) << name;
  }
}

TEST(Torch, ReadsThePublishedDataset) {
  REQUIRE_SHARED("acceptance/nir/03_rnn/ds_val_0.pt");
  const auto path = test::shared_path("acceptance/nir/03_rnn/ds_val_0.pt").string();
  const auto file = read_tensor_file(path);
  ASSERT_TRUE(file.ok()) << file.error().message();
  ASSERT_EQ(file->tensors.size(), 2u);
  EXPECT_EQ(file->find("0")->shape(), (Shape{280, 256, 12}));
  EXPECT_EQ(file->find("1")->shape(), (Shape{280}));
  // Figures of the raw storages, taken with Python's zipfile and struct.
  double spikes = 0, labels = 0;
  for (const double value : file->find("0")->to_doubles()) spikes += value;
  for (const double value : file->find("1")->to_doubles()) labels += value;
  EXPECT_EQ(spikes, 195493.0);
  EXPECT_EQ(labels, 840.0);
  EXPECT_EQ(file->find("1")->at(0), 5.0);
}

}  // namespace
}  // namespace spikeloom
