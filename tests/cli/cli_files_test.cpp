/// `info` and `convert`: what goes in comes out.

#include "base/io/hdf5.hpp"
#include "models/load.hpp"
#include "models/tensors/tensor_file.hpp"
#include "tests/cli/cli_models.hpp"
#include "tests/cli/cli_process.hpp"

namespace spikeloom::test {
namespace {

class CliFiles : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    save(two_if_network(), path("net.nir"));
    save(lif_network(), path("lif.nir"));
  }
};

TEST_F(CliFiles, InfoOfANetwork) {
  const auto result = run({"info", "net.nir", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  EXPECT_EQ(text_at(document, {"kind"}), "model");
  EXPECT_EQ(text_at(document, {"format"}), "nir");
  EXPECT_EQ(list_at(document, {"nodes"}).size(), 4U);
  const Value& weights = named(document, "nodes", "weights");
  EXPECT_EQ(text_at(weights, {"kind"}), "Linear");
  EXPECT_EQ(text_at(weights, {"parameters", "weight", "dtype"}), "float32");
  EXPECT_EQ(numbers_at(weights, {"parameters", "weight", "shape"}), (std::vector<double>{2, 2}));
  EXPECT_EQ(number_at(weights, {"parameters", "weight", "largest"}), 2.0);
  EXPECT_EQ(number_at(document, {"dense_macs_per_step"}), 4);
  EXPECT_EQ(list_at(document, {"edges"}).size(), 3U);

  const auto text = run({"info", "lif.nir"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_TRUE(contains(text.out, "LIF")) << text.out;
  EXPECT_TRUE(contains(text.out, "--dt")) << "the question that a run would ask:\n" << text.out;
}

TEST_F(CliFiles, InfoOfARecording) {
  Recording recording;
  recording.events.push_back(5 * kMillisecond, 3, 1, 1);
  recording.events.push_back(7 * kMillisecond, 0, 2, 0);
  recording.events.push_back(25 * kMillisecond, 2, 0, 1);
  recording.width = 4;
  recording.height = 3;
  save_recording(recording, path("clip.txt"));
  const auto result = run({"info", "clip.txt", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  EXPECT_EQ(text_at(document, {"kind"}), "recording");
  EXPECT_EQ(number_at(document, {"events"}), 3);
  EXPECT_EQ(number_at(document, {"first_us"}), 5000);
  EXPECT_EQ(number_at(document, {"last_us"}), 25000);
  EXPECT_EQ(number_at(document, {"width"}), 4);
  EXPECT_EQ(number_at(document, {"height"}), 3);
  EXPECT_EQ(number_at(document, {"on"}), 2);
  EXPECT_EQ(number_at(document, {"off"}), 1);
  // hashlib.sha256 of the three records as '<q', '<H', '<H', 'B': sensors/digest.hpp.
  EXPECT_EQ(text_at(document, {"digest"}),
            "e386fb655803644482581965bc20c80d3dd0119c6f564fb4d6bf9d57595fca2f");
}

TEST_F(CliFiles, InfoOfTensors) {
  ASSERT_TRUE(io::write_npz(path("w.npz"), {{"a", floats({2, 3}, {1, 2, 3, 4, 5, 6})},
                                            {"b", Tensor::scalar<std::int64_t>(7)}})
                  .ok());
  const auto result = run({"info", "w.npz", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  EXPECT_EQ(text_at(document, {"kind"}), "tensors");
  EXPECT_EQ(numbers_at(named(document, "tensors", "a"), {"shape"}), (std::vector<double>{2, 3}));
  EXPECT_EQ(text_at(named(document, "tensors", "b"), {"dtype"}), "int64");
}

TEST_F(CliFiles, NetworksGoThereAndBack) {
  ASSERT_EQ(run({"convert", "net.nir", "net.sloom"}).code, 0);
  ASSERT_EQ(run({"convert", "net.sloom", "back.nir"}).code, 0);
  const auto first = load_model(path("net.nir"));
  const auto back = load_model(path("back.nir"));
  ASSERT_TRUE(first.ok() && back.ok());
  ASSERT_EQ(first->network.nodes().size(), back->network.nodes().size());
  for (const Node& node : first->network.nodes()) {
    const auto other = back->network.find(node.name);
    ASSERT_TRUE(other.has_value()) << node.name;
    EXPECT_EQ(kind_name(node.kind), kind_name(back->network[*other].kind));
  }
  const auto& linear = std::get<node::Linear>(back->network[*back->network.find("weights")].kind);
  EXPECT_EQ(linear.weight, floats({2, 2}, {1, 0, 0, 2}));
}

TEST_F(CliFiles, AModelFileKeepsHowItIsRun) {
  const auto written = run({"convert", "lif.nir", "lif.sloom", "--preset", "norse", "--dt", "1e-3",
                            "--read-out", "last"});
  ASSERT_EQ(written.code, 0) << written.err;
  const auto result = run({"run", "lif.sloom", "--steps", "3", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  EXPECT_EQ(text_at(document, {"discretisation", "preset"}), "norse");
  EXPECT_EQ(number_at(document, {"discretisation", "dt"}), 1e-3);
  EXPECT_EQ(text_at(document, {"read_out"}), "last");
  const auto overridden = run({"run", "lif.sloom", "--steps", "3", "--dt", "2e-3", "--json"});
  EXPECT_EQ(number_at(overridden.json(), {"discretisation", "dt"}), 2e-3);
  // NIR has no place for it: said on the way back, refused on the way there.
  const auto back = run({"convert", "lif.sloom", "back.nir"});
  EXPECT_EQ(back.code, 0);
  EXPECT_TRUE(contains(back.err, "not kept")) << back.err;
  EXPECT_EQ(run({"convert", "lif.nir", "other.nir", "--dt", "1e-3"}).code, 7);
}

TEST_F(CliFiles, WeightsAreReplaced) {
  ASSERT_TRUE(
      io::write_npz(path("w.npz"), {{"weights.weight", floats({2, 2}, {5, 6, 7, 8})}}).ok());
  const auto result = run({"convert", "net.nir", "trained.nir", "--weights", "w.npz"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto trained = load_model(path("trained.nir"));
  ASSERT_TRUE(trained.ok());
  const auto& linear =
      std::get<node::Linear>(trained->network[*trained->network.find("weights")].kind);
  EXPECT_EQ(linear.weight, floats({2, 2}, {5, 6, 7, 8}));
  ASSERT_TRUE(
      io::write_npz(path("odd.npz"), {{"weights.weight", floats({3, 2}, {1, 2, 3, 4, 5, 6})}})
          .ok());
  EXPECT_EQ(run({"convert", "net.nir", "bad.nir", "--weights", "odd.npz"}).code, 5);
  EXPECT_FALSE(std::filesystem::exists(path("bad.nir")));
}

TEST_F(CliFiles, RecordingsGoThroughEveryFormat) {
  save_recording(one_event_per_ms(20, true), path("a.bs2"));
  ASSERT_EQ(run({"convert", "a.bs2", "b.csv"}).code, 0);
  ASSERT_EQ(run({"convert", "b.csv", "c.txt"}).code, 0);
  ASSERT_EQ(run({"convert", "c.txt", "d.bin"}).code, 0);
  EXPECT_EQ(read_whole(path("a.bs2")), read_whole(path("d.bin")));
  const auto json = run({"convert", "a.bs2", "e.out", "--to", "csv", "--json"});
  ASSERT_EQ(json.code, 0) << json.err;
  EXPECT_EQ(number_at(json.json(), {"events"}), 20);
  EXPECT_EQ(read_whole(path("b.csv")), read_whole(path("e.out")));
}

TEST_F(CliFiles, TensorFilesGoBothWays) {
  ASSERT_TRUE(io::write_npz(path("w.npz"),
                            {{"a", floats({2, 3}, {1, 2, 3, 4, 5, 6})}, {"b", floats({1}, {9})}})
                  .ok());
  ASSERT_EQ(run({"convert", "w.npz", "w.safetensors"}).code, 0);
  ASSERT_EQ(run({"convert", "w.safetensors", "again.npz"}).code, 0);
  const auto first = read_tensor_file(path("w.npz"));
  const auto again = read_tensor_file(path("again.npz"));
  ASSERT_TRUE(first.ok() && again.ok());
  ASSERT_EQ(again->tensors.size(), 2U);
  EXPECT_EQ(*again->find("a"), *first->find("a"));
  EXPECT_EQ(run({"convert", "w.npz", "w.npy"}).code, 7) << "two arrays do not fit into a .npy";
}

}  // namespace
}  // namespace spikeloom::test
