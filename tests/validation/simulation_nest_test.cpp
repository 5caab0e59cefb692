#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "backends/simulation/engine.hpp"
#include "backends/simulation/reference_simulator.hpp"
#include "base/io/npy.hpp"
#include "snn/simulation/neuron_equations.hpp"
#include "tests/support/shared_data.hpp"

/// Spike for spike against NEST 3.10, on networks without anything random. The expected spikes and
/// the formulas of the networks: simulation/make_nest_spikes.py.
namespace spikeloom::simulation {
namespace {

constexpr double kDt = 0.1;
constexpr std::uint64_t kSize = 50, kPopulations = 20, kNeurons = 1000, kInputs = 100;
constexpr std::int64_t kSteps = 3000;

std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

struct Case {
  std::string model;
  std::map<std::string, Distribution> parameters;
  double weight, ratio, first, step, single_weight;
};

std::map<std::string, Distribution> parameters(const std::string& model) {
  if (model == "izhikevich") return {{"U_m", Constant{-13.0}}};
  std::map<std::string, Distribution> p = {{"V_reset", Constant{-68.0}}};
  if (model == "iaf_psc_delta") return p;
  p["tau_syn_ex"] = Constant{0.5};
  p["tau_syn_in"] = Constant{3.0};
  if (model == "adaptive_lif") {
    p["q_sfa"] = Constant{4.0};
    p["tau_sfa"] = Constant{60.0};
  }
  return p;
}

Case make_case(const std::string& model, double weight, double ratio, double first, double step,
               double single_weight) {
  return {model, parameters(model), weight, ratio, first, step, single_weight};
}

class NestSpikes : public testing::TestWithParam<Case> {
 protected:
  /// An array that NEST's script wrote.
  static Tensor expected(const std::string& name) {
    static const auto arrays =
        io::read_npz((test::source_dir() / "tests/validation/simulation/nest_spikes.npz").string());
    EXPECT_TRUE(arrays.ok()) << (arrays.ok() ? "" : arrays.error().message());
    if (!arrays.ok()) return {};
    for (const auto& [key, tensor] : *arrays) {
      if (key == name) return tensor;
    }
    ADD_FAILURE() << "no array " << name;
    return {};
  }
};

TEST_P(NestSpikes, OfADrivenNeuron) {
  const Case& c = GetParam();
  std::vector<NeuronInput<double>> input(kSteps);
  for (std::uint64_t j = 0; j < kInputs; ++j) {
    NeuronInput<double>& in = input[20 + mix(j) % (kSteps - 40)];
    (mix(j) % 5 != 0 ? in.excitatory : in.inhibitory) +=
        mix(j) % 5 != 0 ? c.single_weight : -c.single_weight;
  }
  std::vector<double> steps, membrane;
  ASSERT_TRUE(with_model(c.model, [&]<typename Model>() {
    typename Model::Parameters p;
    for (const auto& info : Model::kParameters) {
      const auto given = c.parameters.find(std::string(info.name));
      if (given != c.parameters.end()) p.*info.member = std::get<Constant>(given->second).value;
    }
    p.I_e = c.first + 10 * c.step;
    const auto coefficients = Model::coefficients(p, kDt);
    auto state = Model::initial(p);
    double rest = 0.0;
    if constexpr (requires { p.E_L; }) rest = p.E_L;
    for (std::int64_t k = 0; k < kSteps; ++k) {
      if (Model::step(state, input[static_cast<std::size_t>(k)], coefficients)) {
        steps.push_back(static_cast<double>(k));
      }
      if (k % 50 == 49) membrane.push_back(state.membrane + rest);
    }
  }));
  EXPECT_EQ(steps, expected(c.model + "_steps").to_doubles());
  const std::vector<double> theirs = expected(c.model + "_membrane").to_doubles();
  ASSERT_GE(theirs.size(), 50U);
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    ASSERT_NEAR(membrane[i], theirs[i], 1e-9) << "after " << 5 * (i + 1) << " ms";
  }
}

Network network_of(const Case& c) {
  Network network;
  network.dt = kDt;
  for (std::uint64_t p = 0; p < kPopulations; ++p) {
    Population population{"p" + std::to_string(p), kSize, c.model, c.parameters};
    population.parameters["I_e"] = Constant{c.first + static_cast<double>(p) * c.step};
    population.parameters["V_m"] = Constant{-70.0 + 0.75 * static_cast<double>(p)};
    network.populations.push_back(population);
  }
  // A list for each pair of populations and each of eight strengths: constant weights with a common
  // divisor, which the engine's whole weights hold exactly.
  constexpr std::uint64_t kStrengths = 8;
  std::vector<ExplicitList> lists(kPopulations * kPopulations * kStrengths);
  for (std::uint64_t target = 0; target < kNeurons; ++target) {
    for (std::uint64_t k = 0; k < kInputs; ++k) {
      const std::uint64_t word = mix(target * kInputs + k);
      const std::uint64_t source = word % kNeurons;
      const std::uint64_t pair = source / kSize * kPopulations + target / kSize;
      ExplicitList& list = lists[pair * kStrengths + (word >> 32) % kStrengths];
      list.source.push_back(static_cast<std::uint32_t>(source % kSize));
      list.target.push_back(static_cast<std::uint32_t>(target % kSize));
      list.delay.push_back(static_cast<float>(static_cast<double>(10 + (word >> 40) % 20) * kDt));
    }
  }
  for (std::uint32_t i = 0; i < lists.size(); ++i) {
    const std::uint32_t source = i / kStrengths / kPopulations;
    const std::uint32_t target = i / kStrengths % kPopulations;
    const double strength = c.weight * (1.0 + (i % kStrengths) / 8.0);
    const bool excitatory = source < 4 * kPopulations / 5;
    network.projections.push_back({"list " + std::to_string(i), source, target, std::move(lists[i]),
                                   Constant{excitatory ? strength : c.ratio * strength}});
  }
  return network;
}

/// Steps and neurons in turn.
std::vector<double> spikes_of(Simulator& simulator) {
  std::vector<double> found;
  const auto done = simulator.advance(kSteps, [&](std::int64_t step, auto neurons) {
    for (const std::uint32_t neuron : neurons) {
      found.push_back(static_cast<double>(step));
      found.push_back(static_cast<double>(neuron));
    }
    return true;
  });
  EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().message());
  return found;
}

void expect_equal(const std::vector<double>& found, const std::vector<double>& theirs) {
  ASSERT_GT(theirs.size(), 1000U);
  const auto differ = std::mismatch(found.begin(), found.end(), theirs.begin(), theirs.end());
  EXPECT_EQ(found.size(), theirs.size());
  EXPECT_TRUE(differ.first == found.end())
      << "spike " << (differ.first - found.begin()) / 2 << ", step " << *differ.first;
}

TEST_P(NestSpikes, OfAThousandNeuronsByTheReference) {
  auto simulator = make_reference_simulator(network_of(GetParam()));
  ASSERT_TRUE(simulator.ok()) << simulator.error().message();
  expect_equal(spikes_of(**simulator), expected(GetParam().model + "_network").to_doubles());
}

TEST_P(NestSpikes, OfAThousandNeuronsByTheEngine) {
  auto engine = Engine::make(network_of(GetParam()), {.in_double = true});
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  expect_equal(spikes_of(**engine), expected(GetParam().model + "_network").to_doubles());
}

INSTANTIATE_TEST_SUITE_P(Models, NestSpikes,
                         testing::Values(make_case("iaf_psc_delta", 0.25, -6.0, 340.0, 4.0, 3.0),
                                         make_case("iaf_psc_exp", 64.0, -1.5, 340.0, 4.0, 400.0),
                                         make_case("iaf_psc_alpha", 32.0, -1.5, 340.0, 4.0, 300.0),
                                         make_case("izhikevich", 0.25, -6.0, 3.0, 0.25, 4.0),
                                         make_case("adaptive_lif", 64.0, -1.5, 400.0, 8.0, 400.0)),
                         [](const auto& info) { return info.param.model; });

}  // namespace
}  // namespace spikeloom::simulation
