/// Random networks on cuda's kernels as loops, by layers where there is no cycle, or with launches
/// per node: whatever runs side by side, cpu's spikes.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "backends/cuda/executable.hpp"
#include "backends/cuda/tuning.hpp"
#include "tests/property/random_network.hpp"
#include "tests/property/session_runs.hpp"
#include "tests/support/run_network.hpp"

namespace spikeloom::test {
namespace {

/// Threads in either order: what two of them do to each other would show.
cuda::Tuning random_tuning() {
  static constexpr std::uint32_t kSteps[] = {0, 1, 3, 8}, kChannels[] = {0, 8}, kChunks[] = {0, 1};
  return {.steps = kSteps[between(0, 3)],
          .channels = kChannels[between(0, 1)],
          .chunks = kChunks[between(0, 1)],
          .backwards = one_in(2)};
}

template <typename V>
bool takes_layers(const RecordedRun& run) {
  return static_cast<const cuda::CudaExecutable<V>&>(run.executable()).takes_layers();
}

/// Division by a multiplication, up to where that is exact.
RC_GTEST_PROP(CudaResident, DividesAsTheProcessorDoes, ()) {
  const std::uint32_t divisor = *rc::gen::inRange(1U, 1U << between(1, 20));
  const auto most = static_cast<std::uint32_t>((std::uint64_t{1} << 32) / divisor - 1);
  const std::uint32_t per = cuda::per_divisor(divisor);
  const std::uint32_t number = *rc::gen::inRange(0U, most);
  // The numbers around a multiple are where it would fail first.
  for (const std::uint32_t n :
       {number, number / divisor * divisor, most / divisor * divisor - (divisor > 1 ? 1 : 0)}) {
    if (n <= most) RC_ASSERT(cuda::divided(n, per) == n / divisor);
  }
}

RC_GTEST_PROP(CudaResident, EqualsCpu, ()) {
  const Numbers numbers = one_in(2) ? Numbers::kInteger : Numbers::kDyadic;
  const Program program = random_program({numbers});
  RC_LOG() << describe(program);
  const std::int64_t steps = between(4, 20);
  const std::vector<InputEvent> events = random_input(program, numbers, steps);
  const Watch watch = kWatches[between(0, 2)];
  const auto run_of = [&](const char* backend) {
    RecordedRun run(program, {backend, cpu_arithmetic(numbers), watch});
    run.push(events);
    const std::int64_t first = between(0, static_cast<int>(steps));
    run.advance(first);
    run.advance(steps - first);
    run.collect();
    return run;
  };
  RecordedRun expected = run_of("cpu");
  RecordedRun all(program, {"cpu", cpu_arithmetic(numbers), Watch::kOutputs});
  all.push(events);
  all.advance(steps);
  const struct Restored {
    Restored() { cuda::tuning() = random_tuning(); }
    ~Restored() { cuda::tuning() = {}; }
  } tuned;
  RecordedRun got = run_of(one_in(4) ? kCudaHostNodes : kCudaHost);
  RC_CLASSIFY(numbers == Numbers::kInteger ? takes_layers<std::int32_t>(got)
                                           : takes_layers<float>(got));
  RC_ASSERT(difference(expected.traces()[0], got.traces()[0]) == "");
  RC_ASSERT(difference(expected.stats(), got.stats(), rounding(all.traces()[0])) == "");
}

}  // namespace
}  // namespace spikeloom::test
