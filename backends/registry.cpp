#include <array>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "backends/backend.hpp"
#include "backends/backend_impl.hpp"

namespace spikeloom {
namespace {

std::unique_ptr<Backend> make_emulator_entry() {
  return std::make_unique<UnavailableBackend>(
      "emulator", "a mapped network on an emulated many-core chip",
      "it runs by a Plan: run MODEL --backend emulator --target spinnaker2, or "
      "emulator::compile_planned() (backends/emulator/plan_session.hpp)");
}

std::unique_ptr<Backend> make_mpi_entry() {
  return std::make_unique<UnavailableBackend>(
      "mpi", "one network over several machines",
      "it runs simulated networks alone: mpirun -n 4 spikeloom simulate NETWORK");
}

/// A backend is made when it is first asked for more than its name: cuda's talks to the driver.
class Entry {
 public:
  Entry(std::string_view name, std::unique_ptr<Backend> (*make)()) : name_(name), make_(make) {}
  std::string_view name() const { return name_; }
  const Backend& backend() const {
    std::call_once(once_, [this] { backend_ = make_(); });
    return *backend_;
  }

 private:
  std::string_view name_;
  std::unique_ptr<Backend> (*make_)();
  mutable std::once_flag once_;
  mutable std::unique_ptr<Backend> backend_;
};

/// Every backend, in the order that `auto` tries them: one line each. A GPU is worth its launches
/// for large batches, which nothing here can know.
const std::array<Entry, 5>& registry() {
  static const std::array<Entry, 5> all = {{{"cpu", make_cpu_backend},
                                            {"cuda", make_cuda_backend},
                                            {"emulator", make_emulator_entry},
                                            {"mpi", make_mpi_entry},
                                            {"reference", make_reference_backend}}};
  return all;
}

/// cuda over several devices, and its kernels on the processor, for tests: never chosen or listed.
/// Null for other names.
const Backend* find_cuda(std::string_view name) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<Backend>, std::less<>> made;
  const std::lock_guard lock(mutex);
  if (const auto found = made.find(name); found != made.end()) return found->second.get();
  auto backend = make_cuda_backend(name);
  if (backend == nullptr) return nullptr;
  return made.emplace(name, std::move(backend)).first->second.get();
}

Result<const Backend*> find(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Entry& entry : registry()) {
    if (entry.name() == name) return &entry.backend();
    names.push_back(entry.name());
  }
  if (const Backend* const cuda = find_cuda(name); cuda != nullptr) return cuda;
  return Error{.code = ErrorCode::kNotFound,
               .what = fmt::format("there is no backend '{}'", name),
               .expected = fmt::format("auto, {}", fmt::join(names, ", "))};
}

Error not_supported(std::string_view backend, const Support& support) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = fmt::format("the backend '{}' cannot run this network", backend),
               .got = fmt::format("{}", fmt::join(support.reasons, "; ")),
               .next = "see `spikeloom devices`, or give another --backend or --arithmetic"};
}

}  // namespace

std::vector<BackendInfo> backends() {
  std::vector<BackendInfo> infos;
  for (const Entry& entry : registry()) infos.push_back(entry.backend().info());
  return infos;
}

Result<BackendInfo> find_backend(std::string_view name) {
  SPIKELOOM_TRY(const Backend* backend, find(name));
  BackendInfo info = backend->info();
  if (!info.available) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("the backend '{}' is not available", name),
                 .got = info.reason,
                 .next = "see `spikeloom devices`"};
  }
  return info;
}

Support supports(std::string_view backend, const Program& program, const RunOptions& options) {
  const auto found = find(backend);
  if (!found.ok()) return {false, {found.error().message()}};
  return (*found)->supports(program, options);
}

Result<std::shared_ptr<const Executable>> compile(std::string_view backend, const Program& program,
                                                  const RunOptions& options) {
  if (backend == "auto") {
    Support last;
    for (const Entry& entry : registry()) {
      const Backend& candidate = entry.backend();
      if (!candidate.info().available) continue;
      last = candidate.supports(program, options);
      if (last.yes) return candidate.compile(program, options);
    }
    return not_supported(backend, last);
  }
  SPIKELOOM_TRY(const Backend* chosen, find(backend));
  if (!chosen->info().available) return chosen->compile(program, options);
  if (const Support support = chosen->supports(program, options); !support.yes) {
    return not_supported(backend, support);
  }
  return chosen->compile(program, options);
}

}  // namespace spikeloom
