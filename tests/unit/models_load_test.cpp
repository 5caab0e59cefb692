#include <gtest/gtest.h>

#include "base/io/hdf5.hpp"
#include "models/detail/file_kind.hpp"
#include "models/load.hpp"
#include "models/model_file/model_file.hpp"
#include "models/nir/nir_writer.hpp"
#include "tests/formats/nir_support.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

using namespace std::string_literals;

Network small_network() {
  NetworkBuilder builder;
  builder.add("fc", node::Linear{Tensor::full({2, 2}, 1.F), std::nullopt});
  return *std::move(builder).build();
}

TEST(LoadModel, TellsTheTwoFormatsApartByContent) {
  const TemporaryFolder folder;
  const std::string nir = folder.file("a.sloom");
  const std::string own = folder.file("b.nir");
  ASSERT_TRUE(write_nir(small_network(), nir).ok());
  ASSERT_TRUE(write_model_file(small_network(), own).ok());
  const auto from_nir = load_model(nir);
  ASSERT_TRUE(from_nir.ok()) << from_nir.error().message();
  EXPECT_EQ(from_nir->report.format, "nir");
  const auto from_own = load_model(own);
  ASSERT_TRUE(from_own.ok()) << from_own.error().message();
  EXPECT_EQ(from_own->report.format, "spikeloom-model");
}

struct Foreign {
  std::string bytes;
  const char* is;
};

TEST(LoadModel, SaysWhatOtherFilesAre) {
  const auto zip = [](const std::string& name) {
    return "PK\x03\x04"s + std::string(22, '\0') + static_cast<char>(name.size()) + "\0\0\0"s +
           name;
  };
  const std::vector<Foreign> files = {
      {"", "an empty file"},
      {zip("archive/data.pkl"), "a PyTorch file (zip)"},
      {zip("weight.npy"), "a NumPy .npz archive"},
      {zip("readme.txt"), "a zip archive"},
      {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s, "a PyTorch file (pickle"},
      {"\x80\x04\x95\x10"s, "a Python pickle"},
      {"\x93NUMPY\x01\x00"s, "a NumPy .npy array"},
      {"\x40\0\0\0\0\0\0\0{\"weight\":{\"dtype\":\"F32\""s, "a safetensors file"},
      {"nodes:\n  - name: a\n", "a text file"},
      {"\x01\x02\x03\x04"s, "a file of unknown format"},
  };
  const TemporaryFolder folder;
  const std::string path = folder.file("model.nir");
  for (const Foreign& file : files) {
    write_text(path, file.bytes);
    const auto model = load_model(path);
    ASSERT_FALSE(model.ok());
    const std::string message = model.error().message();
    EXPECT_TRUE(message.starts_with(path)) << message;
    EXPECT_NE(message.find("this is "s + file.is), std::string::npos) << message;
    EXPECT_FALSE(model.error().next.empty()) << message;
  }
}

TEST(LoadModel, SaysWhatOtherHdf5FilesAre) {
  const TemporaryFolder folder;
  const std::string path = folder.file("file.h5");
  for (const auto& [group, says] :
       {std::make_pair("layer", "no layers"), std::make_pair("spikes", "recorded events"),
        std::make_pair("weights", "\"weights\"")}) {
    auto file = io::Hdf5Writer::create(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->root().create_group(group).ok());
    ASSERT_TRUE(file->commit().ok());
    const auto model = load_model(path);
    ASSERT_FALSE(model.ok());
    EXPECT_NE(model.error().message().find(says), std::string::npos) << model.error().message();
    EXPECT_FALSE(model.error().next.empty());
  }
}

TEST(LoadModel, MissingFilesAndFolders) {
  const TemporaryFolder folder;
  const auto missing = load_model(folder.file("none.nir"));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  const auto directory = load_model(folder.file(""));
  ASSERT_FALSE(directory.ok());
  EXPECT_NE(directory.error().message().find("folder"), std::string::npos);
}

TEST(LoadModel, PublishedFilesOfOtherFormats) {
  REQUIRE_SHARED("acceptance");
  for (const auto& [relative, says] :
       {std::make_pair("acceptance/nir/02_cnn/pretrained_ann_weights.pth", "PyTorch"),
        std::make_pair("acceptance/nir/05_edge_files/not_hdf5_torch_pickle.nir", "PyTorch"),
        std::make_pair("acceptance/nir/06_reference_writer/nirdata_sample.h5", "NIRGraphData"),
        std::make_pair("acceptance/nir/02_cnn/speck_activity.npy", ".npy"),
        std::make_pair("acceptance/nir/01_lif/lif_norse.csv", "text")}) {
    REQUIRE_SHARED(relative);
    const auto model = load_model(shared_path(relative).string());
    ASSERT_FALSE(model.ok()) << relative;
    EXPECT_NE(model.error().message().find(says), std::string::npos) << model.error().message();
  }
}

}  // namespace
}  // namespace spikeloom::test
