#include "models/nir/nir_writer.hpp"

#include <gtest/gtest.h>

#include "base/io/hdf5.hpp"
#include "models/dequantise.hpp"
#include "models/nir/nir_reader.hpp"
#include "tests/formats/model_file_support.hpp"
#include "tests/formats/nir_support.hpp"

namespace spikeloom::test {
namespace {

Tensor int8s(Shape shape, const std::vector<std::int8_t>& values) {
  return Tensor::of<std::int8_t>(std::move(shape), values);
}

Network single(NodeKind kind) {
  NetworkBuilder builder;
  builder.add("layer", std::move(kind));
  return *std::move(builder).build();
}

node::SparseLinear sparse(bool bias) {
  return {integers({2, 3}),     integers({0, 1, 3}),
          integers({2, 0, 1}),  int8s({3}, {4, -2, 6}),
          Tensor::scalar(0.5F), bias ? std::optional(Tensor::full({2}, 1.F)) : std::nullopt};
}

TEST(NirWriter, NamesWhatNirLacksAndTheOption) {
  const TemporaryFolder folder;
  const std::string path = folder.file("out.nir");
  const auto refused = [&](NodeKind kind, const NirWriteOptions& options, const char* says) {
    const Status written = write_nir(single(std::move(kind)), path, options);
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().code, ErrorCode::kUnsupported);
    const std::string message = written.error().message();
    EXPECT_NE(message.find("node \"layer\""), std::string::npos) << message;
    EXPECT_NE(message.find(says), std::string::npos) << message;
    EXPECT_FALSE(std::filesystem::exists(path));
  };
  const node::MaxPool2d pool{integers({2, 2}), integers({2, 2}), integers({0, 0})};
  refused(sparse(true), {}, "--dequantise");
  refused(node::Linear{int8s({1, 1}, {1}), Tensor::scalar(0.5F)}, {}, "--dequantise");
  refused(pool, {}, ".sloom");
  refused(pool, {.dequantise = true}, "NIR has no MaxPool2d");
}

TEST(NirWriter, DequantisedWeightsAreTheProducts) {
  const TemporaryFolder folder;
  const std::string path = folder.file("out.nir");
  const auto written = [&](NodeKind kind) {
    const Status status = write_nir(single(std::move(kind)), path, {.dequantise = true});
    EXPECT_TRUE(status.ok()) << status.error().message();
    auto model = read_nir(path);
    EXPECT_TRUE(model.ok());
    return model->network.nodes()[0].kind;
  };
  // One scale per row: 0.5 and 2.
  EXPECT_EQ(std::get<node::Linear>(
                written(node::Linear{int8s({2, 2}, {1, -2, 3, 4}), floats({2}, {0.5F, 2.F})}))
                .weight,
            floats({2, 2}, {0.5F, -1.F, 6.F, 8.F}));
  node::Conv1d conv;
  conv.weight = int8s({2, 1, 2}, {1, -2, 3, 4});
  conv.weight_scale = Tensor::of<double>({2}, std::vector<double>{0.5, 2.0});
  EXPECT_EQ(std::get<node::Conv1d>(written(conv)).weight,
            Tensor::of<double>({2, 1, 2}, std::vector<double>{0.5, -1.0, 6.0, 8.0}));
  // Entries (0, 2) = 4, (1, 0) = -2, (1, 1) = 6, all times 0.5.
  const auto dense = floats({2, 3}, {0, 0, 2, -1, 3, 0});
  EXPECT_EQ(std::get<node::Linear>(written(sparse(false))).weight, dense);
  const auto affine = std::get<node::Affine>(written(sparse(true)));
  EXPECT_EQ(affine.weight, dense);
  EXPECT_EQ(affine.bias, Tensor::full({2}, 1.F));
}

TEST(NirWriter, AConvolutionGetsTheBiasThatNirDemands) {
  node::Conv2d conv;
  conv.weight = Tensor::full({3, 1, 2, 2}, 1.F);
  const TemporaryFolder folder;
  const std::string path = folder.file("out.nir");
  ASSERT_TRUE(write_nir(single(conv), path).ok());
  const auto model = read_nir(path);
  ASSERT_TRUE(model.ok());
  const auto& read = std::get<node::Conv2d>(model->network.nodes()[0].kind);
  ASSERT_TRUE(read.bias.has_value());
  EXPECT_EQ(*read.bias, Tensor::full({3}, 0.F));
  EXPECT_EQ(model->network.producer_version(), "1.0.7");
}

TEST(NirWriter, ABareNodeStaysBare) {
  NetworkBuilder builder;
  builder.add(kBareNodeName, node::Threshold{Tensor::scalar(1.0)}, {{"note", std::string("x")}});
  const TemporaryFolder folder;
  const std::string path = folder.file("out.nir");
  ASSERT_TRUE(write_nir(*std::move(builder).build(), path).ok());
  const auto file = io::Hdf5File::open(path);
  ASSERT_TRUE(file.ok());
  const auto node = file->root().group("node");
  ASSERT_TRUE(node.ok());
  EXPECT_EQ(*node->read_string("type"), "Threshold");
  EXPECT_EQ(*node->children(), (std::vector<std::string>{"metadata", "threshold", "type"}));
}

TEST(NirWriter, ArraysAreDeflatedUnlessToldOtherwise) {
  const TemporaryFolder folder;
  const std::string path = folder.file("out.nir");
  for (const bool compress : {true, false}) {
    const Network network = single(node::Linear{Tensor::full({64, 64}, 1.F), std::nullopt});
    ASSERT_TRUE(write_nir(network, path, {.compress = compress}).ok());
    const auto file = io::Hdf5File::open(path);
    ASSERT_TRUE(file.ok());
    const auto info = file->root().group("node")->group("nodes")->group("layer")->info("weight");
    ASSERT_TRUE(info.ok());
    EXPECT_EQ(info->filters.size(), compress ? 1U : 0U);
  }
}

TEST(NirWriter, RefusesWhatItsReaderWouldRefuse) {
  const TemporaryFolder folder;
  const std::string path = folder.file("out.nir");
  const Status written =
      write_nir(single(node::Linear{Tensor::full({2}, 1.F), std::nullopt}), path);
  ASSERT_FALSE(written.ok());
  EXPECT_NE(written.error().message().find("node \"layer\": weight"), std::string::npos)
      << written.error().message();
  EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(path).parent_path()));
}

TEST(NirWriter, AFolderThatIsNotThereIsAnError) {
  const TemporaryFolder folder;
  const Status written =
      write_nir(single(node::Threshold{Tensor::scalar(1.0)}), folder.file("none/out.nir"));
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace spikeloom::test
