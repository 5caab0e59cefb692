/// `spikeloom run` on networks whose spikes are worked out by hand (cli_models.hpp).

#include "tests/cli/cli_models.hpp"
#include "tests/cli/cli_process.hpp"

namespace spikeloom::test {
namespace {

class CliRun : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    save(two_if_network(), path("net.nir"));
    save(polarity_network(), path("polarity.nir"));
    save(lif_network(), path("lif.nir"));
    // Eight steps of a 1 in both elements.
    save_array(path("ones.npy"), {8, 2}, std::vector<float>(16, 1.0F));
  }
};

TEST_F(CliRun, PrintsOneObjectWithCountsWorkedOutByHand) {
  const auto result = run({"run", "net.nir", "--input", "ones.npy", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  // Neuron 0 fires at every second of 8 steps, neuron 1 at each.
  EXPECT_EQ(numbers_at(document, {"output_counts"}), (std::vector<double>{4, 8}));
  EXPECT_EQ(number_at(document, {"prediction"}), 1);
  EXPECT_EQ(number_at(document, {"steps"}), 8);
  EXPECT_GE(number_at(document, {"wall_s"}), 0.0);
  EXPECT_EQ(text_at(document, {"backend"}), "cpu");
  EXPECT_EQ(text_at(document, {"arithmetic"}), "float32");
  EXPECT_EQ(text_at(document, {"discretisation", "preset"}), "nir");
  EXPECT_FALSE(list_at(document, {"notes"}).empty());

  const auto& layers = list_at(document, {"layers"});
  ASSERT_EQ(layers.size(), 4U) << "one entry per node of the file";
  EXPECT_EQ(text_at(layers[0], {"name"}), "in");
  EXPECT_EQ(text_at(layers[3], {"name"}), "out");
  // 16 ones come in; each meets two weights of the dense 2 x 2 matrix, zeros included.
  const Value& weights = named(document, "layers", "weights");
  EXPECT_EQ(text_at(weights, {"kind"}), "Linear");
  EXPECT_EQ(number_at(weights, {"events_in"}), 16);
  EXPECT_EQ(number_at(weights, {"value_sum"}), 16);
  EXPECT_EQ(number_at(weights, {"ac"}), 32);
  EXPECT_EQ(number_at(weights, {"mac"}), 0);
  EXPECT_EQ(number_at(weights, {"dense_macs"}), 8 * 4);
  EXPECT_EQ(number_at(named(document, "layers", "neurons"), {"neuron_updates"}), 16);
  EXPECT_EQ(number_at(named(document, "layers", "neurons"), {"events_out"}), 12);
}

TEST_F(CliRun, TheScheduleIsForcedAndReported) {
  const auto steps = [&](const std::string& schedule, const std::string& way) {
    const auto result =
        run({"run", "net.nir", "--input", "ones.npy", "--schedule", schedule, "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return number_at(named(result.json(), "layers", "weights"), {"schedule", way});
  };
  EXPECT_EQ(steps("rows", "rows"), 8);
  EXPECT_EQ(steps("dense", "dense"), 8);
  EXPECT_EQ(steps("bitmask", "rows"), 8) << "a dense layer has no bitmask";
  // People are told where it was not rows.
  const auto said = [&](const std::string& schedule) {
    return run({"run", "net.nir", "--input", "ones.npy", "--schedule", schedule}).out;
  };
  EXPECT_EQ(said("rows").find("was added up by"), std::string::npos);
  EXPECT_NE(
      said("dense").find(
          "weights was added up by rows in 0 steps, by bitmasks in 0, by dense products in 8"),
      std::string::npos)
      << said("dense");
  EXPECT_EQ(run({"run", "net.nir", "--schedule", "fast"}).code, 2);
}

TEST_F(CliRun, StepsCutAndPadAndRunWithoutInput) {
  const auto counts = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"run", "net.nir", "--json"});
    const auto result = run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return numbers_at(result.json(), {"output_counts"});
  };
  EXPECT_EQ(counts({"--input", "ones.npy", "--steps", "3"}), (std::vector<double>{1, 3}));
  EXPECT_EQ(counts({"--input", "ones.npy", "--steps", "20"}), (std::vector<double>{4, 8}));
  EXPECT_EQ(counts({"--steps", "20"}), (std::vector<double>{0, 0}));
  // 5 ms in steps of 1 ms.
  EXPECT_EQ(counts({"--input", "ones.npy", "--dt", "1e-3", "--duration", "0.005"}),
            (std::vector<double>{2, 5}));
}

TEST_F(CliRun, FlagsOverrideThePresetWhateverTheirOrder) {
  // sinabs subtracts and fires several times a step; --reset zero and --spike-rule gt undo that.
  const std::vector<std::string> before = {
      "run",  "net.nir",      "--reset", "zero",    "--input", "ones.npy", "--json", "--dt",
      "1e-3", "--spike-rule", "gt",      "--clamp", "none",    "--preset", "sinabs"};
  const std::vector<std::string> after = {
      "run",  "net.nir",      "--preset", "sinabs",  "--input", "ones.npy", "--json", "--dt",
      "1e-3", "--spike-rule", "gt",       "--clamp", "none",    "--reset",  "zero"};
  for (const auto& arguments : {before, after}) {
    const auto result = run(arguments);
    ASSERT_EQ(result.code, 0) << result.err;
    const Value document = result.json();
    EXPECT_EQ(text_at(document, {"discretisation", "preset"}), "sinabs");
    EXPECT_EQ(text_at(document, {"discretisation", "reset"}), "zero");
    EXPECT_EQ(text_at(document, {"discretisation", "spike-rule"}), "gt");
  }
  const auto plain = run(
      {"run", "net.nir", "--preset", "sinabs", "--dt", "1e-3", "--input", "ones.npy", "--json"});
  ASSERT_EQ(plain.code, 0) << plain.err;
  // Sinabs: floor(v / 1.5) spikes at v >= 1.5, subtracted. Eight ones add up to 8 = 5 x 1.5 + 0.5;
  // eight twos to 16 = 10 x 1.5 + 1.
  EXPECT_EQ(numbers_at(plain.json(), {"output_counts"}), (std::vector<double>{5, 10}));
}

TEST_F(CliRun, EventsBecomeCountsPerBin) {
  save_recording(one_event_per_ms(11, true), path("on.bs2"));
  save_recording(one_event_per_ms(11, false), path("off.csv"));
  const auto result =
      run({"run", "polarity.nir", "--dt", "1e-3", "--input", "on.bs2", "off.csv", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  const auto& recordings = list_at(document, {"recordings"});
  ASSERT_EQ(recordings.size(), 2U);
  // Events at 0 .. 10 ms: ten whole bins of 1 ms, the last event's bin is incomplete.
  EXPECT_EQ(number_at(recordings[0], {"steps"}), 10);
  EXPECT_EQ(numbers_at(recordings[0], {"output_counts"}), (std::vector<double>{0, 10}));
  EXPECT_EQ(numbers_at(recordings[1], {"output_counts"}), (std::vector<double>{10, 0}));
  EXPECT_EQ(text_at(recordings[1], {"name"}), "off.csv");
  EXPECT_TRUE(at(document, {"accuracy"}).is_null()) << "no labels, no accuracy";

  const auto kept = run({"run", "polarity.nir", "--dt", "2e-3", "--input", "on.bs2", "--json",
                         "--keep-last-bin", "--coding", "binary"});
  ASSERT_EQ(kept.code, 0) << kept.err;
  EXPECT_EQ(number_at(kept.json(), {"steps"}), 6);
}

TEST_F(CliRun, LabelsGiveAccuracyAndConfusion) {
  save_recording(one_event_per_ms(6, true), path("a.bs2"));
  save_recording(one_event_per_ms(6, false), path("b.bs2"));
  save_recording(one_event_per_ms(6, true), path("c.bs2"));
  write_whole(path("by_name.txt"), "#name label\na 1\nb.bs2\t0\nc 0  # a wrong one\n");
  write_whole(path("in_order.txt"), "1\n0\n0\n");
  const Tensor integers = Tensor::of<std::int64_t>({3}, std::vector<std::int64_t>{1, 0, 0});
  ASSERT_TRUE(io::write_npy(path("labels.npy"), integers).ok());
  for (const std::string labels : {"by_name.txt", "in_order.txt", "labels.npy"}) {
    const auto result = run({"run", "polarity.nir", "--dt", "1e-3", "--input", "a.bs2", "b.bs2",
                             "c.bs2", "--labels", labels, "--json"});
    ASSERT_EQ(result.code, 0) << labels << ": " << result.err;
    const Value document = result.json();
    EXPECT_NEAR(number_at(document, {"accuracy"}), 2.0 / 3.0, 1e-12);
    const auto& rows = list_at(document, {"confusion"});
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ((*rows[0].as_list())[0].number(), 1);  // b
    EXPECT_EQ((*rows[0].as_list())[1].number(), 1);  // c, said 1
    EXPECT_EQ((*rows[1].as_list())[1].number(), 1);  // a
    EXPECT_EQ(number_at(list_at(document, {"recordings"})[2], {"label"}), 0);
  }
  const auto text = run({"run", "polarity.nir", "--dt", "1e-3", "--input", "a.bs2", "b.bs2",
                         "c.bs2", "--labels", "by_name.txt"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_TRUE(contains(text.out, "accuracy 0.6667 (2 of 3 right)")) << text.out;
  EXPECT_TRUE(contains(text.err, "preset nir")) << text.err;

  write_whole(path("short.txt"), "a 1\n");
  const auto missing = run({"run", "polarity.nir", "--dt", "1e-3", "--input", "a.bs2", "b.bs2",
                            "--labels", "short.txt"});
  EXPECT_EQ(missing.code, 3);
  EXPECT_TRUE(contains(missing.err, "b.bs2")) << missing.err;
  write_whole(path("two.txt"), "1\n0\n");
  EXPECT_EQ(
      run({"run", "polarity.nir", "--dt", "1e-3", "--input", "a.bs2", "--labels", "two.txt"}).code,
      5);
}

TEST_F(CliRun, ArraysWithSamplesLabelsAndAxes) {
  // Two samples of four steps: the first drives neuron 1, the second neuron 0.
  const std::vector<float> values = {0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0};
  save_array(path("samples.npy"), {2, 4, 2}, values);
  const auto samples = run({"run", "net.nir", "--input", "samples.npy", "--samples", "--json"});
  ASSERT_EQ(samples.code, 0) << samples.err;
  const auto first = samples.json();
  const auto& recordings = list_at(first, {"recordings"});
  ASSERT_EQ(recordings.size(), 2U);
  EXPECT_EQ(text_at(recordings[1], {"name"}), "samples.npy[1]");
  EXPECT_EQ(numbers_at(recordings[0], {"output_counts"}), (std::vector<double>{0, 4}));
  EXPECT_EQ(numbers_at(recordings[1], {"output_counts"}), (std::vector<double>{2, 0}));

  ASSERT_TRUE(
      io::write_npz(path("labelled.npz"),
                    {{"data", floats({2, 4, 2}, values)},
                     {"labels", Tensor::of<std::int64_t>({2}, std::vector<std::int64_t>{1, 0})}})
          .ok());
  const auto labelled = run({"run", "net.nir", "--input", "labelled.npz", "--json"});
  ASSERT_EQ(labelled.code, 0) << labelled.err;
  EXPECT_EQ(number_at(labelled.json(), {"accuracy"}), 1.0);

  // (features, time): the same ones, transposed.
  save_array(path("ct.npy"), {2, 4}, {0, 0, 0, 0, 1, 1, 1, 1});
  const auto axes = run({"run", "net.nir", "--input", "ct.npy", "--axes", "ct", "--json"});
  ASSERT_EQ(axes.code, 0) << axes.err;
  EXPECT_EQ(numbers_at(axes.json(), {"output_counts"}), (std::vector<double>{0, 4}));

  write_whole(path("table.csv"), "time_ms,left,right\n0,1,0\n1,1,0\n2,1,0\n3,1,0\n");
  const auto table =
      run({"run", "net.nir", "--input", "table.csv", "--columns", "left,right", "--json"});
  ASSERT_EQ(table.code, 0) << table.err;
  EXPECT_EQ(numbers_at(table.json(), {"output_counts"}), (std::vector<double>{2, 0}));
  write_whole(path("plain.csv"), "0,1\n0,1\n");
  const auto plain = run({"run", "net.nir", "--input", "plain.csv", "--json"});
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_EQ(numbers_at(plain.json(), {"output_counts"}), (std::vector<double>{0, 2}));
}

TEST_F(CliRun, StaticArraysAreSpreadOverSteps) {
  save_array(path("static.npy"), {2}, {1.0F, 0.0F});
  // Probability 1 spikes at every step: neuron 0 fires at every second of ten.
  const auto rate = run(
      {"run", "net.nir", "--input", "static.npy", "--coding", "rate", "--steps", "10", "--json"});
  ASSERT_EQ(rate.code, 0) << rate.err;
  EXPECT_EQ(numbers_at(rate.json(), {"output_counts"}), (std::vector<double>{5, 0}));
  const auto unknown = run({"run", "net.nir", "--input", "static.npy", "--coding", "rate"});
  EXPECT_EQ(unknown.code, 6);
  EXPECT_TRUE(contains(unknown.err, "--steps")) << unknown.err;
}

TEST_F(CliRun, ReadOutsDecideDifferently) {
  // Neuron 1 fires once, early; neuron 0 twice, later.
  save_array(path("order.npy"), {5, 2}, {0, 1, 1, 0, 1, 0, 1, 0, 1, 0});
  const auto prediction = [&](const std::string& read_out) {
    const auto result =
        run({"run", "net.nir", "--input", "order.npy", "--read-out", read_out, "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return number_at(result.json(), {"prediction"});
  };
  EXPECT_EQ(prediction("count"), 0);
  EXPECT_EQ(prediction("first"), 1);
}

TEST_F(CliRun, RecordsAreShownOrWritten) {
  const auto shown = run({"run", "net.nir", "--input", "ones.npy", "--steps", "4", "--record",
                          "neurons", "neurons:v", "--json"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  const Value document = shown.json();
  const auto& records = list_at(document, {"records"});
  ASSERT_EQ(records.size(), 3U) << "the output, and what was asked for";
  EXPECT_EQ(numbers_at(records[1], {"step"}), (std::vector<double>{0, 1, 1, 2, 3, 3}));
  EXPECT_EQ(numbers_at(records[1], {"index"}), (std::vector<double>{1, 0, 1, 1, 0, 1}));
  const auto& membrane = list_at(records[2], {"values"});
  ASSERT_EQ(membrane.size(), 4U);
  EXPECT_EQ((*membrane[0].as_list())[0].number(), 1.0);
  EXPECT_EQ((*membrane[1].as_list())[0].number(), 0.0) << "after the reset";

  const auto written =
      run({"run", "net.nir", "--input", "ones.npy", "--record", "neurons:v", "--out", "result"});
  ASSERT_EQ(written.code, 0) << written.err;
  const auto report = io::parse_json(read_whole(folder() / "result" / "run.json"));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(numbers_at(*report, {"output_counts"}), (std::vector<double>{4, 8}));
  EXPECT_TRUE(std::filesystem::exists(folder() / "result" / "recordings.h5"));
  const auto again = run({"run", "net.nir", "--input", "ones.npy", "--out", "result"});
  EXPECT_EQ(again.code, 2) << "a finished run is not overwritten";

  const auto plot = run({"plot", "raster", "result", "--json"});
  ASSERT_EQ(plot.code, 0) << plot.err;
  EXPECT_EQ(list_at(list_at(plot.json(), {"nodes"})[0], {"step"}).size(), 12U);
}

TEST_F(CliRun, SeveralThreadsGiveTheSame) {
  save_array(path("samples.npy"), {5, 4, 2}, std::vector<float>(40, 1.0F));
  const auto layers_of = [&](const std::string& threads) {
    const auto result = run(
        {"run", "net.nir", "--input", "samples.npy", "--samples", "--threads", threads, "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    std::vector<double> counts;
    const Value document = result.json();
    for (const Value& recording : list_at(document, {"recordings"})) {
      for (const double count : numbers_at(recording, {"output_counts"})) counts.push_back(count);
    }
    return counts;
  };
  const std::vector<double> expected = {2, 4, 2, 4, 2, 4, 2, 4, 2, 4};
  EXPECT_EQ(layers_of("1"), expected);
  EXPECT_EQ(layers_of("3"), expected);
}

TEST_F(CliRun, CtrlCStopsCleanlyAndLeavesNothing) {
  const pid_t child = start({"run", "net.nir", "--steps", "2000000000", "--out", "result"});
  usleep(300000);
  kill(child, SIGINT);
  const auto result = finish(child);
  EXPECT_EQ(result.code, 130) << result.err;
  for (const std::string& name : entries()) {
    EXPECT_FALSE(name.starts_with("result")) << "left behind: " << name;
  }
}

}  // namespace
}  // namespace spikeloom::test
