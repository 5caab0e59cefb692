#pragma once
/// What `energy` does besides pricing a run: measured joules, NeuroBench's metrics, the in-sensor
/// study.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/run_batch.hpp"
#include "energy/in_sensor.hpp"
#include "energy/meters.hpp"
#include "energy/neurobench.hpp"

namespace spikeloom::cli {

struct MeterRequest {
  std::vector<std::string> meters = {"rapl", "nvml"};
  MeasureOptions options;
};

/// A meter and what it said, or why it is not there.
struct MeterReading {
  std::string kind;
  std::optional<EnergyMeasurement> measurement;
  std::string why_not;
};

/// Runs the job again and again under every meter that is there.
Result<std::vector<MeterReading>> measure_job(const RunJob& job, const MeterRequest& request,
                                              Console& console);
std::string meters_text(const std::vector<MeterReading>& readings);
Value meters_value(const std::vector<MeterReading>& readings);

/// Runs the job, one recording a batch, and counts as NeuroBench does.
Result<NeuroBenchMetrics> neurobench_job(RunJob job, Console& console);
std::string neurobench_text(const NeuroBenchMetrics& metrics);

std::string in_sensor_text(const std::vector<InSensorStudy>& studies, const CostTable& table);

}  // namespace spikeloom::cli
