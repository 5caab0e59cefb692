#pragma once
/// What a team asks of the machines of its devices, beside what machine.hpp has.

#include <memory>
#include <vector>

#include <cuda_runtime.h>

#include "backends/cuda/machine.hpp"

namespace spikeloom::cuda {

/// Called while a machine waits: an error ends the wait. What another device of a team does not
/// send, nobody gets.
class Watch {
 public:
  virtual ~Watch() = default;
  /// `before`: how often this wait has looked already.
  virtual Status look(std::uint64_t before) = 0;
};

class DeviceMember {
 public:
  virtual ~DeviceMember() = default;
  /// Makes the device that of the calling thread.
  virtual Status enter() = 0;
  virtual cudaStream_t stream() const = 0;
  /// Null ends it. Has to outlive the machine's calls.
  virtual void set_watch(Watch* watch) = 0;
  /// Loads what `calls` need.
  virtual Status prepare(const std::vector<KernelCall>& calls) = 0;
  virtual Status begin_recording() = 0;
  virtual Status launch(const KernelCall& call) = 0;
  /// Also where recording has failed. Null if nothing was recorded.
  virtual Result<std::unique_ptr<Sequence>> end_recording() = 0;
};

struct DeviceParts {
  std::shared_ptr<Machine> machine;
  DeviceMember* member = nullptr;  ///< the same object
};
/// With the stream of another member of the same device, or one of its own.
Result<DeviceParts> make_device_member(std::uint32_t device, cudaStream_t stream = nullptr);

Error cuda_failure(cudaError_t code, const char* doing);

/// Whether a query found work that is not done, which CUDA would remember as an error.
inline bool is_busy(cudaError_t code) {
  if (code == cudaErrorNotReady) cudaGetLastError();
  return code == cudaErrorNotReady;
}

}  // namespace spikeloom::cuda
