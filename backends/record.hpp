#pragma once
/// What a session on the processor has recorded, until it is read.

#include <cstdint>
#include <vector>

#include "backends/backend.hpp"

namespace spikeloom {

/// One recorded moment of one node.
struct Record {
  std::uint32_t node = 0;
  Variable variable = Variable::kSpikes;
  std::uint32_t element = 0;
  std::int64_t step = 0;
  std::vector<std::uint32_t> index;  ///< empty for a dense state
  std::vector<double> value;

  void give(Sink& sink) const {
    if (variable == Variable::kSpikes || variable == Variable::kOutput) {
      sink.events(node, variable, element, step, index, value);
    } else {
      sink.state(node, variable, element, step, value);
    }
  }
  std::size_t bytes() const {
    return sizeof(Record) + index.size() * sizeof(std::uint32_t) + value.size() * sizeof(double);
  }
};

}  // namespace spikeloom
