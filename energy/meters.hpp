#pragma once
/// Meters: joules that a machine really took, not modelled ones.
///
/// A meter is opened by kind; one that is not there is an Error that says why (no such folder, no
/// permission, no library), never a reading of zero. measure() takes idle power before every
/// repetition and subtracts it; what is left is the work's own energy, with its spread.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace spikeloom {

class EnergyMeter {
 public:
  virtual ~EnergyMeter() = default;
  virtual std::string name() const = 0;  ///< with what it covers: "rapl: package-0, dram"
  virtual Status start() = 0;
  /// Joules since start(); may be called several times.
  virtual Result<double> joules() = 0;
};

/// Intel and AMD processors through Linux powercap: packages and their memory, summed; counters
/// that wrap are followed (one wrap between two readings). `root` holds intel-rapl:0 and so on.
Result<std::unique_ptr<EnergyMeter>> open_rapl_meter(
    const std::string& root = "/sys/class/powercap");

/// NVIDIA GPUs, all boards summed, through nvmlDeviceGetTotalEnergyConsumption (Volta and newer).
/// The library is loaded at run time.
Result<std::unique_ptr<EnergyMeter>> open_nvml_meter(
    const std::string& library = "libnvidia-ml.so.1");

/// A file that an external meter keeps writing: lines `seconds,watts` with Unix time, '#' comments
/// and a header are skipped. Power is integrated by trapezoids; a file that does not yet cover the
/// time is waited for up to `patience_seconds`, then it is an error.
Result<std::unique_ptr<EnergyMeter>> open_csv_meter(const std::string& path,
                                                    double patience_seconds = 5.0);

/// "rapl", "nvml" or "csv:FILE".
Result<std::unique_ptr<EnergyMeter>> open_meter(const std::string& kind);

/// Every kind with the reason why it is not there; the reason is empty for one that is.
struct MeterState {
  std::string kind, covers, why_not;
};
std::vector<MeterState> meter_states();

struct MeasureOptions {
  int repetitions = 5;
  double idle_seconds = 1.0;  ///< of idling before each repetition
  double work_seconds = 1.0;  ///< the work is repeated until it has taken this long
};

struct EnergyMeasurement {
  std::string meter;
  std::vector<double> joules;  ///< per inference and repetition, idle subtracted
  std::vector<double> idle_watts;
  double mean = 0.0, deviation = 0.0;  ///< of `joules`; sample standard deviation
  double idle_mean = 0.0, idle_deviation = 0.0;
  double seconds_per_inference = 0.0;
  double gross_mean = 0.0;  ///< joules per inference with idling
  /// The work cannot be told from idling: mean below twice its standard error.
  bool lost_in_idle = false;
};
Value to_value(const EnergyMeasurement& measurement);

/// What measuring needs of the world; tests bring their own.
struct MeasureClock {
  std::function<double()> now;       ///< seconds, monotonic
  std::function<void(double)> wait;  ///< seconds
};
MeasureClock real_clock();

/// `work` does `inferences` inferences. Errors of work and meter pass through.
Result<EnergyMeasurement> measure_energy(EnergyMeter& meter, const std::function<Status()>& work,
                                         double inferences, const MeasureOptions& options,
                                         const MeasureClock& clock = real_clock());

}  // namespace spikeloom
