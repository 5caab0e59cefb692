/// The CUDA backend where its device runs out of memory or stops answering, and its stages.

#include <algorithm>
#include <functional>

#include <gtest/gtest.h>

#include "backends/cuda/bit_weights.hpp"
#include "backends/cuda/executable.hpp"
#include "backends/cuda/session.hpp"
#include "backends/cuda/stages.hpp"
#include "backends/cuda/team_session.hpp"
#include "backends/cuda/tuning.hpp"
#include "snn/lowering.hpp"
#include "tests/support/counting_sink.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

/// The processor, with a limit of memory and a cable to pull.
class WeakMachine : public cuda::Machine, public std::enable_shared_from_this<WeakMachine> {
 public:
  explicit WeakMachine(std::shared_ptr<cuda::Machine> host = cuda::make_host_machine())
      : host_(std::move(host)) {}
  Result<void*> allocate(std::size_t bytes) override {
    if (host_->memory() + bytes > limit) {
      return Error{.code = ErrorCode::kResource, .what = "no memory"};
    }
    return host_->allocate(bytes);
  }
  void release(void* memory) noexcept override { host_->release(memory); }
  Status upload(void* to, const void* from, std::size_t bytes) override {
    SPIKELOOM_CHECK(write());
    return host_->upload(to, from, bytes);
  }
  Status download(void* to, const void* from, std::size_t bytes) override {
    if (reads_left-- <= 0) return Error{.code = ErrorCode::kIo, .what = "the device is gone"};
    return host_->download(to, from, bytes);
  }
  Status clear(void* memory, std::size_t bytes) override {
    SPIKELOOM_CHECK(write());
    return host_->clear(memory, bytes);
  }
  Status copy(void* to, const void* from, std::size_t bytes) override {
    return host_->copy(to, from, bytes);
  }
  Result<std::unique_ptr<cuda::Sequence>> record(std::vector<cuda::KernelCall> calls) override {
    if (records_left-- <= 0) return Error{.code = ErrorCode::kResource, .what = "no graph"};
    return host_->record(std::move(calls));
  }
  Status run(cuda::Sequence& sequence) override {
    if (runs_left-- <= 0) return Error{.code = ErrorCode::kIo, .what = "the device is gone"};
    return host_->run(sequence);
  }
  Status wait() override { return host_->wait(); }
  bool has_products() override { return host_->has_products(); }
  Result<std::shared_ptr<cuda::Machine>> fork() override {
    return std::shared_ptr<cuda::Machine>(shared_from_this());
  }
  std::uint64_t memory() const override { return host_->memory(); }
  std::uint64_t free_memory() override { return free; }

  std::uint64_t limit = ~std::uint64_t{0}, free = limit;
  int runs_left = 1 << 30, records_left = 1 << 30;
  int writes_left = 1 << 30;  ///< uploads and clears
  int reads_left = 1 << 30;

 private:
  Status write() {
    if (writes_left-- > 0) return {};
    return Error{.code = ErrorCode::kIo, .what = "the device is gone"};
  }
  std::shared_ptr<cuda::Machine> host_;
};

/// Parts on the processor, each with its own cable.
class WeakTeam : public cuda::Team {
 public:
  explicit WeakTeam(std::uint32_t devices) : host_(cuda::make_host_team(devices)) {
    for (const auto& machine : host_->machines()) {
      weak.push_back(std::make_shared<WeakMachine>(machine));
      machines_.push_back(weak.back());
    }
  }
  const std::vector<std::shared_ptr<cuda::Machine>>& machines() const override { return machines_; }
  Result<std::unique_ptr<cuda::Sequence>> record(
      std::vector<std::vector<cuda::KernelCall>> calls) override {
    return host_->record(std::move(calls));
  }
  Status run(cuda::Sequence& sequence) override { return host_->run(sequence); }
  Status wait() override { return host_->wait(); }

  std::vector<std::shared_ptr<WeakMachine>> weak;

 private:
  std::shared_ptr<cuda::Team> host_;
  std::vector<std::shared_ptr<cuda::Machine>> machines_;
};

Program relay_program(const Network& network) {
  Discretisation d;
  d.dt = 1.0;
  auto program = lower(network, d);
  EXPECT_TRUE(program.ok()) << error_of(program);
  return program.ok() ? *std::move(program) : Program();
}

Network relays() {
  return chain({4}, {linear(4, 4, std::vector<float>(16, 1.0F)), relay(0.5F, 4)}, {4});
}

TEST(CudaSession, SaysThatMemoryIsShortWhereverItRunsOut) {
  const Program program = relay_program(relays());
  const auto roomy = std::make_shared<WeakMachine>();
  std::uint64_t needed = 0;
  {
    const auto executable =
        cuda::compile_cuda<float>(program, {}, "cuda", roomy, {}, cuda::Tuning::Way::kChunks);
    ASSERT_TRUE(executable.ok()) << error_of(executable);
    const auto session = (*executable)->open(2);
    ASSERT_TRUE(session.ok()) << error_of(session);
    needed = roomy->memory();
  }
  EXPECT_EQ(roomy->memory(), 0U) << "everything is given back";
  for (std::uint64_t limit = 0; limit < needed; limit += 64) {
    const auto machine = std::make_shared<WeakMachine>();
    machine->limit = limit;
    const auto executable =
        cuda::compile_cuda<float>(program, {}, "cuda", machine, {}, cuda::Tuning::Way::kChunks);
    if (!executable.ok()) {
      EXPECT_EQ(executable.error().code, ErrorCode::kResource) << limit;
      continue;
    }
    const auto session = (*executable)->open(2);
    ASSERT_FALSE(session.ok()) << limit;
    EXPECT_EQ(session.error().code, ErrorCode::kResource) << limit;
  }
}

/// Before anything is taken: one byte less than what is held in the end is refused.
TEST(CudaSession, WhatDoesNotFitIsRefusedWithNeededAndFreeBytes) {
  const Program program = relay_program(relays());
  const auto machine = std::make_shared<WeakMachine>();
  machine->free = 63;
  const auto weights =
      cuda::compile_cuda<float>(program, {}, "cuda", machine, {}, cuda::Tuning::Way::kChunks);
  ASSERT_FALSE(weights.ok());
  EXPECT_EQ(weights.error().code, ErrorCode::kResource);
  machine->free = 64;  // 4 x 4 weights of 4 bytes
  const auto executable =
      cuda::compile_cuda<float>(program, {}, "cuda", machine, {}, cuda::Tuning::Way::kChunks);
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  const std::uint64_t before = machine->memory();
  machine->free = ~std::uint64_t{0};
  std::uint64_t needed = 0;
  {
    const auto session = (*executable)->open(2);
    ASSERT_TRUE(session.ok()) << error_of(session);
    needed = machine->memory() - before;
  }
  machine->free = needed - 1;
  const auto refused = (*executable)->open(2);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kResource);
  EXPECT_NE(error_of(refused).find("MiB needed"), std::string::npos) << error_of(refused);
  EXPECT_EQ(machine->memory(), before) << "nothing was taken";
  machine->free = needed;
  EXPECT_TRUE((*executable)->open(2).ok());
}

/// A library that does not take a product's shape is found out when the session opens.
TEST(CudaSession, ProductsThatAreRefusedLeaveRows) {
  constexpr std::int64_t kSize = 16;
  const Program program = relay_program(
      chain({kSize},
            {relay(0.5F, kSize), linear(kSize, kSize, std::vector<float>(kSize * kSize, 1.0F)),
             relay(0.5F, kSize)},
            {kSize}));
  RunOptions options;
  options.schedule = Schedule::kDense;
  std::size_t sent[2] = {};
  for (const bool refuses : {false, true}) {
    const auto machine = std::make_shared<WeakMachine>();
    const auto executable = cuda::compile_cuda<float>(program, options, "cuda", machine);
    ASSERT_TRUE(executable.ok()) << error_of(executable);
    if (refuses) machine->records_left = 0;
    const auto session = (*executable)->open(1);
    ASSERT_TRUE(session.ok()) << error_of(session);
    machine->records_left = 1 << 30;
    const Time now = 0;
    const std::uint32_t index = 3;
    ASSERT_TRUE((*session)->push(0, 0, {{&now, 1}, {&index, 1}, {}}).ok());
    ASSERT_TRUE((*session)->advance(20 * (*session)->step_time()).ok());
    CountingSink count;
    ASSERT_TRUE((*session)->read(count).ok());
    sent[refuses] = count.count;
    EXPECT_EQ((*session)->stats().total(&NodeStats::steps_dense) == 0, refuses);
  }
  EXPECT_EQ(sent[0], std::size_t{kSize});
  EXPECT_EQ(sent[1], sent[0]);
}

/// More sources than a block's shared memory holds.
TEST(CudaSession, RecurrentLayersWithTooManySourcesAreRefusedByName) {
  constexpr std::int64_t kMany = 40'000;
  node::Egru layer;
  layer.kernel = Tensor::full({3, kMany}, 0.5F);
  layer.recurrent = Tensor::full({3, 1}, 0.5F);
  layer.bias = layer.recurrent_bias = Tensor::full({3}, 0.0F);
  layer.threshold = Tensor::full({1}, 0.1F);
  layer.form = Tensor::scalar<std::int64_t>(0);
  const Program program = relay_program(chain({kMany}, {layer}, {1}));
  const auto made = cuda::compile_cuda<float>(program, {}, "cuda", std::make_shared<WeakMachine>());
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(error_of(made).find("layer0"), std::string::npos) << error_of(made);
}

using cuda::Tuning;

/// With launches per node, and one per layer.
class CudaLaunches : public testing::TestWithParam<Tuning::Way> {
 protected:
  void SetUp() override { cuda::tuning() = {.steps = cuda::kChunk, .chunks = 1}; }
  void TearDown() override { cuda::tuning() = {}; }
};
INSTANTIATE_TEST_SUITE_P(Ways, CudaLaunches,
                         testing::Values(Tuning::Way::kChunks, Tuning::Way::kLayers),
                         [](const auto& info) {
                           return info.param == Tuning::Way::kChunks ? "ANode" : "ALayer";
                         });

TEST_P(CudaLaunches, StopWhenTheDeviceIsLostAndBeginAgain) {
  const auto machine = std::make_shared<WeakMachine>();
  const auto executable =
      cuda::compile_cuda<float>(relay_program(relays()), {}, "cuda", machine, {}, GetParam());
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  EXPECT_EQ(static_cast<const cuda::CudaExecutable<float>&>(**executable).way(), GetParam());
  const auto opened = (*executable)->open(1);
  ASSERT_TRUE(opened.ok()) << error_of(opened);
  Session& session = **opened;
  const auto start = [&] {
    std::vector<Time> time;
    for (std::int64_t s = 0; s < 40; ++s) time.push_back(s * session.step_time());
    const std::vector<std::uint32_t> index(40, 1);
    return session.push(0, 0, {time, index, {}});
  };
  ASSERT_TRUE(start().ok());
  ASSERT_TRUE(session.advance(16 * session.step_time()).ok());
  CountingSink before;
  ASSERT_TRUE(session.read(before).ok());
  EXPECT_EQ(before.count, 64U);
  const auto checkpoint = session.save();
  ASSERT_TRUE(checkpoint.ok());

  machine->runs_left = 1;
  const Status lost = session.advance(40 * session.step_time());
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().what, "the device is gone");
  EXPECT_EQ(session.steps_done(), 32) << "whole steps that were done are counted";
  machine->runs_left = 1 << 30;
  EXPECT_FALSE(session.advance(40 * session.step_time()).ok()) << "its state is unknown";
  EXPECT_FALSE(session.save().ok());

  ASSERT_TRUE(session.load(*checkpoint).ok());
  ASSERT_TRUE(session.advance(40 * session.step_time()).ok());
  CountingSink after;
  ASSERT_TRUE(session.read(after).ok());
  EXPECT_EQ(after.count, 96U);
}

/// Spike 1 in every step from `first` to before `end`: all four neurons fire.
Status push_steps(Session& session, std::int64_t end, std::int64_t first = 0) {
  std::vector<Time> time;
  for (std::int64_t s = first; s < end; ++s) time.push_back(s * session.step_time());
  const std::vector<std::uint32_t> index(time.size(), 1);
  return session.push(0, 0, {time, index, {}});
}

/// Lets a reset and a load of `session` fail at every write to the device that they do, and runs
/// the session whole between.
void fail_half_way(Session& session, int& writes_left) {
  constexpr int kAll = 1 << 30;
  const auto runs = [&](std::int64_t until, std::size_t events) {
    const Status status = session.advance(until * session.step_time());
    ASSERT_TRUE(status.ok()) << status.error().message();
    CountingSink count;
    ASSERT_TRUE(session.read(count).ok());
    EXPECT_EQ(count.count, events);
  };
  ASSERT_TRUE(push_steps(session, 40).ok());
  runs(20, 80);
  const auto checkpoint = session.save();
  ASSERT_TRUE(checkpoint.ok());
  const std::function<Status()> ways[] = {[&] { return session.reset(); },
                                          [&] { return session.load(*checkpoint); }};
  for (const auto& way : ways) {
    int failed = 0;
    for (bool again = true; again; failed += again ? 1 : 0) {
      writes_left = failed;
      again = !way().ok();
      writes_left = kAll;
      if (!again) break;
      EXPECT_FALSE(session.advance(40 * session.step_time()).ok()) << failed;
      EXPECT_FALSE(session.save().ok()) << failed;
      if (failed % 5 != 0) continue;
      ASSERT_TRUE(session.load(*checkpoint).ok());
      runs(40, 80);
      ASSERT_TRUE(session.reset().ok());
      ASSERT_TRUE(push_steps(session, 20).ok());
      runs(20, 80);
    }
    EXPECT_GT(failed, 2);
  }
  runs(40, 80);
}

/// Rings between layers may be larger than what launches per node need.
TEST(CudaSession, WithoutRoomForLayersGoesByNode) {
  const Program program = relay_program(relays());
  const auto machine = std::make_shared<WeakMachine>();
  const auto executable =
      cuda::compile_cuda<float>(program, {}, "cuda", machine, {}, cuda::Tuning::Way::kLayers);
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  const std::uint64_t before = machine->memory();
  std::uint64_t needed[2] = {};
  for (std::uint64_t& bytes : needed) {
    const auto opened = (*executable)->open(2);
    ASSERT_TRUE(opened.ok()) << error_of(opened);
    bytes = machine->memory() - before;
    CountingSink all;
    ASSERT_TRUE(push_steps(**opened, 40).ok());
    ASSERT_TRUE((*opened)->advance(40 * (*opened)->step_time()).ok() && (*opened)->read(all).ok());
    EXPECT_EQ(all.count, 160U);
    machine->free = bytes - 1;
  }
  EXPECT_LT(needed[1], needed[0]);
}

TEST_P(CudaLaunches, AResetOrLoadThatFailsHalfWayLeavesNothingToRunOn) {
  const auto machine = std::make_shared<WeakMachine>();
  const auto executable =
      cuda::compile_cuda<float>(relay_program(relays()), {}, "cuda", machine, {}, GetParam());
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  const auto opened = (*executable)->open(1);
  ASSERT_TRUE(opened.ok()) << error_of(opened);
  fail_half_way(**opened, machine->writes_left);
}

TEST(CudaSession, AResetOrLoadOfATeamThatFailsOnOneDeviceIsAllDevices) {
  const auto team = std::make_shared<WeakTeam>(2);
  const auto make_team = [&]() -> Result<std::shared_ptr<cuda::Team>> { return {team}; };
  const auto executable = cuda::compile_team<float>(relay_program(relays()), {}, "cuda:2",
                                                    team->machines(), {}, make_team);
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  const auto opened = (*executable)->open(1);
  ASSERT_TRUE(opened.ok()) << error_of(opened);
  fail_half_way(**opened, team->weak[1]->writes_left);
}

/// Spikes of four neurons, two on either device.
TEST(CudaSession, WhatOneDeviceOfATeamDoesNotGiveBackIsNotGivenByHalves) {
  const auto team = std::make_shared<WeakTeam>(2);
  const auto make_team = [&]() -> Result<std::shared_ptr<cuda::Team>> { return {team}; };
  const Program program = relay_program(relays());
  RunOptions options;
  options.record_outputs = false;
  for (std::uint32_t n = 0; n < program.nodes.size(); ++n) {
    if (!std::holds_alternative<op::Neuron>(program.nodes[n].operation)) continue;
    options.record.push_back({n, Variable::kSpikes});
  }
  const auto executable =
      cuda::compile_team<float>(program, options, "cuda:2", team->machines(), {}, make_team);
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  const auto opened = (*executable)->open(1);
  ASSERT_TRUE(opened.ok()) << error_of(opened);
  Session& session = **opened;
  int& reads_left = team->weak[1]->reads_left;
  constexpr int kAll = 1 << 30;

  // By a read that can be repeated.
  ASSERT_TRUE(push_steps(session, 20).ok());
  ASSERT_TRUE(session.advance(20 * session.step_time()).ok());
  reads_left = 0;
  CountingSink nothing, all;
  EXPECT_FALSE(session.read(nothing).ok());
  EXPECT_EQ(nothing.count, 0U);
  reads_left = kAll;
  ASSERT_TRUE(session.read(all).ok());
  EXPECT_EQ(all.count, 80U);

  // Nor by steps that want more room for what is recorded than there is.
  constexpr std::int64_t kSteps = 10'000;
  ASSERT_TRUE(push_steps(session, kSteps, 20).ok());
  ASSERT_TRUE(session.advance(40 * session.step_time()).ok());
  reads_left = 0;
  EXPECT_FALSE(session.advance(kSteps * session.step_time()).ok());
  reads_left = kAll;
  CountingSink lost;
  ASSERT_TRUE(session.read(lost).ok());
  EXPECT_EQ(lost.count, 0U);
}

/// So much that a kernel makes bits of it first.
TEST_P(CudaLaunches, ARecordThatTheDeviceDoesNotGiveBackIsGivenLater) {
  constexpr std::int64_t kSteps = 600;
  constexpr std::uint32_t kBatch = 32;
  const auto machine = std::make_shared<WeakMachine>();
  const auto executable =
      cuda::compile_cuda<float>(relay_program(relays()), {}, "cuda", machine, {}, GetParam());
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  const auto opened = (*executable)->open(kBatch);
  ASSERT_TRUE(opened.ok()) << error_of(opened);
  Session& session = **opened;
  ASSERT_TRUE(push_steps(session, kSteps).ok());
  // What one call made, and little, comes along with it.
  ASSERT_TRUE(session.advance(kSteps / 2 * session.step_time()).ok());
  ASSERT_TRUE(session.advance(kSteps * session.step_time()).ok());
  for (int* const left : {&machine->records_left, &machine->runs_left, &machine->reads_left}) {
    const int before = std::exchange(*left, 0);
    CountingSink nothing;
    EXPECT_FALSE(session.read(nothing).ok());
    EXPECT_EQ(nothing.count, 0U);
    *left = before;
  }
  CountingSink all;
  ASSERT_TRUE(session.read(all).ok());
  EXPECT_EQ(all.count, std::size_t{4 * kSteps});
}

/// Where little memory is free, rings of a large batch hold fewer steps: the same comes of it.
TEST(CudaSession, RingsFitWhatIsFree) {
  const Network network =
      chain({64}, {linear(64, 64, std::vector<float>(64 * 64, 1.0F)), relay(0.5F, 64)}, {64});
  RunOptions options;
  options.record_outputs = false;
  std::uint64_t held[2] = {}, operations[2] = {};
  for (const bool little : {false, true}) {
    const auto machine = std::make_shared<WeakMachine>();
    if (little) machine->free = 2 * held[0];
    const auto executable = cuda::compile_cuda<float>(relay_program(network), options, "cuda",
                                                      machine, {}, Tuning::Way::kLayers);
    ASSERT_TRUE(executable.ok()) << error_of(executable);
    const auto opened = (*executable)->open(128);
    ASSERT_TRUE(opened.ok()) << error_of(opened);
    Session& session = **opened;
    ASSERT_TRUE(push_steps(session, 300).ok());
    ASSERT_TRUE(session.advance(300 * session.step_time()).ok());
    held[little ? 1 : 0] = session.stats().peak_memory_bytes;
    operations[little ? 1 : 0] = session.stats().synaptic_operations();
  }
  EXPECT_LT(held[1], held[0]);
  EXPECT_EQ(operations[0], std::uint64_t{300 * 64});
  EXPECT_EQ(operations[1], operations[0]);
}

/// A few records that advance() fetches: they are there afterwards, or asked for again.
TEST_P(CudaLaunches, RecordsThatComeAlongAreGivenOnce) {
  constexpr std::int64_t kSteps = 40;
  const auto machine = std::make_shared<WeakMachine>();
  const auto executable =
      cuda::compile_cuda<float>(relay_program(relays()), {}, "cuda", machine, {}, GetParam());
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  const auto opened = (*executable)->open(1);
  ASSERT_TRUE(opened.ok()) << error_of(opened);
  Session& session = **opened;
  ASSERT_TRUE(push_steps(session, 2 * kSteps).ok());
  const int reads = machine->reads_left;
  for (const bool comes : {true, false}) {
    machine->reads_left = comes ? reads : 0;
    const Status status = session.advance((comes ? 1 : 2) * kSteps * session.step_time());
    ASSERT_TRUE(status.ok()) << status.error().message();
    machine->reads_left = comes ? 0 : reads;
    for (const std::size_t expected : {std::size_t{4 * kSteps}, std::size_t{0}}) {
      CountingSink sink;
      ASSERT_TRUE(session.read(sink).ok());
      EXPECT_EQ(sink.count, expected);
    }
  }
}

/// Where there is no room for more, and where one of the writes of a network by layers fails.
TEST(CudaSession, InputThatCouldNotBeSentIsNotLeftOut) {
  const auto machine = std::make_shared<WeakMachine>();
  const auto executable = cuda::compile_cuda<float>(relay_program(relays()), {}, "cuda", machine,
                                                    {}, Tuning::Way::kLayers);
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  const auto opened = (*executable)->open(1);
  ASSERT_TRUE(opened.ok()) << error_of(opened);
  Session& session = **opened;
  constexpr std::int64_t kSteps = 1500;  // more than there is room for at first
  const auto push = [&] {  // not in order, so that it is sent when the session advances
    ASSERT_TRUE(push_steps(session, kSteps, kSteps / 2).ok());
    ASSERT_TRUE(push_steps(session, kSteps / 2).ok());
  };
  const auto whole = [&] {
    push();
    const Status status = session.advance(kSteps * session.step_time());
    ASSERT_TRUE(status.ok()) << status.error().message();
    CountingSink count;
    ASSERT_TRUE(session.read(count).ok());
    EXPECT_EQ(count.count, std::size_t{4 * kSteps});
  };
  for (int sent = 0; sent < 5; ++sent) {
    SCOPED_TRACE(sent);
    ASSERT_TRUE(session.reset().ok());
    ASSERT_TRUE(push_steps(session, 20).ok());
    ASSERT_TRUE(session.advance(20 * session.step_time()).ok());
    ASSERT_TRUE(session.reset().ok());
    push();
    if (sent == 0) {
      machine->limit = machine->memory();
    } else {
      machine->writes_left = sent - 1;
    }
    EXPECT_FALSE(session.advance(kSteps * session.step_time()).ok());
    machine->limit = ~std::uint64_t{0};
    machine->writes_left = 1 << 30;
    EXPECT_FALSE(session.advance(kSteps * session.step_time()).ok()) << "its input is lost";
    ASSERT_TRUE(session.reset().ok());
    whole();
  }
}

/// Of the ways of a layer that is measured while it runs, too.
TEST(CudaSession, AResetForgetsWhatWasMeasured) {
  constexpr std::int64_t kSize = 1024, kSteps = 80;
  const Program program = relay_program(
      chain({kSize},
            {relay(0.5F, kSize), linear(kSize, kSize, std::vector<float>(kSize * kSize, 1.0F)),
             relay(0.5F, kSize)},
            {kSize}));
  const auto executable =
      cuda::compile_cuda<float>(program, {}, "cuda", std::make_shared<WeakMachine>());
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  const auto opened = (*executable)->open(1);
  ASSERT_TRUE(opened.ok()) << error_of(opened);
  Session& session = **opened;
  std::vector<Time> time;
  std::vector<std::uint32_t> index;
  for (std::int64_t s = 0; s < kSteps; ++s) {
    for (std::uint32_t i = 0; i < kSize; ++i) {
      time.push_back(s * session.step_time());
      index.push_back(i);
    }
  }
  std::uint64_t products[2] = {};
  for (std::uint64_t& made : products) {
    ASSERT_TRUE(session.push(0, 0, {time, index, {}}).ok());
    ASSERT_TRUE(session.advance(kSteps * session.step_time()).ok());
    made = session.stats().total(&NodeStats::steps_dense);
    ASSERT_TRUE(session.reset().ok());
  }
  EXPECT_GT(products[0], 0U);
  EXPECT_LT(products[0], std::uint64_t{kSteps});
  EXPECT_EQ(products[1], products[0]);
}

TEST(CudaKernelCall, LeavesNothingLargeOut) {
  cuda::Product product{};
  product.rows = product.outputs = 1U << 16;
  EXPECT_EQ(cuda::call(product).blocks, 1U);
  cuda::NarrowProduct narrow{};
  narrow.rows = narrow.outputs = 1U << 16;
  EXPECT_EQ(cuda::call(narrow).blocks, 1U);
  EXPECT_EQ(cuda::call(cuda::Gather{nullptr, nullptr, std::size_t{1} << 32}).blocks, 1U);
}

/// 10^12 pairs would be 125 GB.
TEST(CudaBitWeights, AskedForTakeNoMoreThanRowsTimesEight) {
  op::Sparse sparse;
  sparse.inputs = sparse.outputs = 1'000'000;
  EXPECT_FALSE(cuda::bit_weights(sparse, 0, {}, Schedule::kBitmask).has_value());
}

/// Counts of a target have so many bits.
TEST(CudaBitWeights, AskedForHaveNoMoreSourcesThanCanBeCounted) {
  IntegerNode whole;
  whole.weight = {1};
  const auto has_bits = [&](std::int64_t sources) {
    op::RandomSparse rule;
    rule.inputs = sources;
    rule.outputs = 1;
    rule.groups.push_back({.source_start = 0,
                           .source_count = sources,
                           .degree = sources,
                           .weight = 1.0,
                           .repeats = false});
    return cuda::bit_weights(rule, 0, whole, Schedule::kBitmask).has_value();
  };
  EXPECT_TRUE(has_bits(1 << 10));
  EXPECT_FALSE(has_bits(std::int64_t{1} << 25));
}

/// The steps' input has been taken by then: going on would leave it out.
TEST(CudaSession, AStepThatCannotBeRecordedIsNotLeftOut) {
  const auto machine = std::make_shared<WeakMachine>();
  machine->records_left = 0;
  const auto executable = cuda::compile_cuda<float>(relay_program(relays()), {}, "cuda", machine);
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  const auto opened = (*executable)->open(1);
  ASSERT_TRUE(opened.ok()) << error_of(opened);
  Session& session = **opened;
  const std::vector<Time> time = {0};
  const std::vector<std::uint32_t> index = {1};
  ASSERT_TRUE(session.push(0, 0, {time, index, {}}).ok());
  const Status refused = session.advance(16 * session.step_time());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().what, "no graph");
  machine->records_left = 1 << 30;
  EXPECT_FALSE(session.advance(16 * session.step_time()).ok()) << "its input is lost";

  ASSERT_TRUE(session.reset().ok());
  ASSERT_TRUE(session.push(0, 0, {time, index, {}}).ok());
  ASSERT_TRUE(session.advance(16 * session.step_time()).ok());
  CountingSink after;
  ASSERT_TRUE(session.read(after).ok());
  EXPECT_EQ(after.count, 4U);
}

TEST(CudaStages, PartCyclesFromChains) {
  NetworkBuilder builder;
  builder.add("in", input({2}));
  builder.add("w", linear(2, 2, {1, 0, 0, 1}));
  builder.add("n", relay(0.5F, 2));
  builder.add("back", linear(2, 2, {0, 1, 1, 0}));
  builder.add("last", linear(2, 2, {1, 1, 1, 1}));
  builder.add("out", output({2}));
  builder.connect("in", "w");
  builder.connect("w", "n");
  builder.connect("n", "back");
  builder.connect("back", "n");
  builder.connect("n", "last");
  builder.connect("last", "out");
  const auto network = std::move(builder).build();
  ASSERT_TRUE(network.ok()) << error_of(network);
  const Program program = relay_program(*network);
  std::vector<std::string> stages;
  for (const cuda::Stage& stage : cuda::find_stages(program)) {
    std::vector<std::string> names;
    for (const std::uint32_t n : stage.nodes) names.push_back(program.nodes[n].name);
    std::sort(names.begin(), names.end());
    std::string text = stage.cyclic ? "cycle" : "";
    for (const std::string& name : names) text += " " + name;
    stages.push_back(text);
  }
  EXPECT_EQ(stages, (std::vector<std::string>{" in", " w", "cycle back n", " last", " out"}));
}

}  // namespace
}  // namespace spikeloom::test
