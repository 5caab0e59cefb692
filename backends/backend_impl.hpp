#pragma once
/// The backend contract, as implementers fill it in (docs/extending.md has a walk-through).
///
/// Derive from Backend, and add one line to registry.cpp. A backend that is not built in stays in
/// the registry through UnavailableBackend, so that `devices` and `doctor` can say why.

#include <memory>
#include <string>

#include "backends/backend.hpp"

namespace spikeloom {

class Backend {
 public:
  virtual ~Backend() = default;
  virtual BackendInfo info() const = 0;
  virtual Support supports(const Program& program, const RunOptions& options) const = 0;
  /// Called only for programs that supports() accepts.
  virtual Result<std::shared_ptr<const Executable>> compile(const Program& program,
                                                            const RunOptions& options) const = 0;
};

/// Entry for a backend that this build does not have.
class UnavailableBackend : public Backend {
 public:
  UnavailableBackend(std::string name, std::string description, std::string reason);
  BackendInfo info() const override;
  Support supports(const Program& program, const RunOptions& options) const override;
  Result<std::shared_ptr<const Executable>> compile(const Program& program,
                                                    const RunOptions& options) const override;

 private:
  BackendInfo info_;
};

/// The step and time-step checks every backend shares: the time of one step, 1 s when the program
/// needs no dt (its steps are then only numbered).
Time session_step_time(const Discretisation& discretisation);

/// What every backend refuses: variables that a node does not have, neurons that would fire without
/// end within a step. `yes` is set.
Support check_run(const Program& program, const RunOptions& options);

/// Whether integer arithmetic takes it as an event's value: whole and within +-32767.
bool is_input_integer(double value);

/// The arguments of Session::push().
Status check_push(const Program& program, std::size_t batch, std::uint32_t element,
                  std::uint32_t port);
/// The arguments of Session::latest().
Status check_latest(const Program& program, const RunOptions& options, std::size_t batch,
                    std::uint32_t element, std::uint32_t node, std::size_t size);

std::unique_ptr<Backend> make_cpu_backend();
/// "cuda", or why this build or computer has none.
std::unique_ptr<Backend> make_cuda_backend();
/// "cuda-host", the kernels of cuda as loops on the processor, or over several devices: "cuda:N",
/// "cuda-host:N"; on one device with launches per node even where a launch per layer would do
/// ("cuda-nodes", "cuda-host-nodes"), for tests. Null for other names.
std::unique_ptr<Backend> make_cuda_backend(std::string_view name);
std::unique_ptr<Backend> make_reference_backend();

}  // namespace spikeloom
