#include "backends/emulator/mapped_program.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace spikeloom::emulator {

std::string MappedProgram::neuron_name(std::uint32_t neuron) const {
  const auto above = std::upper_bound(
      groups.begin(), groups.end(), neuron,
      [](std::uint32_t number, const NeuronGroup& group) { return number < group.first; });
  const NeuronGroup& group = *std::prev(above);
  return fmt::format("{}.{}", group.name, neuron - group.first);
}

}  // namespace spikeloom::emulator
