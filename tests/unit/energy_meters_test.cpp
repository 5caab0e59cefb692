/// Meters on made-up sysfs trees and files, and the arithmetic of a measurement.

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "energy/in_sensor.hpp"
#include "energy/meters.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

class Meters : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "spikeloom-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& file, const std::string& text) {
    fs::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file) << text;
  }
  void domain(const std::string& zone, const std::string& name, const std::string& energy) {
    write(zone + "/name", name + "\n");
    write(zone + "/energy_uj", energy + "\n");
    write(zone + "/max_energy_range_uj", "1000000\n");
  }
  std::string path(const std::string& file = "") const { return (folder_ / file).string(); }

  fs::path folder_;
};

TEST_F(Meters, RaplAddsPackagesAndTheirMemoryAndFollowsAWrap) {
  domain("intel-rapl:0", "package-0", "999000");
  domain("intel-rapl:0:0", "core", "5");
  domain("intel-rapl:0:1", "dram", "100");
  domain("intel-rapl:1", "package-1", "0");
  domain("intel-rapl:2", "psys", "7");
  const auto meter = open_rapl_meter(path());
  ASSERT_TRUE(meter.ok()) << meter.error().message();
  EXPECT_EQ((*meter)->name(), "rapl: package-0 dram package-1");
  ASSERT_TRUE((*meter)->start().ok());
  domain("intel-rapl:0", "package-0", "500");     // wrapped: 1000 to the end, 500 after it
  domain("intel-rapl:0:0", "core", "900000");     // part of the package
  domain("intel-rapl:0:1", "dram", "2100");       // 2000
  domain("intel-rapl:1", "package-1", "250000");  // 250000
  EXPECT_NEAR(*(*meter)->joules(), (1500 + 2000 + 250000) * 1e-6, 1e-12);
  domain("intel-rapl:1", "package-1", "250001");
  EXPECT_NEAR(*(*meter)->joules(), (1500 + 2000 + 250001) * 1e-6, 1e-12);
}

TEST_F(Meters, AnAbsentMeterIsNamedWithItsReason) {
  const auto rapl = open_rapl_meter(path("nowhere"));
  ASSERT_FALSE(rapl.ok());
  EXPECT_EQ(rapl.error().code, ErrorCode::kNotFound);
  EXPECT_NE(rapl.error().message().find("no RAPL meter"), std::string::npos);
  const auto empty = open_rapl_meter(path());
  ASSERT_FALSE(empty.ok());
  EXPECT_NE(empty.error().message().find("no processor package"), std::string::npos);
  domain("intel-rapl:0", "package-0", "lots");
  const auto damaged = open_rapl_meter(path());
  ASSERT_FALSE(damaged.ok());
  EXPECT_NE(damaged.error().message().find("cannot be read"), std::string::npos);

  const auto nvml = open_nvml_meter("libno-such-nvml.so");
  ASSERT_FALSE(nvml.ok());
  EXPECT_EQ(nvml.error().code, ErrorCode::kNotFound);
  EXPECT_NE(nvml.error().message().find("no NVML meter"), std::string::npos);
  EXPECT_FALSE(open_nvml_meter("libm.so.6").ok()) << "a library of something else";
  EXPECT_FALSE(open_meter("abacus").ok());
  for (const MeterState& state : meter_states()) {
    EXPECT_EQ(state.covers.empty(), !state.why_not.empty()) << state.kind;
  }
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

TEST_F(Meters, ACsvFileIsIntegratedOverTheMeasurement) {
  const double from = now();
  // 10 W that rise to 30 W over 20 s around the measurement: slopes of 1 W/s.
  write("power.csv", "seconds,watts\n# by the meter\n" + std::to_string(from - 10) + ",10\n" +
                         std::to_string(from + 10) + ",30\n");
  const auto meter = open_csv_meter(path("power.csv"), 0.0);
  ASSERT_TRUE(meter.ok()) << meter.error().message();
  ASSERT_TRUE((*meter)->start().ok());
  const double start = now();
  const auto joules = (*meter)->joules();
  const double spent = now() - start;
  ASSERT_TRUE(joules.ok()) << joules.error().message();
  EXPECT_GE(*joules, 0.0);
  EXPECT_LE(*joules, 20.1 * spent + 0.05);

  write("late.csv", std::to_string(from - 10) + ",10\n" + std::to_string(from - 9) + ",10\n");
  const auto late = open_csv_meter(path("late.csv"), 0.0);
  ASSERT_TRUE(late.ok() && (*late)->start().ok());
  EXPECT_NE((*late)->joules().error().message().find("does not cover"), std::string::npos);
  write("bad.csv", "1,2\n2,x\n");
  EXPECT_NE(open_csv_meter(path("bad.csv")).error().message().find("line 2"), std::string::npos);
  write("back.csv", "2,2\n1,2\n");
  EXPECT_FALSE(open_csv_meter(path("back.csv")).ok());
}

/// 3 W of idling and 0.5 J for each call of the work, on a clock of its own.
class FakeMachine : public EnergyMeter {
 public:
  std::string name() const override { return "fake"; }
  Status start() override {
    start_ = joules_;
    return {};
  }
  Result<double> joules() override { return joules_ - start_; }

  MeasureClock clock() {
    return {[this] { return time_; }, [this](double seconds) { pass(seconds); }};
  }
  Status work() {
    pass(0.25);
    joules_ += 0.5 + extra_;
    extra_ = 0.1 - extra_;  // every other call takes 0.1 J more
    return {};
  }
  void pass(double seconds) {
    time_ += seconds;
    joules_ += 3.0 * seconds;
  }

 private:
  double time_ = 0.0, joules_ = 0.0, start_ = 0.0, extra_ = 0.0;
};

TEST(MeasureEnergy, SubtractsIdlingAndGivesTheSpread) {
  FakeMachine machine;
  const auto measured = measure_energy(
      machine, [&] { return machine.work(); }, 5.0,
      {.repetitions = 4, .idle_seconds = 2.0, .work_seconds = 0.75}, machine.clock());
  ASSERT_TRUE(measured.ok()) << measured.error().message();
  EXPECT_NEAR(measured->idle_mean, 3.0, 1e-9);
  EXPECT_NEAR(measured->idle_deviation, 0.0, 1e-9);
  ASSERT_EQ(measured->joules.size(), 4U);
  // Three calls of five inferences each: 1.5 J and one or two times 0.1 J more.
  EXPECT_NEAR(measured->joules[0], 1.6 / 15.0, 1e-9);
  EXPECT_NEAR(measured->joules[1], 1.7 / 15.0, 1e-9);
  EXPECT_NEAR(measured->mean, 1.65 / 15.0, 1e-9);
  EXPECT_NEAR(measured->deviation, 0.1 / 15.0 / std::sqrt(3.0), 1e-9);
  EXPECT_NEAR(measured->gross_mean, (1.65 + 3.0 * 0.75) / 15.0, 1e-9);
  EXPECT_NEAR(measured->seconds_per_inference, 0.05, 1e-12);
  EXPECT_FALSE(measured->lost_in_idle);
  EXPECT_FALSE(measure_energy(machine, [] { return Status(); }, 1.0, {.repetitions = 1}).ok());
}

TEST(MeasureEnergy, PassesErrorsOnAndAdmitsWhenWorkIsLostInIdling) {
  FakeMachine machine;
  const auto failed = measure_energy(
      machine, [] { return Status(Error{.what = "no"}); }, 1.0, {}, machine.clock());
  EXPECT_FALSE(failed.ok());
  const auto nothing = measure_energy(
      machine,
      [&] {
        machine.pass(1.0);
        return Status();
      },
      1.0, {}, machine.clock());
  ASSERT_TRUE(nothing.ok());
  EXPECT_TRUE(nothing->lost_in_idle);
}

TEST(InSensorStudy, EveryPublishedPointGivesThePublishedRatio) {
  const CostTable table = *load_cost_table("sensor22");
  const auto study = in_sensor_study(table, {});
  ASSERT_TRUE(study.ok()) << study.error().message();
  // arXiv 2212.10881's range of 12 to 96 is 64 to 8 channels of this geometry.
  EXPECT_DOUBLE_EQ(study->bandwidth_reduction, 12.0);
  EXPECT_DOUBLE_EQ(in_sensor_study(table, {.channels = 8})->bandwidth_reduction, 96.0);
  int found = 0;
  for (const InSensorConstant& constant : study->constants) {
    if (!constant.published_at) continue;
    ++found;
    CostTable changed = table;
    for (CostEntry& entry : changed.entries) {
      if (entry.name == constant.entry) entry.value = *constant.published_at;
    }
    const auto there = in_sensor_study(changed, {});
    EXPECT_NEAR(there->conventional_joules / there->in_sensor_joules, kPublishedInSensorRatio, 1e-9)
        << constant.entry;
  }
  EXPECT_GE(found, 2);
  EXPECT_LE(study->lowest_ratio, study->conventional_joules / study->in_sensor_joules);
  EXPECT_GE(study->highest_ratio, study->conventional_joules / study->in_sensor_joules);
  EXPECT_FALSE(in_sensor_study(table, {.channels = 0}).ok());
  EXPECT_FALSE(in_sensor_study(*load_cost_table("45nm"), {}).ok());
}

TEST(InSensorStudy, TheNetworkIsResNet50) {
  // 4.09 G multiply-accumulates (He et al. 2016, with the stride in the 3x3 convolution).
  CostTable table = *load_cost_table("sensor22");
  for (CostEntry& entry : table.entries) entry.value = entry.name == "mac.int8" ? 1.0 : 0.0;
  EXPECT_DOUBLE_EQ(in_sensor_study(table, {})->conventional_joules, 4089184256.0);
}

}  // namespace
}  // namespace spikeloom
