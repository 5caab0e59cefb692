/// The default language model against PyTorch: losses of a short text, both protocols.
///
/// The expected numbers come from torch 2.15 (sigmoid, tanh, matrix products of float32, one token
/// at a time) on the same weights and words.

#include <cmath>

#include <gtest/gtest.h>

#include "models/language/default_model.hpp"
#include "models/language/language_model.hpp"
#include "models/language/quantize_language.hpp"
#include "snn/lowering.hpp"
#include "snn/word_read_out.hpp"
#include "tests/support/run_network.hpp"

namespace spikeloom::test {
namespace {

/// First sentences of Pride and Prejudice and of Moby-Dick.
constexpr const char* kText =
    "it is a truth universally acknowledged , that a single man in possession of a good fortune , "
    "must be in want of a wife .\n"
    "however little known the feelings or views of such a man may be on his first entering a "
    "neighbourhood , this truth is so well fixed in the minds of the surrounding families , that "
    "he is considered as the rightful property of some one or other of their daughters .\n"
    "call me ishmael .\n"
    "some years ago - never mind how long precisely - having little or no money in my purse , and "
    "nothing particular to interest me on shore , i thought i would sail about a little and see "
    "the watery part of the world .\n";

constexpr double kCarried = 4.837128815434757, kReset20 = 4.892009462038824;
constexpr double kActive[] = {0.036306928294573645, 0.12342538759689922, 0.2086361434108527};
constexpr double kFirst[] = {-1.4734694328626305, -3.1038148361817854, -8.52632098417025,
                             -11.106921193216833, -8.135176352976606};

struct Score {
  double loss = 0.0;
  std::vector<double> words;
  RunStats stats;
};

Result<Score> score(const Network& network, const std::string& backend, RunOptions options) {
  SPIKELOOM_TRY(const Vocabulary vocabulary, language_vocabulary(network));
  SPIKELOOM_TRY(const EncodedText text, vocabulary.encode(kText, "text"));
  SPIKELOOM_TRY(const Program program, lower(network, *make_preset("nir")));
  options.record_outputs = false;
  SPIKELOOM_TRY(const auto executable, compile(backend, program, options));
  SPIKELOOM_TRY(const auto session, executable->open());
  const std::uint32_t decoder = *program.find("decoder");
  std::vector<float> logits(vocabulary.size());
  Score score;
  PerplexityMeter meter;
  for (std::size_t i = 0; i + 1 < text.tokens.size(); ++i) {
    const Time now = static_cast<Time>(i) * session->step_time();
    SPIKELOOM_CHECK(session->push(0, 0, {{&now, 1}, {&text.tokens[i], 1}, {}}));
    SPIKELOOM_CHECK(session->advance(now + session->step_time()));
    SPIKELOOM_CHECK(session->latest(0, decoder, logits));
    score.words.push_back(log_likelihood(logits, text.tokens[i + 1]));
    meter.add(score.words.back());
  }
  score.loss = meter.loss();
  score.stats = session->stats();
  return score;
}

class DefaultLanguageModel : public testing::Test {
 protected:
  static const Network& network() {
    static const Network made = [] {
      auto model = default_language_model();
      EXPECT_TRUE(model.ok()) << error_of(model);
      return model.ok() ? model->network : Network();
    }();
    return made;
  }
};

TEST_F(DefaultLanguageModel, LossesAreThoseOfPyTorch) {
  for (const char* backend : {"reference", "cpu"}) {
    const auto carried = score(network(), backend, {});
    ASSERT_TRUE(carried.ok()) << error_of(carried);
    EXPECT_NEAR(carried->loss, kCarried, 1e-4) << backend;
    ASSERT_EQ(carried->words.size(), 129U);
    for (std::size_t i = 0; i < std::size(kFirst); ++i) {
      EXPECT_NEAR(carried->words[i], kFirst[i], 1e-4) << backend << " word " << i;
    }
    std::size_t layer = 0;
    for (const NodeStats& node : carried->stats.nodes) {
      if (node.kind != "EGRU") continue;
      const double units = static_cast<double>(node.neuron_updates);
      EXPECT_NEAR(static_cast<double>(node.events_out) / units, kActive[layer++], 1e-4);
    }
    RunOptions options;
    options.state_reset = 20;
    const auto reset = score(network(), backend, options);
    ASSERT_TRUE(reset.ok()) << error_of(reset);
    EXPECT_NEAR(reset->loss, kReset20, 1e-4) << backend;
  }
}

TEST_F(DefaultLanguageModel, IntegersCostLittleAndAreTheSameEverywhere) {
  const auto whole = quantize_language(network());
  ASSERT_TRUE(whole.ok()) << error_of(whole);
  RunOptions options;
  options.arithmetic = Arithmetic::kInteger;
  const auto reference = score(*whole, "reference", options);
  const auto cpu = score(*whole, "cpu", options);
  ASSERT_TRUE(reference.ok() && cpu.ok()) << error_of(reference) << error_of(cpu);
  EXPECT_EQ(reference->words, cpu->words);
  EXPECT_NEAR(cpu->loss, kCarried, 0.05);
  EXPECT_EQ(reference->stats.synaptic_operations(), cpu->stats.synaptic_operations());
}

TEST_F(DefaultLanguageModel, SharpenedThresholdsCostEventsAndLikelihood) {
  const auto plain = score(network(), "cpu", {});
  RunOptions options;
  options.sharpen = 0.05;
  const auto sharp = score(network(), "cpu", options);
  ASSERT_TRUE(plain.ok() && sharp.ok());
  EXPECT_LT(sharp->stats.synaptic_operations(), plain->stats.synaptic_operations());
  EXPECT_GT(sharp->loss, plain->loss);
}

}  // namespace
}  // namespace spikeloom::test
