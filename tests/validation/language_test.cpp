/// Language models against PyTorch: losses of short texts, both protocols.
///
/// The default model's expected numbers come from torch 2.15 (sigmoid, tanh, matrix products of
/// float32, one token at a time) on the same weights and words.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <gtest/gtest.h>

#include "base/io/file.hpp"
#include "models/language/default_model.hpp"
#include "models/language/language_model.hpp"
#include "models/language/quantize_language.hpp"
#include "models/load.hpp"
#include "snn/lowering.hpp"
#include "snn/word_read_out.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/shared_data.hpp"

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

Result<Score> score(const Network& network, const std::string& backend, RunOptions options,
                    std::string_view content = kText, std::size_t most = SIZE_MAX) {
  SPIKELOOM_TRY(const Vocabulary vocabulary, language_vocabulary(network));
  SPIKELOOM_TRY(EncodedText text, vocabulary.encode(content, "text"));
  if (text.tokens.size() > most) text.tokens.resize(most);
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
  for (const char* backend : {"reference", "cpu", kCudaHost, "cuda"}) {
    if (std::string_view(backend) == "cuda" && !find_backend(backend).ok()) continue;
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
  const auto cuda = score(*whole, kCudaHost, options);
  ASSERT_TRUE(cuda.ok()) << error_of(cuda);
  EXPECT_EQ(cuda->words, cpu->words);
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

/// The models of WikiText-2 on the first 1,001 words of its test text, where PyTorch's evaluation
/// of models/language/training (torch 2.15, float32; bench/peers/language_check.py) gives these
/// losses.
struct Shipped {
  const char* name;
  double carried, reset;
};

class ShippedLanguageModel : public testing::TestWithParam<Shipped> {};

TEST_P(ShippedLanguageModel, LossesAreThoseOfPyTorch) {
  REQUIRE_SHARED("data/wikitext-2/wiki.test.tokens");
  const std::string name = GetParam().name;
  const auto model = load_model(
      (source_dir() / "models/language/weights" / name / (name + ".safetensors")).string());
  ASSERT_TRUE(model.ok()) << error_of(model);
  const auto bytes = io::read_file(shared_path("data/wikitext-2/wiki.test.tokens").string());
  ASSERT_TRUE(bytes.ok()) << error_of(bytes);
  const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  for (const bool whole : {false, true}) {
    for (const std::int64_t reset : {0, 70}) {
      RunOptions options;
      options.arithmetic = whole ? Arithmetic::kInteger : Arithmetic::kFloat32;
      options.state_reset = reset;
      const auto scored = score(model->network, "cpu", options, text, 1001);
      ASSERT_TRUE(scored.ok()) << error_of(scored);
      // The printed losses have six digits; integers may cost a thousandth of a nat.
      EXPECT_NEAR(scored->loss, reset > 0 ? GetParam().reset : GetParam().carried,
                  whole ? 1e-3 : 2e-6)
          << (whole ? "integers" : "float32") << ", reset " << reset;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ShippedLanguageModel,
                         testing::Values(Shipped{"wt2-prune95", 4.097395, 4.137699},
                                         Shipped{"wt2-ternary", 4.128822, 4.183604}),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace spikeloom::test
