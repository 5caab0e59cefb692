/// Rows of simulated networks: numbers and laws of every rule, and that a part is a part of the
/// whole.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "snn/simulation/binomial.hpp"
#include "snn/simulation/connectivity.hpp"
#include "snn/simulation/draws.hpp"
#include "snn/simulation/permutation.hpp"

namespace spikeloom::simulation {
namespace {

/// chi^2 less its degrees of freedom, in standard deviations; cells of fewer than 5 are merged.
double chi_square(const std::vector<double>& expected, const std::vector<double>& found) {
  double sum = 0.0, cells = -1.0, e = 0.0, f = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    e += expected[i];
    f += found[i];
    if (e < 5.0) continue;
    sum += (f - e) * (f - e) / e;
    cells += 1.0;
    e = f = 0.0;
  }
  return (sum - cells) / std::sqrt(2.0 * std::max(cells, 1.0));
}

TEST(SimulationBinomial, HasTheBinomialLaw) {
  constexpr int kDraws = 20000;
  for (const auto& [n, p] : {std::pair{40, 0.1}, std::pair{40, 0.93}, std::pair{100, 0.4},
                             std::pair{1000, 0.02}, std::pair{3000, 0.7}}) {
    std::vector<double> expected, found(static_cast<std::size_t>(n) + 1, 0.0);
    for (int k = 0; k <= n; ++k) {
      expected.push_back(kDraws * std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) -
                                           std::lgamma(n - k + 1.0) + k * std::log(p) +
                                           (n - k) * std::log1p(-p)));
    }
    for (std::uint64_t i = 0; i < kDraws; ++i) {
      const std::int64_t k = binomial({7, 1}, i, n, p);
      ASSERT_TRUE(k >= 0 && k <= n);
      found[static_cast<std::size_t>(k)] += 1.0;
    }
    EXPECT_LT(chi_square(expected, found), 4.0) << n << " x " << p;
  }
  EXPECT_EQ(binomial({1, 1}, 0, 5, 0.0), 0);
  EXPECT_EQ(binomial({1, 1}, 0, 5, 1.0), 5);
  // Large numbers: mean and standard deviation.
  const double n = 1e12, p = 0.25;
  double sum = 0.0, squares = 0.0;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double z =
        (static_cast<double>(binomial({7, 2}, i, std::int64_t{1000000000000}, p)) - n * p) /
        std::sqrt(n * p * (1 - p));
    sum += z;
    squares += z * z;
  }
  EXPECT_NEAR(sum / kDraws, 0.0, 4.0 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1.0, 4.0 * std::sqrt(2.0 / kDraws));
}

TEST(SimulationBinomial, APartOfASplitIsThatOfTheWhole) {
  std::map<std::uint64_t, std::int64_t> whole, part;
  std::int64_t sum = 0;
  split({3, 3}, 1000, 77, 0.25, 0, 77, [&](std::uint64_t i, std::int64_t n) {
    whole[i] = n;
    sum += n;
  });
  EXPECT_EQ(sum, 1000);
  split({3, 3}, 1000, 77, 0.25, 20, 31, [&](std::uint64_t i, std::int64_t n) { part[i] = n; });
  for (std::uint64_t i = 20; i < 31; ++i) EXPECT_EQ(part[i], whole[i]);
  EXPECT_LE(part.size(), 11U);
  double last = 0.0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    split({seed, 3}, 1000, 10, 0.25, 9, 10,
          [&](std::uint64_t, std::int64_t n) { last += static_cast<double>(n); });
  }
  const double share = 0.25 / 9.25;
  EXPECT_NEAR(last / 400, 1000 * share, 4.0 * std::sqrt(1000 * share / 400));
}

TEST(SimulationPermutation, IsABijection) {
  for (const std::uint64_t n : {1, 2, 3, 5, 64, 1000, 4097}) {
    const Permutation place({11, n}, n);
    std::set<std::uint64_t> seen;
    for (std::uint64_t i = 0; i < n; ++i) seen.insert(place(i));
    EXPECT_EQ(seen.size(), n);
    EXPECT_EQ(*seen.rbegin(), n - 1);
  }
}

TEST(SimulationDraws, TablesGiveTheRoundedDraw) {
  const RandomStream words{5, 5};
  for (const auto& [d, unit] : {std::pair<Distribution, double>{Constant{0.75}, 0.1},
                                {Normal{1.5, 0.75, 0.05}, 0.1},
                                {Normal{-351.0, 35.0, -INFINITY, 0.0}, 0.03},
                                {Uniform{-3.0, 2.0}, 0.5},
                                {Lognormal{0.0, 1.0}, 0.25}}) {
    const WholeDraw table(d, unit, -1000000);
    for (std::uint64_t i = 0; i < 2000; ++i) {
      for (const std::uint32_t w : words.words(i)) {
        ASSERT_EQ(table(w), std::lround(draw(d, w) / unit));
      }
    }
    EXPECT_EQ(table(0), table.smallest());
    EXPECT_EQ(table(0xffffffffU), table.largest());
  }
  EXPECT_EQ(WholeDraw(Constant{0.05}, 0.1, 1)(7), 1);
}

TEST(SimulationDraws, PoissonHasItsLaw) {
  for (const double mean : {0.01, 1.6, 80.0}) {
    const PoissonDraw poisson(mean);
    double sum = 0.0, squares = 0.0;
    constexpr double kDraws = 80000;
    for (std::uint64_t i = 0; i < kDraws / 4; ++i) {
      for (const std::uint32_t w : RandomStream{9, 1}.words(i)) {
        const double k = poisson(w);
        sum += k;
        squares += k * k;
      }
    }
    const double m = sum / kDraws;
    EXPECT_NEAR(m, mean, 4.0 * std::sqrt(mean / kDraws));
    EXPECT_NEAR((squares / kDraws - m * m) / mean, 1.0,
                4.0 * std::sqrt(3.0 / (kDraws * mean)) + 0.02);
  }
  EXPECT_EQ(PoissonDraw(0.0)(0xffffffffU), 0U);
}

/// All synapses of one projection, source by source, onto neurons [first, last).
std::vector<std::pair<std::int64_t, Synapse>> synapses(const Network& network, std::int64_t first,
                                                       std::int64_t last) {
  std::vector<std::pair<std::int64_t, Synapse>> all;
  const auto made = Connectivity::make(network, first, last);
  EXPECT_TRUE(made.ok());
  Connectivity::Scratch scratch;
  for (std::int64_t s = 0; s < network.populations[network.projections[0].source].size; ++s) {
    for (const std::uint32_t b : made->blocks_from(network.projections[0].source)) {
      std::vector<Synapse> row;
      made->append_row(made->blocks()[b], s, scratch, row);
      EXPECT_LE(std::ssize(row), made->most_in_row(made->blocks()[b], s));
      for (const Synapse& synapse : row) all.emplace_back(s, synapse);
    }
  }
  return all;
}

Network one_projection(ConnectionRule rule, bool recurrent, std::int64_t targets = 9000) {
  Network network;
  network.populations = {{"a", 60}, {"b", targets}};
  if (recurrent) network.populations = {{"b", targets}};
  Projection projection;
  projection.target = recurrent ? 0 : 1;
  projection.rule = std::move(rule);
  network.projections = {projection};
  return network;
}

TEST(SimulationConnectivity, HasTheDegreesOfItsRule) {
  const auto degrees = [](const Network& network) {
    std::pair<std::map<std::int64_t, int>, std::map<std::int64_t, int>> out_in;
    for (const auto& [source, synapse] : synapses(network, 0, neuron_count(network))) {
      ++out_in.first[source];
      ++out_in.second[synapse.target];
    }
    return out_in;
  };
  const auto all_are = [](const std::map<std::int64_t, int>& counts, std::size_t size, int count) {
    EXPECT_EQ(counts.size(), size);
    for (const auto& [neuron, n] : counts) EXPECT_EQ(n, count);
  };
  all_are(degrees(one_projection(FixedInDegree{7}, false)).second, 9000, 7);
  all_are(degrees(one_projection(FixedOutDegree{700}, false)).first, 60, 700);
  all_are(degrees(one_projection(FixedOutDegree{3}, false)).first, 60, 3);
  all_are(degrees(one_projection(AllToAll{}, false)).second, 9000, 60);
  all_are(degrees(one_projection(AllToAll{false}, true, 100)).second, 100, 99);
  all_are(degrees(one_projection(OneToOne{}, true, 100)).first, 100, 1);
  EXPECT_EQ(synapses(one_projection(FixedTotalNumber{12345}, false), 0, 9060).size(), 12345U);
}

TEST(SimulationConnectivity, IsUniformWhereTheRuleIs) {
  // Sources of a fixed in-degree, targets of a fixed out-degree, both of a fixed total.
  const auto spread = [](const Network& network, bool by_source) {
    std::map<std::int64_t, double> counts;
    const auto all = synapses(network, 0, neuron_count(network));
    for (const auto& [source, synapse] : all) counts[by_source ? source : synapse.target] += 1.0;
    const double cells = by_source ? 60 : 9000;
    std::vector<double> found;
    for (const auto& [cell, n] : counts) found.push_back(n);
    found.resize(static_cast<std::size_t>(cells), 0.0);
    const double share = static_cast<double>(all.size()) / cells;
    EXPECT_LT(std::abs(chi_square(std::vector<double>(found.size(), share), found)), 4.0);
  };
  spread(one_projection(FixedInDegree{20}, false), true);
  spread(one_projection(FixedOutDegree{3000}, false), false);
  spread(one_projection(FixedTotalNumber{180000}, false), true);
  spread(one_projection(FixedTotalNumber{180000}, false), false);
  spread(one_projection(PairwiseBernoulli{0.3}, false), true);
  spread(one_projection(PairwiseBernoulli{0.7}, false), true);
}

TEST(SimulationConnectivity, BernoulliJoinsAPairOnceAndSkipsAutapses) {
  for (const double p : {0.0, 0.02, 0.5, 0.9, 1.0}) {
    const Network network = one_projection(PairwiseBernoulli{p, false}, true, 300);
    std::set<std::pair<std::int64_t, std::uint32_t>> pairs;
    const auto all = synapses(network, 0, 300);
    for (const auto& [source, synapse] : all) {
      EXPECT_NE(source, synapse.target);
      pairs.emplace(source, synapse.target);
    }
    EXPECT_EQ(pairs.size(), all.size());
    const double n = 300.0 * 299.0;
    EXPECT_NEAR(static_cast<double>(all.size()), n * p, 4.0 * std::sqrt(n * p * (1.0 - p)));
  }
}

TEST(SimulationConnectivity, APartHasTheSynapsesOfTheWhole) {
  ExplicitList list;
  for (std::uint32_t i = 0; i < 500; ++i) {
    list.source.push_back(i * 7 % 60);
    list.target.push_back(i * 31 % 9000);
  }
  for (const ConnectionRule& rule : std::initializer_list<ConnectionRule>{
           FixedInDegree{5}, FixedOutDegree{500}, FixedTotalNumber{20000}, AllToAll{},
           PairwiseBernoulli{0.01}, PairwiseBernoulli{0.8}, list}) {
    const Network network = one_projection(rule, false);
    const auto key = [](const std::pair<std::int64_t, Synapse>& s) {
      return std::tuple(s.first, s.second.target, s.second.weight, s.second.delay, s.second.entry);
    };
    std::vector<decltype(key({}))> whole, parts;
    for (const auto& s : synapses(network, 0, 9060)) whole.push_back(key(s));
    for (const auto& [first, last] : {std::pair{0U, 2000U}, {2000U, 5123U}, {5123U, 9060U}}) {
      for (const auto& s : synapses(network, first, last)) {
        EXPECT_TRUE(s.second.target >= first && s.second.target < last);
        parts.push_back(key(s));
      }
    }
    std::sort(whole.begin(), whole.end());
    std::sort(parts.begin(), parts.end());
    EXPECT_EQ(whole, parts);
    EXPECT_FALSE(whole.empty());
  }
}

}  // namespace
}  // namespace spikeloom::simulation
