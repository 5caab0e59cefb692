/// The pieces the commands are made of, without a process.

#include <csignal>
#include <cstdlib>
#include <map>

#include <gtest/gtest.h>

#include "cli/chip_figure.hpp"
#include "cli/interrupt.hpp"
#include "cli/network_file.hpp"
#include "cli/quantize_command.hpp"
#include "cli/raster.hpp"
#include "cli/run_flags.hpp"
#include "cli/run_report.hpp"
#include "cli/sample.hpp"
#include "cli/table.hpp"
#include "snn/lowering.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::cli {
namespace {

TEST(CliRecordFlag, AVariableCountsOnlyBehindTheLastColon) {
  EXPECT_EQ(parse_record_flag("lif1").node, "lif1");
  EXPECT_EQ(parse_record_flag("lif1").variable, Variable::kSpikes);
  EXPECT_EQ(parse_record_flag("lif1:v").variable, Variable::kMembrane);
  EXPECT_EQ(parse_record_flag("lif1:u").variable, Variable::kCurrent);
  EXPECT_EQ(parse_record_flag("a:b").node, "a:b");
  EXPECT_EQ(parse_record_flag("a:b:y").node, "a:b");
  EXPECT_EQ(parse_record_flag("a:b:y").variable, Variable::kOutput);
}

TEST(CliRunFlags, TextFlagsComeOnTopAndTheLastOneWins) {
  RunFlags flags;
  flags.discretisation = {{"reset", "zero"}, {"dt", "1e-3"}};
  ASSERT_TRUE(apply_run_flags("--reset subtract --arithmetic double", flags).ok());
  EXPECT_EQ(flags.arithmetic, "double");
  ASSERT_EQ(flags.discretisation.size(), 2U);
  EXPECT_EQ(flags.discretisation[0].second, "subtract");
  EXPECT_EQ(flags.discretisation[1].second, "1e-3");
  ASSERT_TRUE(apply_run_flags("--clamp -1 --input-gain=-0.5", flags).ok()) << "negative numbers";
  const std::map<std::string, std::string> given(flags.discretisation.begin(),
                                                 flags.discretisation.end());
  EXPECT_EQ(given.at("clamp"), "-1");
  EXPECT_EQ(given.at("input-gain"), "-0.5");
  const Status wrong = apply_run_flags("--nonsense", flags);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, ErrorCode::kInvalidArgument);
}

TEST(CliRunFlags, ModelSettingsAreTakenBackAsTheyWereGiven) {
  EXPECT_EQ(model_settings({}), "");
  constexpr const char* kText =
      "--preset sinabs --dt 1e-3 --reset once --clamp -1 --coding binary --bin-origin zero "
      "--bin-rounding nearest --ignore-steps 3 --clip 0.1 --read-out first --keep-last-bin";
  RunFlags flags;
  ASSERT_TRUE(apply_run_flags(kText, flags).ok());
  EXPECT_EQ(model_settings(flags), kText);
  ASSERT_TRUE(apply_run_flags("--steps 5 --arithmetic integer --backend cpu", flags).ok());
  EXPECT_EQ(model_settings(flags), kText) << "these are no settings of the model";
}

TEST(CliTextModels, AreKnownByTheirTopLevelKeys) {
  EXPECT_EQ(identify_text_model("network:\n  a: 1\nmappings:\n").format, "YAML");
  EXPECT_EQ(identify_text_model("network:\n  a: 1\nmappings:\n").keys,
            (std::vector<std::string>{"network", "mappings"}));
  EXPECT_NE(identify_text_model("# c\narchitecture:\n  x: 2\n").meaning.find("chip"),
            std::string::npos);
  EXPECT_NE(identify_text_model("simulation:\n Ts: 1\nneuron:\n type: A\ntraining:\n")
                .meaning.find("SLAYER"),
            std::string::npos);
  EXPECT_EQ(identify_text_model(R"({"populations": []})").format, "JSON");
  EXPECT_EQ(identify_text_model("1 2 3\n4 5 6\n").format, "");
  EXPECT_EQ(identify_text_model("{ broken").format, "");
  EXPECT_EQ(identify_text_model("").format, "");
}

TEST(CliTables, HeadsAndColumns) {
  EXPECT_EQ(table_head("t,x,y,p\n0,1,2,1\n").names, (std::vector<std::string>{"t", "x", "y", "p"}));
  EXPECT_EQ(table_head("# note\n0.5; 1; 2\n").columns, 3U);
  EXPECT_TRUE(table_head("0.5 1 2\n").names.empty());
  EXPECT_EQ(table_head("").columns, 0U);
}

TEST(CliTables, PadCellsAndKeepNumbersToTheRight) {
  Table table({"name", "n"}, 1);
  table.row({"a", "1"});
  table.row({"→b", "200"});
  table.total({"all", "201"});
  EXPECT_EQ(table.text(), "name    n\na       1\n→b    200\n---------\nall   201\n");
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(number_text(3.0), "3");
  EXPECT_EQ(number_text(0.25), "0.25");
  EXPECT_EQ(seconds_text(0.001), "1 ms");
  EXPECT_EQ(seconds_text(2.5), "2.5 s");
}

TEST(CliRaster, DotsStandWhereSpikesAre) {
  // Two neurons, four steps: neuron 0 at steps 0 and 3, neuron 1 at step 1.
  const std::vector<std::int64_t> step = {0, 3, 1};
  const std::vector<std::int64_t> index = {0, 0, 1};
  RasterOptions options;
  options.ascii = true;
  EXPECT_EQ(draw_raster(step, index, 2, 4, options), "0 |.  .|\n1 | .  |\n   step 0 step 4\n");
  // As Braille: one cell has two steps and four neurons. Cell 0: dot 1 (neuron 0, step 0) and dot
  // 5 (neuron 1, step 1) = U+2811; cell 1: dot 4 (neuron 0, step 3) = U+2808.
  options.ascii = false;
  EXPECT_EQ(draw_raster(step, index, 2, 4, options), "0 |⠑⠈|\n   step 0 step 4\n");
  EXPECT_EQ(draw_raster({}, {}, 0, 4, options), "(nothing to draw)\n");
}

TEST(CliRaster, ManyStepsShareADot) {
  std::vector<std::int64_t> step, index;
  for (std::int64_t s = 0; s < 100; ++s) {
    step.push_back(s);
    index.push_back(0);
  }
  RasterOptions options;
  options.ascii = true;
  options.width = 10;
  const std::string text = draw_raster(step, index, 1, 100, options);
  EXPECT_EQ(text.substr(0, text.find('\n')), "0 |##########|");
}

RecordingResult answer(std::int64_t label, std::int64_t prediction) {
  RecordingResult result;
  result.label = label;
  OutputResult output;
  output.counts = {0, 0, 0};
  output.prediction = prediction;
  result.outcome.outputs.push_back(output);
  return result;
}

TEST(CliConfusion, CountsRightAnswersByClass) {
  const Confusion confusion =
      confusion_of({answer(0, 0), answer(0, 1), answer(2, 2), answer(4, 1)});
  EXPECT_EQ(confusion.classes, 5U) << "as many as the largest label needs";
  EXPECT_EQ(confusion.labelled, 4U);
  EXPECT_EQ(confusion.right, 2U);
  EXPECT_EQ(confusion.accuracy(), 0.5);
  EXPECT_EQ(confusion.counts[0 * 5 + 1], 1U);
  EXPECT_EQ(confusion.counts[4 * 5 + 1], 1U);
  EXPECT_EQ(confusion_of({}).accuracy(), 0.0);
}

TEST(CliChipFigure, SaysWhyThereIsNoneAndPassesAStopOn) {
  Discretisation discretisation;
  discretisation.dt = 1.0;
  discretisation.link_delay = 1;
  const auto program = lower(test::chain({2}, {test::relay(1.0F, 2)}, {2}), discretisation);
  ASSERT_TRUE(program.ok()) << program.error().message();
  const std::vector<StepEvents> one_step{StepEvents(1)};
  const auto none = chip_figure(*program, {}, 0.0, {});
  ASSERT_TRUE(none.ok());
  EXPECT_NE(none->why_not.find("no inference"), std::string::npos) << none->why_not;
  const auto one = chip_figure(*program, one_step, 1.0, {});
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->why_not, "");
  const auto stopped = [&] {
    install_interrupt_handler();
    std::raise(SIGINT);
    const auto made = chip_figure(*program, one_step, 1.0, {});
    std::_Exit(!made.ok() && made.error().code == ErrorCode::kCancelled ? 130 : 1);
  };
  EXPECT_EXIT(stopped(), testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace spikeloom::cli
