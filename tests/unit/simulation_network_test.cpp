/// Descriptions of simulated networks: distributions against their moments, and what is refused.

#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "snn/simulation/distribution.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom::simulation {
namespace {

/// Mean and standard deviation of 2^16 equally spaced quantiles.
std::pair<double, double> moments(const Distribution& distribution) {
  constexpr int kPoints = 1 << 16;
  double sum = 0.0, squares = 0.0;
  for (int i = 0; i < kPoints; ++i) {
    const double x = quantile(distribution, (i + 0.5) / kPoints);
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kPoints;
  return {mean, std::sqrt(squares / kPoints - mean * mean)};
}

TEST(SimulationDistribution, HasTheMomentsOfTheTextbook) {
  const auto near = [](const Distribution& d, double mean, double sd) {
    const auto [m, s] = moments(d);
    EXPECT_NEAR(m, mean, 2e-3 * (std::abs(mean) + sd));
    EXPECT_NEAR(s, sd, 2e-3 * (std::abs(mean) + sd));
  };
  near(Constant{3.0}, 3.0, 0.0);
  near(Uniform{-1.0, 2.0}, 0.5, 3.0 / std::sqrt(12.0));
  near(Normal{5.0, 2.0}, 5.0, 2.0);
  // Half a normal: mean sqrt(2 / pi), variance 1 - 2 / pi; either side.
  near(Normal{0.0, 1.0, 0.0}, std::sqrt(2.0 / M_PI), std::sqrt(1.0 - 2.0 / M_PI));
  near(Normal{0.0, 1.0, -INFINITY, 0.0}, -std::sqrt(2.0 / M_PI), std::sqrt(1.0 - 2.0 / M_PI));
  const double s2 = 0.25;
  near(Lognormal{1.0, 0.5}, std::exp(1.0 + s2 / 2), std::sqrt(std::expm1(s2) * std::exp(2.0 + s2)));
}

TEST(SimulationDistribution, QuantileAndCumulativeAreInverse) {
  for (const Distribution& d :
       {Distribution{Uniform{2.0, 9.0}}, Distribution{Normal{1.5, 0.75, 0.05}},
        Distribution{Normal{0.0, 1.0, 3.0, 4.0}}, Distribution{Normal{0.0, 1.0, -4.0, -3.0}},
        Distribution{Lognormal{0.0, 1.0, 0.5, 4.0}}}) {
    for (const double u : {1e-6, 0.01, 0.3, 0.5, 0.9, 0.999}) {
      EXPECT_NEAR(cumulative(d, quantile(d, u)), u, 1e-9);
    }
    EXPECT_EQ(cumulative(d, -100.0), 0.0);
    EXPECT_EQ(cumulative(d, 100.0), 1.0);
  }
}

TEST(SimulationDistribution, RefusesWhatHasNoDraw) {
  for (const Distribution& d :
       {Distribution{Constant{NAN}}, Distribution{Uniform{1.0, 0.0}},
        Distribution{Uniform{-INFINITY, 0.0}}, Distribution{Normal{0.0, -1.0}},
        Distribution{Normal{0.0, 1.0, 9.0}}, Distribution{Normal{0.0, 1.0, 2.0, 1.0}},
        Distribution{Lognormal{0.0, 1.0, -2.0, 0.0}}}) {
    EXPECT_FALSE(check(d).ok());
  }
}

Network small() {
  Network network;
  network.populations = {{"E", 80, "iaf_psc_exp", {{"V_m", Normal{-58.0, 5.0}}}},
                         {"I", 20, "iaf_psc_exp", {}}};
  network.projections = {{"E to I", 0, 1, FixedInDegree{10}, Constant{20.0}, Constant{1.5}}};
  network.stimuli = {PoissonStimulus{0, 8000.0, 20.0}, CurrentStimulus{1, 100.0}};
  network.recordings = {{0, 0, 80}, {1, 3, 5, "V_m", 10}};
  return network;
}

TEST(SimulationNetwork, TakesTheExample) {
  const Network network = small();
  const Status status = check(network);
  EXPECT_TRUE(status.ok()) << status.error().message();
  EXPECT_EQ(neuron_count(network), 100);
  EXPECT_EQ(first_neurons(network), (std::vector<std::int64_t>{0, 80, 100}));
  EXPECT_EQ(expected_synapses(network, network.projections[0]), 200.0);
}

TEST(SimulationNetwork, NamesWhatIsWrongAndWhere) {
  struct Case {
    std::function<void(Network&)> change;
    const char* part;  ///< of the message
  };
  for (const Case& c : std::initializer_list<Case>{
           {[](Network& n) { n.dt = 0.0; }, "time step"},
           {[](Network& n) { n.populations[1].name = "E"; }, "one name"},
           {[](Network& n) { n.populations[0].size = 0; }, "population E"},
           {[](Network& n) { n.populations[0].model = "hh"; }, "iaf_psc_alpha"},
           {[](Network& n) { n.populations[0].parameters["tau"] = Constant{1.0}; }, "tau_m"},
           {[](Network& n) { n.populations[0].parameters["tau_m"] = Constant{0.0}; }, "> 0"},
           {[](Network& n) { n.populations[0].parameters["V_reset"] = Constant{0.0}; }, "V_th"},
           {[](Network& n) { n.projections[0].target = 2; }, "projection E to I"},
           {[](Network& n) { n.projections[0].delay = Constant{0.01}; }, "0.05 ms"},
           {[](Network& n) {
              n.projections[0].delay = Normal{1.0, 1.0};
            },
            "half a step"},
           {[](Network& n) { n.projections[0].rule = OneToOne{}; }, "different size"},
           {[](Network& n) { n.projections[0].rule = FixedInDegree{-1}; }, "synapses"},
           {[](Network& n) { n.projections[0].rule = PairwiseBernoulli{1.5}; }, "0 to 1"},
           {[](Network& n) {
              n.projections[0].rule = ExplicitList{{80}, {0}};
            },
            "source < 80"},
           {[](Network& n) {
              n.projections[0].rule = ExplicitList{{0}, {}};
            },
            "differ in length"},
           {[](Network& n) {
              n.stimuli[0] = PoissonStimulus{0, -1.0, 1.0};
            },
            "stimulus 0"},
           {[](Network& n) {
              n.stimuli[1] = CurrentStimulus{0, 1.0, 5.0, 4.0};
            },
            "begins"},
           {[](Network& n) { n.recordings[0].count = 81; }, "recording 0"},
           {[](Network& n) { n.recordings[1].variable = "tau_m"; }, "state variable"},
       }) {
    Network network = small();
    c.change(network);
    const Status status = check(network);
    ASSERT_FALSE(status.ok()) << c.part;
    EXPECT_NE(status.error().message().find(c.part), std::string::npos) << status.error().message();
  }
}

}  // namespace
}  // namespace spikeloom::simulation
