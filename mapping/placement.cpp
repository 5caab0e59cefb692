#include "mapping/placement.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "mapping/detail/chip_nets.hpp"
#include "mapping/detail/exchange_places.hpp"

namespace spikeloom::mapping {
namespace {

/// Strips at most so wide are tried.
constexpr std::int32_t kWidest = 12;

struct Order {
  std::int32_t width = 1;
  bool along_y = true;      ///< strips run along y
  bool serpentine = false;  ///< rows of a strip turn round
  bool aligned = true;      ///< populations begin on a new chip where that helps
};

/// Working chips that ways join, strip by strip.
std::vector<std::uint32_t> chips_in(const Machine& machine, const Order& order) {
  const std::int32_t across = order.along_y ? machine.width() : machine.height();
  const std::int32_t along = order.along_y ? machine.height() : machine.width();
  std::vector<std::uint32_t> chips;
  chips.reserve(machine.working_chips());
  bool up = true;
  for (std::int32_t strip = 0; strip < across; strip += order.width, up = !up) {
    const std::int32_t width = std::min(order.width, across - strip);
    bool forth = true;
    for (std::int32_t i = 0; i < along; ++i) {
      const std::int32_t at = up ? i : along - 1 - i;
      for (std::int32_t j = 0; j < width; ++j) {
        const std::int32_t side = strip + (forth ? j : width - 1 - j);
        const std::uint32_t chip = order.along_y ? machine.chip(side, at) : machine.chip(at, side);
        if (machine.joined(chip) && !machine.cores(chip).empty()) chips.push_back(chip);
      }
      if (order.serpentine) forth = !forth;
    }
  }
  return chips;
}

class Filler {
 public:
  Filler(const Slicing& slicing, const Machine& machine, const Target& target)
      : slicing_(slicing),
        machine_(machine),
        memory_(static_cast<std::uint64_t>(target.constants.shared_bytes)) {}

  /// The chip of every slice; nothing where they do not fit this way.
  std::optional<std::vector<std::uint32_t>> fill(const std::vector<std::uint32_t>& chips,
                                                 bool aligned) const {
    std::vector<std::uint32_t> chip_of(slicing_.slices.size());
    std::size_t at = 0;
    std::uint64_t spare = machine_.joined_cores() - slicing_.slices.size();
    std::size_t free = machine_.cores(chips[0]).size();
    std::uint64_t bytes = memory_;
    const auto next = [&] {
      ++at;
      free = at < chips.size() ? machine_.cores(chips[at]).size() : 0;
      bytes = memory_;
    };
    for (const auto& of : slicing_.populations) {
      if (aligned && free > 0 && free < of.slices && free <= spare && at + 1 < chips.size()) {
        const std::size_t capacity = machine_.cores(chips[at + 1]).size();
        const auto touched = [capacity](std::size_t slices) {
          return (slices + capacity - 1) / capacity;
        };
        if (1 + touched(of.slices - free) > touched(of.slices)) {
          spare -= free;
          next();
        }
      }
      for (std::uint32_t s = of.first_slice; s < of.first_slice + of.slices; ++s) {
        const std::uint64_t needed = memory_ > 0 ? slicing_.slices[s].use.shared_bytes : 0;
        while (at < chips.size() && (free == 0 || needed > bytes)) next();
        if (at >= chips.size()) return std::nullopt;
        chip_of[s] = chips[at];
        --free;
        bytes -= needed;
      }
    }
    return chip_of;
  }

 private:
  const Slicing& slicing_;
  const Machine& machine_;
  std::uint64_t memory_;
};

/// Sum of the trees' lengths; counting ends where it passes `enough`.
std::uint64_t cost(const TargetSets& sets, detail::SpanningTree& tree,
                   const std::vector<std::uint32_t>& chip_of, std::uint64_t enough) {
  const detail::ChipNets nets(sets, chip_of);
  std::uint64_t sum = 0;
  for (const detail::ChipNet& net : nets.nets()) {
    sum += net.weight * tree.length(net.chips);
    if (sum >= enough) break;
  }
  return sum;
}

Error too_few_cores(const Slicing& slicing, const Machine& machine, const Target& target) {
  return Error{
      .code = ErrorCode::kResource,
      .what = fmt::format("the network needs more cores than {}:{} has", target.name, target.size),
      .expected = fmt::format("at most {} working cores", machine.working_cores()),
      .got = fmt::format("{} slices of populations", slicing.slices.size()),
      .next =
          "a larger size of the target, or more neurons a core; `spikeloom fit` says "
          "which population takes how many"};
}

/// Enough cores work, but dead links and chips part them.
Error in_pieces(const Slicing& slicing, const Machine& machine, const Target& target) {
  std::uint32_t here = kNoChip, there = kNoChip;
  for (std::uint32_t chip = 0; chip < machine.chips(); ++chip) {
    if (machine.cores(chip).empty()) continue;
    std::uint32_t& first = machine.joined(chip) ? here : there;
    if (first == kNoChip) first = chip;
  }
  return Error{
      .code = ErrorCode::kResource,
      .what = fmt::format("there is no way from {} to {}: faults cut {}:{} in pieces",
                          machine.name(here), machine.name(there), target.name, target.size),
      .expected = fmt::format("at most the {} cores of the largest piece, of {} that work",
                              machine.joined_cores(), machine.working_cores()),
      .got = fmt::format("{} slices of populations", slicing.slices.size()),
      .next = "a larger size of the target, or more neurons a core"};
}

Error too_few_bytes(const Slicing& slicing, const Machine& machine, const Target& target) {
  std::uint64_t needed = 0;
  for (const Slice& slice : slicing.slices) needed += slice.use.shared_bytes;
  return Error{.code = ErrorCode::kResource,
               .what = fmt::format("the rows of synapses do not fit the chips' memory of {}:{}",
                                   target.name, target.size),
               .expected = fmt::format("at most {:.0f} bytes a chip on {} chips",
                                       target.constants.shared_bytes, machine.working_chips()),
               .got = fmt::format("{} bytes in all", needed),
               .next = "a larger size of the target, or smaller weights"};
}

/// Gives every slice of a chip one of its cores, in order.
std::vector<Place> on_cores(const Machine& machine, const std::vector<std::uint32_t>& chip_of) {
  std::vector<Place> places(chip_of.size());
  std::vector<std::uint32_t> used(machine.chips(), 0);
  for (std::size_t s = 0; s < chip_of.size(); ++s) {
    places[s] = {chip_of[s], machine.cores(chip_of[s])[used[chip_of[s]]++]};
  }
  return places;
}

}  // namespace

Result<std::vector<Place>> place(const Slicing& slicing, const TargetSets& sets,
                                 const Machine& machine, const Target& target, std::uint64_t seed) {
  if (slicing.slices.size() > machine.joined_cores()) {
    if (slicing.slices.size() <= machine.working_cores())
      return in_pieces(slicing, machine, target);
    return too_few_cores(slicing, machine, target);
  }
  const Filler filler(slicing, machine, target);
  detail::SpanningTree tree(machine);
  std::vector<std::uint32_t> best;
  std::uint64_t best_cost = std::numeric_limits<std::uint64_t>::max();
  const std::int32_t widest = std::min(kWidest, std::max(machine.width(), machine.height()));
  for (std::int32_t width = 1; width <= widest; ++width) {
    for (const bool along_y : {true, false}) {
      for (const bool serpentine : {false, true}) {
        const auto chips = chips_in(machine, {width, along_y, serpentine, true});
        for (const bool aligned : {true, false}) {
          auto filled = filler.fill(chips, aligned);
          if (!filled) continue;
          const std::uint64_t now = cost(sets, tree, *filled, best_cost);
          if (now >= best_cost) continue;
          best_cost = now;
          best = *std::move(filled);
        }
      }
    }
  }
  if (best.empty()) return too_few_bytes(slicing, machine, target);
  detail::exchange_places(slicing, sets, machine, target, seed, best);
  return on_cores(machine, best);
}

}  // namespace spikeloom::mapping
