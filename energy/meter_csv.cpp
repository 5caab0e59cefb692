#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <thread>

#include "base/io/file.hpp"
#include "energy/meters.hpp"

namespace spikeloom {
namespace {

struct Reading {
  double seconds = 0.0, watts = 0.0;
};

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool parse_number(std::string_view text, double& number) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return false;
  text = text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() &&
         std::isfinite(number);
}

Result<std::vector<Reading>> read_readings(const std::string& path) {
  SPIKELOOM_TRY(const std::string text, io::read_text_file(path));
  std::vector<Reading> readings;
  std::size_t line = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    // A line without its end is still being written.
    if (end == std::string::npos) break;
    const std::string_view row(text.data() + at, end - at);
    at = end + 1;
    ++line;
    if (row.empty() || row.front() == '#') continue;
    Reading reading;
    const std::size_t comma = row.find(',');
    const bool good = comma != std::string_view::npos &&
                      parse_number(row.substr(0, comma), reading.seconds) &&
                      parse_number(row.substr(comma + 1), reading.watts);
    if (!good && readings.empty() && line == 1) continue;  // a header
    if (!good || (!readings.empty() && reading.seconds < readings.back().seconds)) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "not a reading of the meter",
                   .where = path + ": line " + std::to_string(line),
                   .expected = "seconds,watts with rising seconds",
                   .got = "'" + std::string(row.substr(0, 60)) + "'"};
    }
    readings.push_back(reading);
  }
  return readings;
}

/// Power between readings is on a line.
double integrate(const std::vector<Reading>& readings, double from, double to) {
  double joules = 0.0;
  for (std::size_t i = 1; i < readings.size(); ++i) {
    const Reading& a = readings[i - 1];
    const Reading& b = readings[i];
    const double start = std::max(a.seconds, from);
    const double end = std::min(b.seconds, to);
    if (end <= start) continue;
    const auto watts = [&](double t) {
      return a.watts + (b.watts - a.watts) * (t - a.seconds) / (b.seconds - a.seconds);
    };
    joules += (end - start) * (watts(start) + watts(end)) / 2.0;
  }
  return joules;
}

class CsvMeter : public EnergyMeter {
 public:
  CsvMeter(std::string path, double patience) : path_(std::move(path)), patience_(patience) {}

  std::string name() const override { return "csv: " + path_; }
  Status start() override {
    start_ = unix_seconds();
    return {};
  }
  Result<double> joules() override {
    const double to = unix_seconds();
    constexpr double kPause = 0.05;
    for (double waited = 0.0;; waited += kPause) {
      SPIKELOOM_TRY(const auto readings, read_readings(path_));
      const bool covers =
          !readings.empty() && readings.front().seconds <= start_ && readings.back().seconds >= to;
      if (covers) return integrate(readings, start_, to);
      if (waited >= patience_) {
        return Error{.code = ErrorCode::kNotFound,
                     .what = "the meter's file does not cover the measurement",
                     .where = path_,
                     .expected = "readings with Unix time, written while it runs",
                     .got = readings.empty()
                                ? "no reading"
                                : "the last one " + std::to_string(to - readings.back().seconds) +
                                      " s before the end"};
      }
      std::this_thread::sleep_for(std::chrono::duration<double>(kPause));
    }
  }

 private:
  std::string path_;
  double patience_;
  double start_ = 0.0;
};

}  // namespace

Result<std::unique_ptr<EnergyMeter>> open_csv_meter(const std::string& path, double patience) {
  SPIKELOOM_TRY(const auto readings, read_readings(path));  // there, and of this format
  return std::unique_ptr<EnergyMeter>(std::make_unique<CsvMeter>(path, patience));
}

Result<std::unique_ptr<EnergyMeter>> open_meter(const std::string& kind) {
  if (kind == "rapl") return open_rapl_meter();
  if (kind == "nvml") return open_nvml_meter();
  if (kind.starts_with("csv:")) return open_csv_meter(kind.substr(4));
  return Error{.what = "there is no such meter",
               .expected = "rapl, nvml or csv:FILE",
               .got = "'" + kind + "'"};
}

std::vector<MeterState> meter_states() {
  std::vector<MeterState> states;
  for (const char* kind : {"rapl", "nvml"}) {
    const auto meter = open_meter(kind);
    states.push_back(
        {kind, meter.ok() ? (*meter)->name() : "", meter.ok() ? "" : meter.error().message()});
  }
  return states;
}

}  // namespace spikeloom
