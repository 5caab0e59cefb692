/// Kinds for simulated networks: refractory LIF and random connections, against closed forms.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "snn/lowering.hpp"
#include "snn/random_connectivity.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

/// Steps of the spikes of one LIF driven by its leak alone, in ms and mV: tau 20, v_leak 40,
/// threshold 20, reset 0, dt 0.1, exact exponential.
std::vector<std::int64_t> tonic_spikes(std::optional<double> t_ref, std::optional<double> v_initial,
                                       std::int64_t steps) {
  node::Lif neuron{floats({1}, {20}), floats({1}, {1}), floats({1}, {40}), floats({1}, {20}), {}};
  if (t_ref) neuron.t_ref = Tensor::scalar(*t_ref);
  if (v_initial) neuron.v_initial = Tensor::scalar(*v_initial);
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("neuron", neuron);
  builder.add("out", output({1}));
  builder.connect("in", "neuron");
  builder.connect("neuron", "out");
  const auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok()) << error_of(network);
  RunRequest request{
      .preset = "nir",
      .options = {
          {"dt", "0.1"}, {"time-unit", "ms"}, {"integrator", "exponential"}, {"spike-rule", "ge"}}};
  request.steps = steps;
  const auto run = run_network(*network, one_per_step({}), request);
  EXPECT_TRUE(run.ok()) << error_of(run);
  std::vector<std::int64_t> spikes;
  if (!run.ok()) return spikes;
  const auto found = run->events.find("out");
  if (found == run->events.end()) return spikes;
  for (const Recorded& event : found->second) spikes.push_back(event.step);
  return spikes;
}

/// Steps from v to the threshold: v(n) = 40 + (v - 40) exp(-n / 200) >= 20.
std::int64_t steps_to_threshold(double v) {
  return static_cast<std::int64_t>(std::ceil(200.0 * std::log((40.0 - v) / (40.0 - 20.0))));
}

TEST(RefractoryLif, InterspikeIntervalIsThePeriodPlusTheChargingTime) {
  // t_ref + tau ln((mu - v_reset) / (mu - v_threshold)) = 2 + 13.86 ms, in whole steps.
  const std::int64_t charging = steps_to_threshold(0.0);
  ASSERT_EQ(charging, 139);
  EXPECT_EQ(tonic_spikes(2.0, {}, 500),
            (std::vector<std::int64_t>{charging - 1, charging - 1 + 159, charging - 1 + 318}));
  EXPECT_EQ(tonic_spikes({}, {}, 300), (std::vector<std::int64_t>{138, 277}));
  EXPECT_EQ(tonic_spikes(0.0, {}, 300), tonic_spikes({}, {}, 300));
}

TEST(RefractoryLif, StartsAtItsInitialMembrane) {
  EXPECT_EQ(tonic_spikes({}, 10.0, 100),
            (std::vector<std::int64_t>{steps_to_threshold(10.0) - 1}));  // 82nd step
  EXPECT_EQ(tonic_spikes({}, 25.0, 1), (std::vector<std::int64_t>{0}));
}

/// in -> LIF with decay 1/2, gain 1, threshold 1, reset -0.25 and the period given -> out
Network half_decay(double t_ref) {
  node::Lif neuron{floats({1}, {2}), floats({1}, {2}), floats({1}, {0}), floats({1}, {1}),
                   floats({1}, {-0.25F})};
  neuron.t_ref = Tensor::scalar(t_ref);
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("neuron", neuron);
  builder.add("out", output({1}));
  builder.connect("in", "neuron");
  builder.connect("neuron", "out");
  auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok()) << error_of(network);
  return *std::move(network);
}

TEST(RefractoryLif, HoldsItsResetAndLosesInputMeanwhile) {
  RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
  request.record = {{"neuron", Variable::kMembrane}};
  const auto run = run_network(half_decay(2), one_per_step({1.5, 1, 1, 1, 0.5, 0}), request);
  ASSERT_TRUE(run.ok()) << error_of(run);
  // Spike; two steps held; -0.125 + 1; 0.4375 + 0.5; 0.46875.
  const std::vector<std::vector<double>> expected = {{-0.25}, {-0.25},  {-0.25},
                                                     {0.875}, {0.9375}, {0.46875}};
  EXPECT_EQ(run->state.at("neuron:v"), expected);
  EXPECT_EQ(run->events.at("out"), (std::vector<Recorded>{{0, 0, 1.0}}));
}

TEST(RefractoryLif, IsRefusedWhereItIsNotDefined) {
  for (const auto& [option, value] : std::map<std::string, std::string>{
           {"reset-timing", "next"}, {"spike-time", "substep"}, {"dt", "1e-10"}}) {
    Discretisation d;
    d.dt = 1;
    const Status set = set_option(d, option, value);
    ASSERT_TRUE(set.ok()) << set.error().message();
    EXPECT_FALSE(lower(half_decay(2), d).ok()) << option;
  }
  Discretisation d;
  d.dt = 1;
  EXPECT_FALSE(lower(half_decay(-1), d).ok());
  const auto rounded = lower(half_decay(2.25), d);
  ASSERT_TRUE(rounded.ok());
  ASSERT_EQ(rounded->notes.size(), 1U);
  EXPECT_NE(rounded->notes[0].find("rounded to whole steps"), std::string::npos);
}

TEST(RefractoryLif, SavingWhileItWaitsChangesNothing) {
  Discretisation d;
  d.dt = 1;
  const auto program = lower(half_decay(3), d);
  ASSERT_TRUE(program.ok());
  for (const BackendInfo& info : backends()) {
    if (!info.available) continue;
    const auto executable = compile(info.name, *program, {});
    ASSERT_TRUE(executable.ok()) << error_of(executable);
    const auto whole = (*executable)->open();
    const auto second = (*executable)->open();
    ASSERT_TRUE(whole.ok() && second.ok());
    ASSERT_TRUE(push_coded(**whole, 0, one_per_step(std::vector<double>(12, 1.5))).ok());
    ASSERT_TRUE((*whole)->advance(2 * (*whole)->step_time()).ok());  // one waiting step done
    const auto saved = (*whole)->save();
    ASSERT_TRUE(saved.ok());
    ASSERT_TRUE((*second)->load(*saved).ok());
    for (Session* session : {whole->get(), second->get()}) {
      ASSERT_TRUE(session->advance(12 * session->step_time()).ok());
      // Spikes at 0, 4 and 8: after three waiting steps -0.125 + 1.5 crosses at once.
      EXPECT_EQ(session->stats().nodes.back().events_in, 3U) << info.name;
    }
  }
}

op::RandomSparse rule(std::int64_t outputs, std::int64_t inputs,
                      std::vector<op::RandomSparse::Group> groups, std::uint64_t seed) {
  op::RandomSparse made;
  made.outputs = outputs;
  made.inputs = inputs;
  made.groups = std::move(groups);
  made.seed = seed;
  return made;
}

TEST(RandomConnectivity, IsPhiloxAsTheHeaderSays) {
  // From Philox4x32-10 written independently after Salmon et al. (SC'11).
  const auto made = rule(6, 110, {{0, 100, 6, 1.0, true}, {100, 10, 6, 1.0, false}}, 7);
  SourceDraw draw(made);
  const auto list = [&](std::size_t group, std::int64_t target) {
    const auto sources = draw.sources(group, target);
    return std::vector<std::uint32_t>(sources.begin(), sources.end());
  };
  EXPECT_EQ(list(0, 0), (std::vector<std::uint32_t>{9, 31, 9, 75, 95, 51}));
  EXPECT_EQ(list(0, 5), (std::vector<std::uint32_t>{25, 18, 3, 63, 9, 51}));
  EXPECT_EQ(list(1, 5), (std::vector<std::uint32_t>{102, 105, 106, 100, 108, 104}));
}

TEST(RandomConnectivity, PartsGiveTheWholeInOrder) {
  const auto made = rule(50, 80, {{0, 60, 9, 1.0, true}, {60, 20, 7, -1.0, false}}, 3);
  using Synapse = std::tuple<std::int64_t, std::size_t, std::uint32_t>;
  const auto expand = [&](std::int64_t first, std::int64_t last, std::vector<Synapse>& list) {
    for_each_synapse(made, first, last,
                     [&](std::int64_t target, std::uint32_t source, std::size_t group) {
                       list.emplace_back(target, group, source);
                     });
  };
  std::vector<Synapse> whole, parts;
  expand(0, 50, whole);
  expand(0, 13, parts);
  expand(13, 50, parts);
  EXPECT_EQ(parts, whole);
  EXPECT_EQ(static_cast<std::int64_t>(whole.size()), synapse_count(made));
  std::map<std::int64_t, std::set<std::uint32_t>> without_repeats;
  std::int64_t last_target = 0;
  for (const auto& [target, group, source] : whole) {
    EXPECT_GE(target, last_target);
    last_target = target;
    EXPECT_EQ(group == 0, source < 60);
    if (group == 1) without_repeats[target].insert(source);
  }
  for (const auto& [target, sources] : without_repeats) EXPECT_EQ(sources.size(), 7U) << target;
}

TEST(RandomConnectivity, SourcesAreUniform) {
  // Counts of a source over 4000 targets x 10 draws are binomial with mean 1000 (40 choices) when
  // drawn with replacement, and narrower without: 5 standard deviations are 156.
  for (const bool repeats : {true, false}) {
    const auto made = rule(4000, 40, {{0, 40, 10, 1.0, repeats}}, 11);
    std::vector<int> seen(40);
    for_each_synapse(made, 0, 4000,
                     [&](std::int64_t, std::uint32_t source, std::size_t) { ++seen[source]; });
    const auto [least, most] = std::minmax_element(seen.begin(), seen.end());
    EXPECT_GT(*least, 844);
    EXPECT_LT(*most, 1156);
  }
}

node::RandomSparse random_node(std::int64_t outputs, std::int64_t inputs) {
  node::RandomSparse made;
  made.shape = integers({outputs, inputs});
  made.source_start = integers({0, 3});
  made.source_count = integers({3, 2});
  made.degree = integers({3, 2});
  made.weight = floats({2}, {1, 10});
  made.repeats = Tensor::scalar<std::int64_t>(0);
  return made;
}

TEST(RandomConnectivity, EverySourceWhenAllAreDrawn) {
  NetworkBuilder builder;
  builder.add("in", input({5}));
  builder.add("random", random_node(4, 5));
  builder.add("out", output({4}));
  builder.connect("in", "random");
  builder.connect("random", "out");
  const auto network = std::move(builder).build();
  ASSERT_TRUE(network.ok());
  CodedInput events;
  events.steps = 1;
  events.index = {1, 2, 4};
  events.value = {1, 3, 1};
  events.step_start.push_back(3);
  for (const BackendInfo& info : backends()) {
    if (!info.available) continue;
    RunRequest request;
    request.arithmetic = Arithmetic::kFloat32;
    request.backend = info.name;
    const auto run = run_network(*network, events, request);
    ASSERT_TRUE(run.ok()) << error_of(run);
    EXPECT_EQ(run->sums("out", 4), (std::vector<double>{14, 14, 14, 14})) << info.name;
    const auto& stats = run->stats.nodes[1];
    EXPECT_EQ(stats.ac, 8U) << info.name;   // two unit events, four synapses each
    EXPECT_EQ(stats.mac, 4U) << info.name;  // the event of value 3
    EXPECT_EQ(stats.dense_macs, 20U) << info.name;
  }
}

TEST(RandomConnectivity, ImpossibleRulesAreRefused) {
  EXPECT_TRUE(random_rule(random_node(4, 5)).ok());
  const auto refused = [](auto change) {
    node::RandomSparse broken = random_node(4, 5);
    change(broken);
    return !random_rule(broken).ok();
  };
  EXPECT_TRUE(refused([](auto& n) { n.shape = integers({4, 4}); }));  // a source too many
  EXPECT_TRUE(refused([](auto& n) { n.shape = integers({4}); }));
  EXPECT_TRUE(refused([](auto& n) { n.degree = integers({4, 2}); }));  // 4 of 3, none twice
  EXPECT_TRUE(refused([](auto& n) { n.degree = integers({-1, 2}); }));
  EXPECT_TRUE(refused([](auto& n) { n.degree = integers({3}); }));
  EXPECT_TRUE(refused([](auto& n) { n.weight = floats({1}, {1}); }));
  EXPECT_TRUE(refused([](auto& n) { n.source_start = integers({-1, 3}); }));
  EXPECT_TRUE(refused([](auto& n) { n.repeats = Tensor::scalar<std::int64_t>(2); }));
  EXPECT_TRUE(refused([](auto& n) { n.seed = Tensor(); }));
  EXPECT_TRUE(refused([](auto& n) {
    n.shape = integers({INT32_MAX, 5});
    n.degree = integers({1000, 0});
    n.repeats = Tensor::scalar<std::int64_t>(1);
  }));
}

}  // namespace
}  // namespace spikeloom::test
