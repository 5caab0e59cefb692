/// Equations of recurrent cells, read-outs of words, and refusals of what does not fit.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "snn/lowering.hpp"
#include "snn/read_out.hpp"
#include "snn/recurrent_equations.hpp"
#include "snn/word_read_out.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/word_networks.hpp"

namespace spikeloom::test {
namespace {

double sigmoid_of(double x) { return 1.0 / (1.0 + std::exp(-x)); }

TEST(RecurrentEquations, SmoothExpIsExact) {
  for (double x = -650.0; x < 650.0; x += 0.37) {
    EXPECT_NEAR(equations::smooth_exp(x) / std::exp(x), 1.0, 1e-15) << x;
  }
  EXPECT_EQ(equations::smooth_exp(0.0), 1.0);
  EXPECT_EQ(equations::sigmoid(-1e30F), 0.0F);
  EXPECT_EQ(equations::sigmoid(1e30F), 1.0F);
  EXPECT_EQ(equations::hyperbolic_tangent(-1e30F), -1.0F);
}

TEST(RecurrentEquations, SigmoidAndTanhAreRoundedOnce) {
  int off = 0;
  for (float x = -12.0F; x < 12.0F; x += 0.00731F) {
    off += equations::sigmoid(x) != static_cast<float>(sigmoid_of(x)) ? 1 : 0;
    off += equations::hyperbolic_tangent(x) != static_cast<float>(std::tanh(double{x})) ? 1 : 0;
  }
  EXPECT_EQ(off, 0);
}

/// Near 0 the hyperbolic tangent keeps its digits: a tiny sum is a tiny event, not none.
TEST(RecurrentEquations, TanhKeepsItsDigitsNearZero) {
  for (int exponent = -126; exponent < 0; ++exponent) {
    for (const float x : {std::ldexp(1.0F, exponent), std::ldexp(-1.37F, exponent)}) {
      EXPECT_EQ(equations::hyperbolic_tangent(x), static_cast<float>(std::tanh(double{x}))) << x;
    }
  }
}

/// The released code's step, once with and once without an event (values worked out in double).
TEST(RecurrentEquations, EgruOfTheReleasedCode) {
  const equations::GateSums<float> sums{0.2F, -0.4F, 0.9F, 0.1F, 0.3F, 0.5F};
  const double z = sigmoid_of(0.3), r = sigmoid_of(-0.1), g = std::tanh(0.9 + r * 0.5);
  const double c = z * 0.25 + (1.0 - z) * g;
  auto unit = equations::egru(sums, 0.25F, 0.3F);
  ASSERT_GT(c, 0.3);
  EXPECT_NEAR(unit.output, c, 1e-6);
  EXPECT_NEAR(unit.state, c - 0.3, 1e-6);
  unit = equations::egru(sums, 0.25F, 0.9F);
  EXPECT_EQ(unit.output, 0.0F);
  EXPECT_NEAR(unit.state, c, 1e-6);
  // Strict: at the threshold there is no event.
  EXPECT_EQ(equations::egru(sums, 0.25F, unit.state).output, 0.0F);
}

TEST(RecurrentEquations, EgruOfThePaperTakesTheLastOutputAway) {
  const equations::GateSums<float> sums{0.2F, -0.4F, 0.9F, 0.1F, 0.3F, 0.5F};
  const double u = sigmoid_of(0.3), z = std::tanh(1.4);
  const double c = u * z + (1.0 - u) * 0.6 - 0.6;
  const auto unit = equations::egru_paper(sums, 0.6F, 0.6F, 0.1F);
  EXPECT_NEAR(unit.state, c, 1e-6);
  EXPECT_NEAR(unit.output, c > 0.1 ? c : 0.0, 1e-6);
}

TEST(RecurrentEquations, Lstm) {
  const double c = sigmoid_of(-0.2) * 0.4 + sigmoid_of(0.1) * std::tanh(0.3);
  const auto unit = equations::lstm(0.1F, -0.2F, 0.3F, 0.7F, 0.4F);
  EXPECT_NEAR(unit.state, c, 1e-6);
  EXPECT_NEAR(unit.output, sigmoid_of(0.7) * std::tanh(c), 1e-6);
}

TEST(RecurrentEquations, IntegersFollowTheRealUnit) {
  for (int i = -20; i <= 20; ++i) {
    const double a = 0.13 * i;
    const auto sum = [](double x) { return static_cast<std::int32_t>(std::lround(4096.0 * x)); };
    const equations::GateSums<std::int32_t> whole{sum(a),       sum(0.5 - a), sum(0.7 * a),
                                                  sum(0.3 * a), sum(-0.2),    sum(0.9)};
    const double z = sigmoid_of(1.3 * a), r = sigmoid_of(0.3 - a);
    const double c = z * 0.5 + (1.0 - z) * std::tanh(0.7 * a + r * 0.9);
    const auto unit = equations::egru(whole, 16384, 32768);
    EXPECT_EQ(unit.output, 0);
    EXPECT_NEAR(unit.state / 32768.0, c, 5e-4) << a;
  }
}

TEST(WordReadOut, LogLikelihoodOfThreeWords) {
  const std::vector<float> logits = {1.0F, 2.0F, -1.0F};
  const double sum = std::exp(1.0) + std::exp(2.0) + std::exp(-1.0);
  EXPECT_NEAR(log_likelihood(logits, 0), 1.0 - std::log(sum), 1e-6);
  EXPECT_NEAR(log_likelihood(logits, 2), -1.0 - std::log(sum), 1e-6);
  const std::vector<float> large = {1000.0F, 999.0F};
  EXPECT_NEAR(log_likelihood(large, 1), -1.0 - std::log1p(std::exp(-1.0)), 1e-6);
  PerplexityMeter meter;
  meter.add(std::log(0.25));
  meter.add(std::log(0.0625));
  EXPECT_NEAR(meter.perplexity(), 8.0, 1e-12);
}

TEST(WordReadOut, BestWordsAreThoseOfASort) {
  const RandomStream random{5, 6};
  std::vector<float> logits;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    logits.push_back(std::floor(8.0F * static_cast<float>(random.normal(i))));  // many ties
  }
  std::vector<std::uint32_t> order(logits.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return logits[a] > logits[b]; });
  const auto best = best_words(logits, 20);
  ASSERT_EQ(best.size(), 20U);
  for (std::size_t i = 0; i < best.size(); ++i) EXPECT_EQ(best[i].word, order[i]) << i;
  EXPECT_EQ(best_words(logits, 5000).size(), 1000U);
  EXPECT_TRUE(best_words(logits, 0).empty());
}

TEST(WordReadOut, ChoiceFollowsTheTemperature) {
  const std::vector<float> logits = {0.0F, std::log(3.0F), -50.0F};
  const RandomStream random{1, 2};
  int second = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    second += choose_word(logits, {1.0, 3}, random, i) == 1 ? 1 : 0;
    EXPECT_EQ(choose_word(logits, {0.0, 3}, random, i), 1U);
  }
  EXPECT_NEAR(second / 4000.0, 0.75, 0.03);
}

TEST(WordReadOut, AWordCanBeRuledOut) {
  const std::vector<float> logits = {0.0F, 5.0F, std::log(3.0F), -50.0F};
  const RandomStream random{1, 2};
  int third = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    EXPECT_EQ(choose_word(logits, {0.0, 1, 1U}, random, i), 2U);
    third += choose_word(logits, {1.0, 2, 1U}, random, i) == 2 ? 1 : 0;
  }
  EXPECT_NEAR(third / 4000.0, 0.75, 0.03);  // of the two best that are left, 3 to 1
}

TEST(ReadOutTrace, IsALowPass) {
  ReadOutAccumulator trace(ReadOut::kTrace, 2, 1.0);
  double expected = 0.0;
  for (std::int64_t t = 0; t < 12; ++t) {
    const double y = t % 3 == 0 ? 0.5 : 0.0;
    expected = 0.9 * expected + 0.1 * y;
    const std::uint32_t index = 1;
    if (y != 0.0) trace.add(t, {&index, 1}, {&y, 1});
  }
  EXPECT_NEAR(trace.scores(12)[1], expected, 1e-12);
  EXPECT_EQ(trace.scores(12)[0], 0.0);
}

std::string refusal(node::Egru layer) {
  const auto network = word_network({std::move(layer)});
  if (!network.ok()) return network.error().message();
  const auto program = lower(*network, *make_preset("nir"));
  return program.ok() ? "" : program.error().message();
}

TEST(RecurrentLayer, WhatDoesNotFitIsRefusedByName) {
  auto wrong_rows = random_egru(kVector, kVector, 1);
  wrong_rows.kernel = random_matrix(2 * kVector, kVector, 1, 1.0);
  EXPECT_NE(refusal(wrong_rows).find("kernel"), std::string::npos) << refusal(wrong_rows);
  auto nan = random_egru(kVector, kVector, 1);
  nan.recurrent = Tensor::full({3 * kVector, kVector}, std::nanf(""));
  EXPECT_NE(refusal(nan).find("not a number"), std::string::npos) << refusal(nan);
  auto form = random_egru(kVector, kVector, 1, 0.0, 2);
  EXPECT_NE(refusal(form).find("form"), std::string::npos) << refusal(form);
  auto short_threshold = random_egru(kVector, kVector, 1);
  short_threshold.threshold = random_matrix(3, 1, 1, 1.0);
  EXPECT_NE(refusal(short_threshold).find("threshold"), std::string::npos);
  EXPECT_NE(refusal(random_egru(kVector, kVector + 1, 1)).find("does not fit"), std::string::npos);
  EXPECT_EQ(refusal(random_egru(kVector, kVector, 1)), "");
}

}  // namespace
}  // namespace spikeloom::test
