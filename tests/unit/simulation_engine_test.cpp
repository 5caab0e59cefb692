/// The engine of simulated networks against plain loops over the same rows, and against itself for
/// any number of threads.

#include <algorithm>
#include <array>
#include <barrier>
#include <cmath>
#include <cstring>
#include <thread>

#include <gtest/gtest.h>

#include "backends/simulation/engine.hpp"
#include "snn/simulation/connectivity.hpp"
#include "snn/simulation/neuron_equations.hpp"
#include "snn/simulation/weight_units.hpp"
#include "tests/support/kernel_targets.hpp"

namespace spikeloom::simulation {
namespace {

using Spikes = std::vector<std::pair<std::int64_t, std::uint32_t>>;

/// Every rule, model, distribution and stimulus; about 40 Hz.
Network mixed(std::uint64_t seed) {
  Network n;
  n.seed = seed;
  const Distribution v0 = Normal{-60.0, 6.0};
  n.populations = {
      {"exp",
       300,
       "iaf_psc_exp",
       {{"V_m", v0},
        {"I_e", Constant{380.0}},
        {"tau_syn_ex", Constant{0.5}},
        {"tau_syn_in", Constant{0.5}}}},
      {"two", 100, "iaf_psc_exp", {{"V_m", v0}, {"tau_syn_in", Constant{5.0}}}},
      {"own", 100, "iaf_psc_exp", {{"V_m", v0}, {"tau_m", Normal{10.0, 1.0, 5.0}}}},
      {"alpha", 90, "iaf_psc_alpha", {{"V_m", v0}, {"I_e", Uniform{300.0, 450.0}}}},
      {"delta", 130, "iaf_psc_delta", {{"V_m", v0}, {"t_ref", Constant{0.0}}}},
      {"izhikevich", 70, "izhikevich", {{"I_e", Constant{9.0}}}},
      {"adaptive", 65, "adaptive_lif", {{"V_m", v0}, {"q_stc", Constant{20.0}}}},
      {"slow", 40, "iaf_psc_exp", {{"V_m", v0}, {"I_e", Constant{400.0}}}},
  };
  const Distribution delay = Normal{1.5, 0.7, 0.05};
  n.projections = {
      {"", 0, 0, FixedTotalNumber{6000}, Normal{40.0, 4.0}, delay},
      {"", 0, 1, FixedInDegree{30}, Lognormal{4.0, 0.3}, delay},
      {"", 1, 0, FixedOutDegree{20}, Normal{-90.0, 9.0, -200.0, 0.0}, Constant{0.8}},
      {"", 0, 2, PairwiseBernoulli{0.1}, Uniform{-50.0, 120.0}, Uniform{0.1, 3.0}},
      {"", 2, 3, AllToAll{}, Constant{15.0}, Constant{1.5}},
      {"", 3, 4, FixedTotalNumber{2000}, Normal{0.5, 0.3}, delay},
      {"", 4, 5, FixedInDegree{5}, Constant{3.0}, Constant{2.0}},
      {"", 5, 5, OneToOne{}, Constant{-1.0}, Constant{0.1}},
      {"", 0, 6, ExplicitList{{0, 5, 5, 7}, {1, 1, 64, 9}, {300, 200, 500, 100}, {1, 2, 9, 0.1F}}},
      {"", 6, 0, PairwiseBernoulli{0.5}, Constant{20.0}, Constant{4.0}},
      {"", 0, 7, FixedInDegree{20}, Constant{30.0}, Constant{1.0}},
  };
  n.stimuli = {PoissonStimulus{0, 4000.0, 30.0},  PoissonStimulus{1, 9000.0, 40.0},
               PoissonStimulus{1, 2000.0, -30.0}, PoissonStimulus{2, 6000.0, 60.0},
               PoissonStimulus{4, 8000.0, 0.6},   PoissonStimulus{6, 8000.0, 50.0},
               CurrentStimulus{3, 100.0, 20, 50}, CurrentStimulus{0, -50.0, 30.0}};
  return n;
}

Spikes run(const Network& network, const EngineOptions& options, std::int64_t steps) {
  auto engine = Engine::make(network, options);
  EXPECT_TRUE(engine.ok()) << engine.error().message();
  Spikes spikes;
  const auto sink = [&](std::int64_t step, std::span<const std::uint32_t> neurons) {
    EXPECT_TRUE(std::is_sorted(neurons.begin(), neurons.end()));
    for (const std::uint32_t n : neurons) spikes.emplace_back(step, n);
    return true;
  };
  EXPECT_TRUE((*engine)->advance(steps, sink).ok());
  EXPECT_EQ((*engine)->step(), steps);
  EXPECT_EQ((*engine)->counts().spikes, spikes.size());
  return spikes;
}

/// Plain loops: a ring of sums of whole weights, each neuron by its equations.
class PlainLoops {
 public:
  explicit PlainLoops(const Network& network)
      : network_(network), first_(first_neurons(network)), units_(weight_units(network)) {
    const auto neurons = static_cast<std::size_t>(first_.back());
    out_.resize(neurons);
    sums_.assign(kRing, std::vector<std::array<std::int32_t, 2>>(neurons));
    const auto made = Connectivity::make(network, 0, first_.back());
    Connectivity::Scratch scratch;
    for (std::uint32_t p = 0; p < network.populations.size(); ++p) {
      for (const std::uint32_t b : made->blocks_from(p)) {
        const Connectivity::Block& block = made->blocks()[b];
        for (std::int64_t s = 0; s < network.populations[p].size; ++s) {
          std::vector<Synapse> row;
          made->append_row(block, s, scratch, row);
          for (const Synapse& synapse : row) add(block.projection, first_[p] + s, synapse);
        }
      }
    }
  }

  template <class Model>
  void step(std::uint32_t p, std::int64_t step, Spikes& spikes) {
    using State = typename Model::template State<float>;
    auto& states = states_[p];
    const Population& population = network_.populations[p];
    for (std::int64_t i = 0; i < population.size; ++i) {
      typename Model::Parameters parameters;
      bool shared = true;
      for (const auto& info : Model::kParameters) {
        std::array<double, 1> value{};
        parameter_values(network_, p, info.name, i, value);
        parameters.*info.member = value[0];
        shared = shared && (info.initial || is_uniform(network_, p, info.name));
      }
      const auto c = Model::coefficients(parameters, network_.dt);
      State state;
      if (step == 0) {
        states.resize(static_cast<std::size_t>(population.size) * sizeof(State));
        state = in_arithmetic<float>(Model::initial(parameters));
      } else {
        std::memcpy(&state, states.data() + static_cast<std::size_t>(i) * sizeof state,
                    sizeof state);
      }
      const auto neuron = static_cast<std::size_t>(first_[p] + i);
      auto in = sums_[static_cast<std::size_t>(step) % kRing][neuron];
      double current = 0.0;
      stimulate(p, i, step, in, current);
      bool fires = false;
      bool whole = false;
      bool together = true;
      if constexpr (requires { parameters.tau_syn_ex; }) {
        together = parameters.tau_syn_ex == parameters.tau_syn_in;
      }
      if constexpr (std::is_same_v<Model, IafPscExp>) {
        // Slower currents would stick at a few units.
        whole = shared && together && std::exp(-network_.dt / parameters.tau_syn_ex) <= 0.9;
        if (whole) fires = whole_step(state, in[0] + in[1], c, units_[p], current);
      }
      if (!whole) {
        const auto unit = static_cast<float>(units_[p]);
        NeuronInput<float> input;
        input.excitatory = unit * static_cast<float>(together ? in[0] + in[1] : in[0]);
        input.inhibitory = together ? 0.0F : unit * static_cast<float>(in[1]);
        input.current = static_cast<float>(current);
        fires = Model::step(state, input, in_arithmetic<float>(c));
      }
      if (fires) {
        spikes.emplace_back(step, static_cast<std::uint32_t>(neuron));
        for (const Out& o : out_[neuron]) {
          const auto at = static_cast<std::size_t>(step + o.delay) % kRing;
          sums_[at][o.target][o.weight < 0 ? 1 : 0] += o.weight;
        }
      }
      std::memcpy(states.data() + static_cast<std::size_t>(i) * sizeof state, &state, sizeof state);
    }
  }

  Spikes run(std::int64_t steps) {
    Spikes spikes;
    states_.resize(network_.populations.size());
    for (std::int64_t k = 0; k < steps; ++k) {
      for (std::uint32_t p = 0; p < network_.populations.size(); ++p) {
        with_model(network_.populations[p].model, [&]<typename M>() { step<M>(p, k, spikes); });
      }
      std::ranges::fill(sums_[static_cast<std::size_t>(k) % kRing], std::array<std::int32_t, 2>{});
    }
    return spikes;
  }

 private:
  struct Out {
    std::size_t target;
    std::int32_t weight;
    std::int64_t delay;
  };
  static constexpr std::size_t kRing = 256;

  void add(std::uint32_t projection, std::int64_t source, const Synapse& synapse) {
    const Projection& p = network_.projections[projection];
    double weight = draw(p.weight, synapse.weight), delay = draw(p.delay, synapse.delay);
    if (const auto* list = std::get_if<ExplicitList>(&p.rule)) {
      if (!list->weight.empty()) weight = list->weight[synapse.entry];
      if (!list->delay.empty()) delay = list->delay[synapse.entry];
    }
    out_[static_cast<std::size_t>(source)].push_back(
        {synapse.target, static_cast<std::int32_t>(std::llround(weight / units_[p.target])),
         std::max<std::int64_t>(std::llround(delay / network_.dt), 1)});
  }

  void stimulate(std::uint32_t p, std::int64_t i, std::int64_t step,
                 std::array<std::int32_t, 2>& in, double& current) const {
    for (std::size_t k = 0; k < network_.stimuli.size(); ++k) {
      if (const auto* s = std::get_if<PoissonStimulus>(&network_.stimuli[k])) {
        if (s->population != p) continue;
        const auto blocks = (network_.populations[p].size + 3) / 4;
        const auto words = draw_stream(network_.seed, DrawKind::kPoisson, k, 0)
                               .words(static_cast<std::uint64_t>(step * blocks + i / 4));
        const auto count =
            PoissonDraw(s->rate * network_.dt * 1e-3)(words[static_cast<std::size_t>(i % 4)]);
        const auto weight = static_cast<std::int32_t>(std::llround(s->weight / units_[p]));
        in[weight < 0 ? 1 : 0] += static_cast<std::int32_t>(count) * weight;
      } else if (const auto* c = std::get_if<CurrentStimulus>(&network_.stimuli[k])) {
        const double time = static_cast<double>(step) * network_.dt;
        const bool on = time > c->start - network_.dt / 2 && time < c->stop - network_.dt / 2;
        if (c->population == p && on) current += c->amplitude;
      }
    }
  }

  /// State.excitatory holds the current in units.
  static bool whole_step(IafPscExp::State<float>& s, std::int32_t input,
                         const IafPscExp::Coefficients<double>& c, double unit, double current) {
    const auto drive = static_cast<float>(c.from_current * (c.current + current));
    const auto gain = static_cast<float>(c.from_excitatory * unit);
    const float v = static_cast<float>(c.decay) * s.membrane + (gain * s.excitatory + drive);
    if (s.refractory > 0) {
      s.refractory -= 1;
    } else {
      s.membrane = v;
    }
    s.excitatory = std::nearbyint(s.excitatory * static_cast<float>(c.excitatory_decay));
    // Whole numbers up to 2^24 are exact in a float, and these are.
    s.excitatory += static_cast<float>(input);
    if (s.membrane < static_cast<float>(c.threshold)) return false;
    s.membrane = static_cast<float>(c.reset);
    s.refractory = static_cast<float>(c.refractory_steps);
    return true;
  }

  const Network& network_;
  std::vector<std::int64_t> first_;
  std::vector<double> units_;
  std::vector<std::vector<Out>> out_;
  std::vector<std::vector<std::array<std::int32_t, 2>>> sums_;
  std::vector<std::vector<std::byte>> states_;
};

TEST(SimulationEngine, EqualsPlainLoops) {
  const Network network = mixed(3);
  constexpr std::int64_t kSteps = 400;
  const Spikes expected = PlainLoops(network).run(kSteps);
  std::vector<int> per_population(network.populations.size(), 0);
  const auto first = first_neurons(network);
  for (const auto& [step, neuron] : expected) {
    ++per_population[static_cast<std::size_t>(std::upper_bound(first.begin(), first.end(), neuron) -
                                              first.begin() - 1)];
  }
  for (const int n : per_population) EXPECT_GT(n, 5);
  EXPECT_EQ(run(network, {}, kSteps), expected);
}

TEST(SimulationEngine, SpikesDoNotDependOnThreadsOrProcessor) {
  const Network network = mixed(4);
  constexpr std::int64_t kSteps = 300;
  const Spikes expected = run(network, {}, kSteps);
  EXPECT_GT(expected.size(), 300U);
  for (const int threads : {2, 5}) {
    EXPECT_EQ(run(network, {.threads = threads}, kSteps), expected) << threads;
  }
  test::for_each_kernel_target([&] { EXPECT_EQ(run(network, {}, kSteps), expected); });
}

TEST(SimulationEngine, ProceduralHasTheSynapsesOfStored) {
  const Network network = mixed(8);
  const Spikes expected = run(network, {}, 300);
  EXPECT_GT(expected.size(), 300U);
  EXPECT_EQ(run(network, {.procedural = true}, 300), expected);
  EXPECT_EQ(run(network, {.threads = 2, .procedural = true}, 300), expected);
}

/// 40 neurons that a current drives, and 400 that they nearly make fire.
Network sparse(std::uint64_t seed) {
  Network n;
  n.seed = seed;
  const Distribution tau = Constant{5.0};
  n.populations = {{"driven",
                    40,
                    "iaf_psc_exp",
                    {{"V_m", Uniform{-70.0, -56.0}},
                     {"I_e", Constant{420.0}},
                     {"tau_syn_ex", tau},
                     {"tau_syn_in", tau}}},
                   {"quiet", 400, "iaf_psc_exp", {{"tau_syn_ex", tau}, {"tau_syn_in", tau}}},
                   {"noisy", 30, "iaf_psc_exp", {}}};
  const Distribution delay = Uniform{0.5, 2.0};
  n.projections = {{"", 0, 1, FixedOutDegree{100}, Normal{220.0, 20.0}, delay},
                   {"", 1, 1, FixedOutDegree{20}, Constant{-10.0}, delay},
                   {"", 1, 0, FixedOutDegree{3}, Constant{20.0}, delay},
                   {"", 2, 1, FixedOutDegree{50}, Constant{12.0}, delay}};
  n.stimuli = {PoissonStimulus{2, 9000.0, 60.0}};
  return n;
}

TEST(SimulationEngine, ClosedFormMovesWhomSomethingReaches) {
  const Network network = sparse(1);
  constexpr std::int64_t kSteps = 1500;
  const Spikes exact = run(network, {}, kSteps);
  const Spikes closed = run(network, {.closed_form = true}, kSteps);
  const auto quiet = [](const auto& spike) { return spike.second >= 40 && spike.second < 440; };
  EXPECT_GT(std::ranges::count_if(exact, quiet), 100);
  EXPECT_LT(std::ranges::count_if(exact, quiet), 400 * 30);
  // Rounded otherwise, but not soon: a third of the run is the same spike for spike.
  const auto differs = std::ranges::mismatch(exact, closed);
  const std::int64_t first = differs.in1 == exact.end() ? kSteps : differs.in1->first;
  EXPECT_GT(first, kSteps / 3);
  EXPECT_NEAR(static_cast<double>(closed.size()), static_cast<double>(exact.size()),
              0.03 * static_cast<double>(exact.size()));
  EXPECT_EQ(run(network, {.threads = 3, .closed_form = true}, kSteps), closed);
  EXPECT_EQ(run(network, {.procedural = true, .closed_form = true}, kSteps), closed);
}

TEST(SimulationEngine, ClosedFormGoesThroughSeveralSegments) {
  // 200,000 accumulators are two segments of one slice; split, they are one segment each.
  Network network;
  const Distribution tau = Constant{5.0};
  const std::map<std::string, Distribution> quiet = {{"tau_syn_ex", tau}, {"tau_syn_in", tau}};
  auto driven = quiet;
  driven["I_e"] = Constant{420.0};
  driven["V_m"] = Uniform{-70.0, -56.0};
  network.populations = {{"driven", 50, "iaf_psc_exp", driven},
                         {"quiet", 100000, "iaf_psc_exp", quiet},
                         {"others", 100000, "iaf_psc_exp", quiet}};
  const Distribution weight = Normal{3000.0, 300.0}, delay = Uniform{0.5, 2.0};
  for (std::uint32_t target = 0; target < 3; ++target) {
    network.projections.push_back({"", 0, target, FixedOutDegree{10}, weight, delay});
  }
  network.projections.push_back({"", 1, 2, FixedOutDegree{1}, weight, delay});
  const Spikes one = run(network, {.closed_form = true}, 200);
  const auto others = [](const auto& spike) { return spike.second >= 100050; };
  EXPECT_GT(std::ranges::count_if(one, others), 300);
  EXPECT_EQ(run(network, {.threads = 2, .closed_form = true}, 200), one);
  EXPECT_EQ(run(network, {.procedural = true, .closed_form = true}, 200), one);
}

/// Ranks that are threads of one process.
class ThreadRanks {
 public:
  explicit ThreadRanks(int size) : size_(size), barrier_(size), sent_(size), numbers_(size) {}

  class One : public Ranks {
   public:
    One(ThreadRanks& all, int rank) : all_(all), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return all_.size_; }
    Status start_exchange(std::span<const std::uint64_t> mine) override {
      all_.barrier_.arrive_and_wait();  // everybody has read the last one
      all_.sent_[static_cast<std::size_t>(rank_)].assign(mine.begin(), mine.end());
      return {};
    }
    Result<std::vector<std::span<const std::uint64_t>>> finish_exchange() override {
      all_.barrier_.arrive_and_wait();
      return std::vector<std::span<const std::uint64_t>>(all_.sent_.begin(), all_.sent_.end());
    }
    Status add_up(std::span<std::uint64_t> values) override {
      all_.numbers_[static_cast<std::size_t>(rank_)].assign(values.begin(), values.end());
      all_.barrier_.arrive_and_wait();
      std::fill(values.begin(), values.end(), 0);
      for (const auto& from : all_.numbers_) {
        for (std::size_t i = 0; i < values.size(); ++i) values[i] += from[i];
      }
      all_.barrier_.arrive_and_wait();
      return {};
    }
    std::uint64_t bytes_sent() const override { return 0; }
    std::uint64_t bytes_received() const override { return 0; }

   private:
    ThreadRanks& all_;
    int rank_;
  };

  /// f(rank) on every rank.
  template <typename F>
  void each(const F& f) {
    std::vector<std::jthread> threads;
    for (int r = 0; r < size_; ++r) {
      threads.emplace_back([this, r, &f] { f(std::make_shared<One>(*this, r)); });
    }
  }

 private:
  int size_;
  std::barrier<> barrier_;
  std::vector<std::vector<std::uint64_t>> sent_;
  std::vector<std::vector<std::uint64_t>> numbers_;
};

TEST(SimulationEngine, SpikesDoNotDependOnRanks) {
  Network network = mixed(9);
  for (const bool long_delays : {false, true}) {
    if (long_delays) {
      // The shortest delay is 7 steps: spikes are sent every 7 steps, and 200 is no multiple.
      for (Projection& p : network.projections) p.delay = Uniform{0.7, 1.5};
      std::get<ExplicitList>(network.projections[8].rule).delay.clear();
    }
    const Spikes expected = run(network, {}, 200);
    EXPECT_GT(expected.size(), 200U);
    for (const int size : {2, 3}) {
      ThreadRanks ranks(size);
      ranks.each([&](std::shared_ptr<Ranks> rank) {
        const int threads = rank->rank() == 0 ? 2 : 1;
        EXPECT_EQ(run(network, {.threads = threads, .ranks = rank}, 200), expected) << size;
      });
    }
  }
}

std::vector<std::byte> saved_after(const Network& network, const EngineOptions& options,
                                   std::int64_t steps) {
  auto engine = Engine::make(network, options);
  EXPECT_TRUE(engine.ok() && (*engine)->advance(steps).ok());
  auto bytes = (*engine)->save();
  EXPECT_TRUE(bytes.ok());
  return *bytes;
}

TEST(SimulationEngine, GoesOnFromACheckpointAsIfNothingHadHappened) {
  const Network network = mixed(10);
  const Spikes whole = run(network, {}, 250);
  const Spikes expected(std::find_if(whole.begin(), whole.end(),
                                     [](const auto& spike) { return spike.first >= 123; }),
                        whole.end());
  const auto checkpoint = saved_after(network, {}, 123);
  EXPECT_TRUE(saved_after(network, {.threads = 3}, 123) == checkpoint);
  EXPECT_TRUE(saved_after(network, {.procedural = true}, 123) == checkpoint);
  ThreadRanks ranks(2);
  ranks.each([&](std::shared_ptr<Ranks> rank) {
    EXPECT_TRUE(saved_after(network, {.ranks = rank}, 123) == checkpoint);
  });
  for (const EngineOptions& options :
       {EngineOptions{}, EngineOptions{.threads = 2}, EngineOptions{.procedural = true}}) {
    auto engine = Engine::make(network, options);
    ASSERT_TRUE(engine.ok());
    ASSERT_TRUE((*engine)->advance(77).ok());  // what it has done does not matter
    const Status loaded = (*engine)->load(checkpoint);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    Spikes spikes;
    ASSERT_TRUE((*engine)
                    ->advance(127,
                              [&](std::int64_t step, std::span<const std::uint32_t> neurons) {
                                for (const auto n : neurons) spikes.emplace_back(step, n);
                                return true;
                              })
                    .ok());
    EXPECT_EQ(spikes, expected);
    EXPECT_EQ((*engine)->counts().spikes, whole.size());
  }
}

TEST(SimulationEngine, ClosedFormGoesOnFromACheckpoint) {
  const Network network = sparse(2);
  const EngineOptions options{.closed_form = true};
  const Spikes whole = run(network, options, 600);
  auto engine = Engine::make(network, {.threads = 2, .closed_form = true});
  ASSERT_TRUE(engine.ok());
  ASSERT_TRUE((*engine)->advance(120).ok());  // its neurons have places, others than the saved ones
  const Status loaded = (*engine)->load(saved_after(network, options, 333));
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  ASSERT_TRUE((*engine)->advance(267).ok());
  EXPECT_EQ((*engine)->counts().spikes, whole.size());
  EXPECT_TRUE(*(*engine)->save() == saved_after(network, options, 600));
  auto other = Engine::make(network, {});
  ASSERT_TRUE(other.ok());
  EXPECT_FALSE((*other)->load(saved_after(network, options, 10)).ok());
}

TEST(SimulationEngine, RefusesDamagedAndForeignCheckpoints) {
  const Network network = mixed(11);
  auto engine = Engine::make(network, {});
  ASSERT_TRUE(engine.ok());
  const auto good = saved_after(network, {}, 50);
  for (std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{20}, good.size() - 1}) {
    EXPECT_EQ((*engine)->load(std::span(good).first(size)).error().code, ErrorCode::kFormat);
  }
  auto longer = good;
  longer.push_back(std::byte{0});
  EXPECT_EQ((*engine)->load(longer).error().code, ErrorCode::kFormat);
  Network other = network;
  other.projections[0].weight = Constant{1.0};
  auto foreign = Engine::make(other, {});
  ASSERT_TRUE(foreign.ok());
  EXPECT_EQ((*foreign)->load(good).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ((*engine)->step(), 0);
}

TEST(SimulationEngine, PredictsAndRefusesMemory) {
  Network network = mixed(5);
  network.projections[0].rule = FixedTotalNumber{3000000};
  const auto estimate = estimate_memory(network, {});
  ASSERT_TRUE(estimate.ok());
  const auto engine = Engine::make(network, {});
  ASSERT_TRUE(engine.ok());
  const auto bytes = static_cast<double>((*engine)->synapse_bytes());
  EXPECT_NEAR(estimate->synapses / bytes, 1.0, 0.1);
  EXPECT_LT(bytes / static_cast<double>((*engine)->synapses()), 5.0);
  const auto refused = Engine::make(network, {.memory_limit = 1e6});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kResource);
  EXPECT_NE(refused.error().message().find("at most 1 MB"), std::string::npos)
      << refused.error().message();
  // One rank that has no room refuses for all, before any of them builds.
  ThreadRanks ranks(2);
  ranks.each([&](std::shared_ptr<Ranks> rank) {
    const double limit = rank->rank() == 0 ? 1e6 : 1e12;
    const auto made = Engine::make(network, {.memory_limit = limit, .ranks = rank});
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, ErrorCode::kResource);
    EXPECT_EQ(made.error().what.starts_with("another rank"), rank->rank() == 1);
  });
}

TEST(SimulationEngine, StopsWhereTheSinkSaysAndGoesOn) {
  const Network network = mixed(6);
  auto engine = Engine::make(network, {.threads = 2});
  ASSERT_TRUE(engine.ok());
  Spikes spikes;
  std::int64_t stop = 99;
  const auto sink = [&](std::int64_t step, std::span<const std::uint32_t> neurons) {
    for (const std::uint32_t n : neurons) spikes.emplace_back(step, n);
    return step != stop;
  };
  const Status stopped = (*engine)->advance(300, sink);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_EQ((*engine)->step(), 100);
  stop = -1;
  ASSERT_TRUE((*engine)->advance(200, sink).ok());
  EXPECT_EQ(spikes, run(network, {}, 300));
  EXPECT_FALSE((*engine)->advance(-1).ok());
}

TEST(SimulationEngine, ReadsStates) {
  const Network network = mixed(7);
  const auto engine = Engine::make(network, {.threads = 2});
  ASSERT_TRUE(engine.ok());
  std::vector<double> drawn(300);
  parameter_values(network, 0, "V_m", 0, drawn);
  const auto v = (*engine)->state(0, "V_m");
  ASSERT_TRUE(v.ok());
  for (std::size_t i = 0; i < drawn.size(); ++i) EXPECT_NEAR((*v)[i], drawn[i], 1e-5);
  EXPECT_TRUE((*engine)->state(5, "U_m").ok());
  EXPECT_EQ((*engine)->state(0, "U_m").error().code, ErrorCode::kNotFound);
  EXPECT_EQ((*engine)->state(9, "V_m").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace spikeloom::simulation
