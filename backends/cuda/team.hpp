#pragma once
/// Several devices of one host that run one network together.

#include <cstddef>
#include <memory>
#include <variant>
#include <vector>

#include "backends/cuda/machine.hpp"

namespace spikeloom::cuda {

/// Its machines do what they are asked for in an order of their own each; a Gather is one moment of
/// all of them. Calls that wait, of a machine or of the team, end with an error when any device has
/// failed. One thread at a time.
class Team {
 public:
  virtual ~Team() = default;
  virtual const std::vector<std::shared_ptr<Machine>>& machines() const = 0;
  /// Launches of every device. All have the same Gathers, in one order.
  virtual Result<std::unique_ptr<Sequence>> record(std::vector<std::vector<KernelCall>> calls) = 0;
  virtual Status run(Sequence& sequence) = 0;
  /// Until every device is done.
  virtual Status wait() = 0;
};

/// Goes through the launches of all devices, from Gather to Gather: `launch(device, call)` for the
/// kernels, `exchange(gathers)` where every device has come to one.
template <typename Launch, typename Exchange>
Status walk_together(const std::vector<std::vector<KernelCall>>& calls, Launch launch,
                     Exchange exchange) {
  std::vector<std::size_t> next(calls.size(), 0);
  for (bool more = !calls.empty(); more;) {
    std::vector<Gather> gathers;
    for (std::size_t d = 0; d < calls.size(); ++d) {
      for (; next[d] < calls[d].size(); ++next[d]) {
        const KernelCall& call = calls[d][next[d]];
        if (const auto* gather = std::get_if<Gather>(&call.kernel)) {
          gathers.push_back(*gather);
          ++next[d];
          break;
        }
        SPIKELOOM_CHECK(launch(d, call));
      }
    }
    more = gathers.size() == calls.size();
    if (more) SPIKELOOM_CHECK(exchange(gathers));
  }
  return {};
}

/// The processor, which plays every device, one after the other.
std::shared_ptr<Team> make_host_team(std::uint32_t devices);

/// The first GPUs, joined by NCCL. kUnsupported: too few, or no NCCL, and why. Where
/// NCCL_MULTI_RANK_GPU_ENABLE is 1, which newer NCCLs know, parts may share a GPU.
Result<std::shared_ptr<Team>> make_device_team(std::uint32_t devices);
/// Why this build and computer have no team of so many GPUs; empty where they have.
std::string why_no_team(std::uint32_t devices);

/// The first GPU, which plays every device, one after the other, and copies what they exchange: for
/// tests where there is but one.
Result<std::shared_ptr<Team>> make_shared_team(std::uint32_t devices);

}  // namespace spikeloom::cuda
