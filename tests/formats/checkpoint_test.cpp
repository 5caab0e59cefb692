/// Checkpoints written byte by byte, as backends/checkpoint.hpp says.

#include "backends/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include <gtest/gtest.h>

#include "snn/lowering.hpp"
#include "tests/formats/bytes_support.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

constexpr std::int64_t kSaved = 7;  ///< step

Program neurons(float other_weight, float threshold) {
  NetworkBuilder builder;
  builder.add("in", input({2}));
  builder.add("w", linear(2, 2, {1.0F, other_weight, other_weight, 1.0F}));
  builder.add("neurons", relay(threshold, 2));
  builder.add("out", output({2}));
  builder.connect("in", "w");
  builder.connect("w", "neurons");
  builder.connect("neurons", "out");
  const auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok()) << error_of(network);
  Discretisation discretisation;
  discretisation.dt = 1.0;
  auto program = lower(*network, discretisation);
  EXPECT_TRUE(program.ok()) << error_of(program);
  return *std::move(program);
}

Program two_neurons() { return neurons(0.125F, 1.0F); }
/// Whole numbers, and a threshold that inputs within 16 bits do not reach.
Program whole_neurons() { return neurons(0.0F, 40000.0F); }

/// How "w" was added up, where a version says so.
struct Way {
  std::uint64_t way = 1;
  double active = 0.0;
};

/// Both membranes at 0.75, an event of 0.5 for neuron 1 waiting for step 9, 11 operations done.
Checkpoint by_hand(const Program& program, std::string_view magic, Way way = {}) {
  const bool new_fields = magic == "SLCKPT03";
  ByteWriter file;
  const auto real = [&file](double value) { file.put(std::bit_cast<std::uint64_t>(value), 8); };
  file.text(magic).put(program_fingerprint(program), 8);
  file.put(static_cast<std::uint64_t>(Arithmetic::kFloat32), 8).put(kSaved, 8);
  file.put(1, 8);  // elements
  for (const ProgramNode& node : program.nodes) {
    file.put(0, 8);  // current
    if (node.name == "neurons") {
      file.put(2, 8);
      for (int i = 0; i < 2; ++i) real(0.75);
    } else {
      file.put(0, 8);
    }
    file.put(0, 8).put(0, 8);  // waiting, delay
    file.put(node.inputs.size(), 8);
    for (std::size_t l = 0; l < node.inputs.size(); ++l) file.put(0, 8);
    if (new_fields) {
      file.put(node.name == "w" ? way.way : 1, 8);
      real(node.name == "w" ? way.active : 0.0);
    }
  }
  file.put(1, 8).put(0, 8);                      // latest time
  file.put(1, 8).put(9, 8).put(0, 4).put(1, 4);  // pending: step, port, index,
  real(0.5);                                     // value
  file.put(kSaved, 8);                           // steps
  for (const ProgramNode& node : program.nodes) {
    for (int count = 0; count < 9; ++count) file.put(count == 2 && node.name == "w" ? 11 : 0, 8);
    real(0.0);
    for (int later = 0; new_fields && later < 7; ++later) {
      file.put(node.name == "w" ? 20 + static_cast<std::uint64_t>(later) : 0, 8);
    }
  }
  file.put(0, 8).put(0, 8).put(0, 8);  // input: late, out of order, dropped
  return file.bytes();
}

std::unique_ptr<Session> open(const std::string& backend, const Program& program) {
  RunOptions options;
  options.arithmetic = Arithmetic::kFloat32;
  const auto executable = compile(backend, program, options);
  EXPECT_TRUE(executable.ok()) << error_of(executable);
  auto session = (*executable)->open(1);
  EXPECT_TRUE(session.ok()) << error_of(session);
  return *std::move(session);
}

class Spikes : public Sink {
 public:
  void events(std::uint32_t, Variable, std::uint32_t, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double>) override {
    for (const std::uint32_t i : index) list.emplace_back(step, i);
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}
  std::vector<std::pair<std::int64_t, std::uint32_t>> list;
};

TEST(CheckpointFile, EveryVersionGoesOnWhereItWasSaved) {
  const Program program = two_neurons();
  for (const std::string backend : {"cpu", "reference"}) {
    for (const char* magic : {"SLCKPT02", "SLCKPT03"}) {
      SCOPED_TRACE(backend + " " + magic);
      const auto session = open(backend, program);
      const Status loaded = session->load(by_hand(program, magic));
      ASSERT_TRUE(loaded.ok()) << loaded.error().message();
      EXPECT_EQ(session->steps_done(), kSaved);
      ASSERT_TRUE(session->advance(12 * session->step_time()).ok());
      Spikes spikes;
      ASSERT_TRUE(session->read(spikes).ok());
      // 0.75 + 0.5 reaches the threshold 1, 0.75 + 0.125 x 0.5 does not.
      EXPECT_EQ(spikes.list, (decltype(spikes.list){{9, 1}}));
      EXPECT_EQ(session->stats().synaptic_operations(), 11U + 2U);
      EXPECT_EQ(session->stats().steps, 12U);
    }
  }
}

TEST(CheckpointFile, CpuKeepsAllThatVersion3Holds) {
  const Program program = two_neurons();
  const Checkpoint file = by_hand(program, "SLCKPT03", {3, 1.375});
  const auto session = open("cpu", program);
  ASSERT_TRUE(session->load(file).ok());
  const RunStats stats = session->stats();
  const NodeStats& w = stats.nodes[*program.find("w")];
  EXPECT_EQ(w.steps_rows, 20U);
  EXPECT_EQ(w.steps_bitmask, 21U);
  EXPECT_EQ(w.steps_dense, 22U);
  EXPECT_EQ(w.saturated, 23U);
  EXPECT_EQ(w.bytes.weights, 24U);
  EXPECT_EQ(w.bytes.state, 25U);
  EXPECT_EQ(w.bytes.events, 26U);
  const auto again = session->save();
  ASSERT_TRUE(again.ok()) << error_of(again);
  EXPECT_TRUE(*again == file);
}

TEST(CheckpointFile, OtherVersionsAndWaysThatDoNotExistAreRefused) {
  const Program program = two_neurons();
  const auto session = open("cpu", program);
  for (const char* magic : {"SLCKPT01", "SLCKPT04"}) {
    const Status loaded = session->load(by_hand(program, magic));
    ASSERT_FALSE(loaded.ok()) << magic;
    EXPECT_EQ(loaded.error().code, ErrorCode::kFormat);
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Way& way : {Way{0, 1.0}, Way{4, 1.0}, Way{1, -1.0}, Way{1, nan}}) {
    const Status loaded = session->load(by_hand(program, "SLCKPT03", way));
    ASSERT_FALSE(loaded.ok()) << way.way << ", " << way.active;
    EXPECT_EQ(loaded.error().code, ErrorCode::kFormat);
  }
}

/// Puts `to` where the bytes hold `from`, which they do once.
Checkpoint with_number(Checkpoint file, double from, double to) {
  const auto old = std::bit_cast<std::array<std::byte, 8>>(from);
  const auto at = std::search(file.begin(), file.end(), old.begin(), old.end());
  EXPECT_NE(at, file.end());
  const auto made = std::bit_cast<std::array<std::byte, 8>>(to);
  if (at != file.end()) std::copy(made.begin(), made.end(), at);
  return file;
}

TEST(CheckpointFile, NumbersThatNoSessionHoldsAreRefused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinite = std::numeric_limits<double>::infinity();
  const Program program = two_neurons();
  for (const std::string backend : {"cpu", "reference", "cuda-host", "cuda-host-nodes"}) {
    SCOPED_TRACE(backend);
    RunOptions options;
    options.arithmetic = Arithmetic::kInteger;
    const auto executable = compile(backend, whole_neurons(), options);
    ASSERT_TRUE(executable.ok()) << error_of(executable);
    auto session = (*executable)->open(1);
    ASSERT_TRUE(session.ok()) << error_of(session);
    const std::vector<Time> times = {0, 3 * (*session)->step_time()};
    const std::vector<std::uint32_t> index = {0, 1};
    const std::vector<double> value = {12345.0, 321.0};
    ASSERT_TRUE((*session)->push(0, 0, {times, index, value}).ok());
    ASSERT_TRUE((*session)->advance((*session)->step_time()).ok());
    const auto saved = (*session)->save();
    ASSERT_TRUE(saved.ok()) << error_of(saved);
    EXPECT_TRUE((*session)->load(with_number(*saved, 321.0, -32767.0)).ok());
    EXPECT_TRUE((*session)->load(with_number(*saved, 12345.0, 2147483647.0)).ok());
    for (const double bad : {0.5, 32768.0, 1e300, infinite, nan}) {
      const Status loaded = (*session)->load(with_number(*saved, 321.0, bad));
      ASSERT_FALSE(loaded.ok()) << bad;
      EXPECT_EQ(loaded.error().code, ErrorCode::kFormat);
    }
    for (const double bad : {0.5, 2147483648.0, 1e300, infinite, nan}) {
      const Status loaded = (*session)->load(with_number(*saved, 12345.0, bad));
      ASSERT_FALSE(loaded.ok()) << bad;
      EXPECT_EQ(loaded.error().code, ErrorCode::kFormat);
    }
    const auto real = open(backend, program);
    const Status wide = real->load(with_number(by_hand(program, "SLCKPT03"), 0.75, 1e300));
    ASSERT_FALSE(wide.ok());
    EXPECT_EQ(wide.error().code, ErrorCode::kFormat);
  }
}

}  // namespace
}  // namespace spikeloom::test
