/// `spikeloom quantize`, and what `run` makes of quantised and of float networks.

#include "cli/exit_codes.hpp"
#include "tests/cli/cli_models.hpp"
#include "tests/cli/cli_process.hpp"

namespace spikeloom::test {
namespace {

class CliQuantize : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    ASSERT_TRUE(write_nir(two_if_network(), (folder() / "two.nir").string()).ok());
    ASSERT_TRUE(
        io::write_npy((folder() / "x.npy").string(), floats({4, 2}, {1, 1, 1, 1, 1, 1, 1, 1}))
            .ok());
  }
};

TEST_F(CliQuantize, TheQuantisedNetworkRunsInIntegerAndCountsTheSame) {
  const auto made =
      run({"quantize", "two.nir", "-o", "two.sloom", "--calibrate", "x.npy", "--json"});
  ASSERT_EQ(made.code, cli::kExitOk) << made.err;
  const Value report = made.json();
  ASSERT_NE(report.find("layers"), nullptr);
  const Value* calibration = report.find("calibration");
  ASSERT_NE(calibration, nullptr);
  EXPECT_EQ(calibration->find("recordings")->number(), 1);
  EXPECT_EQ(calibration->find("same_prediction")->number(), 1);
  const auto real = run({"run", "two.nir", "--input", "x.npy", "--json", "--backend", "reference"});
  const auto integer = run({"run", "two.sloom", "--input", "x.npy", "--json"});
  ASSERT_EQ(integer.code, cli::kExitOk) << integer.err;
  EXPECT_EQ(*integer.json().find("arithmetic"), Value("integer"));
  EXPECT_EQ(*real.json().find("arithmetic"), Value("float32"));
  EXPECT_EQ(*integer.json().find("output_counts"), *real.json().find("output_counts"));
}

TEST_F(CliQuantize, TheTableSaysWhatItCost) {
  const auto made = run({"quantize", "two.nir", "-o", "two.sloom", "--bits", "4", "--per", "layer",
                         "--calibrate", "x.npy", "--scales", "fitted"});
  ASSERT_EQ(made.code, cli::kExitOk) << made.err;
  // Weights that are integers stay what they are, whatever scales are asked for.
  for (const char* word : {"scales         by the largest weights", "weights", "Linear",
                           "rms error", "cosine", "same decision  1 of 1", "two.sloom"}) {
    EXPECT_NE(made.out.find(word), std::string::npos) << word << "\n" << made.out;
  }
}

TEST_F(CliQuantize, ScalesAreThoseOfTheLargestWeightsUnlessAskedFor) {
  const auto made = run({"quantize", "two.nir", "-o", "two.sloom", "--calibrate", "x.npy"});
  ASSERT_EQ(made.code, cli::kExitOk) << made.err;
  EXPECT_NE(made.out.find("scales         by the largest weights"), std::string::npos) << made.out;
  const auto refused = run({"quantize", "two.nir", "-o", "two.sloom", "--scales", "fitted"});
  EXPECT_EQ(refused.code, cli::kExitUsage) << refused.err;
  EXPECT_NE(refused.err.find("--calibrate"), std::string::npos) << refused.err;
}

TEST_F(CliQuantize, AFloatNetworkInIntegerArithmeticIsRefusedWithTheCommand) {
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({1})});
  node::Linear weights;
  weights.weight = floats({1, 1}, {0.3F});
  builder.add("w", weights);
  builder.add("out", node::Output{shape_tensor({1})});
  builder.connect("in", "w");
  builder.connect("w", "out");
  const Network network = *std::move(builder).build();
  ASSERT_TRUE(write_nir(network, (folder() / "real.nir").string()).ok());
  ASSERT_TRUE(write_nir(network, (folder() / "my net.v1.nir").string()).ok());
  for (const char* arithmetic : {"integer", "ring16"}) {
    const auto refused = run({"run", "real.nir", "--steps", "2", "--arithmetic", arithmetic});
    EXPECT_EQ(refused.code, 7);
    EXPECT_NE(refused.err.find("node \"w\""), std::string::npos) << refused.err;
    EXPECT_NE(refused.err.find("spikeloom quantize real.nir -o real.int8.sloom\n"),
              std::string::npos)
        << refused.err;
    const auto blank = run({"run", "my net.v1.nir", "--steps", "2", "--preset", "sinabs", "--dt",
                            "1e-3", "--arithmetic", arithmetic});
    EXPECT_NE(blank.err.find("spikeloom quantize 'my net.v1.nir' -o 'my net.v1.int8.sloom' "
                             "--preset sinabs --dt 1e-3\n"),
              std::string::npos)
        << blank.err;
  }
}

TEST_F(CliQuantize, TheCommandOfARefusalMakesTheNetworkThatWasRefused) {
  node::If neurons;
  neurons.r = floats({1}, {1.0F});
  neurons.v_threshold = floats({1}, {1.0F});
  node::Linear weights;
  weights.weight = floats({1, 1}, {0.5F});
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({1})});
  builder.add("w", weights);
  builder.add("neuron", neurons);
  builder.add("out", node::Output{shape_tensor({1})});
  builder.connect("in", "w");
  builder.connect("w", "neuron");
  builder.connect("neuron", "out");
  ASSERT_TRUE(write_nir(*std::move(builder).build(), (folder() / "if.nir").string()).ok());
  ASSERT_TRUE(
      io::write_npy((folder() / "ones.npy").string(), floats({8, 1}, std::vector<float>(8, 1.0F)))
          .ok());
  const auto refused = run({"run", "if.nir", "--input", "ones.npy", "--reset", "subtract",
                            "--arithmetic", "integer", "--quiet"});
  ASSERT_EQ(refused.code, 7) << refused.err;
  const std::string_view words = "spikeloom ";
  const std::size_t at = refused.err.rfind(words);
  ASSERT_NE(at, std::string::npos) << refused.err;
  std::istringstream command(refused.err.substr(at + words.size()));
  const std::vector<std::string> arguments{std::istream_iterator<std::string>(command), {}};
  ASSERT_EQ(run(arguments).code, cli::kExitOk) << refused.err;
  const auto made = run({"run", "if.int8.sloom", "--input", "ones.npy", "--json"});
  ASSERT_EQ(made.code, cli::kExitOk) << made.err;
  EXPECT_EQ(*made.json().find("arithmetic"), Value("integer"));
  // Eight steps of 0.5 against a threshold of 1 that has to be passed: spikes in steps 3, 5 and 7
  // when what is beyond it is kept, in steps 3 and 6 when it is forgotten. 8 bits hold both
  // exactly.
  EXPECT_EQ(numbers_at(made.json(), {"output_counts"}), std::vector<double>{3});
}

TEST_F(CliQuantize, WrongFlagsAndFixedPointNetworksAreRefused) {
  EXPECT_EQ(run({"quantize", "two.nir"}).code, cli::kExitUsage);
  EXPECT_EQ(run({"quantize", "two.nir", "-o", "x.sloom", "--bits", "1"}).code, cli::kExitUsage);
  EXPECT_EQ(run({"quantize", "two.nir", "-o", "x.sloom", "--per", "weight"}).code, cli::kExitUsage);
  ASSERT_EQ(run({"quantize", "two.nir", "-o", "two.sloom"}).code, cli::kExitOk);
  const auto again = run({"quantize", "two.sloom", "-o", "again.sloom"});
  EXPECT_EQ(again.code, 7) << again.err;
  EXPECT_NE(again.err.find("fixed point already"), std::string::npos) << again.err;
}

}  // namespace
}  // namespace spikeloom::test
