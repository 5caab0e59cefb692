/// The parts of machine.hpp and team.hpp that need CUDA, in a build without it.

#include "backends/cuda/machine.hpp"
#include "backends/cuda/team.hpp"
#include "base/build_info.hpp"

namespace spikeloom::cuda {
namespace {

Error no_cuda() {
  return Error{.code = ErrorCode::kUnsupported,
               .what = "this build has no CUDA",
               .got = build_info::cuda_reason};
}

}  // namespace

DeviceInfo find_device() { return {.reason = build_info::cuda_reason}; }

std::string why_no_team(std::uint32_t) { return build_info::cuda_reason; }

Result<std::shared_ptr<Team>> make_device_team(std::uint32_t) { return no_cuda(); }

Result<std::shared_ptr<Team>> make_shared_team(std::uint32_t) { return no_cuda(); }

Result<std::shared_ptr<Machine>> make_device_machine(std::uint32_t) { return no_cuda(); }

}  // namespace spikeloom::cuda
