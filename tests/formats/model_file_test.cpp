/// The project's model file: everything comes back, the layout is the documented one (h5py reads
/// ours and writes one that we read), and damaged files are refused by name.

#include "models/model_file/model_file.hpp"

#include <functional>

#include <gtest/gtest.h>

#include "base/io/hdf5.hpp"
#include "models/load.hpp"
#include "models/nir/nir_reader.hpp"
#include "tests/formats/model_file_support.hpp"
#include "tests/formats/nir_support.hpp"
#include "tests/formats/python_support.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

using NoDifferences = std::vector<std::string>;

Value settings() {
  Value discretisation = Value::map();
  discretisation.set("dt", 1e-4);
  discretisation.set("reset", "subtract");
  Value value = Value::map();
  value.set("discretisation", std::move(discretisation));
  return value;
}

TEST(ModelFile, EverythingComesBack) {
  const Network network = every_kind();
  const TemporaryFolder folder;
  for (const bool compress : {true, false}) {
    for (const bool pack : {true, false}) {
      const std::string path = folder.file("model.sloom");
      const Status written = write_model_file(network, path,
                                              {.run_settings = settings(),
                                               .model_card = "# Card\n\nGrüße\n",
                                               .compress = compress,
                                               .pack_ternary = pack});
      ASSERT_TRUE(written.ok()) << written.error().message();
      const auto model = load_model(path);
      ASSERT_TRUE(model.ok()) << model.error().message();
      EXPECT_EQ(differences(network, model->network), NoDifferences());
      EXPECT_EQ(model->run_settings, settings());
      EXPECT_EQ(model->model_card, "# Card\n\nGrüße\n");
      EXPECT_EQ(model->report.status(), ImportStatus::kRead);
      EXPECT_TRUE(model->report.warnings.empty());
      EXPECT_EQ(model->report.nodes.size(), network.nodes().size() + 3);
    }
  }
}

TEST(ModelFile, EveryPublishedNetworkComesBack) {
  REQUIRE_SHARED("acceptance/nir");
  const TemporaryFolder folder;
  std::size_t count = 0;
  for (const char* source :
       {"01_lif", "02_cnn", "03_rnn", "05_edge_files", "06_reference_writer"}) {
    for (const auto& entry : std::filesystem::directory_iterator(
             shared_path(std::string("acceptance/nir/") + source))) {
      if (entry.path().extension() != ".nir") continue;
      const auto original = read_nir(entry.path().string());
      if (!original.ok()) continue;
      const std::string path = folder.file("model.sloom");
      ASSERT_TRUE(write_model_file(original->network, path).ok());
      const auto again = read_model_file(path);
      ASSERT_TRUE(again.ok()) << again.error().message();
      EXPECT_EQ(differences(original->network, again->network), NoDifferences()) << entry.path();
      ++count;
    }
  }
  EXPECT_EQ(count, 26U);
}

TEST(ModelFile, TernaryWeightsTakeTwoBits) {
  const TemporaryFolder folder;
  const std::string path = folder.file("model.sloom");
  ASSERT_TRUE(write_model_file(every_kind(), path).ok());
  const auto file = io::Hdf5File::open(path);
  ASSERT_TRUE(file.ok());
  auto group = file->root();
  for (const char* name : {"network", "nodes", "7", "fields", "weight"}) {
    auto next = group.group(name);
    ASSERT_TRUE(next.ok()) << next.error().message();
    group = *std::move(next);
  }
  EXPECT_EQ(*group.read_string("encoding"), "ternary");
  EXPECT_EQ(*group.read_tensor("shape"), shape_tensor({32, 16}));
  // 0, 1, -1, 1 from the lowest bits: 0 + 1 * 4 + 2 * 16 + 1 * 64 = 100
  EXPECT_EQ(*group.read_tensor("codes"),
            Tensor::of<std::uint8_t>({128}, std::vector<std::uint8_t>(128, 100)));
}

TEST(ModelFile, EqualTensorsAreStoredOnce) {
  std::vector<float> values(256 * 256);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  NetworkBuilder builder;
  for (const char* name : {"a", "b", "c"}) {
    builder.add(name, node::Linear{floats({256, 256}, values), std::nullopt});
  }
  const Network network = *std::move(builder).build();
  const TemporaryFolder folder;
  const std::string path = folder.file("model.sloom");
  ASSERT_TRUE(write_model_file(network, path, {.compress = false}).ok());
  EXPECT_LT(std::filesystem::file_size(path), 2U * 256U * 256U * 4U);
  const auto model = read_model_file(path);
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(differences(network, model->network), NoDifferences());
  const auto data = [&](std::size_t i) {
    return std::get<node::Linear>(model->network.nodes()[i].kind).weight.bytes().data();
  };
  EXPECT_EQ(data(0), data(1));
  EXPECT_EQ(data(0), data(2));
}

TEST(ModelFile, NothingIsHalfWritten) {
  NetworkBuilder builder;
  builder.add("good", node::Linear{Tensor::full({2, 2}, 1.F), std::nullopt});
  builder.add("bad", node::Linear{Tensor::full({2}, 1.F), std::nullopt});
  const TemporaryFolder folder;
  const std::string path = folder.file("model.sloom");
  const Status written = write_model_file(*std::move(builder).build(), path);
  ASSERT_FALSE(written.ok());
  EXPECT_NE(written.error().message().find("node \"bad\": weight"), std::string::npos)
      << written.error().message();
  EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(path).parent_path()));
}

TEST(ModelFile, PythonReadsOursAndWeReadPythons) {
  const std::string h5py = script("model_file_h5py.py");
  REQUIRE_PYTHON(h5py);
  const TemporaryFolder folder;
  const std::string ours = folder.file("ours.sloom");
  ASSERT_TRUE(write_model_file(every_kind(), ours, {.run_settings = settings()}).ok());
  const Ran checked = run(h5py + " check " + quoted(ours));
  EXPECT_EQ(checked.status, 0) << checked.output;

  const std::string theirs = folder.file("theirs.sloom");
  const Ran made = run(h5py + " write " + quoted(theirs));
  ASSERT_EQ(made.status, 0) << made.output;
  const auto model = read_model_file(theirs);
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->report.warnings, NoDifferences());
  EXPECT_EQ(model->run_settings, settings());
  EXPECT_EQ(model->model_card, "written by h5py");
  // What the script wrote, built by hand.
  NetworkBuilder builder;
  builder.add("in", node::Input{integers({16})});
  builder.add("fc", node::Linear{ternary(16, 16), floats({1}, {0.5F})});
  builder.add("lif", node::Lif{Tensor::scalar(0.02), Tensor::scalar(1.0), Tensor::scalar(0.0),
                               Tensor::scalar(1.0), std::nullopt});
  builder.add("out", node::Output{integers({16})});
  builder.connect("in", "fc");
  builder.connect("fc", "lif");
  builder.connect("lif", "out");
  EXPECT_EQ(differences(*std::move(builder).build(), model->network), NoDifferences());
}

TEST(ModelFile, TheExampleOfTheDocumentationWorks) {
  REQUIRE_PYTHON(script("model_file_h5py.py"));
  const auto bytes = file_bytes((source_dir() / "docs/formats.md").string());
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string opening = "```python\n";
  const std::size_t begin = text.find(opening);
  ASSERT_NE(begin, std::string::npos);
  const TemporaryFolder folder;
  write_text(folder.file("example.py"),
             text.substr(begin + opening.size(),
                         text.find("```\n", begin + opening.size()) - begin - opening.size()));
  const Ran ran = run("cd " + quoted(folder.file("")) + " && " + quoted(python()) + " example.py");
  ASSERT_EQ(ran.status, 0) << ran.output;
  const auto model = load_model(folder.file("model.sloom"));
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->network.nodes().size(), 3U);
  EXPECT_EQ(model->run_settings.find("discretisation")->find("dt")->number(), 1e-3);
  EXPECT_EQ(model->report.status(), ImportStatus::kRead);
}

// --- refusals ------------------------------------------------------------------------------------

/// A small valid file, with one thing changed.
struct Draft {
  std::string format = "spikeloom-model";
  std::int64_t version = 1;
  std::string settings = "{}";
  std::string kind = "Linear";
  std::vector<std::int64_t> edges = {0, 1};
  std::string second_node = "1";
  std::string encoding = "ternary";
  std::vector<std::uint8_t> codes = std::vector<std::uint8_t>(16, 100);
  bool weight = true;

  Status write(const std::string& path) const {
    SPIKELOOM_TRY(auto file, io::Hdf5Writer::create(path));
    auto root = file.root();
    SPIKELOOM_CHECK(root.write_string("format", format));
    SPIKELOOM_CHECK(root.write_tensor("format_version", Tensor::scalar(version)));
    SPIKELOOM_CHECK(root.write_string("run_settings", settings));
    SPIKELOOM_TRY(auto network, root.create_group("network"));
    const auto count = static_cast<std::int64_t>(edges.size() / 2);
    SPIKELOOM_CHECK(network.write_tensor("edges", Tensor::of<std::int64_t>({count, 2}, edges)));
    SPIKELOOM_TRY(auto nodes, network.create_group("nodes"));
    SPIKELOOM_TRY(auto input, nodes.create_group("0"));
    SPIKELOOM_CHECK(input.write_string("name", "in"));
    SPIKELOOM_CHECK(input.write_string("kind", "Input"));
    SPIKELOOM_TRY(auto input_fields, input.create_group("fields"));
    SPIKELOOM_CHECK(input_fields.write_tensor("shape", integers({8})));
    SPIKELOOM_TRY(auto layer, nodes.create_group(second_node));
    SPIKELOOM_CHECK(layer.write_string("name", "fc"));
    SPIKELOOM_CHECK(layer.write_string("kind", kind));
    SPIKELOOM_TRY(auto fields, layer.create_group("fields"));
    if (weight) {
      SPIKELOOM_TRY(auto packed, fields.create_group("weight"));
      SPIKELOOM_CHECK(packed.write_string("encoding", encoding));
      SPIKELOOM_CHECK(packed.write_tensor("shape", integers({8, 8})));
      SPIKELOOM_CHECK(packed.write_tensor(
          "codes", Tensor::of<std::uint8_t>({static_cast<std::int64_t>(codes.size())}, codes)));
    }
    return file.commit();
  }
};

struct Refusal {
  const char* name;
  std::function<void(Draft&)> change;
  ErrorCode code;
  std::vector<const char*> says;
};

TEST(ModelFile, RefusesByName) {
  const std::vector<Refusal> refusals = {
      {"other format",
       [](Draft& d) { d.format = "tensors"; },
       ErrorCode::kFormat,
       {"/format", "spikeloom-model", "\"tensors\""}},
      {"newer version",
       [](Draft& d) { d.version = 2; },
       ErrorCode::kUnsupported,
       {"/format_version", "1 to 1", "got 2", "update spikeloom"}},
      {"version 0", [](Draft& d) { d.version = 0; }, ErrorCode::kUnsupported, {"/format_version"}},
      {"settings no JSON",
       [](Draft& d) { d.settings = "{dt:"; },
       ErrorCode::kFormat,
       {"/run_settings"}},
      {"settings no object",
       [](Draft& d) { d.settings = "[1]"; },
       ErrorCode::kFormat,
       {"/run_settings", "JSON object"}},
      {"unknown kind",
       [](Draft& d) { d.kind = "Izhikevich"; },
       ErrorCode::kUnsupported,
       {"/network/nodes/1/kind", "\"Izhikevich\"", "SparseLinear"}},
      {"edge out of range",
       [](Draft& d) {
         d.edges = {0, 1, 1, 2};
       },
       ErrorCode::kFormat,
       {"/network/edges", "row 1", "below 2", "(1, 2)"}},
      {"edge below zero",
       [](Draft& d) {
         d.edges = {-1, 1};
       },
       ErrorCode::kFormat,
       {"row 0"}},
      {"gap in numbers",
       [](Draft& d) { d.second_node = "2"; },
       ErrorCode::kFormat,
       {"/network/nodes/1", "numbered from 0"}},
      {"unknown encoding",
       [](Draft& d) { d.encoding = "huffman"; },
       ErrorCode::kUnsupported,
       {"weight/encoding", "\"huffman\""}},
      {"code 3",
       [](Draft& d) { d.codes[3] = 0xff; },
       ErrorCode::kFormat,
       {"fields/weight", "3 at element 12"}},
      {"codes too few",
       [](Draft& d) { d.codes.pop_back(); },
       ErrorCode::kShape,
       {"fields/weight", "shape (16,)", "shape (15,)"}},
      {"no weight",
       [](Draft& d) { d.weight = false; },
       ErrorCode::kFormat,
       {"fields/weight", "\"fc\"", "missing"}},
  };
  const TemporaryFolder folder;
  const std::string path = folder.file("draft.sloom");
  ASSERT_TRUE(Draft().write(path).ok());
  const auto valid = read_model_file(path);
  ASSERT_TRUE(valid.ok()) << valid.error().message();
  for (const Refusal& refusal : refusals) {
    Draft draft;
    refusal.change(draft);
    ASSERT_TRUE(draft.write(path).ok()) << refusal.name;
    const auto model = read_model_file(path);
    ASSERT_FALSE(model.ok()) << refusal.name;
    EXPECT_EQ(model.error().code, refusal.code) << refusal.name;
    const std::string message = model.error().message();
    EXPECT_NE(message.find(path), std::string::npos) << message;
    for (const char* text : refusal.says) {
      EXPECT_NE(message.find(text), std::string::npos) << refusal.name << ": " << message;
    }
    EXPECT_FALSE(model.error().next.empty()) << message;
  }
}

TEST(ModelFile, SparseRowsAreCheckedBeforeUse) {
  const TemporaryFolder folder;
  const std::string path = folder.file("model.sloom");
  const auto with = [&](std::vector<std::int64_t> starts, std::vector<std::int64_t> columns) {
    NetworkBuilder builder;
    builder.add("sparse", node::SparseLinear{integers({2, 4}), integers(starts), integers(columns),
                                             Tensor::full({2}, 1.F), std::nullopt, std::nullopt});
    return write_model_file(*std::move(builder).build(), path);
  };
  EXPECT_TRUE(with({0, 1, 2}, {0, 3}).ok());
  EXPECT_FALSE(with({0, 1, 2}, {0, 4}).ok());
  EXPECT_FALSE(with({0, 1, 2}, {0, -1}).ok());
  EXPECT_FALSE(with({0, 3, 2}, {0, 3}).ok());
  EXPECT_FALSE(with({0, 1}, {0, 3}).ok());
  EXPECT_FALSE(with({1, 1, 2}, {0, 3}).ok());
  EXPECT_FALSE(with({0, 1, 3}, {0, 3}).ok());
  EXPECT_FALSE(with({}, {0, 3}).ok());
}

TEST(ModelFile, TruncatedAtAnyPlaceIsAnError) {
  const TemporaryFolder folder;
  const std::string path = folder.file("model.sloom");
  ASSERT_TRUE(write_model_file(every_kind(), path).ok());
  const auto bytes = file_bytes(path);
  ASSERT_TRUE(read_model_file_bytes(bytes, "whole").ok());
  for (std::size_t size = 0; size < bytes.size(); size += bytes.size() / 97) {
    const auto model = read_model_file_bytes(std::span(bytes).first(size), "part");
    ASSERT_FALSE(model.ok()) << size;
    EXPECT_FALSE(model.error().next.empty()) << model.error().message();
  }
}

}  // namespace
}  // namespace spikeloom::test
