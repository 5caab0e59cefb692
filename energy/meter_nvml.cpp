#include <dlfcn.h>

#include "energy/meters.hpp"

namespace spikeloom {
namespace {

/// The few functions of NVML that are needed; types as its header has them.
using NvmlDevice = void*;
struct Nvml {
  int (*init)() = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*handle)(unsigned, NvmlDevice*) = nullptr;
  int (*energy)(NvmlDevice, unsigned long long*) = nullptr;
};
constexpr int kSuccess = 0;

struct CloseLibrary {
  void operator()(void* library) const { dlclose(library); }
};
using Library = std::unique_ptr<void, CloseLibrary>;

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

class NvmlMeter : public EnergyMeter {
 public:
  NvmlMeter(Library library, Nvml nvml, std::vector<NvmlDevice> devices)
      : library_(std::move(library)), nvml_(nvml), devices_(std::move(devices)) {}

  std::string name() const override {
    return "nvml: " + std::to_string(devices_.size()) + (devices_.size() == 1 ? " GPU" : " GPUs");
  }
  Status start() override {
    SPIKELOOM_TRY(start_, read());
    return {};
  }
  Result<double> joules() override {
    SPIKELOOM_TRY(const unsigned long long now, read());
    return static_cast<double>(now - start_) * 1e-3;
  }

  Result<unsigned long long> read() const {
    unsigned long long sum = 0;
    for (NvmlDevice device : devices_) {
      unsigned long long millijoules = 0;
      if (const int code = nvml_.energy(device, &millijoules); code != kSuccess) {
        return Error{.code = ErrorCode::kUnsupported,
                     .what = "no NVML meter: the GPU does not count its energy",
                     .got = "NVML error " + std::to_string(code),
                     .next = "Volta and newer boards do"};
      }
      sum += millijoules;
    }
    return sum;
  }

 private:
  Library library_;
  Nvml nvml_;
  std::vector<NvmlDevice> devices_;
  unsigned long long start_ = 0;
};

}  // namespace

Result<std::unique_ptr<EnergyMeter>> open_nvml_meter(const std::string& name) {
  Library library(dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (library == nullptr) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "no NVML meter: the driver's library is not there",
                 .where = name,
                 .next = "it comes with the NVIDIA driver"};
  }
  Nvml nvml;
  if (!find(library.get(), "nvmlInit_v2", nvml.init) ||
      !find(library.get(), "nvmlDeviceGetCount_v2", nvml.count) ||
      !find(library.get(), "nvmlDeviceGetHandleByIndex_v2", nvml.handle) ||
      !find(library.get(), "nvmlDeviceGetTotalEnergyConsumption", nvml.energy)) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "no NVML meter: the library lacks its functions",
                 .where = name};
  }
  unsigned count = 0;
  if (nvml.init() != kSuccess || nvml.count(&count) != kSuccess || count == 0) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "no NVML meter: there is no GPU, or no driver for it",
                 .where = name};
  }
  std::vector<NvmlDevice> devices(count, nullptr);
  for (unsigned i = 0; i < count; ++i) {
    if (nvml.handle(i, &devices[i]) != kSuccess) {
      return Error{.code = ErrorCode::kIo,
                   .what = "no NVML meter: GPU " + std::to_string(i) + " does not answer"};
    }
  }
  auto meter = std::make_unique<NvmlMeter>(std::move(library), nvml, std::move(devices));
  SPIKELOOM_CHECK(meter->start());  // a board without a counter is told now
  return std::unique_ptr<EnergyMeter>(std::move(meter));
}

}  // namespace spikeloom
