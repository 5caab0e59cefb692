/// lava-dl's netx files, written here as its exporters lay them out.

#include <functional>

#include <gtest/gtest.h>

#include "base/io/hdf5.hpp"
#include "models/load.hpp"
#include "models/netx/netx_reader.hpp"
#include "snn/discretisation.hpp"
#include "tests/formats/nir_support.hpp"
#include "tests/support/run_network.hpp"

namespace spikeloom::test {
namespace {

Tensor integers(const std::vector<std::int64_t>& values) {
  return Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

Tensor counting(Shape shape) {
  const auto count = static_cast<std::size_t>(*element_count(shape));
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i) - 3.0F;
  return Tensor::of<float>(std::move(shape), values);
}

/// Changes to the file that write_net() makes.
using Change = std::function<void(io::Hdf5OutGroup&)>;

void write_lif(io::Hdf5OutGroup& layer) {
  auto neuron = *layer.create_group("neuron");
  ASSERT_TRUE(neuron.write_string("type", "LOIHI").ok());
  ASSERT_TRUE(neuron.write_tensor("vThMant", Tensor::scalar<std::int64_t>(25)).ok());
  ASSERT_TRUE(neuron.write_tensor("iDecay", Tensor::scalar<std::int64_t>(4096)).ok());
  ASSERT_TRUE(neuron.write_tensor("vDecay", Tensor::scalar<std::int64_t>(1024)).ok());
}

/// input (1, 4, 4), conv (2, 3, 3) of 2x2 kernels, flatten, dense (5).
void write_net(const std::string& path, const Shape& conv_weight, const Shape& dense_weight,
               const Change& change_conv = {}) {
  auto file = *io::Hdf5Writer::create(path);
  io::Hdf5OutGroup root = file.root();
  auto layers = *root.create_group("layer");
  auto input = *layers.create_group("0");
  ASSERT_TRUE(input.write_strings("type", {1}, std::vector<std::string>{"input"}).ok());
  ASSERT_TRUE(input.write_tensor("shape", integers({1, 4, 4})).ok());
  write_lif(input);
  auto conv = *layers.create_group("1");
  if (change_conv) {
    change_conv(conv);
  } else {
    ASSERT_TRUE(conv.write_strings("type", {1}, std::vector<std::string>{"conv"}).ok());
    ASSERT_TRUE(conv.write_tensor("shape", integers({2, 3, 3})).ok());
    ASSERT_TRUE(conv.write_tensor("weight", counting(conv_weight)).ok());
    ASSERT_TRUE(conv.write_tensor("bias", Tensor::of<float>({2}, std::vector{3.0F, -1.5F})).ok());
    ASSERT_TRUE(conv.write_tensor("stride", integers({1, 1})).ok());
    write_lif(conv);
  }
  auto flatten = *layers.create_group("2");
  ASSERT_TRUE(flatten.write_string("type", "flatten").ok());
  auto dense = *layers.create_group("3");
  ASSERT_TRUE(dense.write_string("type", "dense").ok());
  ASSERT_TRUE(dense.write_tensor("shape", integers({5})).ok());
  ASSERT_TRUE(dense.write_tensor("weight", counting(dense_weight)).ok());
  ASSERT_TRUE(file.commit().ok());
}

TEST(Netx, OldAndNewLayoutsAreTheSameNetwork) {
  const TemporaryFolder folder;
  write_net(folder.file("new.net"), {2, 1, 2, 2}, {5, 18});
  write_net(folder.file("old.net"), {2, 1, 2, 2, 1}, {90});
  const auto made = load_model(folder.file("new.net"));
  const auto old = load_model(folder.file("old.net"));
  ASSERT_TRUE(made.ok()) << error_of(made);
  ASSERT_TRUE(old.ok()) << error_of(old);
  EXPECT_EQ(differences(made->network, old->network), std::vector<std::string>{});
  std::vector<std::string> names;
  for (const Node& node : made->network.nodes()) names.push_back(node.name);
  EXPECT_EQ(names, (std::vector<std::string>{"input", "conv1.synapse", "conv1", "flatten2",
                                             "dense3", "output"}));
  EXPECT_EQ(made->report.format, "netx");
  // A bias is cut off, as Lava does: -1.5 is -1, on every neuron of its channel.
  const auto conv = made->network.find("conv1");
  ASSERT_TRUE(conv);
  const auto& neuron = std::get<node::CubaLif>(made->network[*conv].kind);
  const std::vector<double> leak = neuron.v_leak.to_doubles();
  ASSERT_EQ(leak.size(), 18U);
  EXPECT_EQ(leak[0] * 1024 / 4096, 3.0);
  EXPECT_EQ(leak[17] * 1024 / 4096, -1.0);
}

/// A layer 1 of `type` with what `more` adds.
Change layer_of(const std::string& type, const Change& more) {
  return [type, more](io::Hdf5OutGroup& layer) {
    ASSERT_TRUE(layer.write_string("type", type).ok());
    if (more) more(layer);
  };
}

void write_conv(io::Hdf5OutGroup& layer) {
  ASSERT_TRUE(layer.write_tensor("shape", integers({2, 3, 3})).ok());
  ASSERT_TRUE(layer.write_tensor("weight", counting({2, 1, 2, 2})).ok());
}

TEST(Netx, RefusesByName) {
  struct Case {
    Change layer;
    const char* says;
  };
  const auto neuron_of = [](const char* type, const Change& more = {}) {
    return layer_of("conv", [type, more](io::Hdf5OutGroup& layer) {
      write_conv(layer);
      auto neuron = *layer.create_group("neuron");
      ASSERT_TRUE(neuron.write_string("type", type).ok());
      ASSERT_TRUE(neuron.write_tensor("vThMant", Tensor::scalar<std::int64_t>(25)).ok());
      if (more) more(neuron);
    });
  };
  const std::vector<Case> cases = {
      {layer_of("convT", {}), "'convT'"},
      {layer_of("average", {}), "'average'"},
      {layer_of("dense_rec", {}), "'dense_rec'"},
      {layer_of("conv", {}), "no shape"},
      {layer_of("conv",
                [](io::Hdf5OutGroup& layer) {
                  ASSERT_TRUE(layer.write_tensor("shape", integers({2, 3, 3})).ok());
                  auto weight = *layer.create_group("weight");
                  ASSERT_TRUE(weight.write_tensor("real", counting({2, 1, 2, 2})).ok());
                  ASSERT_TRUE(weight.write_tensor("imag", counting({2, 1, 2, 2})).ok());
                  write_lif(layer);
                }),
       "complex weights"},
      {layer_of("conv",
                [](io::Hdf5OutGroup& layer) {
                  write_conv(layer);
                  ASSERT_TRUE(layer.write_tensor("weight_rec", counting({2, 2})).ok());
                }),
       "recurrent"},
      {layer_of("conv",
                [](io::Hdf5OutGroup& layer) {
                  write_conv(layer);
                  ASSERT_TRUE(layer.write_tensor("delay", integers({1})).ok());
                }),
       "delays"},
      {layer_of("conv", write_conv), "without neurons"},
      {neuron_of("RF"), "'RF'"},
      {neuron_of("SDNN",
                 [](io::Hdf5OutGroup& neuron) {
                   ASSERT_TRUE(neuron.write_string("activation", "tanh").ok());
                 }),
       "'tanh'"},
      {neuron_of("CUBA",
                 [](io::Hdf5OutGroup& neuron) {
                   ASSERT_TRUE(neuron.write_tensor("gradedSpike", Tensor::scalar(true)).ok());
                 }),
       "graded"},
      {neuron_of("LOIHI"), "iDecay"},
  };
  const TemporaryFolder folder;
  for (const Case& one : cases) {
    SCOPED_TRACE(one.says);
    write_net(folder.file("bad.net"), {}, {5, 18}, one.layer);
    const auto model = load_model(folder.file("bad.net"));
    ASSERT_FALSE(model.ok());
    const std::string message = model.error().message();
    EXPECT_NE(message.find(one.says), std::string::npos) << message;
    EXPECT_NE(message.find("layer 1"), std::string::npos) << message;
    EXPECT_NE(message.find("bad.net"), std::string::npos) << message;
  }
}

TEST(Netx, NamesShapesThatDoNotFit) {
  const TemporaryFolder folder;
  write_net(folder.file("bad.net"), {2, 1, 2, 2}, {5, 17});
  const auto dense = load_model(folder.file("bad.net"));
  ASSERT_FALSE(dense.ok());
  EXPECT_EQ(dense.error().code, ErrorCode::kShape) << dense.error().message();
  write_net(folder.file("bad.net"), {3, 1, 2, 2}, {5, 18});
  const auto conv = load_model(folder.file("bad.net"));
  ASSERT_FALSE(conv.ok());
  EXPECT_EQ(conv.error().code, ErrorCode::kShape) << conv.error().message();
}

/// Cut off at many lengths and with single bytes changed, a file is read or refused with a reason.
TEST(Netx, DamagedFiles) {
  const TemporaryFolder folder;
  write_net(folder.file("good.net"), {2, 1, 2, 2}, {5, 18});
  const std::vector<std::byte> good = file_bytes(folder.file("good.net"));
  const auto try_read = [](std::span<const std::byte> bytes) {
    const auto model = read_netx_bytes(bytes, "damaged", {.max_bytes = 1 << 20});
    if (!model.ok()) {
      EXPECT_FALSE(model.error().what.empty());
    }
    return model.ok();
  };
  ASSERT_TRUE(try_read(good));
  for (std::size_t cut = 0; cut < 200; ++cut) {
    EXPECT_FALSE(try_read(std::span(good).first(good.size() * cut / 200)));
  }
  for (std::size_t i = 0; i < 1000; ++i) {
    std::vector<std::byte> bytes = good;
    bytes[i * 7919 % bytes.size()] ^= std::byte{static_cast<unsigned char>(1U << (i % 8))};
    try_read(bytes);
  }
}

}  // namespace
}  // namespace spikeloom::test
