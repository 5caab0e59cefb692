/// Language models from safetensors, their words, and what is refused.

#include "models/language/language_model.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "models/load.hpp"
#include "models/model_file/model_file.hpp"
#include "models/nir/nir_reader.hpp"
#include "models/nir/nir_writer.hpp"
#include "models/tensors/safetensors.hpp"
#include "tests/formats/bytes_support.hpp"
#include "tests/formats/python_support.hpp"
#include "tests/support/word_networks.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSmallVocabulary = "<eos>\nthe\ncat\n<unk>\nsat\n";

/// h = 3 units, 2 inputs, 5 words; `recurrent` by source.
TensorFile small_file() {
  TensorFile file;
  file.format = "safetensors";
  file.metadata.set("format", "spikeloom-language-1").set("cell", "egru");
  const auto add = [&](const char* name, Tensor tensor) {
    file.tensors.push_back({name, std::move(tensor)});
  };
  add("embedding", test::random_matrix(5, 2, 1, 1.0));
  add("decoder.bias", test::random_matrix(5, 1, 2, 1.0));
  add("layer1.kernel", Tensor::full({6, 2}, 0.5F));
  add("layer1.recurrent.row_begin",
      Tensor::of<std::uint32_t>({3}, std::vector<std::uint32_t>{0, 1, 3}));
  add("layer1.recurrent.target",
      Tensor::of<std::uint16_t>({3}, std::vector<std::uint16_t>{4, 0, 5}));
  add("layer1.recurrent.value", Tensor::of<std::int8_t>({3}, std::vector<std::int8_t>{7, -2, 3}));
  add("layer1.recurrent.scale", Tensor::full({6}, 0.25F));
  add("layer1.bias", Tensor::full({6}, 0.0F));
  add("layer1.recurrent_bias", Tensor::full({6}, 0.0F));
  add("layer1.threshold", Tensor::full({2}, 0.1F));
  return file;
}

std::string bytes_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class LanguageModelFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "spikeloom-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const TensorFile& file, const std::string& vocabulary = kSmallVocabulary) {
    const std::string path = (folder_ / "m.safetensors").string();
    EXPECT_TRUE(write_safetensors(path, file).ok());
    std::ofstream(folder_ / "m.vocabulary.txt", std::ios::binary) << vocabulary;
    return path;
  }
  std::string refusal(const TensorFile& file, const std::string& vocabulary = kSmallVocabulary) {
    const auto model = load_model(write(file, vocabulary));
    return model.ok() ? "" : model.error().message();
  }
  Tensor& tensor(TensorFile& file, std::string_view name) {
    for (NamedTensor& one : file.tensors) {
      if (one.name == name) return one.tensor;
    }
    ADD_FAILURE() << name;
    return file.tensors[0].tensor;
  }

  fs::path folder_;
};

TEST_F(LanguageModelFile, IsReadAndKeptInAModelFile) {
  const auto model = load_model(write(small_file()));
  ASSERT_TRUE(model.ok()) << model.error().message();
  const auto layer = model->network.find("layer1");
  ASSERT_TRUE(layer.has_value());
  const auto& egru = std::get<node::Egru>(model->network[*layer].kind);
  EXPECT_EQ(egru.recurrent.shape(), (Shape{6, 2}));
  EXPECT_EQ(egru.recurrent.to_doubles(),
            (std::vector<double>{0, -2, 0, 0, 0, 0, 0, 0, 7, 0, 0, 3}));
  const auto words = language_vocabulary(model->network);
  ASSERT_TRUE(words.ok());
  EXPECT_EQ(words->word(2), "cat");

  const std::string copy = (folder_ / "m.sloom").string();
  ASSERT_TRUE(write_model_file(model->network, copy, {}).ok());
  const auto again = load_model(copy);
  ASSERT_TRUE(again.ok()) << again.error().message();
  const auto& kept = std::get<node::Egru>(again->network[*again->network.find("layer1")].kind);
  EXPECT_EQ(kept.recurrent, egru.recurrent);
  EXPECT_EQ(*kept.recurrent_scale, *egru.recurrent_scale);
  EXPECT_TRUE(language_vocabulary(again->network).ok());
}

/// As models/language/training/egru_lm/share.py leaves it.
TEST_F(LanguageModelFile, AnEmbeddingIsTakenFromTheFileThatHasIt) {
  fs::create_directories(folder_ / "a");
  const TensorFile whole = small_file();
  ASSERT_TRUE(write_safetensors((folder_ / "a" / "a.safetensors").string(), whole).ok());
  fs::create_directories(folder_ / "b");
  const auto read = [&](const std::string& from) {
    TensorFile borrower = small_file();
    std::erase_if(borrower.tensors, [](const NamedTensor& t) { return t.name == "embedding"; });
    borrower.metadata.set("embedding_from", from);
    const std::string path = (folder_ / "b" / "b.safetensors").string();
    EXPECT_TRUE(write_safetensors(path, borrower).ok());
    std::ofstream(folder_ / "b" / "b.vocabulary.txt", std::ios::binary) << kSmallVocabulary;
    return load_model(path);
  };
  const auto model = read("../a/a.safetensors");
  ASSERT_TRUE(model.ok()) << model.error().message();
  const auto& decoder =
      std::get<node::Decoder>(model->network[*model->network.find("decoder")].kind);
  EXPECT_EQ(decoder.weight, *whole.find("embedding"));
  for (const std::string from : {"../../etc/x.safetensors", "/a/a.safetensors", "../a/a.pt",
                                 "../c/c.safetensors", "b.safetensors"}) {
    const auto refused = read(from);
    ASSERT_FALSE(refused.ok()) << from;
    EXPECT_NE(refused.error().message().find("embedding"), std::string::npos)
        << refused.error().message();
  }
  const std::string borrower = bytes_of(folder_ / "b" / "b.safetensors");
  const auto in_memory =
      parse_language_model(std::as_bytes(std::span(borrower)), kSmallVocabulary, "memory");
  ASSERT_FALSE(in_memory.ok());
  EXPECT_EQ(in_memory.error().code, ErrorCode::kUnsupported);
}

/// docs/formats/nir.md, extension nodes.
TEST_F(LanguageModelFile, GoesThroughNirAsExtensionNodes) {
  const auto model = load_model(write(small_file()));
  ASSERT_TRUE(model.ok()) << model.error().message();
  const std::string path = (folder_ / "m.nir").string();
  const Status plain = write_nir(model->network, path);
  ASSERT_FALSE(plain.ok());
  EXPECT_NE(plain.error().message().find("--extensions"), std::string::npos);
  NirWriteOptions options;
  options.extensions = true;
  const Status written = write_nir(model->network, path, options);
  ASSERT_TRUE(written.ok()) << written.error().message();
  const auto again = read_nir(path);
  ASSERT_TRUE(again.ok()) << again.error().message();
  const auto kind_of = [](const LoadedModel& loaded, const char* name) -> const NodeKind& {
    return loaded.network[*loaded.network.find(name)].kind;
  };
  const auto& egru = std::get<node::Egru>(kind_of(*model, "layer1"));
  const auto& kept = std::get<node::Egru>(kind_of(*again, "layer1"));
  EXPECT_EQ(kept.kernel, egru.kernel);
  EXPECT_EQ(kept.recurrent, egru.recurrent);
  EXPECT_EQ(*kept.recurrent_scale, *egru.recurrent_scale);
  EXPECT_EQ(kept.threshold, egru.threshold);
  EXPECT_EQ(std::get<node::Embedding>(kind_of(*again, "embedding")).weight,
            std::get<node::Embedding>(kind_of(*model, "embedding")).weight);
  EXPECT_EQ(std::get<node::Decoder>(kind_of(*again, "decoder")).bias,
            std::get<node::Decoder>(kind_of(*model, "decoder")).bias);
  EXPECT_TRUE(language_vocabulary(again->network).ok());
}

TEST_F(LanguageModelFile, PythonsNirRefusesTheExtensionNodes) {
  if (test::run(test::quoted(test::python()) + " -c 'import nir'").status != 0) {
    GTEST_SKIP() << "Python has no nir (SPIKELOOM_PYTHON names an interpreter that has it)";
  }
  const auto model = load_model(write(small_file()));
  ASSERT_TRUE(model.ok()) << model.error().message();
  const std::string path = (folder_ / "m.nir").string();
  NirWriteOptions options;
  options.extensions = true;
  ASSERT_TRUE(write_nir(model->network, path, options).ok());
  const test::Ran ran =
      test::run(test::quoted(test::python()) + " -c \"import nir; nir.read('" + path + "')\"");
  EXPECT_NE(ran.status, 0);
  EXPECT_NE(ran.output.find("Error"), std::string::npos) << ran.output;
  // It is what the file holds, not the file: without those nodes it is read.
  EXPECT_EQ(ran.output.find("No such file"), std::string::npos) << ran.output;
}

TEST_F(LanguageModelFile, DamageIsRefusedByName) {
  auto file = small_file();
  tensor(file, "layer1.kernel") = Tensor::full({6, 2}, std::nanf(""));
  EXPECT_NE(refusal(file).find("layer1.kernel"), std::string::npos) << refusal(file);
  file = small_file();
  tensor(file, "layer1.recurrent.target") =
      Tensor::of<std::uint16_t>({3}, std::vector<std::uint16_t>{4, 0, 6});
  EXPECT_NE(refusal(file).find("layer1.recurrent"), std::string::npos) << refusal(file);
  file = small_file();
  tensor(file, "layer1.recurrent.row_begin") =
      Tensor::of<std::uint32_t>({3}, std::vector<std::uint32_t>{0, 4, 3});
  EXPECT_NE(refusal(file).find("layer1.recurrent"), std::string::npos) << refusal(file);
  file = small_file();
  tensor(file, "layer1.bias") = Tensor::full({9}, 0.0F);
  EXPECT_NE(refusal(file), "");
  file = small_file();
  file.tensors.erase(file.tensors.begin() + 2);
  EXPECT_NE(refusal(file).find("layer1.kernel"), std::string::npos) << refusal(file);
  file = small_file();
  file.metadata.set("cell", "transformer");
  EXPECT_NE(refusal(file).find("transformer"), std::string::npos) << refusal(file);
  EXPECT_NE(refusal(small_file(), "<eos>\nthe\ncat\n").find("does not fit"), std::string::npos);
  EXPECT_NE(refusal(small_file(), "<eos>\nthe\nthe\na\nb\n").find("twice"), std::string::npos);
  EXPECT_NE(refusal(small_file(), "<eos>\nthe\nc at\na\nb\n").find("blank"), std::string::npos);
  EXPECT_NE(refusal(small_file(), "").find("empty"), std::string::npos);
  fs::remove(folder_ / "m.vocabulary.txt");
  const auto lonely = load_model((folder_ / "m.safetensors").string());
  ASSERT_FALSE(lonely.ok());
  EXPECT_NE(lonely.error().message().find("m.vocabulary.txt"), std::string::npos);
}

TEST_F(LanguageModelFile, EveryTruncationIsRefused) {
  const std::string path = write(small_file());
  const std::string whole = bytes_of(path);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    const auto bytes = std::as_bytes(std::span(whole.data(), size));
    EXPECT_FALSE(parse_language_model(bytes, kSmallVocabulary, "cut").ok()) << size;
  }
}

TEST(Vocabulary, TextsBecomeNumbers) {
  const auto words = Vocabulary::parse(kSmallVocabulary, "v");
  ASSERT_TRUE(words.ok());
  const auto text = words->encode("the cat\n\n  dog sat\r\n", "t");
  ASSERT_TRUE(text.ok()) << text.error().message();
  EXPECT_EQ(text->tokens, (std::vector<std::uint32_t>{1, 2, 0, 0, 3, 4, 0}));
  EXPECT_EQ(text->lines, 3U);
  EXPECT_EQ(text->unknown, 1U);
  EXPECT_EQ(text->first_unknown, "dog");
}

TEST(Vocabulary, WhatIsNoTextIsRefused) {
  const auto words = Vocabulary::parse(kSmallVocabulary, "v");
  ASSERT_TRUE(words.ok());
  for (const char* empty : {"", "\n\n", "   \n"}) {
    EXPECT_FALSE(words->encode(empty, "t").ok()) << empty;
  }
  const std::string line(kMostLineBytes + 1, 'a');
  const auto long_line = words->encode("the cat\n" + line, "t");
  ASSERT_FALSE(long_line.ok());
  EXPECT_EQ(long_line.error().code, ErrorCode::kResource);
  EXPECT_NE(long_line.error().message().find("line 2"), std::string::npos);
  const auto closed = Vocabulary::parse("the\ncat\n", "v");
  ASSERT_TRUE(closed.ok());
  EXPECT_FALSE(closed->encode("the dog", "t").ok());
}

}  // namespace
}  // namespace spikeloom
