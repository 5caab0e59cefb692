#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "snn/simulation/neuron_equations.hpp"
#include "snn/simulation/neuron_models.hpp"

/// Each model against closed forms of its differential equations, and where several processes run
/// at once against a Runge-Kutta integration that shares nothing with the propagators.
namespace spikeloom::simulation {
namespace {

constexpr double kDt = 0.1;

template <typename Model>
class Neuron {
 public:
  explicit Neuron(const typename Model::Parameters& p, double dt = kDt)
      : c_(Model::coefficients(p, dt)), state(Model::initial(p)) {}
  bool step(double excitatory = 0, double inhibitory = 0, double current = 0) {
    return Model::step(state, NeuronInput<double>{excitatory, inhibitory, current}, c_);
  }

 private:
  typename Model::template Coefficients<double> c_;

 public:
  typename Model::template State<double> state;
};

/// Steps (from 0) in which a neuron without synaptic input spikes.
template <typename Model>
std::vector<int> spikes(const typename Model::Parameters& p, int steps) {
  Neuron<Model> neuron(p);
  std::vector<int> found;
  for (int k = 0; k < steps; ++k) {
    if (neuron.step()) found.push_back(k);
  }
  return found;
}

template <typename Model>
class DrivenLif : public testing::Test {};
using LifModels = testing::Types<IafPscDelta, IafPscExp, IafPscAlpha, AdaptiveLif>;
TYPED_TEST_SUITE(DrivenLif, LifModels);

// From V_reset, V(t) = mu + (V_reset - mu) exp(-t / tau) reaches V_th after
// tau ln((mu - V_reset) / (mu - V_th)), seen at the next point of the grid; then t_ref passes.
TYPED_TEST(DrivenLif, FiresAtTheIntervalOfTheClosedForm) {
  for (const double drive : {376.0, 450.0, 800.0}) {
    typename TypeParam::Parameters p;
    p.I_e = drive;
    p.V_reset = -68.0;
    const double mu = p.tau_m / p.C_m * drive;
    const double rise = p.tau_m * std::log((mu - 2.0) / (mu - 15.0));
    const double first = p.tau_m * std::log(mu / (mu - 15.0));
    const auto found = spikes<TypeParam>(p, 5000);
    ASSERT_GT(found.size(), 2U) << drive;
    EXPECT_EQ(found[0] + 1, std::ceil(first / kDt));
    for (std::size_t i = 1; i < found.size(); ++i) {
      EXPECT_EQ(found[i] - found[i - 1], 20 + std::ceil(rise / kDt)) << drive;
    }
  }
}

TYPED_TEST(DrivenLif, StaysSilentBelowThreshold) {
  typename TypeParam::Parameters p;
  p.I_e = 374.9;  // 375 pA reach V_th
  EXPECT_TRUE(spikes<TypeParam>(p, 20000).empty());
}

TYPED_TEST(DrivenLif, ACurrentSourceActsAsI_eDoes) {
  typename TypeParam::Parameters p;
  Neuron<TypeParam> by_source(p);
  p.I_e = 300.0;
  Neuron<TypeParam> by_parameter(p);
  for (int k = 0; k < 300; ++k) {
    by_source.step(0, 0, 300.0);
    by_parameter.step();
    ASSERT_EQ(by_source.state.membrane, by_parameter.state.membrane);
  }
  // 300 steps of 0.1 ms at tau_m 10 ms: exp(-3).
  EXPECT_NEAR(by_source.state.membrane, 12.0 * (1.0 - std::exp(-3.0)), 1e-11);
}

TEST(SimulationNeurons, ADeltaSynapseMovesTheMembraneByItsWeight) {
  Neuron<IafPscDelta> neuron({});
  neuron.step(3.0, -1.0);
  EXPECT_DOUBLE_EQ(neuron.state.membrane, 2.0);
  for (int k = 0; k < 100; ++k) neuron.step();
  EXPECT_NEAR(neuron.state.membrane, 2.0 * std::exp(-1.0), 1e-14);
  EXPECT_TRUE(neuron.step(15.0));
  EXPECT_EQ(neuron.state.membrane, 0.0);
  for (int k = 0; k < 20; ++k) {
    EXPECT_FALSE(neuron.step(100.0)) << "input in the refractory time is lost";
  }
  EXPECT_EQ(neuron.state.membrane, 0.0);
  EXPECT_TRUE(neuron.step(15.0));
}

TEST(SimulationNeurons, TheMembraneStopsAtItsLowerBound) {
  IafPscDelta::Parameters p;
  p.V_min = -75.0;
  Neuron<IafPscDelta> neuron(p);
  neuron.step(0.0, -20.0);
  EXPECT_EQ(neuron.state.membrane, -5.0);
  IafPscAlpha::Parameters alpha;
  alpha.V_min = -75.0;
  Neuron<IafPscAlpha> other(alpha);
  other.step(0.0, -20000.0);
  for (int k = 0; k < 50; ++k) other.step();
  EXPECT_EQ(other.state.membrane, -5.0);
}

// V(t) = w / C (exp(-t / tau_m) - exp(-t / tau_s)) / (1 / tau_s - 1 / tau_m).
TEST(SimulationNeurons, APostsynapticPotentialOfAnExponentialCurrentIsTheClosedForm) {
  IafPscExp::Parameters p;
  p.tau_syn_ex = 0.5;
  p.tau_syn_in = 10.0;  // as tau_m: t w / C exp(-t / tau)
  const double w = 87.8;
  Neuron<IafPscExp> excited(p), inhibited(p);
  excited.step(w, 0.0);
  inhibited.step(0.0, -w);
  EXPECT_EQ(excited.state.membrane, 0.0) << "a spike moves the membrane from the next step on";
  for (int k = 1; k <= 400; ++k) {
    excited.step();
    inhibited.step();
    const double t = k * kDt;
    EXPECT_NEAR(excited.state.membrane,
                w / 250.0 * (std::exp(-t / 10.0) - std::exp(-t / 0.5)) / (1.0 / 0.5 - 1.0 / 10.0),
                1e-13);
    EXPECT_NEAR(inhibited.state.membrane, -w / 250.0 * t * std::exp(-t / 10.0), 1e-13);
  }
}

// V(t) = w e / (C tau_s) exp(-t / tau_m) (1 - (1 + y t) exp(-y t)) / y^2, y = 1 / tau_s - 1 /
// tau_m; the current peaks at w after tau_s.
TEST(SimulationNeurons, APostsynapticPotentialOfAnAlphaCurrentIsTheClosedForm) {
  IafPscAlpha::Parameters p;
  p.tau_syn_in = 10.0;  // as tau_m: w e / (2 C tau) t^2 exp(-t / tau)
  const double w = 200.0;
  Neuron<IafPscAlpha> excited(p), inhibited(p);
  excited.step(w, 0.0);
  inhibited.step(0.0, -w);
  double peak = 0.0;
  for (int k = 1; k <= 400; ++k) {
    excited.step();
    inhibited.step();
    peak = std::max(peak, excited.state.excitatory);
    const double t = k * kDt;
    const double y = 0.5 - 0.1;
    const double e = std::exp(1.0);
    EXPECT_NEAR(excited.state.membrane,
                w * e / (250.0 * 2.0) * std::exp(-t / 10.0) *
                    (1.0 - (1.0 + y * t) * std::exp(-y * t)) / (y * y),
                1e-12);
    EXPECT_NEAR(inhibited.state.membrane,
                -w * e / (2.0 * 250.0 * 10.0) * t * t * std::exp(-t / 10.0), 1e-12);
  }
  EXPECT_NEAR(peak, w, 1e-10);
}

TEST(SimulationNeurons, PropagatorsAreSmoothWhereTimeConstantsMeet) {
  for (const double apart : {1e-12, 1e-9, 1e-7, 1e-4}) {
    EXPECT_NEAR(detail::from_exponential(10.0 * (1.0 + apart), 10.0, 250.0, 0.1),
                detail::from_exponential(10.0, 10.0, 250.0, 0.1), 1e-5 * apart + 1e-18);
    EXPECT_NEAR(detail::from_alpha(10.0 * (1.0 + apart), 10.0, 250.0, 0.1),
                detail::from_alpha(10.0, 10.0, 250.0, 0.1), 1e-5 * apart + 1e-18);
  }
  // Both sides of where the series takes over: x = 0.5.
  const auto tau = [](double x) { return 1.0 / (x / 0.1 + 0.1); };
  EXPECT_NEAR(detail::from_alpha(tau(0.5 - 1e-12), 10.0, 250.0, 0.1),
              detail::from_alpha(tau(0.5 + 1e-12), 10.0, 250.0, 0.1), 1e-16);
}

using Values = std::vector<double>;
/// Classical Runge-Kutta of fourth order.
Values runge_kutta(Values y, double span, int steps,
                   const std::function<Values(const Values&)>& f) {
  const double h = span / steps;
  const auto moved = [](const Values& from, const Values& slope, double by) {
    Values to = from;
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += by * slope[i];
    return to;
  };
  for (int k = 0; k < steps; ++k) {
    const Values a = f(y);
    const Values b = f(moved(y, a, h / 2));
    const Values c = f(moved(y, b, h / 2));
    const Values d = f(moved(y, c, h));
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += h / 6 * (a[i] + 2 * b[i] + 2 * c[i] + d[i]);
  }
  return y;
}

TEST(SimulationNeurons, AdaptationFollowsItsDifferentialEquations) {
  AdaptiveLif::Parameters p;
  p.I_e = 700.0;
  p.tau_stc = 40.0;
  p.q_stc = 60.0;
  p.tau_sfa = 25.0;
  p.q_sfa = 3.0;
  Neuron<AdaptiveLif> neuron(p);
  // V, I_ex, w, theta.
  Values y = {0.0, 0.0, 0.0, 0.0};
  int refractory = 0, fired = 0;
  for (int k = 0; k < 4000; ++k) {
    const double input = k % 37 == 5 ? 300.0 : 0.0;
    const bool held = refractory > 0;
    y = runge_kutta(y, kDt, 20, [&](const Values& v) {
      return Values{held ? 0.0 : -v[0] / 10.0 + (700.0 + v[1] - v[2]) / 250.0, -v[1] / 2.0,
                    -v[2] / 40.0, -v[3] / 25.0};
    });
    y[1] += input;
    if (held) --refractory;
    const bool fires = y[0] >= 15.0 + y[3];
    if (fires) {
      y[0] = 0.0;
      y[2] += 60.0;
      y[3] += 3.0;
      refractory = 20;
      ++fired;
    }
    ASSERT_EQ(neuron.step(input), fires) << k;
    ASSERT_NEAR(neuron.state.membrane, y[0], 1e-9) << k;
    ASSERT_NEAR(neuron.state.adaptation, y[2], 1e-8) << k;
    ASSERT_NEAR(neuron.state.raise, y[3], 1e-9) << k;
  }
  EXPECT_GT(fired, 10);
  const auto found = spikes<AdaptiveLif>(p, 4000);
  ASSERT_GT(found.size(), 5U);
  EXPECT_GT(found[5] - found[4], 5 * (found[1] - found[0]) / 4) << "it slows down";
}

// With u constant (a = d = 0), dV/dt = 0.04 (V + 62.5)^2 + q: a tangent, q = I + 140 - u - 156.25.
// Forward Euler nears its period as dt.
TEST(SimulationNeurons, IzhikevichNearsTheClosedFormOfItsQuadraticMembrane) {
  Izhikevich::Parameters p;
  p.a = 0.0;
  p.d = 0.0;
  p.I_e = 20.0;
  const double q = 20.0 + 140.0 - 156.25;
  const double root = std::sqrt(0.04 * q);
  const auto angle = [&](double v) { return std::atan(0.04 * (v + 62.5) / root); };
  const double period = (angle(30.0) - angle(-65.0)) / root;
  double errors[2];
  for (int i = 0; i < 2; ++i) {
    const double dt = i == 0 ? 0.002 : 0.001;
    Neuron<Izhikevich> neuron(p, dt);
    int steps = 1;
    while (!neuron.step()) ++steps;
    errors[i] = steps * dt - period;
  }
  EXPECT_LT(std::abs(errors[1]), 0.01);
  EXPECT_LT(std::abs(errors[1]), 0.7 * std::abs(errors[0]));
}

TEST(SimulationNeurons, IzhikevichRestsWhereBothSlopesAreZero) {
  Izhikevich::Parameters p;
  p.V_m = -70.0;  // 0.04 V^2 + 5 V + 140 = 0.2 V
  p.U_m = -14.0;
  Neuron<Izhikevich> neuron(p);
  for (int k = 0; k < 1000; ++k) EXPECT_FALSE(neuron.step());
  EXPECT_NEAR(neuron.state.membrane, -70.0, 1e-9);
  EXPECT_NEAR(neuron.state.recovery, -14.0, 1e-9);
}

TEST(SimulationNeurons, CoefficientsOfManyStepsAreThoseOfOneRepeated) {
  IafPscAlpha::Parameters p;
  p.I_e = 120.0;
  Neuron<IafPscAlpha> often(p), once(p, 137 * kDt);
  for (auto* neuron : {&often, &once}) {
    neuron->state = {3.0, 50.0, 20.0, -30.0, -10.0, 0.0};
  }
  for (int k = 0; k < 137; ++k) often.step();
  once.step();
  EXPECT_NEAR(often.state.membrane, once.state.membrane, 1e-12);
  EXPECT_NEAR(often.state.excitatory, once.state.excitatory, 1e-12);
}

TEST(SimulationNeurons, EveryModelIsFoundByItsNameAndHasNamedParameters) {
  for (const std::string name :
       {"iaf_psc_delta", "iaf_psc_exp", "iaf_psc_alpha", "izhikevich", "adaptive_lif"}) {
    std::size_t parameters = 0;
    EXPECT_TRUE(with_model(name, [&]<typename Model>() {
      parameters = Model::kParameters.size();
      // Members are of one type each, so that columns can hold them.
      static_assert(sizeof(typename Model::template State<float>) % sizeof(float) == 0);
      static_assert(sizeof(typename Model::template State<float>) / sizeof(float) ==
                    Model::kStates.size());
    }));
    EXPECT_GE(parameters, 8U) << name;
  }
  EXPECT_FALSE(with_model("iaf", []<typename Model>() { FAIL(); }));
}

TEST(SimulationNeurons, TheTableForDescriptionsIsMadeFromTheEquations) {
  ASSERT_EQ(neuron_models().size(), std::tuple_size_v<SimulationModels>);
  const auto model = find_neuron_model("iaf_psc_exp");
  ASSERT_TRUE(model.ok());
  const NeuronParameter* tau = find_parameter(**model, "tau_syn_in");
  ASSERT_NE(tau, nullptr);
  EXPECT_EQ(tau->standard, 2.0);
  EXPECT_EQ(tau->unit, "ms");
  EXPECT_EQ(tau->low, 0.0);
  EXPECT_FALSE(tau->low_allowed);
  EXPECT_TRUE(find_parameter(**model, "t_ref")->low_allowed);
  EXPECT_LT(find_parameter(**model, "V_th")->low, -1e30);
  EXPECT_TRUE(find_parameter(**model, "V_m")->state);
  EXPECT_FALSE(find_parameter(**model, "V_th")->state);
}

TEST(SimulationNeurons, AnotherArithmeticKeepsEveryMember) {
  const auto c = IafPscExp::coefficients({}, kDt);
  const auto f = in_arithmetic<float>(c);
  EXPECT_EQ(f.decay, static_cast<float>(c.decay));
  EXPECT_EQ(f.inhibitory_decay, static_cast<float>(c.inhibitory_decay));
  EXPECT_EQ(f.refractory_steps, 20.0F);
}

}  // namespace
}  // namespace spikeloom::simulation
