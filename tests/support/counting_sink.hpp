#pragma once
/// How many events a session has recorded.

#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/backend.hpp"

namespace spikeloom::test {

class CountingSink : public Sink {
 public:
  void events(std::uint32_t, Variable, std::uint32_t, std::int64_t,
              std::span<const std::uint32_t> index, std::span<const double>) override {
    count += index.size();
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}
  std::size_t count = 0;
};

}  // namespace spikeloom::test
