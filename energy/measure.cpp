#include <chrono>
#include <cmath>
#include <numeric>
#include <thread>

#include "energy/meters.hpp"

namespace spikeloom {
namespace {

double mean_of(const std::vector<double>& values) {
  if (values.empty()) return 0.0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation_of(const std::vector<double>& values) {
  if (values.size() < 2) return 0.0;
  const double mean = mean_of(values);
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

Value numbers(const std::vector<double>& values) {
  Value list = Value::list();
  for (const double value : values) list.push(value);
  return list;
}

}  // namespace

MeasureClock real_clock() {
  return {
      [] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
            .count();
      },
      [](double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }};
}

Result<EnergyMeasurement> measure_energy(EnergyMeter& meter, const std::function<Status()>& work,
                                         double inferences, const MeasureOptions& options,
                                         const MeasureClock& clock) {
  if (options.repetitions < 2 || !(options.idle_seconds > 0.0) || !(inferences > 0.0)) {
    return Error{.what = "a measurement needs a spread and idling to subtract",
                 .expected = "2 or more repetitions, idle seconds above 0, an inference"};
  }
  EnergyMeasurement measured;
  measured.meter = meter.name();
  std::vector<double> gross;
  double seconds_sum = 0.0;
  double done_sum = 0.0;
  for (int repetition = 0; repetition < options.repetitions; ++repetition) {
    const double idle_from = clock.now();
    SPIKELOOM_CHECK(meter.start());
    clock.wait(options.idle_seconds);
    SPIKELOOM_TRY(const double idle_joules, meter.joules());
    const double idle_watts = idle_joules / (clock.now() - idle_from);

    double done = 0.0;
    const double from = clock.now();
    SPIKELOOM_CHECK(meter.start());
    do {
      SPIKELOOM_CHECK(work());
      done += inferences;
    } while (clock.now() - from < options.work_seconds);
    SPIKELOOM_TRY(const double joules, meter.joules());
    const double seconds = clock.now() - from;
    measured.idle_watts.push_back(idle_watts);
    measured.joules.push_back((joules - idle_watts * seconds) / done);
    gross.push_back(joules / done);
    seconds_sum += seconds;
    done_sum += done;
  }
  measured.mean = mean_of(measured.joules);
  measured.deviation = deviation_of(measured.joules);
  measured.idle_mean = mean_of(measured.idle_watts);
  measured.idle_deviation = deviation_of(measured.idle_watts);
  measured.gross_mean = mean_of(gross);
  measured.seconds_per_inference = seconds_sum / done_sum;
  const double error = measured.deviation / std::sqrt(static_cast<double>(measured.joules.size()));
  measured.lost_in_idle = measured.mean <= 2.0 * error;
  return measured;
}

Value to_value(const EnergyMeasurement& measurement) {
  Value value = Value::map();
  value.set("meter", measurement.meter);
  value.set("j_per_inference", measurement.mean).set("deviation_j", measurement.deviation);
  value.set("j_per_inference_with_idling", measurement.gross_mean);
  value.set("idle_w", measurement.idle_mean).set("idle_deviation_w", measurement.idle_deviation);
  value.set("s_per_inference", measurement.seconds_per_inference);
  value.set("lost_in_idle", measurement.lost_in_idle);
  value.set("repetitions_j", numbers(measurement.joules));
  value.set("repetitions_idle_w", numbers(measurement.idle_watts));
  return value;
}

}  // namespace spikeloom
