/// A real device that fails, or has too little memory; skipped where no GPU is. A fault ends a
/// process's use of the GPU for good, so that each of these tests has a process of its own.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <gtest/gtest.h>

#include "backends/cuda/team.hpp"
#include "snn/lowering.hpp"
#include "tests/support/counting_sink.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

/// A kernel that reads where nothing is: the GPU does nothing for this process ever after.
Status trap(std::uint32_t device) {
  SPIKELOOM_TRY(const auto machine, cuda::make_device_machine(device));
  const auto* const nowhere = reinterpret_cast<const cuda::Clock*>(std::uintptr_t{64});
  cuda::ClearKernel<float> kernel;
  kernel.rows = {nowhere, 0, 1, 1};
  kernel.out.size = 1;
  SPIKELOOM_TRY(const auto sequence, machine->record({cuda::call(kernel)}));
  SPIKELOOM_CHECK(machine->run(*sequence));
  return machine->wait();
}

#define REQUIRE_THAT(condition)                                        \
  do {                                                                 \
    if (!(condition)) {                                                \
      std::fprintf(stderr, "line %d: not %s\n", __LINE__, #condition); \
      std::_Exit(1);                                                   \
    }                                                                  \
  } while (false)

/// A session loses its device after 16 steps: what was read stays, the rest says so at once.
void lose(const std::string& backend, std::uint32_t device) {
  std::thread([] {
    std::this_thread::sleep_for(std::chrono::seconds(90));
    std::fprintf(stderr, "hangs\n");
    std::_Exit(2);
  }).detach();
  const Network network =
      chain({4}, {linear(4, 4, std::vector<float>(16, 1.0F)), relay(0.5F, 4)}, {4});
  RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
  request.arithmetic = Arithmetic::kFloat32;
  request.backend = backend;
  const auto executable = compile_network(network, request);
  REQUIRE_THAT(executable.ok());
  {
    auto opened = (*executable)->open(1);
    REQUIRE_THAT(opened.ok());
    Session& session = **opened;
    std::vector<Time> time;
    for (std::int64_t s = 0; s < 64; ++s) time.push_back(s * session.step_time());
    const std::vector<std::uint32_t> index(64, 1);
    REQUIRE_THAT(session.push(0, 0, {time, index, {}}).ok());
    REQUIRE_THAT(session.advance(16 * session.step_time()).ok());
    CountingSink before;
    REQUIRE_THAT(session.read(before).ok());
    REQUIRE_THAT(before.count == 64);

    const Status trapped = trap(device);
    REQUIRE_THAT(!trapped.ok());
    std::fprintf(stderr, "trap: %s\n", trapped.error().message().c_str());
    REQUIRE_THAT(trapped.error().code == ErrorCode::kIo);

    const Status lost = session.advance(48 * session.step_time());
    REQUIRE_THAT(!lost.ok());
    std::fprintf(stderr, "advance: %s\n", lost.error().message().c_str());
    REQUIRE_THAT(lost.error().code == ErrorCode::kIo);
    REQUIRE_THAT(!lost.error().next.empty());
    CountingSink after;
    REQUIRE_THAT(session.read(after).ok() && after.count == 0);
    REQUIRE_THAT(!session.save().ok());
    REQUIRE_THAT(!session.advance(64 * session.step_time()).ok());
    REQUIRE_THAT(!session.reset().ok());
    REQUIRE_THAT(!(*executable)->open(1).ok());
  }
  std::fprintf(stderr, "ended well\n");
  std::_Exit(0);
}

class CudaFault : public testing::TestWithParam<std::pair<const char*, std::uint32_t>> {};

TEST_P(CudaFault, EndsASessionWithAClearErrorAndWithoutWaiting) {
  const auto [backend, device] = GetParam();
  if (const auto found = find_backend(backend); !found.ok()) {
    GTEST_SKIP() << found.error().message();
  }
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(lose(backend, device), testing::ExitedWithCode(0), "ended well");
}

// The team's GPUs that have not failed wait for the one that has.
INSTANTIATE_TEST_SUITE_P(Devices, CudaFault,
                         testing::Values(std::pair{"cuda", 0U}, std::pair{"cuda:2", 0U},
                                         std::pair{"cuda:2", 1U}),
                         [](const auto& info) {
                           return (info.param.first == std::string("cuda") ? "one" : "two") +
                                  std::to_string(info.param.second);
                         });

TEST(CudaMemory, ASessionBeyondTheDeviceIsRefusedWithNeededAndFreeBytes) {
  if (const auto found = find_backend("cuda"); !found.ok()) {
    GTEST_SKIP() << found.error().message();
  }
  constexpr std::int64_t kNeurons = 1 << 20;
  node::RandomSparse rows;
  rows.shape = integers({kNeurons, kNeurons});
  rows.source_start = integers({0});
  rows.source_count = integers({kNeurons});
  rows.degree = integers({1});
  rows.weight = floats({1}, {1.0F});
  rows.repeats = integers({1});
  RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
  request.arithmetic = Arithmetic::kFloat32;
  request.backend = "cuda";
  const auto executable =
      compile_network(chain({kNeurons}, {rows, relay(0.5F, kNeurons)}, {kNeurons}), request);
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  const auto session = (*executable)->open(2000);  // 2,000 x 16 x 4 MiB, several times
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.error().code, ErrorCode::kResource);
  EXPECT_NE(error_of(session).find("needed"), std::string::npos);
  EXPECT_NE(error_of(session).find("free"), std::string::npos);
  std::printf("%s\n", error_of(session).c_str());
  EXPECT_TRUE((*executable)->open(1).ok()) << "a smaller one is opened";
}

}  // namespace
}  // namespace spikeloom::test
