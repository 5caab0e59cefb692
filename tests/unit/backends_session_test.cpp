/// Sessions of every available backend: feeding, batches, checkpoints, policies.

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "backends/checkpoint.hpp"
#include "base/random.hpp"
#include "snn/lowering.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

constexpr std::int64_t kSteps = 40;

/// A recurrent network with currents, a Delay and dyadic parameters: sums are exact in float32.
/// With `unit` 8 every weight is an integer, and with fixed point the program too.
Program recurrent_program(const Discretisation& base = {}, float unit = 1.0F) {
  const auto scaled = [unit](const Shape& shape, std::vector<float> values) {
    for (float& value : values) value *= unit;
    return floats(shape, values);
  };
  node::CubaLif neurons;
  neurons.tau_syn = floats({1}, {2.0F});
  neurons.tau_mem = floats({1}, {4.0F});
  neurons.r = floats({1}, {4.0F});
  neurons.v_leak = floats({1}, {0.0F});
  neurons.v_threshold = scaled({1}, {1.0F});
  if (unit != 1.0F) neurons.w_in = floats({1}, {2.0F});
  node::Linear weights;
  weights.weight = scaled({4, 3}, {.5F, .25F, 0, 1, 0, .5F, -.5F, 1, .25F, .75F, -.25F, .5F});
  node::Affine back;
  back.weight = scaled({4, 4}, std::vector<float>(16, 0.125F));
  back.bias = scaled({4}, {0, .125F, 0, .25F});
  NetworkBuilder builder;
  builder.add("in", input({3}));
  builder.add("w", weights);
  builder.add("neurons", neurons);
  builder.add("delay", node::Delay{floats({4}, {0.0F, 1.0F, 2.0F, 3.0F})});
  builder.add("back", back);
  builder.add("out", output({4}));
  builder.connect("in", "w");
  builder.connect("w", "neurons");
  builder.connect("neurons", "delay");
  builder.connect("delay", "back");
  builder.connect("back", "neurons");
  builder.connect("neurons", "out");
  auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok()) << error_of(network);
  Discretisation discretisation = base;
  discretisation.dt = 1.0;
  auto program = lower(*network, discretisation);
  EXPECT_TRUE(program.ok()) << error_of(program);
  return program.ok() ? *std::move(program) : Program();
}

struct Event {
  std::uint32_t node, element;
  std::int64_t step;
  std::uint32_t index;
  double value;
  friend bool operator==(const Event&, const Event&) = default;
};

class Log : public Sink {
 public:
  void events(std::uint32_t node, Variable, std::uint32_t element, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    for (std::size_t i = 0; i < index.size(); ++i) {
      list.push_back({node, element, step, index[i], value[i]});
    }
  }
  void state(std::uint32_t node, Variable, std::uint32_t element, std::int64_t step,
             std::span<const double> value) override {
    for (std::uint32_t i = 0; i < value.size(); ++i) {
      list.push_back({node, element, step, i, value[i]});
    }
  }
  /// What one batch element logged, as if it were alone.
  std::vector<Event> of(std::uint32_t element) const {
    std::vector<Event> own;
    for (Event event : list) {
      if (event.element != element) continue;
      event.element = 0;
      own.push_back(event);
    }
    return own;
  }
  std::vector<Event> list;
};

/// Outputs alone.
class Outputs : public Log {
 public:
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}
};

/// About a third of the inputs active in each step.
CodedInput random_input(std::uint64_t seed) {
  const RandomStream random{seed, 0};
  CodedInput input;
  input.steps = kSteps;
  for (std::int64_t s = 0; s < kSteps; ++s) {
    for (std::uint32_t i = 0; i < 3; ++i) {
      if (random.uniform(static_cast<std::uint64_t>(s) * 3 + i) < 0.35) {
        input.index.push_back(i);
        input.value.push_back(i == 1 ? 2.0 : 1.0);
      }
    }
    input.step_start.push_back(input.index.size());
  }
  return input;
}

/// The program as an arithmetic takes it.
Program program_for(Arithmetic arithmetic, Discretisation base = {}) {
  if (arithmetic == Arithmetic::kDouble || arithmetic == Arithmetic::kFloat32) {
    return recurrent_program(base);
  }
  base.fixed_point = FixedPoint::kLoihi;
  return recurrent_program(base, 8.0F);
}

class Sessions : public testing::TestWithParam<std::tuple<std::string, Arithmetic>> {
 protected:
  std::shared_ptr<const Executable> make(RunOptions options = {}) {
    options.arithmetic = std::get<1>(GetParam());
    const Program program = program_for(options.arithmetic);
    options.record.push_back({*program.find("neurons"), Variable::kMembrane});
    auto executable = compile(std::get<0>(GetParam()), program, options);
    EXPECT_TRUE(executable.ok()) << error_of(executable);
    return executable.ok() ? *executable : nullptr;
  }

  static std::unique_ptr<Session> open(const std::shared_ptr<const Executable>& executable,
                                       std::uint32_t batch = 1) {
    auto session = executable->open(batch);
    EXPECT_TRUE(session.ok()) << error_of(session);
    return session.ok() ? *std::move(session) : nullptr;
  }

  static std::vector<Event> whole_run(Session& session, const CodedInput& input) {
    EXPECT_TRUE(push_coded(session, 0, input).ok());
    EXPECT_TRUE(session.advance(kSteps * session.step_time()).ok());
    Log log;
    EXPECT_TRUE(session.read(log).ok());
    return log.list;
  }
};

TEST_P(Sessions, ManyPushesEqualOne) {
  const auto executable = make();
  const CodedInput input = random_input(1);
  const auto expected = whole_run(*open(executable), input);
  ASSERT_GT(expected.size(), kSteps * 4U);  // membranes, and some spikes
  const auto session = open(executable);
  Log log;
  for (std::int64_t s = 0; s < kSteps; ++s) {
    for (auto i = input.step_start[static_cast<std::size_t>(s)];
         i < input.step_start[static_cast<std::size_t>(s) + 1]; ++i) {
      // Any instant within the step.
      const Time time = s * session->step_time() + static_cast<Time>(i % 7) * kMillisecond;
      ASSERT_TRUE(session
                      ->push(0, 0,
                             {std::span(&time, 1), std::span(&input.index[i], 1),
                              std::span(&input.value[i], 1)})
                      .ok());
    }
    ASSERT_TRUE(session->advance((s + 1) * session->step_time()).ok());
    ASSERT_TRUE(session->read(log).ok());
  }
  EXPECT_EQ(log.list, expected);
}

TEST_P(Sessions, EachBatchElementEqualsItsOwnRun) {
  const auto executable = make();
  const auto session = open(executable, 3);
  for (std::uint32_t e = 0; e < 3; ++e) {
    ASSERT_TRUE(push_coded(*session, e, random_input(10 + e)).ok());
  }
  ASSERT_TRUE(session->advance(kSteps * session->step_time()).ok());
  Log log;
  ASSERT_TRUE(session->read(log).ok());
  std::uint64_t single_operations = 0;
  for (std::uint32_t e = 0; e < 3; ++e) {
    const auto single = open(executable);
    EXPECT_EQ(log.of(e), whole_run(*single, random_input(10 + e))) << "element " << e;
    single_operations += single->stats().synaptic_operations();
  }
  EXPECT_EQ(session->stats().synaptic_operations(), single_operations);
}

TEST_P(Sessions, SavingAndLoadingInTheMiddleChangesNothing) {
  const auto executable = make();
  const CodedInput input = random_input(2);
  const auto whole = open(executable);
  const auto expected = whole_run(*whole, input);
  for (const std::int64_t middle : {0, 1, 7, 20, 39}) {
    const auto first = open(executable);
    Log log;
    ASSERT_TRUE(push_coded(*first, 0, input).ok());  // the rest waits in the checkpoint
    ASSERT_TRUE(first->advance(middle * first->step_time()).ok());
    ASSERT_TRUE(first->read(log).ok());
    const auto saved = first->save();
    ASSERT_TRUE(saved.ok()) << error_of(saved);
    const auto second = open(executable);
    ASSERT_TRUE(second->load(*saved).ok());
    EXPECT_EQ(second->steps_done(), middle);
    ASSERT_TRUE(second->advance(kSteps * second->step_time()).ok());
    ASSERT_TRUE(second->read(log).ok());
    EXPECT_EQ(log.list, expected) << "saved after step " << middle;
    EXPECT_EQ(second->stats().synaptic_operations(), whole->stats().synaptic_operations());
    EXPECT_EQ(second->stats().steps, whole->stats().steps);
  }
}

TEST_P(Sessions, ResetStartsAgain) {
  const auto executable = make();
  const auto session = open(executable);
  const auto expected = whole_run(*session, random_input(3));
  ASSERT_TRUE(session->reset().ok());
  EXPECT_EQ(session->steps_done(), 0);
  EXPECT_EQ(whole_run(*session, random_input(3)), expected);
}

TEST_P(Sessions, LatestIsWhatTheStepDoneLastWouldHaveRecorded) {
  const auto plain = make();
  const Program& program = plain->program();
  RunOptions options;
  for (std::uint32_t n = 0; n < program.nodes.size(); ++n) {
    options.record.push_back({n, Variable::kOutput});
  }
  const auto recorded = make(options);
  const auto with_records = open(recorded), without = open(plain);
  const auto latest = [&](const Session& session, std::uint32_t n, std::vector<float>& out) {
    out.assign(static_cast<std::size_t>(program.nodes[n].out_size), -1.0F);
    return session.latest(0, n, out);
  };
  std::vector<float> values;
  for (std::uint32_t n = 0; n < program.nodes.size(); ++n) {
    ASSERT_TRUE(latest(*with_records, n, values).ok());
    EXPECT_EQ(values, std::vector<float>(values.size(), 0.0F)) << program.nodes[n].name;
  }
  ASSERT_TRUE(push_coded(*with_records, 0, random_input(5)).ok());
  ASSERT_TRUE(push_coded(*without, 0, random_input(5)).ok());
  for (std::int64_t step = 0; step < kSteps; ++step) {
    ASSERT_TRUE(with_records->advance((step + 1) * with_records->step_time()).ok());
    ASSERT_TRUE(without->advance((step + 1) * without->step_time()).ok());
    Outputs log;
    ASSERT_TRUE(with_records->read(log).ok());
    for (std::uint32_t n = 0; n < program.nodes.size(); ++n) {
      std::vector<float> expected(static_cast<std::size_t>(program.nodes[n].out_size));
      for (const Event& event : log.list) {
        if (event.node == n) expected[event.index] = static_cast<float>(event.value);
      }
      ASSERT_TRUE(latest(*with_records, n, values).ok());
      EXPECT_EQ(values, expected) << program.nodes[n].name << ", step " << step;
      const Status status = latest(*without, n, values);
      if (status.ok()) {
        EXPECT_EQ(values, expected) << program.nodes[n].name << ", step " << step;
      } else {
        EXPECT_EQ(status.error().code, ErrorCode::kNotFound) << status.error().message();
        EXPECT_TRUE(is_weight_operation(program.nodes[n].operation)) << program.nodes[n].name;
      }
    }
  }
}

/// An Output that nobody records is not worked out: asking for it is refused, not answered with 0.
TEST_P(Sessions, AnOutputThatIsNotRecordedHasNoLatest) {
  RunOptions options;
  options.record_outputs = false;
  const auto executable = make(options);
  const Program& program = executable->program();
  const auto session = open(executable);
  ASSERT_TRUE(push_coded(*session, 0, random_input(5)).ok());
  ASSERT_TRUE(session->advance(kSteps * session->step_time()).ok());
  for (const std::uint32_t output : program.outputs) {
    std::vector<float> values(static_cast<std::size_t>(program.nodes[output].out_size));
    const Status status = session->latest(0, output, values);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kNotFound) << status.error().message();
  }
}

TEST_P(Sessions, DamagedAndForeignCheckpointsAreRefused) {
  const auto executable = make();
  const auto session = open(executable);
  ASSERT_TRUE(push_coded(*session, 0, random_input(4)).ok());
  ASSERT_TRUE(session->advance(5 * session->step_time()).ok());
  const auto saved = session->save();
  ASSERT_TRUE(saved.ok());
  for (std::size_t length = 0; length < saved->size(); length += 13) {
    EXPECT_FALSE(open(executable)->load(std::span(*saved).first(length)).ok()) << length;
  }
  EXPECT_FALSE(open(executable, 2)->load(*saved).ok());
  Discretisation other;
  other.reset = Reset::kSubtract;
  RunOptions options;
  options.arithmetic = std::get<1>(GetParam());
  const auto foreign =
      compile(std::get<0>(GetParam()), program_for(options.arithmetic, other), options);
  ASSERT_TRUE(foreign.ok());
  const auto refused = open(*foreign)->load(*saved);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("another network"), std::string::npos);
}

TEST_P(Sessions, LateEventsFollowThePolicyAndAreCounted) {
  const Time early = 0;
  const std::uint32_t index = 0;
  const EventSpan event{std::span(&early, 1), std::span(&index, 1), {}};
  for (const LatePolicy policy : {LatePolicy::kError, LatePolicy::kDrop, LatePolicy::kNextStep}) {
    RunOptions options;
    options.late = policy;
    const auto session = open(make(options));
    ASSERT_TRUE(session->advance(3 * session->step_time()).ok());
    const auto pushed = session->push(0, 0, event);
    EXPECT_EQ(pushed.ok(), policy != LatePolicy::kError);
    EXPECT_EQ(session->stats().input.late, 1U);
    EXPECT_EQ(session->stats().input.dropped, policy == LatePolicy::kDrop ? 1U : 0U);
    ASSERT_TRUE(session->advance(4 * session->step_time()).ok());
    std::uint64_t fed = 0;
    for (const NodeStats& node : session->stats().nodes) {
      if (node.kind == "Input") fed += node.events_in;
    }
    EXPECT_EQ(fed, policy == LatePolicy::kNextStep ? 1U : 0U);
  }
}

TEST_P(Sessions, OverflowFollowsThePolicyAndOutOfOrderIsCounted) {
  RunOptions options;
  options.max_pending_events = 2;
  options.overflow = OverflowPolicy::kDropNewest;
  const auto session = open(make(options));
  const std::vector<Time> times = {3 * kSecond, kSecond, 2 * kSecond};
  const std::vector<std::uint32_t> index = {0, 1, 2};
  ASSERT_TRUE(session->push(0, 0, {times, index, {}}).ok());
  EXPECT_EQ(session->stats().input.out_of_order, 2U);
  EXPECT_EQ(session->stats().input.dropped, 1U);
  options.overflow = OverflowPolicy::kError;
  const auto refused = open(make(options))->push(0, 0, {times, index, {}});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kResource);
}

TEST_P(Sessions, EventsOutsideTheInputAreRefused) {
  const auto session = open(make());
  const Time time = 0;
  const std::uint32_t index = 3;
  const auto pushed = session->push(0, 0, {std::span(&time, 1), std::span(&index, 1), {}});
  ASSERT_FALSE(pushed.ok());
  EXPECT_EQ(pushed.error().code, ErrorCode::kShape);
  EXPECT_FALSE(session->push(0, 1, {}).ok());
  EXPECT_FALSE(session->push(1, 0, {}).ok());
}

TEST_P(Sessions, CancelStopsBetweenStepsAndTheSessionGoesOn) {
  const auto session = open(make());
  std::atomic<bool> done = false;
  std::thread canceller([&] {
    while (!done) session->cancel();
  });
  const auto advanced = session->advance(1000000 * session->step_time());
  done = true;
  canceller.join();
  ASSERT_FALSE(advanced.ok());
  EXPECT_EQ(advanced.error().code, ErrorCode::kCancelled);
  const std::int64_t steps = session->steps_done();
  EXPECT_LT(steps, 1000000);
  EXPECT_TRUE(session->advance((steps + 1) * session->step_time()).ok());
  EXPECT_EQ(session->steps_done(), steps + 1);
}

std::vector<std::tuple<std::string, Arithmetic>> available() {
  std::vector<std::tuple<std::string, Arithmetic>> cases;
  for (const BackendInfo& info : backends()) {
    if (!info.available) continue;
    for (const Arithmetic arithmetic : info.arithmetics) cases.emplace_back(info.name, arithmetic);
  }
  for (const Arithmetic arithmetic : {Arithmetic::kFloat32, Arithmetic::kInteger}) {
    cases.emplace_back("cuda-host:3", arithmetic);
    for (const char* const name : {"cuda-parts:2", "cuda:2"}) {
      if (find_backend(name).ok()) cases.emplace_back(name, arithmetic);
    }
    for (const std::string& name : unlisted_cuda()) cases.emplace_back(name, arithmetic);
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Backends, Sessions, testing::ValuesIn(available()), [](const auto& info) {
  return to_string(Runner{std::get<0>(info.param), std::get<1>(info.param)});
});

TEST(Registry, NamesBackendsThatAreNotBuiltInWithTheReason) {
  for (const BackendInfo& info : backends()) {
    EXPECT_EQ(info.available, info.reason.empty()) << info.name;
    EXPECT_EQ(find_backend(info.name).ok(), info.available) << info.name;
  }
  const auto unknown = find_backend("abacus");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
}

TEST(Registry, RefusesAFloatModelInIntegerWithTheCommandToType) {
  RunOptions options;
  options.arithmetic = Arithmetic::kRing16;
  const auto refused = compile("auto", recurrent_program(), options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message().find("spikeloom quantize"), std::string::npos);
}

}  // namespace
}  // namespace spikeloom::test
