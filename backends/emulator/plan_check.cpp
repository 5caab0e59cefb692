#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "backends/emulator/plan_check_private.hpp"

namespace spikeloom::emulator {
namespace {

using mapping::Plan;

Error wrong(std::string what, std::string where) {
  return Error{.code = ErrorCode::kShape,
               .what = std::move(what),
               .where = std::move(where),
               .next = "map the network anew"};
}

Status check_cores(const Plan& plan) {
  const std::uint64_t chips =
      static_cast<std::uint64_t>(std::max(plan.target.width, 0)) * plan.target.rows.size();
  std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
  for (std::size_t c = 0; c < plan.cores.size(); ++c) {
    const mapping::PlanCore& core = plan.cores[c];
    if (core.chip >= chips || !seen.emplace(core.chip, core.core).second) {
      return wrong("a core outside of the machine, or twice the same", fmt::format("core {}", c));
    }
  }
  return {};
}

/// Every neuron lies in one slice, and slices in the order of their populations.
Status check_slices(const Plan& plan, std::uint32_t number, std::uint32_t& next_slice) {
  const mapping::PlanPopulation& population = plan.populations[number];
  const std::uint64_t size =
      std::uint64_t{population.shape[0]} * population.shape[1] * population.shape[2];
  const std::string where = fmt::format("population \"{}\"", population.name);
  if (std::uint64_t{population.first_slice} + population.slices > plan.slices.size()) {
    return wrong("slices that are not there", where);
  }
  // A slice of no population would keep what nothing has checked.
  if (population.first_slice != next_slice) return wrong("slices of no population", where);
  next_slice += population.slices;
  std::uint64_t next = 0;
  for (std::uint32_t s = 0; s < population.slices; ++s) {
    const mapping::PlanSlice& slice = plan.slices[population.first_slice + s];
    if (slice.population != number || slice.first != next || slice.core >= plan.cores.size()) {
      return wrong("slices that do not follow each other, or lie on no core", where);
    }
    next += slice.count;
    if (next > size) break;
  }
  if (next != size) return wrong("slices that do not cover their population", where);
  if (population.order.empty()) return {};
  const char* no_permutation = "an order that is no permutation of the neurons";
  if (population.order.size() != size) return wrong(no_permutation, where);
  std::vector<char> met(size, 0);
  for (const std::uint32_t neuron : population.order) {
    if (neuron >= size || met[neuron] != 0) return wrong(no_permutation, where);
    met[neuron] = 1;
  }
  return {};
}

Status check_keys(const Plan& plan) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;  // of keys, ends included
  for (std::size_t s = 0; s < plan.slices.size(); ++s) {
    const mapping::PlanSlice& slice = plan.slices[s];
    if ((slice.key & ~slice.mask) != 0 || slice.count > (std::uint64_t{~slice.mask} + 1)) {
      return wrong("a mask that does not hold the slice's keys", fmt::format("slice {}", s));
    }
    ranges.emplace_back(slice.key, std::uint64_t{slice.key} + slice.count - 1);
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 0; i + 1 < ranges.size(); ++i) {
    if (ranges[i].second < ranges[i + 1].first) continue;
    return wrong("two slices with one key", fmt::format("key {:#010x}", ranges[i + 1].first));
  }
  return {};
}

Status check_memory(const Plan& plan) {
  struct Part {
    std::uint32_t core = 0;
    std::uint64_t first = 0, bytes = 0;
  };
  std::vector<Part> parts;
  for (std::size_t b = 0; b < plan.blocks.size(); ++b) {
    const mapping::PlanBlock& block = plan.blocks[b];
    if (block.slice >= plan.slices.size() || block.projection >= plan.projections.size()) {
      return wrong("a block of no slice or projection", fmt::format("block {}", b));
    }
    if (block.in_chip || block.bytes == 0) continue;
    parts.push_back({plan.slices[block.slice].core, block.address, block.bytes});
  }
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return std::pair(a.core, a.first) < std::pair(b.core, b.first);
  });
  const auto limit = static_cast<std::uint64_t>(plan.target.constants.data_bytes);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    if (limit > 0 && (part.bytes > limit || part.first > limit - part.bytes)) {
      return wrong("a block that ends beyond its core's memory", fmt::format("core {}", part.core));
    }
    if (i + 1 < parts.size() && parts[i + 1].core == part.core &&
        parts[i + 1].first - part.first < part.bytes) {
      return wrong("blocks that overlap", fmt::format("core {}", part.core));
    }
  }
  return {};
}

}  // namespace

Status check_plan(const Plan& plan) {
  SPIKELOOM_CHECK(check_cores(plan));
  std::uint32_t next_slice = 0;
  for (std::uint32_t p = 0; p < plan.populations.size(); ++p) {
    SPIKELOOM_CHECK(check_slices(plan, p, next_slice));
  }
  if (next_slice != plan.slices.size()) return wrong("slices of no population", "the last slices");
  if (plan.target.constants.table_entries > 0.0) SPIKELOOM_CHECK(check_keys(plan));
  return check_memory(plan);
}

}  // namespace spikeloom::emulator
