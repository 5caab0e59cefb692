#include <array>

#include <fmt/format.h>

#include "backends/backend.hpp"
#include "backends/backend_impl.hpp"

namespace spikeloom {
namespace {

/// Every backend, best first: one line each.
const std::vector<std::unique_ptr<Backend>>& registry() {
  static const auto all = [] {
    std::vector<std::unique_ptr<Backend>> list;
    list.push_back(make_cuda_backend());
    list.push_back(make_cpu_backend());
    list.push_back(std::make_unique<UnavailableBackend>(
        "emulator", "a mapped network on an emulated many-core chip",
        "it runs whole recordings by a Plan: run MODEL --backend emulator --target spinnaker2"));
    list.push_back(std::make_unique<UnavailableBackend>(
        "mpi", "one network over several machines",
        "it runs simulated networks alone: mpirun -n 4 spikeloom simulate NETWORK"));
    list.push_back(make_reference_backend());
    return list;
  }();
  return all;
}

/// Runs cuda's kernels on the processor: for tests, and never chosen or listed.
const Backend& cuda_host() {
  static const auto backend = make_cuda_host_backend();
  return *backend;
}

Result<const Backend*> find(std::string_view name) {
  if (name == cuda_host().info().name) return &cuda_host();
  std::vector<std::string> names;
  for (const auto& backend : registry()) {
    if (backend->info().name == name) return backend.get();
    names.push_back(backend->info().name);
  }
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
  for (const auto& backend : registry()) infos.push_back(backend->info());
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
    for (const auto& candidate : registry()) {
      if (!candidate->info().available) continue;
      last = candidate->supports(program, options);
      if (last.yes) return candidate->compile(program, options);
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
