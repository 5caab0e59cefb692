/// The part of machine.hpp that needs CUDA, in a build without it.

#include "backends/cuda/machine.hpp"
#include "base/build_info.hpp"

namespace spikeloom::cuda {

DeviceInfo find_device() { return {.reason = build_info::cuda_reason}; }

Result<std::shared_ptr<Machine>> make_device_machine() {
  return Error{.code = ErrorCode::kUnsupported,
               .what = "this build has no CUDA",
               .got = build_info::cuda_reason};
}

}  // namespace spikeloom::cuda
