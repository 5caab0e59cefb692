#include "event/kernel_targets.hpp"

#include <hwy/highway.h>

namespace spikeloom {
namespace {

struct Target {
  std::string name;
  std::int64_t bit = 0;
};

/// What was compiled and runs here. Read once, before anything is forced.
const std::vector<Target>& targets() {
  static const std::vector<Target> all = [] {
    std::vector<Target> found;
    for (const std::int64_t bit : hwy::SupportedAndGeneratedTargets()) {
      found.push_back({hwy::TargetName(bit), bit});
    }
    return found;
  }();
  return all;
}

}  // namespace

std::vector<std::string> kernel_targets() {
  std::vector<std::string> names;
  for (const Target& target : targets()) names.push_back(target.name);
  return names;
}

bool use_kernel_target(std::string_view name) {
  const std::vector<Target>& all = targets();
  if (name.empty()) {
    hwy::SetSupportedTargetsForTest(0);
    return true;
  }
  for (const Target& target : all) {
    if (target.name != name) continue;
    hwy::SetSupportedTargetsForTest(target.bit);
    return true;
  }
  return false;
}

}  // namespace spikeloom
