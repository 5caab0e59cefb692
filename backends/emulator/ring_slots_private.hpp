#pragma once
/// ring16: the slots that a population's weighted input is added up in.
///
/// Slots belong to the elements of a weight node (docs/integer.md). A neuron has a pair for every
/// element that reaches it: one, or as many as a window has taps where a pool lies between. A
/// Scale between them is a factor of what the neuron reads, and a Delay comes later all the same.

#include <cstdint>
#include <vector>

#include "backends/emulator/linear_path_private.hpp"
#include "backends/emulator/plan_program.hpp"
#include "base/result.hpp"
#include "snn/program.hpp"

namespace spikeloom::emulator {

class RingSlots {
 public:
  /// `is_sender`, by node: populations that ways into `node` begin at. The Program has to stay.
  static Result<RingSlots> of(const Program& program, LinearNodes& nodes,
                              const std::vector<char>& is_sender, std::uint32_t node);

  const std::vector<SlotPair>& pairs() const { return pairs_; }
  /// Terms at the output of the weight node that `way` leads away from become terms at neurons and
  /// their pairs. `way`: the links from the population up to that node; none when it is itself one.
  void enter(const std::vector<const Link*>& way, std::vector<Term>& terms) const;

 private:
  /// Where an element of a weight node goes.
  struct Tap {
    std::uint32_t neuron = 0, pair = 0, delay = 0;
  };
  struct Group {
    std::vector<const Link*> way;
    std::vector<std::vector<Tap>> taps;  ///< by element
  };
  Status find(const Program& program, LinearNodes& nodes, const std::vector<char>& is_sender,
              std::uint32_t at);
  Status add_group(const Program& program, LinearNodes& nodes, std::uint32_t weights);

  std::size_t neurons_ = 0;
  std::vector<SlotPair> pairs_;
  std::vector<Group> groups_;
  std::vector<const Link*> way_;     ///< while groups are looked for
  std::vector<std::uint32_t> over_;  ///< nodes that its links lead into, the population's first
};

}  // namespace spikeloom::emulator
