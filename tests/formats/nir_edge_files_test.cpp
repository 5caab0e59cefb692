/// Unusual and malformed NIR files that other people published: what each has to give, and why.
/// The expectations come from the files' contents (h5dump) and from what Python's nir does with
/// them, not from this reader.

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "models/nir/nir_reader.hpp"
#include "tests/formats/nir_support.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

struct EdgeFile {
  const char* name;
  bool loads;
  /// Loading: texts that must occur in the report. Refused: in the error.
  std::vector<const char*> says;
  const char* reason;
};

void PrintTo(const EdgeFile& file, std::ostream* out) { *out << file.name; }

const std::vector<EdgeFile>& edge_files() {
  static const std::vector<EdgeFile> files = {
      {"nir_paper_subgraph_dangling_edges_subtract.nir",
       false,
       {"/node/nodes/lif1/edges", "row 0", "\"lif\"", "\"lif1\", \"lin\"", "did it mean \"lif1\""},
       "the nested graph's edges name a node 'lif' that it does not have; guessing 'lif1' would "
       "run "
       "a network that nobody wrote"},
      {"nir_paper_subgraph_dangling_edges_zero.nir",
       false,
       {"/node/nodes/lif1/edges", "row 0", "\"lif\"", "\"lif1\", \"lin\"", "did it mean \"lif1\""},
       "as above"},
      {"not_hdf5_torch_pickle.nir",
       false,
       {"PyTorch", "zip", "NIR", "weights only"},
       "a torch.save archive under the wrong ending; nothing in it is ever executed"},
      {"old_braille_extra_io_dangling.nir",
       false,
       {"/node/edges", "row 3", "(\"fc1\", \"lif1\")", "\"lif1.lif\""},
       "edges name 'lif1', the nodes are called lif1.lif and lif1.w_rec: no single one is meant"},
      {"old_braille_no_io_nodes_int_tau.nir",
       true,
       {"no Input", "no Output", "v_reset absent", "w_in absent"},
       "int64 time constants are numbers; whether a graph without ports runs is decided later"},
      {"old_braille_scalar_cuba_params.nir",
       true,
       {"v_reset absent", "w_in absent"},
       "0-d parameters stand for the whole population; Python 1.0.8 reads it too"},
      {"old_lif_scalar_params.nir",
       true,
       {"v_reset absent"},
       "0-d parameters; the time axis in the Input shape is a matter of shapes across nodes"},
      {"old_lif_scalar_r.nir",
       true,
       {"v_reset absent"},
       "a 0-d r beside 1-d parameters is unambiguous, though Python refuses it"},
      {"old_scnn_batch_dim_in_IF.nir",
       true,
       {"input_shape absent", "input_type holds zeros", "v_reset absent"},
       "input_shape follows from the Input; the extra batch axis of 1 is a matter of shapes"},
      {"spyx_shd_transposed_weights_negative_tau.nir",
       true,
       {"tau has 8 of 64 values below zero", "v_reset absent"},
       "a negative time constant is unstable but defined; the transposed weights are found when "
       "shapes are followed through the network"},
  };
  return files;
}

class NirEdgeFile : public testing::TestWithParam<EdgeFile> {};

TEST_P(NirEdgeFile, LoadsWithWarningsOrIsRefusedByName) {
  const EdgeFile& expected = GetParam();
  const std::string relative = std::string("acceptance/nir/05_edge_files/") + expected.name;
  REQUIRE_SHARED(relative);
  ImportReport report;
  NirReadOptions options;
  options.report = &report;
  const auto model = read_nir(shared_path(relative).string(), options);
  ASSERT_EQ(model.ok(), expected.loads) << expected.reason << "\n"
                                        << (model.ok() ? "" : model.error().message());
  std::string said;
  if (model.ok()) {
    for (const std::string& line : model->report.lines()) said += line + "\n";
    EXPECT_NE(model->report.status(), ImportStatus::kRefused);
  } else {
    said = model.error().message();
    EXPECT_FALSE(model.error().next.empty());
    EXPECT_EQ(model.error().code, ErrorCode::kFormat);
    EXPECT_EQ(report.status(), ImportStatus::kRefused);
    EXPECT_EQ(report.refusal, said);
  }
  EXPECT_NE(said.find(expected.name), std::string::npos) << said;
  for (const char* text : expected.says) {
    EXPECT_NE(said.find(text), std::string::npos) << "not said: " << text << "\n" << said;
  }
}

INSTANTIATE_TEST_SUITE_P(Published, NirEdgeFile, testing::ValuesIn(edge_files()),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           return name.substr(0, name.find('.'));
                         });

TEST(NirEdgeFiles, TheTableNamesEveryFile) {
  REQUIRE_SHARED("acceptance/nir/05_edge_files");
  std::set<std::string> named;
  for (const EdgeFile& file : edge_files()) named.insert(file.name);
  std::set<std::string> present;
  for (const auto& entry :
       std::filesystem::directory_iterator(shared_path("acceptance/nir/05_edge_files"))) {
    present.insert(entry.path().filename().string());
  }
  EXPECT_EQ(named, present);
}

TEST(NirReferenceWriter, LzfNamesTheFilter) {
  const std::string relative = "acceptance/nir/06_reference_writer/uncompressed_lzf.nir";
  REQUIRE_SHARED(relative);
  const auto model = read_nir(shared_path(relative).string());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(model.error().message().find("'lzf'"), std::string::npos) << model.error().message();
  EXPECT_NE(model.error().message().find("/node/nodes/a/weight"), std::string::npos);
}

TEST(NirReferenceWriter, RecordedDataAreRefusedByName) {
  const std::string relative = "acceptance/nir/06_reference_writer/nirdata_sample.h5";
  REQUIRE_SHARED(relative);
  const auto model = read_nir(shared_path(relative).string());
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(model.error().message().find("NIRGraphData"), std::string::npos);
}

TEST(NirReferenceWriter, KeepsWhatTheFileHolds) {
  const std::string relative = "acceptance/nir/06_reference_writer/nested_recurrent_metadata.nir";
  REQUIRE_SHARED(relative);
  const auto model = read_nir(shared_path(relative).string());
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->report.status(), ImportStatus::kRead);
  const Network& network = model->network;
  EXPECT_EQ(network.producer_version(), "1.0.7");
  ASSERT_EQ(network.nodes().size(), 4U);
  ASSERT_EQ(network.edges().size(), 3U);

  // metadata: arr int64 [0, 1, 2], dt float64 1e-4, nested {a: "b"}, source "generated"
  ASSERT_EQ(network.metadata().size(), 4U);
  EXPECT_EQ(network.metadata()[0].name, "arr");
  EXPECT_EQ(std::get<Tensor>(network.metadata()[0].value), shape_tensor({0, 1, 2}));
  EXPECT_EQ(std::get<Tensor>(network.metadata()[1].value), Tensor::scalar(1e-4));
  const auto& nested = std::get<std::vector<MetadataItem>>(network.metadata()[2].value);
  ASSERT_EQ(nested.size(), 1U);
  EXPECT_EQ(std::get<std::string>(nested[0].value), "b");
  EXPECT_EQ(std::get<std::string>(network.metadata()[3].value), "generated");

  const auto rnn = network.find("rnn");
  ASSERT_TRUE(rnn.has_value());
  const Network& inner = *std::get<node::Subgraph>(network[*rnn].kind).network;
  ASSERT_EQ(inner.nodes().size(), 4U);
  EXPECT_EQ(inner.edges().size(), 4U);
  const auto recurrent = inner.find("w_rec");
  ASSERT_TRUE(recurrent.has_value());
  EXPECT_EQ(std::get<node::Linear>(inner[*recurrent].kind).weight,
            Tensor::of<float>({3, 3}, {-1.F, -0.75F, -0.5F, -0.25F, 0.F, 0.25F, 0.5F, 0.75F, 1.F}));
}

TEST(NirReferenceWriter, DuplicateEdgesAreKeptAndNamed) {
  const std::string relative = "acceptance/nir/06_reference_writer/branch_sum_duplicate_edge.nir";
  REQUIRE_SHARED(relative);
  const auto model = read_nir(shared_path(relative).string());
  ASSERT_TRUE(model.ok()) << model.error().message();
  ASSERT_EQ(model->network.edges().size(), 6U);
  ASSERT_EQ(model->report.warnings.size(), 1U);
  EXPECT_NE(model->report.warnings[0].find("(\"a\", \"lif\") occurs 2 times"), std::string::npos);
}

TEST(NirReferenceWriter, PaddingAsText) {
  const std::string relative = "acceptance/nir/06_reference_writer/conv2d_same_avgpool_flatten.nir";
  REQUIRE_SHARED(relative);
  const auto model = read_nir(shared_path(relative).string());
  ASSERT_TRUE(model.ok()) << model.error().message();
  const auto& conv = std::get<node::Conv2d>(model->network[*model->network.find("conv2d")].kind);
  EXPECT_EQ(std::get<std::string>(conv.padding.value), "same");
}

}  // namespace
}  // namespace spikeloom::test
