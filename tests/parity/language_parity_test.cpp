/// Language layers on every backend: float32 equal to the reference bit for bit, integers too, and
/// float32 close to double.

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "models/language/quantize_language.hpp"
#include "snn/lowering.hpp"
#include "tests/support/kernel_targets.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/word_networks.hpp"

namespace spikeloom::test {
namespace {

struct Case {
  std::string name;
  std::vector<NodeKind> layers;
  bool whole = true;  ///< has an integer form
};

std::vector<Case> cases() {
  const std::int64_t units = 70;
  return {
      {"dense", {random_egru(units, kVector, 1), random_egru(kVector, units, 10)}},
      {"pruned", {random_egru(units, kVector, 1, 0.9), random_egru(kVector, units, 10, 0.9)}},
      {"paper",
       {random_egru(units, kVector, 1, 0.5, 1), random_egru(kVector, units, 10, 0, 1)},
       false},
      {"gru", {random_layer<node::Gru>(3, kVector, kVector, 1, 0.0)}, false},
      {"lstm", {random_layer<node::Lstm>(4, kVector, kVector, 1, 0.0), node::Relu{}}, false},
  };
}

constexpr std::int64_t kSteps = 60;

CodedInput words() {
  CodedInput input;
  input.steps = kSteps;
  const RandomStream random{3, 4};
  for (std::int64_t s = 0; s < kSteps; ++s) {
    const double draw = random.uniform(static_cast<std::uint64_t>(s));
    input.index.push_back(static_cast<std::uint32_t>(draw * static_cast<double>(kWords)));
    input.value.push_back(1.0);
    input.step_start.push_back(input.index.size());
  }
  return input;
}

/// Everything a run says, per node.
struct Said {
  std::map<std::string, std::vector<Recorded>> events;
  std::vector<NodeStats> stats;
  std::vector<float> latest;
};

class Keeper : public Sink {
 public:
  explicit Keeper(const Program& program, Said& said) : program_(program), said_(said) {}
  void events(std::uint32_t node, Variable, std::uint32_t, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    auto& list = said_.events[program_.nodes[node].name];
    for (std::size_t i = 0; i < index.size(); ++i) list.push_back({step, index[i], value[i]});
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}

 private:
  const Program& program_;
  Said& said_;
};

/// The first half of the words on `first`, or on the same backend, the rest from its checkpoint.
Result<Said> run(const Network& network, const std::string& backend, RunOptions options,
                 const std::string& first = "") {
  SPIKELOOM_TRY(const Discretisation d, make_preset("nir"));
  SPIKELOOM_TRY(const Program program, lower(network, d));
  for (std::uint32_t n = 0; n < program.nodes.size(); ++n) {
    options.record.push_back({n, Variable::kOutput});
  }
  SPIKELOOM_TRY(const auto executable, compile(backend, program, options));
  SPIKELOOM_TRY(const auto before, compile(first.empty() ? backend : first, program, options));
  SPIKELOOM_TRY(const auto session, before->open());
  SPIKELOOM_CHECK(push_coded(*session, 0, words()));
  // Saved and loaded half way: recurrent layers carry their state.
  SPIKELOOM_CHECK(session->advance(kSteps / 2 * session->step_time()));
  Said said;
  Keeper keeper(program, said);
  SPIKELOOM_CHECK(session->read(keeper));
  SPIKELOOM_TRY(const Checkpoint half, session->save());
  SPIKELOOM_TRY(const auto second, executable->open());
  SPIKELOOM_CHECK(second->load(half));
  SPIKELOOM_CHECK(second->advance(kSteps * session->step_time()));
  SPIKELOOM_CHECK(second->read(keeper));
  said.stats = second->stats().nodes;
  said.latest.resize(static_cast<std::size_t>(kWords));
  const auto decoder = program.find("decoder");
  if (decoder) SPIKELOOM_CHECK(second->latest(0, *decoder, said.latest));
  return said;
}

void expect_same(const Said& one, const Said& other) {
  EXPECT_EQ(one.latest, other.latest);
  ASSERT_EQ(one.stats.size(), other.stats.size());
  for (std::size_t n = 0; n < one.stats.size(); ++n) {
    const NodeStats& a = one.stats[n];
    const NodeStats& b = other.stats[n];
    EXPECT_EQ(a.events_in, b.events_in) << a.name;
    EXPECT_EQ(a.events_out, b.events_out) << a.name;
    EXPECT_EQ(a.ac, b.ac) << a.name;
    EXPECT_EQ(a.mac, b.mac) << a.name;
    EXPECT_EQ(a.neuron_updates, b.neuron_updates) << a.name;
  }
  for (const auto& [name, events] : one.events) {
    const auto found = other.events.find(name);
    ASSERT_TRUE(found != other.events.end()) << name;
    EXPECT_EQ(events, found->second) << name;
  }
}

TEST(LanguageParity, CpuGivesTheReferencesBits) {
  for (const Case& c : cases()) {
    const auto network = word_network(c.layers);
    ASSERT_TRUE(network.ok()) << error_of(network);
    for (const bool tabulated : {false, true}) {
      RunOptions options;
      options.state_reset = 17;
      options.sharpen = 0.01;
      const auto expected = run(*network, "reference", options);
      ASSERT_TRUE(expected.ok()) << error_of(expected);
      options.tabulate = tabulated;
      const auto got = run(*network, "cpu", options);
      ASSERT_TRUE(got.ok()) << error_of(got);
      SCOPED_TRACE(c.name + (tabulated ? " tabulated" : ""));
      expect_same(*expected, *got);
    }
  }
}

/// Weights of 8 bits and ternary ones have rows of their own, for every instruction set.
TEST(LanguageParity, RoundedWeightsInFloat32GiveTheReferencesBits) {
  for (const Case& c : cases()) {
    const auto network = word_network(c.layers);
    ASSERT_TRUE(network.ok());
    for (const RowRounding rounding : {RowRounding::kInt8, RowRounding::kTernary}) {
      const auto rounded = quantize_language(*network, rounding);
      ASSERT_TRUE(rounded.ok()) << error_of(rounded);
      RunOptions options;
      options.state_reset = 17;
      const auto expected = run(*rounded, "reference", options);
      ASSERT_TRUE(expected.ok()) << error_of(expected);
      SCOPED_TRACE(c.name);
      for_each_kernel_target([&] {
        const auto got = run(*rounded, "cpu", options);
        ASSERT_TRUE(got.ok()) << error_of(got);
        expect_same(*expected, *got);
      });
    }
  }
}

TEST(LanguageParity, IntegersAreTheSameEverywhere) {
  for (const Case& c : cases()) {
    const auto network = word_network(c.layers);
    ASSERT_TRUE(network.ok());
    for (const RowRounding rounding : {RowRounding::kInt8, RowRounding::kTernary}) {
      const auto whole = quantize_language(*network, rounding);
      ASSERT_TRUE(whole.ok()) << error_of(whole);
      RunOptions options;
      options.arithmetic = Arithmetic::kInteger;
      options.state_reset = 17;
      const auto expected = run(*whole, "reference", options);
      EXPECT_EQ(expected.ok(), c.whole) << c.name << ": " << error_of(expected);
      if (!c.whole) continue;
      SCOPED_TRACE(c.name);
      for (const bool tabulated : {false, true}) {
        options.tabulate = tabulated;
        for_each_kernel_target([&] {
          const auto got = run(*whole, "cpu", options);
          ASSERT_TRUE(got.ok()) << error_of(got);
          expect_same(*expected, *got);
        });
      }
    }
  }
}

/// The kernels of cuda give cpu's bits, alone and from a checkpoint of cpu. More units than a tile
/// has, more words than a list.
TEST(LanguageParity, CudaGivesCpusBits) {
  std::vector<Case> all = cases();
  all.push_back({"wide",
                 {random_egru(200, kVector, 1, 0.8), random_egru(150, 200, 20, 0.95),
                  random_egru(kVector, 150, 10, 0.5)}});
  for (const Case& c : all) {
    const auto network = word_network(c.layers);
    ASSERT_TRUE(network.ok()) << error_of(network);
    const auto int8 = quantize_language(*network, RowRounding::kInt8);
    const auto ternary = quantize_language(*network, RowRounding::kTernary);
    ASSERT_TRUE(int8.ok() && ternary.ok()) << error_of(int8) << error_of(ternary);
    for (const Network* const one : {&*network, &*int8, &*ternary}) {
      for (const Arithmetic arithmetic : {Arithmetic::kFloat32, Arithmetic::kInteger}) {
        if (arithmetic == Arithmetic::kInteger && (one == &*network || !c.whole)) continue;
        RunOptions options;
        options.arithmetic = arithmetic;
        options.state_reset = 17;
        options.sharpen = 0.01;
        const auto expected = run(*one, "cpu", options);
        ASSERT_TRUE(expected.ok()) << error_of(expected);
        for (const std::string backend : {kCudaHost, "cuda"}) {
          if (backend == "cuda" && !find_backend(backend).ok()) continue;
          SCOPED_TRACE(c.name + " " + to_string(arithmetic) + " on " + backend);
          for (const std::string& first : {backend, std::string("cpu")}) {
            const auto got = run(*one, backend, options, first);
            ASSERT_TRUE(got.ok()) << error_of(got);
            expect_same(*expected, *got);
          }
        }
      }
    }
  }
}

/// Batch elements with words of their own, fewer and more steps than a chunk at a time; the decoder
/// by rows and by a product, which is exact in integers.
TEST(LanguageParity, CudaKeepsBatchElementsApart) {
  const auto network = word_network(cases()[1].layers);
  ASSERT_TRUE(network.ok());
  const auto whole = quantize_language(*network, RowRounding::kInt8);
  ASSERT_TRUE(whole.ok());
  constexpr std::uint32_t kBatch = 5;
  for (const Arithmetic arithmetic : {Arithmetic::kFloat32, Arithmetic::kInteger}) {
    RunOptions options;
    options.arithmetic = arithmetic;
    const auto program = lower(*whole, *make_preset("nir"));
    ASSERT_TRUE(program.ok());
    std::vector<std::vector<float>> expected;
    std::vector<NodeStats> counts;
    const std::pair<std::string, Schedule> ways[] = {{"cpu", Schedule::kAuto},
                                                     {kCudaHost, Schedule::kAuto},
                                                     {kCudaHost, Schedule::kDense},
                                                     {"cuda", Schedule::kAuto},
                                                     {"cuda", Schedule::kDense}};
    for (const auto& [backend, schedule] : ways) {
      if (backend == "cuda" && !find_backend(backend).ok()) continue;
      SCOPED_TRACE(to_string(arithmetic) + std::string(" on ") + backend + " " +
                   to_string(schedule));
      options.schedule = schedule;
      const auto executable = compile(backend, *program, options);
      ASSERT_TRUE(executable.ok()) << error_of(executable);
      const auto session = (*executable)->open(kBatch);
      ASSERT_TRUE(session.ok()) << error_of(session);
      const Time step = (*session)->step_time();
      std::vector<std::vector<float>> got;
      for (const std::int64_t until : {std::int64_t{1}, std::int64_t{6}, kSteps}) {
        for (std::uint32_t e = 0; e < kBatch; ++e) {
          for (std::int64_t s = (*session)->steps_done(); s < until; ++s) {
            const Time now = s * step;
            const auto word = static_cast<std::uint32_t>((7 * s + 11 * e * e) % kWords);
            ASSERT_TRUE((*session)->push(e, 0, {{&now, 1}, {&word, 1}, {}}).ok());
          }
        }
        ASSERT_TRUE((*session)->advance(until * step).ok());
        for (std::uint32_t e = 0; e < kBatch; ++e) {
          got.emplace_back(static_cast<std::size_t>(kWords));
          ASSERT_TRUE((*session)->latest(e, *program->find("decoder"), got.back()).ok());
        }
      }
      const std::vector<NodeStats> stats = (*session)->stats().nodes;
      if (expected.empty()) expected = got, counts = stats;
      for (std::size_t n = 0; n < stats.size(); ++n) {
        EXPECT_EQ(counts[n].mac, stats[n].mac) << stats[n].name;
        EXPECT_EQ(counts[n].events_out, stats[n].events_out) << stats[n].name;
        if (stats[n].name != "decoder" || backend == "cpu") continue;
        EXPECT_EQ(stats[n].steps_dense > 0, schedule == Schedule::kDense);
      }
      if (schedule == Schedule::kAuto || arithmetic == Arithmetic::kInteger) {
        EXPECT_EQ(expected, got);
        continue;
      }
      for (std::size_t k = 0; k < got.size(); ++k) {
        for (std::size_t w = 0; w < got[k].size(); ++w) {
          EXPECT_NEAR(expected[k][w], got[k][w], 1e-5) << "word " << w;
        }
      }
    }
  }
}

TEST(LanguageParity, TernaryEventsAreAccumulates) {
  const auto network = word_network(cases()[0].layers);
  ASSERT_TRUE(network.ok());
  const auto whole = quantize_language(*network, RowRounding::kTernary);
  ASSERT_TRUE(whole.ok());
  for (const char* backend : {"reference", "cpu"}) {
    const auto said = run(*whole, backend, {});
    ASSERT_TRUE(said.ok()) << error_of(said);
    for (const NodeStats& node : said->stats) {
      if (node.kind == "EGRU") {
        EXPECT_GT(node.ac, 0U);
        EXPECT_EQ(node.mac, 0U);
      } else if (node.kind == "Decoder") {
        EXPECT_EQ(node.ac, 0U);
        EXPECT_GT(node.mac, 0U);
      }
    }
  }
}

/// A word's vector is multiplied as a whole: an element that happens to be 1 is no event.
TEST(LanguageParity, DenseInputsAreCountedByTheClassOfTheirMatrix) {
  auto layer = random_egru(2, 3, 1);
  layer.threshold = Tensor::full({2}, 2.0F);  // no events of its own
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({kWords})});
  builder.add("words", node::Embedding{Tensor::full({kWords, 3}, 1.0F), {}});
  builder.add("layer", layer);
  builder.add("out", node::Output{shape_tensor({2})});
  builder.connect("in", "words");
  builder.connect("words", "layer");
  builder.connect("layer", "out");
  const auto network = std::move(builder).build();
  ASSERT_TRUE(network.ok()) << error_of(network);
  for (const std::string backend : {"reference", "cpu", kCudaHost}) {
    const auto said = run(*network, backend, {});
    ASSERT_TRUE(said.ok()) << error_of(said);
    const auto found = std::find_if(said->stats.begin(), said->stats.end(),
                                    [](const NodeStats& node) { return node.name == "layer"; });
    ASSERT_NE(found, said->stats.end());
    EXPECT_EQ(found->ac, 0U) << backend;
    EXPECT_EQ(found->mac, std::uint64_t{kSteps} * 3 * 2 * 3) << backend;
  }
}

TEST(LanguageParity, Float32IsCloseToDouble) {
  for (const Case& c : cases()) {
    const auto network = word_network(c.layers);
    ASSERT_TRUE(network.ok());
    RunOptions options;
    options.arithmetic = Arithmetic::kDouble;
    const auto exact = run(*network, "reference", options);
    options.arithmetic = Arithmetic::kFloat32;
    const auto rounded = run(*network, "cpu", options);
    ASSERT_TRUE(exact.ok() && rounded.ok());
    for (std::size_t w = 0; w < exact->latest.size(); ++w) {
      EXPECT_NEAR(exact->latest[w], rounded->latest[w], 1e-4) << c.name << " word " << w;
    }
  }
}

/// Events of pruned ternary layers are added and taken away; layer 1's dense input is multiplied.
TEST(LanguageParity, TernaryRowsAreWalkedWithoutMultiplications) {
  const auto network = word_network(cases()[1].layers);
  ASSERT_TRUE(network.ok());
  const auto whole = quantize_language(*network, RowRounding::kTernary);
  ASSERT_TRUE(whole.ok());
  for (const Arithmetic arithmetic : {Arithmetic::kFloat32, Arithmetic::kInteger}) {
    RunOptions options;
    options.arithmetic = arithmetic;
    const auto said = run(*whole, "cpu", options);
    ASSERT_TRUE(said.ok()) << error_of(said);
    for (const NodeStats& node : said->stats) {
      if (node.kind != "EGRU") continue;
      EXPECT_GT(node.executed_ac, 0U) << node.name;
      EXPECT_EQ(node.executed_ac + node.executed_mac, node.ac + node.mac) << node.name;
      EXPECT_EQ(node.executed_mac == 0, node.name == "layer2") << node.name;
    }
  }
}

/// The formula of the papers, 3 h (active_in n + active_rec h) with every weight, source by source.
TEST(LanguageParity, OperationsAreThoseOfTheFormula) {
  const auto layers = cases()[1].layers;
  const auto network = word_network(layers);
  ASSERT_TRUE(network.ok());
  const auto said = run(*network, "cpu", {});
  ASSERT_TRUE(said.ok()) << error_of(said);
  const auto fan_out = [](const Tensor& matrix, std::uint32_t source) {
    std::uint64_t count = 0;
    for (std::int64_t row = 0; row < matrix.dim(0); ++row) {
      count += matrix.at(row * matrix.dim(1) + source) != 0.0 ? 1 : 0;
    }
    return count;
  };
  const auto& first = std::get<node::Egru>(layers[0]);
  const auto& second = std::get<node::Egru>(layers[1]);
  std::uint64_t own = 0, next = 0, dense = 0;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(kVector); ++i) {
    dense += fan_out(first.kernel, i) * static_cast<std::uint64_t>(kSteps);
  }
  for (const Recorded& event : said->events.at("layer1")) {
    if (event.step + 1 < kSteps) own += fan_out(first.recurrent, event.index);
    next += fan_out(second.kernel, event.index);
  }
  for (const Recorded& event : said->events.at("layer2")) {
    if (event.step + 1 < kSteps) next += fan_out(second.recurrent, event.index);
  }
  for (const NodeStats& node : said->stats) {
    if (node.name == "layer1") {
      EXPECT_EQ(node.ac + node.mac, own + dense);
    }
    if (node.name == "layer2") {
      EXPECT_EQ(node.ac + node.mac, next);
    }
  }
}

}  // namespace
}  // namespace spikeloom::test
