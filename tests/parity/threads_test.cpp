/// Threads: the same results for any number of them, and no race. `./dev tsan` runs these under
/// ThreadSanitizer.

#include <array>
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "backends/cpu/parallel_private.hpp"
#include "base/random.hpp"
#include "tests/support/compare_runs.hpp"
#include "tests/support/integer_cases.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SPIKELOOM_TEST_THREAD_SANITIZER
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define SPIKELOOM_TEST_THREAD_SANITIZER
#endif

namespace spikeloom::test {
namespace {

constexpr std::int64_t kSteps = 14;

RunRequest threaded(const ParityCase& parity, Arithmetic arithmetic) {
  RunRequest request{.preset = "nir",
                     .options = parity.options,
                     .arithmetic = arithmetic,
                     .backend = "cpu",
                     .threads = 2};
  request.options.emplace_back("dt", "1");
  for (const Node& node : parity.network.nodes()) {
    request.record.emplace_back(node.name, Variable::kOutput);
  }
  return request;
}

TEST(Threads, PartsRunOnceAndSeeEachOthersResultsAfterwards) {
  cpu::Arena arena(2);
  for (const std::size_t parts : {0, 1, 2, 3, 64}) {
    std::vector<int> calls(parts);
    const auto count = [&](std::size_t part) { ++calls[part]; };
    const auto twice = [&](std::size_t) {
      cpu::run_parts(parts, cpu::PartFunction(count));
      for (int& call : calls) call *= 2;
      cpu::run_parts(parts, cpu::PartFunction(count));
    };
    arena.execute(cpu::PartFunction(twice));
    EXPECT_EQ(calls, std::vector<int>(parts, 3));
  }
}

TEST(Threads, RangesCoverEverythingInWholeUnits) {
  cpu::Arena arena(2);
  for (const std::size_t size : {0, 1, 63, 64, 65, 1000}) {
    for (const int threads : {1, 2, 3}) {
      std::vector<int> seen(size);
      const auto all = [&](std::size_t) {
        cpu::for_ranges(size, 64, threads, [&](std::size_t, std::size_t first, std::size_t last) {
          EXPECT_EQ(first % 64, 0U);
          EXPECT_TRUE(last % 64 == 0 || last == size);
          for (std::size_t i = first; i < last; ++i) ++seen[i];
        });
      };
      arena.execute(cpu::PartFunction(all));
      EXPECT_EQ(seen, std::vector<int>(size, 1)) << threads;
    }
  }
}

#ifdef SPIKELOOM_TEST_THREAD_SANITIZER
/// What is said about oneTBB must not hide what our own parts do.
void race() {
  cpu::Arena arena(2);
  std::array<int, 2> shared{};
  std::atomic<std::size_t> started = 0;
  const auto part = [&](std::size_t) {
    // Both parts write while both run, where the machine gives them a thread each.
    started.fetch_add(1, std::memory_order_relaxed);
    for (int i = 0; i < 100'000'000 && started.load(std::memory_order_relaxed) < 2; ++i) {
    }
    for (int i = 0; i < 1000; ++i) shared[0] += i;
  };
  const auto all = [&](std::size_t) { cpu::run_parts(2, cpu::PartFunction(part)); };
  for (int i = 0; i < 100; ++i) {
    started = 0;
    arena.execute(cpu::PartFunction(all));
  }
  std::exit(0);
}

TEST(Threads, ThreadSanitizerFindsAPlantedRace) {
  if (cpu::most_threads() < 2) GTEST_SKIP() << "one processor: parts run one after the other";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(race(), testing::ExitedWithCode(66), "data race");
}
#endif

/// Every parity case: elements of a batch, each with its own input, shared by two threads.
void expect_batches_like_single_runs(const std::vector<ParityCase>& cases, Arithmetic arithmetic) {
  for (const ParityCase& parity : cases) {
    SCOPED_TRACE(parity.name);
    const auto elements = element_count(parity.input);
    ASSERT_TRUE(elements.ok());
    const auto executable = compile_network(parity.network, threaded(parity, arithmetic));
    ASSERT_TRUE(executable.ok()) << error_of(executable);
    std::vector<CodedInput> inputs;
    for (std::uint64_t e = 0; e < 3; ++e) inputs.push_back(busy_input(*elements, kSteps, 20 + e));
    const auto together = run_batch(**executable, inputs);
    ASSERT_TRUE(together.ok()) << error_of(together);
    RunStats total;
    for (std::size_t e = 0; e < inputs.size(); ++e) {
      const auto alone = run_batch(**executable, {&inputs[e], 1});
      ASSERT_TRUE(alone.ok()) << error_of(alone);
      EXPECT_TRUE((*together)[e].events == (*alone)[0].events) << "element " << e;
      e == 0 ? void(total = (*alone)[0].stats) : total.add((*alone)[0].stats);
    }
    total.steps = static_cast<std::uint64_t>(kSteps);  // of one element
    EXPECT_EQ(difference(total, (*together)[0].stats), "");
  }
}

TEST(Threads, BatchesEqualSingleRunsInFloat32) {
  expect_batches_like_single_runs(parity_cases(), Arithmetic::kFloat32);
}

TEST(Threads, BatchesEqualSingleRunsInInteger) {
  expect_batches_like_single_runs(integer_cases(), Arithmetic::kInteger);
}

/// in -> convolution -> neurons -> out, large enough that threads share a step.
Network convolution() {
  constexpr std::int64_t kSide = 64, kIn = 2, kOut = 16, kKernel = 3;
  const RandomStream random{3, 1};
  std::vector<float> weight;
  for (std::uint64_t i = 0; i < kOut * kIn * kKernel * kKernel; ++i) {
    weight.push_back(static_cast<float>(static_cast<int>(random.uniform(i) * 19.0) - 9));
  }
  node::Conv2d conv;
  conv.weight = floats({kOut, kIn, kKernel, kKernel}, weight);
  conv.input_shape = integers({kSide, kSide});
  conv.padding.value = integers({1, 1});
  node::If neuron = relay(20.0F);
  neuron.r = Tensor::full({kOut, kSide, kSide}, 1.0F);
  neuron.v_threshold = Tensor::full({kOut, kSide, kSide}, 20.0F);
  return chain({kIn, kSide, kSide}, {conv, neuron}, {kOut, kSide, kSide});
}

TEST(Threads, ShareTheStepsOfAConvolution) {
  const Network network = convolution();
  const CodedInput input = busy_input(2 * 64 * 64, 4, 9);
  RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
  const auto expected = run_network(network, input, request);
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  ASSERT_GT(expected->events.at("out").size(), 1000U);
  request.backend = "cpu";
  for (const Arithmetic arithmetic :
       {Arithmetic::kFloat32, Arithmetic::kInteger, Arithmetic::kRing16}) {
    for (const int threads : {1, 2, 3}) {
      request.arithmetic = arithmetic;
      request.threads = threads;
      const auto run = run_network(network, input, request);
      ASSERT_TRUE(run.ok()) << error_of(run);
      const std::string what = std::string(to_string(arithmetic)) + std::to_string(threads);
      EXPECT_TRUE(run->events == expected->events) << what;
      EXPECT_EQ(difference(expected->stats, run->stats), "") << what;
    }
  }
}

/// An executable is shared, a session is not; cancel() comes from anywhere.
TEST(Threads, SessionsOfOneExecutableRunSideBySide) {
  const ParityCase& parity = integer_cases().front();
  const auto elements = element_count(parity.input);
  ASSERT_TRUE(elements.ok());
  const CodedInput input = busy_input(*elements, kSteps, 5);
  for (const char* const backend : {"cpu", kCudaHost, kCudaHostNodes, "cuda", "cuda-nodes"}) {
    if (!find_backend(backend).ok()) continue;
    SCOPED_TRACE(backend);
    RunRequest request = threaded(parity, Arithmetic::kInteger);
    request.backend = backend;
    const auto executable = compile_network(parity.network, request);
    ASSERT_TRUE(executable.ok()) << error_of(executable);
    const auto expected = run_batch(**executable, {&input, 1});
    ASSERT_TRUE(expected.ok()) << error_of(expected);
    std::array<bool, 3> equal{};
    std::vector<std::thread> threads;
    for (bool& mine : equal) {
      threads.emplace_back([&executable, &input, &expected, &mine] {
        const auto run = run_batch(**executable, {&input, 1});
        mine = run.ok() && (*run)[0].events == (*expected)[0].events;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(equal, (std::array<bool, 3>{true, true, true}));
  }
}

TEST(Threads, CancelComesFromAnotherThread) {
  const ParityCase& parity = integer_cases().front();
  const auto executable = compile_network(parity.network, threaded(parity, Arithmetic::kInteger));
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  for (const std::uint32_t batch : {1U, 4U}) {
    const auto session = (*executable)->open(batch);
    ASSERT_TRUE(session.ok()) << error_of(session);
    std::atomic<bool> done = false;
    std::thread canceller([&] {
      while (!done) (*session)->cancel();
    });
    const Status advanced = (*session)->advance(1'000'000 * (*session)->step_time());
    done = true;
    canceller.join();
    ASSERT_FALSE(advanced.ok());
    EXPECT_EQ(advanced.error().code, ErrorCode::kCancelled);
  }
}

}  // namespace
}  // namespace spikeloom::test
