/// Hand-made NIR files, each with one oddity or fault, and what the reader makes of it.

#include "models/nir/nir_reader.hpp"

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "base/io/hdf5.hpp"
#include "tests/formats/nir_support.hpp"

namespace spikeloom::test {
namespace {

using io::Hdf5OutGroup;

Tensor floats(const std::vector<float>& values) {
  return Tensor::of<float>({static_cast<std::int64_t>(values.size())}, values);
}

/// A LIF of three neurons that a case may change before it is written.
struct Draft {
  std::string type = "LIF";
  std::vector<std::pair<std::string, Tensor>> parameters = {{"tau", floats({1, 2, 3})},
                                                            {"r", floats({1, 1, 1})},
                                                            {"v_leak", floats({0, 0, 0})},
                                                            {"v_threshold", floats({1, 1, 1})}};
  std::vector<std::string> edges = {"in", "n", "n", "out"};
  std::function<Status(Hdf5OutGroup&)> more_in_node = [](Hdf5OutGroup&) { return Status(); };
  std::function<Status(Hdf5OutGroup&)> more_in_root = [](Hdf5OutGroup&) { return Status(); };
  bool version = true;
  bool has_edges = true;

  Tensor& operator[](const std::string& name) {
    for (auto& [key, value] : parameters) {
      if (key == name) return value;
    }
    return parameters.emplace_back(name, Tensor()).second;
  }
  void set_kind(std::string kind, std::vector<std::pair<std::string, Tensor>> values) {
    type = std::move(kind);
    parameters = std::move(values);
  }

  Status write(const std::string& path) const {
    SPIKELOOM_TRY(auto file, io::Hdf5Writer::create(path));
    auto root = file.root();
    if (version) SPIKELOOM_CHECK(root.write_string("version", "1.0.7"));
    SPIKELOOM_CHECK(more_in_root(root));
    SPIKELOOM_TRY(auto graph, root.create_group("node"));
    SPIKELOOM_CHECK(graph.write_string("type", "NIRGraph"));
    if (has_edges) {
      const auto rows = static_cast<std::int64_t>(edges.size() / 2);
      SPIKELOOM_CHECK(graph.write_strings("edges", {rows, 2}, edges));
    }
    SPIKELOOM_TRY(auto nodes, graph.create_group("nodes"));
    for (const auto& [name, kind] : {std::make_pair("in", "Input"), {"out", "Output"}}) {
      SPIKELOOM_TRY(auto port, nodes.create_group(name));
      SPIKELOOM_CHECK(port.write_string("type", kind));
      SPIKELOOM_CHECK(port.write_tensor("shape", shape_tensor({3})));
    }
    SPIKELOOM_TRY(auto node, nodes.create_group("n"));
    SPIKELOOM_CHECK(node.write_string("type", type));
    for (const auto& [name, value] : parameters) SPIKELOOM_CHECK(node.write_tensor(name, value));
    SPIKELOOM_CHECK(more_in_node(node));
    return file.commit();
  }
};

struct Case {
  const char* name;
  std::function<void(Draft&)> change;
  std::vector<const char*> says;
};

std::vector<std::pair<std::string, Tensor>> conv(const Shape& weight) {
  return {{"weight", Tensor::full(weight, 1.F)}, {"bias", Tensor::full({weight[0]}, 0.F)},
          {"stride", shape_tensor({1, 1})},      {"padding", shape_tensor({0, 0})},
          {"dilation", shape_tensor({1, 1})},    {"groups", Tensor::scalar<std::int64_t>(1)},
          {"input_shape", shape_tensor({8, 8})}};
}

TEST(NirReader, RefusesByNodeAndParameter) {
  const std::vector<Case> cases = {
      {"unknown kind",
       [](Draft& d) { d.type = "Conv3d"; },
       {"/node/nodes/n", "unknown node kind \"Conv3d\"", "CubaLIF", "export"}},
      {"case matters", [](Draft& d) { d.type = "lif"; }, {"unknown node kind \"lif\""}},
      {"ours is not NIR's", [](Draft& d) { d.type = "MaxPool2d"; }, {"\"MaxPool2d\""}},
      {"missing parameter",
       [](Draft& d) { d.parameters.pop_back(); },
       {"/node/nodes/n", "\"v_threshold\" of LIF is missing"}},
      {"shapes differ",
       [](Draft& d) {
         d["r"] = floats({1, 1});
       },
       {"/node/nodes/n/r", "(3,) as in tau", "(2,)"}},
      {"tau zero",
       [](Draft& d) {
         d["tau"] = floats({1, 0, 1});
       },
       {"/n/tau", "zero"}},
      {"tau not a number",
       [](Draft& d) {
         d["tau"] = floats({1, NAN, 1});
       },
       {"/n/tau"}},
      {"empty", [](Draft& d) { d["tau"] = floats({}); }, {"/n/tau", "empty"}},
      {"bool", [](Draft& d) { d["r"] = Tensor::scalar(true); }, {"/n/r", "bool"}},
      {"text",
       [](Draft& d) {
         d.parameters.erase(d.parameters.begin());
         d.more_in_node = [](Hdf5OutGroup& g) { return g.write_string("tau", "fast"); };
       },
       {"/n/tau", "numbers were expected"}},
      {"group",
       [](Draft& d) {
         d.parameters.erase(d.parameters.begin());
         d.more_in_node = [](Hdf5OutGroup& g) -> Status {
           SPIKELOOM_CHECK(g.create_group("tau"));
           return {};
         };
       },
       {"/n/tau"}},
      {"weight rank",
       [](Draft& d) {
         d.set_kind("Linear", {{"weight", floats({1, 2})}});
       },
       {"/n/weight", "(out, in)", "(2,)"}},
      {"bias size",
       [](Draft& d) {
         d.set_kind("Affine", {{"weight", Tensor::full({3, 2}, 1.F)}, {"bias", floats({1, 2})}});
       },
       {"/n/bias", "1 or 3 values"}},
      {"conv rank",
       [](Draft& d) {
         d.set_kind("Conv2d", conv({2, 1, 3}));
       },
       {"/n/weight", "(out, in / groups, KH, KW)"}},
      {"groups",
       [](Draft& d) {
         d.set_kind("Conv2d", conv({4, 1, 3, 3}));
         d["groups"] = Tensor::scalar<std::int64_t>(3);
       },
       {"/n/groups", "divisor of 4", "got 3"}},
      {"stride zero",
       [](Draft& d) {
         d.set_kind("Conv2d", conv({4, 1, 3, 3}));
         d["stride"] = shape_tensor({1, 0});
       },
       {"/n/stride", "at least 1"}},
      {"stride of three",
       [](Draft& d) {
         d.set_kind("Conv2d", conv({4, 1, 3, 3}));
         d["stride"] = shape_tensor({1, 1, 1});
       },
       {"/n/stride", "(3,)"}},
      {"padding word",
       [](Draft& d) {
         d.set_kind("Conv2d", conv({4, 1, 3, 3}));
         std::erase_if(d.parameters, [](const auto& p) { return p.first == "padding"; });
         d.more_in_node = [](Hdf5OutGroup& g) { return g.write_string("padding", "reflect"); };
       },
       {"/n/padding", "\"reflect\"", "\"same\""}},
      {"huge input shape",
       [](Draft& d) {
         d.set_kind("Conv2d", conv({4, 1, 3, 3}));
         d["input_shape"] = shape_tensor({1LL << 40, 1LL << 40});
       },
       {"/n/input_shape"}},
      {"shape not whole",
       [](Draft& d) {
         d.set_kind("Input", {{"shape", floats({1.5F})}});
       },
       {"/n/shape", "not an integer"}},
      {"shape negative",
       [](Draft& d) {
         d.set_kind("Input", {{"shape", shape_tensor({-1})}});
       },
       {"/n/shape", "-1"}},
      {"shape overflows",
       [](Draft& d) {
         d.set_kind("Output", {{"shape", shape_tensor({1LL << 32, 1LL << 32})}});
       },
       {"/n/shape"}},
      {"delay negative",
       [](Draft& d) {
         d.set_kind("Delay", {{"delay", floats({1, -1})}});
       },
       {"/n/delay", "-1"}},
      {"kernel missing", [](Draft& d) { d.set_kind("SumPool2d", {}); }, {"\"kernel_size\""}},
      {"edge to nowhere",
       [](Draft& d) { d.edges[3] = "outt"; },
       {"/node/edges row 1", "(\"n\", \"outt\")", "did it mean \"out\"?"}},
  };
  const TemporaryFolder folder;
  const std::string path = folder.file("draft.nir");
  for (const Case& one : cases) {
    Draft draft;
    one.change(draft);
    ASSERT_TRUE(draft.write(path).ok()) << one.name;
    const auto model = read_nir(path);
    ASSERT_FALSE(model.ok()) << one.name;
    const std::string message = model.error().message();
    EXPECT_TRUE(message.starts_with(path)) << message;
    for (const char* text : one.says) {
      EXPECT_NE(message.find(text), std::string::npos) << one.name << ": " << message;
    }
  }
}

TEST(NirReader, ToleratesWithAMessage) {
  const std::vector<Case> cases = {
      {"no version", [](Draft& d) { d.version = false; }, {"which version"}},
      {"no edges", [](Draft& d) { d.has_edges = false; }, {"no edge list"}},
      {"unknown parameter",
       [](Draft& d) { d["refractory"] = floats({1}); },
       {"n (LIF) approximated", "\"refractory\" is not a parameter of LIF"}},
      {"unknown root entry",
       [](Draft& d) {
         d.more_in_root = [](Hdf5OutGroup& g) { return g.write_string("author", "x"); };
       },
       {"\"author\""}},
      {"negative tau",
       [](Draft& d) {
         d["tau"] = floats({1, -2, -3});
       },
       {"tau has 2 of 3 values below zero"}},
      {"infinite weight",
       [](Draft& d) {
         d.set_kind("Linear", {{"weight", Tensor::full({3, 3}, INFINITY)}});
       },
       {"weight has 9 of 9 values that are not finite"}},
      {"convolution with defaults",
       [](Draft& d) {
         d.set_kind("Conv2d", {{"weight", Tensor::full({2, 1, 3, 3}, 1.F)}});
       },
       {"n (Conv2d) defaulted", "bias absent: no bias", "stride absent: 1", "padding absent: 0",
        "dilation absent: 1", "groups absent: 1", "input_shape absent"}},
      {"flatten with defaults",
       [](Draft& d) { d.set_kind("Flatten", {}); },
       {"start_dim absent: 1", "end_dim absent: -1"}},
  };
  const TemporaryFolder folder;
  const std::string path = folder.file("draft.nir");
  for (const Case& one : cases) {
    Draft draft;
    one.change(draft);
    ASSERT_TRUE(draft.write(path).ok()) << one.name;
    const auto model = read_nir(path);
    ASSERT_TRUE(model.ok()) << one.name << ": " << model.error().message();
    std::string lines;
    for (const std::string& line : model->report.lines()) lines += line + "\n";
    for (const char* text : one.says) {
      EXPECT_NE(lines.find(text), std::string::npos) << one.name << ":\n" << lines;
    }
  }
}

TEST(NirReader, AbsentParametersStayAbsent) {
  const TemporaryFolder folder;
  const std::string path = folder.file("draft.nir");
  ASSERT_TRUE(Draft().write(path).ok());
  const auto model = read_nir(path);
  ASSERT_TRUE(model.ok()) << model.error().message();
  const auto& lif = std::get<node::Lif>(model->network[*model->network.find("n")].kind);
  EXPECT_FALSE(lif.v_reset.has_value());
  EXPECT_EQ(model->report.status(), ImportStatus::kDefaulted);
}

TEST(NirReader, ABareNodeIsTheOnlyNode) {
  const TemporaryFolder folder;
  const std::string path = folder.file("bare.nir");
  auto file = io::Hdf5Writer::create(path);
  ASSERT_TRUE(file.ok());
  auto node = file->root().create_group("node");
  ASSERT_TRUE(node.ok());
  ASSERT_TRUE(node->write_string("type", "Threshold").ok());
  ASSERT_TRUE(node->write_tensor("threshold", floats({1, 2})).ok());
  ASSERT_TRUE(file->commit().ok());
  const auto model = read_nir(path);
  ASSERT_TRUE(model.ok()) << model.error().message();
  ASSERT_EQ(model->network.nodes().size(), 1U);
  EXPECT_EQ(model->network.nodes()[0].name, kBareNodeName);
  EXPECT_EQ(std::get<node::Threshold>(model->network.nodes()[0].kind).threshold, floats({1, 2}));
}

TEST(NirReader, EveryRefusedNodeIsInTheReport) {
  Draft draft;
  draft.type = "Conv3d";
  draft.edges[3] = "nowhere";
  const TemporaryFolder folder;
  const std::string path = folder.file("draft.nir");
  ASSERT_TRUE(draft.write(path).ok());
  ImportReport report;
  NirReadOptions options;
  options.report = &report;
  const auto model = read_nir(path, options);
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().message().find("1 more in this file is refused too"), std::string::npos)
      << model.error().message();
  EXPECT_EQ(report.status(), ImportStatus::kRefused);
  ASSERT_EQ(report.nodes.size(), 3U);
  const Value value = report.to_value();
  EXPECT_EQ(*value.find("status")->as_string(), "refused");
  const Value::List& nodes = *value.find("nodes")->as_list();
  EXPECT_EQ(*nodes[0].find("path")->as_string(), "in");
  EXPECT_EQ(*nodes[0].find("status")->as_string(), "read");
  EXPECT_EQ(*nodes[1].find("path")->as_string(), "n");
  EXPECT_EQ(*nodes[1].find("status")->as_string(), "refused");
}

/// A file of `levels` graphs, each holding the next under `names`, all names being links to one.
void write_nested(const std::string& path, int levels, const std::vector<std::string>& names,
                  bool cycle) {
  auto file = io::Hdf5Writer::create(path);
  ASSERT_TRUE(file.ok());
  auto graph = file->root().create_group("node");
  for (int level = 0; level < levels; ++level) {
    ASSERT_TRUE(graph.ok());
    ASSERT_TRUE(graph->write_string("type", "NIRGraph").ok());
    ASSERT_TRUE(graph->write_tensor("edges", Tensor()).ok());
    auto nodes = graph->create_group("nodes");
    ASSERT_TRUE(nodes.ok());
    if (level + 1 == levels) {
      if (cycle) {
        ASSERT_TRUE(nodes->link("again", "/node").ok());
      }
      break;
    }
    auto next = nodes->create_group(names[0]);
    ASSERT_TRUE(next.ok());
    for (std::size_t i = 1; i < names.size(); ++i) {
      ASSERT_TRUE(nodes->link(names[i], next->path()).ok());
    }
    graph = *std::move(next);
  }
  ASSERT_TRUE(file->commit().ok());
}

TEST(NirReader, NestingIsLimited) {
  const TemporaryFolder folder;
  const std::string path = folder.file("nested.nir");
  write_nested(path, 33, {"a"}, false);
  EXPECT_TRUE(read_nir(path).ok());
  write_nested(path, 34, {"a"}, false);
  const auto deep = read_nir(path);
  ASSERT_FALSE(deep.ok());
  EXPECT_NE(deep.error().message().find("at most 32 levels"), std::string::npos)
      << deep.error().message();
  write_nested(path, 1, {}, true);
  const auto cycle = read_nir(path);
  ASSERT_FALSE(cycle.ok());
  EXPECT_EQ(cycle.error().code, ErrorCode::kResource);
}

TEST(NirReader, LinksCannotMultiplyNodesWithoutEnd) {
  const TemporaryFolder folder;
  const std::string path = folder.file("nested.nir");
  // 30 levels of two names for one graph: 2^30 nodes in a file of a few kilobytes.
  write_nested(path, 30, {"a", "b"}, false);
  const auto model = read_nir(path);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kResource) << model.error().message();
}

TEST(NirReader, DataBudgetIsForTheWholeFile) {
  Draft draft;
  draft.set_kind("Linear", {{"weight", Tensor::full({1000, 1000}, 1.F)}});
  const TemporaryFolder folder;
  const std::string path = folder.file("draft.nir");
  ASSERT_TRUE(draft.write(path).ok());
  NirReadOptions options;
  options.max_bytes = 1 << 20;
  const auto model = read_nir(path, options);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kResource);
  EXPECT_NE(model.error().message().find("/node/nodes/n/weight"), std::string::npos)
      << model.error().message();
}

TEST(NirReader, TruncatedAtAnyPlaceIsAnError) {
  const TemporaryFolder folder;
  const std::string path = folder.file("draft.nir");
  ASSERT_TRUE(Draft().write(path).ok());
  const auto bytes = file_bytes(path);
  ASSERT_TRUE(read_nir_bytes(bytes, "whole").ok());
  for (std::size_t size = 0; size < bytes.size(); size += bytes.size() / 97) {
    EXPECT_FALSE(read_nir_bytes(std::span(bytes).first(size), "part").ok()) << size;
  }
}

}  // namespace
}  // namespace spikeloom::test
