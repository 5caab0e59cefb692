/// The backends "cuda" and "cuda-host": one code, on a GPU or as loops on the processor.

#include <fmt/format.h>

#include "backends/backend_impl.hpp"
#include "backends/cuda/executable.hpp"

namespace spikeloom {
namespace {

class CudaBackend : public Backend {
 public:
  explicit CudaBackend(bool host) : host_(host) {
    info_.name = host ? "cuda-host" : "cuda";
    info_.description =
        host ? "the kernels of cuda as loops on the processor, for tests" : "events on a GPU";
    info_.arithmetics = {Arithmetic::kFloat32, Arithmetic::kInteger};
    info_.available = host;
    if (host) return;
    const cuda::DeviceInfo device = cuda::find_device();
    info_.available = device.available;
    info_.reason = device.reason;
    if (device.available) info_.description += ": " + device.name;
    if (!device.available) info_.arithmetics.clear();
  }
  BackendInfo info() const override { return info_; }

  Support supports(const Program& program, const RunOptions& options) const override {
    Support support = check_run(program, options);
    if (options.arithmetic == Arithmetic::kInteger) {
      if (const auto integer = to_integer(program); !integer.ok()) {
        support.reasons.push_back(integer.error().message());
      }
    } else if (options.arithmetic != Arithmetic::kFloat32) {
      support.reasons.push_back(fmt::format(
          "arithmetic {} is not one of {}'s; give --arithmetic float32 or integer, or another "
          "--backend",
          to_string(options.arithmetic), info_.name));
    }
    support.yes = support.reasons.empty();
    return support;
  }

  Result<std::shared_ptr<const Executable>> compile(const Program& program,
                                                    const RunOptions& options) const override {
    std::shared_ptr<cuda::Machine> machine;
    if (host_) {
      machine = cuda::make_host_machine();
    } else {
      SPIKELOOM_TRY(machine, cuda::make_device_machine());
    }
    if (options.arithmetic == Arithmetic::kInteger) {
      return cuda::compile_cuda<std::int32_t>(program, options, info_.name, std::move(machine));
    }
    return cuda::compile_cuda<float>(program, options, info_.name, std::move(machine));
  }

 private:
  bool host_;
  BackendInfo info_;
};

}  // namespace

std::unique_ptr<Backend> make_cuda_backend() {
  const cuda::DeviceInfo device = cuda::find_device();
  if (!device.available) {
    return std::make_unique<UnavailableBackend>("cuda", "events on an NVIDIA GPU", device.reason);
  }
  return std::make_unique<CudaBackend>(false);
}

std::unique_ptr<Backend> make_cuda_host_backend() { return std::make_unique<CudaBackend>(true); }

}  // namespace spikeloom
