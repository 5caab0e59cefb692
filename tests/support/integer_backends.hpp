#pragma once
/// The backends that tests of integer networks run on.

#include <algorithm>
#include <string>
#include <vector>

#include "backends/backend.hpp"

namespace spikeloom::test {

/// Every available backend with integer arithmetic.
inline std::vector<std::string> integer_backends() {
  std::vector<std::string> names;
  for (const BackendInfo& info : backends()) {
    const auto& has = info.arithmetics;
    if (info.available && std::find(has.begin(), has.end(), Arithmetic::kInteger) != has.end()) {
      names.push_back(info.name);
    }
  }
  return names;
}

}  // namespace spikeloom::test
