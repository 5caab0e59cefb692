/// The emulator beside SANA-FE 2.2.9 in its cycle mode: the network of acceptance/emulator, and
/// three that were made and mapped for this.
///
/// tests/validation/emulator holds the networks and what SANA-FE said; `./dev emulator` runs it.

#include "backends/emulator/emulator.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <zlib.h>

#include "backends/emulator/sanafe.hpp"
#include "base/io/file.hpp"
#include "base/io/json.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

using emulator::Emulator;
using emulator::MappedProgram;
using emulator::StepRecord;
using emulator::Timing;

/// What is compared of a step, in the order of SANA-FE's trace.
struct ExpectedStep {
  std::uint64_t fired = 0, updated = 0, messages = 0, hops = 0, synaptic_events = 0;
  double seconds = 0.0, synapse = 0.0, dendrite = 0.0, soma = 0.0, network = 0.0, total = 0.0;
};

ExpectedStep step_of(const std::vector<double>& numbers) {
  const auto count = [&](std::size_t i) { return static_cast<std::uint64_t>(numbers[i]); };
  return {count(0),   count(1),   count(2),   count(3),   count(4),   numbers[5],
          numbers[6], numbers[7], numbers[8], numbers[9], numbers[10]};
}

struct Finished {
  std::vector<std::string> spikes;  ///< "group.neuron,step"
  std::vector<StepRecord> steps;
};

Finished run(const std::string& network, const std::string& chip, std::size_t steps,
             Timing timing = Timing::kEvents) {
  auto program = emulator::read_sanafe({network, chip});
  EXPECT_TRUE(program.ok()) << (program.ok() ? "" : program.error().message());
  if (!program.ok()) return {};
  const auto shared = std::make_shared<const MappedProgram>(*std::move(program));
  Emulator machine(shared, {timing, true});
  for (std::size_t step = 0; step < steps; ++step) machine.step();
  Finished finished;
  finished.steps = machine.steps();
  for (const emulator::Spike& spike : machine.take_spikes()) {
    finished.spikes.push_back(shared->neuron_name(spike.neuron) + "," + std::to_string(spike.step));
  }
  std::sort(finished.spikes.begin(), finished.spikes.end());
  return finished;
}

void expect_energy(double ours, double theirs, const char* part, std::size_t step) {
  EXPECT_NEAR(ours, theirs, 1e-3 * theirs) << part << ", step " << step;
}

void expect_steps(const std::vector<StepRecord>& ours, const std::vector<ExpectedStep>& theirs) {
  ASSERT_EQ(ours.size(), theirs.size());
  double our_seconds = 0.0;
  double their_seconds = 0.0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const ExpectedStep& expected = theirs[i];
    EXPECT_EQ(ours[i].fired, expected.fired) << i + 1;
    EXPECT_EQ(ours[i].updated, expected.updated) << i + 1;
    EXPECT_EQ(ours[i].messages, expected.messages) << i + 1;
    EXPECT_EQ(ours[i].hops, expected.hops) << i + 1;
    EXPECT_EQ(ours[i].synaptic_events, expected.synaptic_events) << i + 1;
    expect_energy(ours[i].energy.synapse, expected.synapse, "synapse", i + 1);
    expect_energy(ours[i].energy.dendrite, expected.dendrite, "dendrite", i + 1);
    expect_energy(ours[i].energy.soma, expected.soma, "soma", i + 1);
    expect_energy(ours[i].energy.network, expected.network, "network", i + 1);
    expect_energy(ours[i].energy.total(), expected.total, "total", i + 1);
    our_seconds += ours[i].seconds;
    their_seconds += expected.seconds;
  }
  EXPECT_NEAR(our_seconds, their_seconds, 0.05 * their_seconds);
  testing::Test::RecordProperty("time_error_percent",
                                std::to_string(100.0 * (our_seconds / their_seconds - 1.0)));
}

std::vector<double> numbers_of(const std::string& line) {
  std::vector<double> numbers;
  std::istringstream words(line);
  for (std::string word; std::getline(words, word, ',');) numbers.push_back(std::stod(word));
  return numbers;
}

std::vector<ExpectedStep> steps_of_csv(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);  // the header
  std::vector<ExpectedStep> steps;
  while (std::getline(file, line)) {
    const std::vector<double> numbers = numbers_of(line);
    steps.push_back(step_of({numbers.begin() + 1, numbers.end()}));
  }
  return steps;
}

std::string unpacked(const std::string& path) {
  std::string text;
  const gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return text;
  std::vector<char> block(1 << 16);
  for (int got = 0; (got = gzread(file, block.data(), static_cast<unsigned>(block.size()))) > 0;) {
    text.append(block.data(), static_cast<std::size_t>(got));
  }
  gzclose(file);
  return text;
}

TEST(EmulatorAcceptance, EverySpikeCountAndEnergyOfTheGestureNetwork) {
  REQUIRE_SHARED("acceptance/emulator/dvs.yaml");
  const auto file = [](const std::string& name) {
    return shared_path("acceptance/emulator/" + name).string();
  };
  const Finished ours = run(file("dvs.yaml"), file("loihi.yaml"), 100);
  std::istringstream lines(unpacked(file("expected_spikes.csv.gz")));
  std::vector<std::string> expected;
  std::string line;
  std::getline(lines, line);  // the header
  while (std::getline(lines, line)) expected.push_back(line);
  std::sort(expected.begin(), expected.end());
  ASSERT_EQ(expected.size(), 29181U);
  EXPECT_EQ(ours.spikes, expected);
  expect_steps(ours.steps, steps_of_csv(file("expected_steps_cycle.csv")));
  StepRecord total;
  for (const StepRecord& step : ours.steps) total.add(step);
  EXPECT_EQ(total.messages, 295322U);
  EXPECT_EQ(total.synaptic_events, 4158831U);
  EXPECT_EQ(total.updated, 913154U);
  EXPECT_NEAR(total.energy.total(), 253.18886e-6, 1e-6 * 253.18886e-6);
  EXPECT_NEAR(total.seconds, 1.498e-3, 0.05 * 1.498e-3);
}

TEST(EmulatorAcceptance, TheAnalyticTimingChangesTheTimeAlone) {
  REQUIRE_SHARED("acceptance/emulator/dvs.yaml");
  const auto file = [](const std::string& name) {
    return shared_path("acceptance/emulator/" + name).string();
  };
  const Finished ours = run(file("dvs.yaml"), file("loihi.yaml"), 100, Timing::kAnalytic);
  EXPECT_EQ(ours.spikes.size(), 29181U);
  expect_steps(ours.steps, steps_of_csv(file("expected_steps_cycle.csv")));
}

class EmulatorParity : public testing::TestWithParam<const char*> {};

TEST_P(EmulatorParity, EqualsSanafe) {
  const std::filesystem::path folder = source_dir() / "tests/validation/emulator";
  const auto text = io::read_text_file((folder / (std::string(GetParam()) + ".json")).string());
  ASSERT_TRUE(text.ok());
  const auto frozen = io::parse_json(*text);
  ASSERT_TRUE(frozen.ok());
  std::vector<ExpectedStep> steps;
  for (const Value& step : *frozen->find("steps")->as_list()) {
    std::vector<double> numbers;
    for (const Value& number : *step.as_list()) numbers.push_back(number.number());
    steps.push_back(step_of(numbers));
  }
  std::vector<std::string> spikes;
  for (const Value& spike : *frozen->find("spikes")->as_list()) {
    spikes.push_back(*spike.as_string());
  }
  std::sort(spikes.begin(), spikes.end());
  const Finished ours = run((folder / (std::string(GetParam()) + ".yaml")).string(),
                            (folder / "chip.yaml").string(), steps.size());
  EXPECT_EQ(ours.spikes, spikes);
  EXPECT_GT(spikes.size(), 500U) << "a silent network shows nothing";
  expect_steps(ours.steps, steps);
}

INSTANTIATE_TEST_SUITE_P(Networks, EmulatorParity,
                         testing::Values("convolutional", "recurrent", "crowded"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace spikeloom::test
