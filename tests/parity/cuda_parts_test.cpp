/// One network over several devices: GPUs where there are so many, else cuda's kernels on the
/// processor, which plays all of them. Every case of the parity lists beside the reference, larger
/// layers beside cpu.

#include <gtest/gtest.h>

#include "tests/support/compare_runs.hpp"
#include "tests/support/integer_cases.hpp"
#include "tests/support/parity_cases.hpp"
#include "tests/support/parity_runs.hpp"
#include "tests/support/size_cases.hpp"

namespace spikeloom::test {
namespace {

std::vector<std::string> teams() {
  std::vector<std::string> names{"cuda-host:2", "cuda-host:3"};
  for (const char* const devices : {"cuda-parts:2", "cuda-parts:3", "cuda:2", "cuda:4"}) {
    if (find_backend(devices).ok()) names.push_back(devices);
  }
  return names;
}

std::string clean(std::string name) {
  for (char& c : name) c = c == '-' || c == ':' ? '_' : c;
  return name;
}

class CudaParts : public testing::TestWithParam<std::string> {
 protected:
  /// Whether the network could be divided at all.
  static bool compare(const Network& network, const CodedInput& input, RunRequest request,
                      const RunResult& expected) {
    request.backend = GetParam();
    const auto run = run_network(network, input, request);
    if (!run.ok() && run.error().code == ErrorCode::kUnsupported) {
      EXPECT_NE(error_of(run).find("can be divided"), std::string::npos) << error_of(run);
      return false;
    }
    EXPECT_TRUE(run.ok()) << error_of(run);
    if (!run.ok()) return false;
    EXPECT_TRUE(run->events == expected.events);
    EXPECT_TRUE(run->state == expected.state);
    EXPECT_EQ(difference(expected.stats, run->stats), "");
    return true;
  }

  static void compare_cases(const std::vector<ParityCase>& cases, std::int64_t steps,
                            Arithmetic arithmetic, std::uint64_t stream) {
    std::size_t divided = 0;
    for (const ParityCase& one : cases) {
      SCOPED_TRACE(one.name);
      ReferenceRun run;
      ASSERT_NO_FATAL_FAILURE(run_reference(one, steps, stream, run));
      run.request.arithmetic = arithmetic;
      divided += compare(one.network, run.input, run.request, run.expected) ? 1 : 0;
    }
    EXPECT_GT(2 * divided, cases.size()) << "most networks have something to divide";
  }
};

TEST_P(CudaParts, EqualTheReferenceInFloat32) {
  compare_cases(parity_cases(), 14, Arithmetic::kFloat32, 1);
}

TEST_P(CudaParts, EqualTheReferenceInIntegers) {
  compare_cases(integer_cases(), 40, Arithmetic::kInteger, 2);
}

TEST_P(CudaParts, EqualCpuOnLargeLayers) {
  for (const Arithmetic arithmetic : {Arithmetic::kFloat32, Arithmetic::kInteger}) {
    for (const SizeCase& one : size_cases()) {
      SCOPED_TRACE(one.name + " " + to_string(arithmetic));
      const CodedInput input = busy_input(one.inputs, one.steps, 5);
      RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
      request.arithmetic = arithmetic;
      request.record = {{"layer0", Variable::kOutput}, {"layer1", Variable::kMembrane}};
      request.backend = "cpu";
      const auto expected = run_network(one.network, input, request);
      ASSERT_TRUE(expected.ok()) << error_of(expected);
      // Convolutions with groups stay whole.
      const bool whole = one.name == "convolution" || one.name == "small_groups";
      EXPECT_EQ(compare(one.network, input, request, *expected), !whole);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Teams, CudaParts, testing::ValuesIn(teams()),
                         [](const auto& info) { return clean(info.param); });

TEST(CudaTeams, NamesOfDevicesAreNumbersAboveZero) {
  for (const char* const name : {"cuda-host:0", "cuda-host:", "cuda-host:2x", "cuda-host:65",
                                 "cuda-hosts", "cuda:-1", "cuda2"}) {
    EXPECT_FALSE(find_backend(name).ok()) << name;
  }
  EXPECT_TRUE(find_backend("cuda-host:64").ok());
}

}  // namespace
}  // namespace spikeloom::test
