#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/io/file.hpp"
#include "energy/meters.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

/// sysfs says 4096 bytes for every file and gives fewer.
Result<std::string> read_line(const std::string& path) {
  SPIKELOOM_TRY(std::string text, io::read_text_file(path, 4096));
  text.erase(std::min(text.find('\n'), text.size()));
  return text;
}

Result<std::uint64_t> read_number(const std::string& path) {
  SPIKELOOM_TRY(const std::string text, read_line(path));
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "not a count of microjoules",
                 .where = path,
                 .got = "'" + text + "'"};
  }
  return number;
}

class RaplMeter : public EnergyMeter {
 public:
  struct Domain {
    std::string folder, name;
    std::uint64_t range = 0;  ///< the counter wraps here; 0: unknown
    std::uint64_t last = 0, since_start = 0;
  };

  explicit RaplMeter(std::vector<Domain> domains) : domains_(std::move(domains)) {}

  std::string name() const override {
    std::string text = "rapl:";
    for (const Domain& domain : domains_) text += " " + domain.name;
    return text;
  }

  Status start() override {
    for (Domain& domain : domains_) {
      SPIKELOOM_TRY(domain.last, read_number(domain.folder + "/energy_uj"));
      domain.since_start = 0;
    }
    return {};
  }

  Result<double> joules() override {
    std::uint64_t sum = 0;
    for (Domain& domain : domains_) {
      SPIKELOOM_TRY(const std::uint64_t now, read_number(domain.folder + "/energy_uj"));
      domain.since_start +=
          now >= domain.last ? now - domain.last : now + (domain.range - domain.last);
      domain.last = now;
      sum += domain.since_start;
    }
    return static_cast<double>(sum) * 1e-6;
  }

 private:
  std::vector<Domain> domains_;
};

}  // namespace

Result<std::unique_ptr<EnergyMeter>> open_rapl_meter(const std::string& root) {
  std::error_code error;
  if (!fs::is_directory(root, error)) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "no RAPL meter: the kernel shows no power capping",
                 .where = root,
                 .next = "virtual machines have none; on a bare machine load intel_rapl_common"};
  }
  std::vector<RaplMeter::Domain> domains;
  for (const auto& entry : fs::directory_iterator(root, error)) {
    const std::string folder = entry.path().string();
    const std::string zone = entry.path().filename().string();
    // intel-rapl:0 is a package, intel-rapl:0:0 a part of it; AMD uses the same driver.
    if (!zone.starts_with("intel-rapl:")) continue;
    const auto name = read_line(folder + "/name");
    if (!name.ok()) continue;
    const bool is_part = std::count(zone.begin(), zone.end(), ':') > 1;
    const bool counts = is_part ? *name == "dram" : name->starts_with("package");
    if (!counts) continue;
    RaplMeter::Domain domain{.folder = folder, .name = *name};
    const auto reading = read_number(folder + "/energy_uj");
    if (!reading.ok()) {
      Error refused = reading.error();
      refused.what = "no RAPL meter: the counter cannot be read: " + refused.what;
      refused.next = "run as root, or let the administrator allow reading energy_uj";
      return refused;
    }
    const auto range = read_number(folder + "/max_energy_range_uj");
    domain.range = range.ok() ? *range : 0;
    domains.push_back(std::move(domain));
  }
  if (domains.empty()) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "no RAPL meter: there is no processor package",
                 .where = root};
  }
  std::sort(domains.begin(), domains.end(),
            [](const auto& a, const auto& b) { return a.folder < b.folder; });
  return std::unique_ptr<EnergyMeter>(std::make_unique<RaplMeter>(std::move(domains)));
}

}  // namespace spikeloom
