/// The backends "cuda" and "cuda-host": one code, on a GPU or as loops on the processor.

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "backends/backend_impl.hpp"
#include "backends/cuda/executable.hpp"
#include "backends/cuda/planned.hpp"
#include "backends/cuda/team_session.hpp"

namespace spikeloom {
namespace {

/// Where a program runs: on GPUs or on the processor, how many.
struct Devices {
  bool host = false;
  bool shared = false;  ///< parts on one GPU
  std::uint32_t count = 1;
  std::string name = {};
  cuda::Tuning::Way way = cuda::Tuning::Way::kLayers;  ///< where that can be
};

Result<std::shared_ptr<cuda::Machine>> make_machine(const Devices& devices, std::uint32_t part) {
  if (devices.host) return cuda::make_host_machine();
  const std::uint32_t gpus = std::max<std::uint32_t>(cuda::find_device().devices, 1);
  return cuda::make_device_machine(devices.shared ? 0 : part % gpus);
}

template <typename V>
Result<std::shared_ptr<const Executable>> compile_on(const Devices& devices, const Program& program,
                                                     const RunOptions& options,
                                                     const std::vector<cuda::Share>& shares) {
  if (devices.count == 1) {
    SPIKELOOM_TRY(auto machine, make_machine(devices, 0));
    return cuda::compile_cuda<V>(program, options, devices.name, std::move(machine), shares,
                                 devices.way);
  }
  std::vector<std::shared_ptr<cuda::Machine>> machines(devices.count);
  for (std::uint32_t d = 0; d < devices.count; ++d) {
    SPIKELOOM_TRY(machines[d], make_machine(devices, d));
  }
  const auto make_team = [devices]() -> Result<std::shared_ptr<cuda::Team>> {
    if (devices.host) return cuda::make_host_team(devices.count);
    if (devices.shared) return cuda::make_shared_team(devices.count);
    return cuda::make_device_team(devices.count);
  };
  return cuda::compile_team<V>(program, options, devices.name, machines, shares, make_team);
}

Result<std::shared_ptr<const Executable>> compile_shares(const Devices& devices,
                                                         const Program& program,
                                                         const RunOptions& options,
                                                         const std::vector<cuda::Share>& shares) {
  return options.arithmetic == Arithmetic::kInteger
             ? compile_on<std::int32_t>(devices, program, options, shares)
             : compile_on<float>(devices, program, options, shares);
}

/// "cuda", "cuda-host", either with ":N" for N devices or "-nodes"; "cuda-parts:N", all on the
/// first GPU, for tests; nothing for other names.
std::optional<Devices> parse_devices(std::string_view name) {
  constexpr std::string_view kHost = "cuda-host", kShared = "cuda-parts", kDevice = "cuda";
  constexpr std::uint32_t kMostDevices = 64;
  Devices devices{.host = name.starts_with(kHost),
                  .shared = name.starts_with(kShared),
                  .count = 1,
                  .name = std::string(name)};
  if (!name.starts_with(kDevice)) return std::nullopt;
  name.remove_prefix(devices.host     ? kHost.size()
                     : devices.shared ? kShared.size()
                                      : kDevice.size());
  const bool nodes = name == "-nodes";
  if (nodes) devices.way = cuda::Tuning::Way::kChunks;
  if ((name.empty() || nodes) && !devices.shared) return devices;
  if (name.size() < 2 || name[0] != ':') return std::nullopt;
  const auto [end, error] =
      std::from_chars(name.data() + 1, name.data() + name.size(), devices.count);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  if (devices.count == 0 || devices.count > kMostDevices) return std::nullopt;
  return devices;
}

class CudaBackend : public Backend {
 public:
  explicit CudaBackend(Devices devices) : devices_(std::move(devices)), host_(devices_.host) {
    const bool host = host_;
    info_.name = devices_.name;
    info_.description =
        host ? "the kernels of cuda as loops on the processor, for tests" : "events on a GPU";
    info_.arithmetics = {Arithmetic::kFloat32, Arithmetic::kInteger};
    info_.available = host;
    if (devices_.count > 1) info_.description += fmt::format(", {} parts", devices_.count);
    if (host) return;
    const cuda::DeviceInfo device = cuda::find_device();
    info_.available = device.available;
    info_.reason = device.reason;
    if (device.available) info_.description += ": " + device.name;
    if (devices_.count > 1 && info_.available && !devices_.shared) {
      info_.reason = cuda::why_no_team(devices_.count);
      info_.available = info_.reason.empty();
    }
    if (!info_.available) info_.arithmetics.clear();
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
    if (!info_.available) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = fmt::format("there are no {} GPUs to run on", devices_.count),
                   .got = info_.reason,
                   .next = "see `spikeloom doctor`, or give fewer --devices"};
    }
    return compile_shares(devices_, program, options, {});
  }

 private:
  Devices devices_;
  bool host_;
  BackendInfo info_;
};

}  // namespace

std::unique_ptr<Backend> make_cuda_backend() {
  const cuda::DeviceInfo device = cuda::find_device();
  if (!device.available) {
    return std::make_unique<UnavailableBackend>("cuda", "events on an NVIDIA GPU", device.reason);
  }
  return std::make_unique<CudaBackend>(Devices{.name = "cuda"});
}

std::unique_ptr<Backend> make_cuda_backend(std::string_view name) {
  const auto devices = parse_devices(name);
  if (!devices) return nullptr;
  const bool layers = devices->way == cuda::Tuning::Way::kLayers;
  if (devices->count == 1 && !devices->host && layers) return make_cuda_backend();
  return std::make_unique<CudaBackend>(*devices);
}

namespace cuda {

Result<std::shared_ptr<const Executable>> compile_planned(const Program& program,
                                                          const RunOptions& options,
                                                          std::string_view backend,
                                                          const mapping::Plan& plan) {
  const auto devices = parse_devices(backend);
  if (!devices) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "cuda alone runs Plans for gpu",
                 .got = fmt::format("--backend {}", backend)};
  }
  const Support support = spikeloom::supports(backend, program, options);
  if (!support.yes) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("{} cannot run this network", backend),
                 .where = support.reasons.empty() ? "" : support.reasons.front()};
  }
  SPIKELOOM_TRY(const auto shares, shares_of(program, plan));
  return compile_shares(*devices, program, options, shares);
}

}  // namespace cuda

}  // namespace spikeloom
