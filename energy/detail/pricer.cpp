#include "energy/detail/pricer.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace spikeloom::detail {

void Pricer::push(Component component, const CostEntry& entry, double count) {
  EnergyItem item;
  item.layer = layer_;
  item.component = component;
  item.entry = static_cast<std::uint32_t>(&entry - table_.entries.data());
  item.count = count * scale_;
  item.dynamic = dynamic_;
  item.joules = item.count * entry.value;
  breakdown_.items.push_back(item);
}

void Pricer::miss(const std::string& entry, Component component, double count) {
  const std::string where =
      layer_ == kWholeChip ? "the chip" : fmt::format("layer '{}'", layers_[layer_].name);
  missing_.push_back(
      fmt::format("{} for {:.6g} of {} in {}", entry, count, to_string(component), where));
}

void Pricer::add(Component component, double count, std::initializer_list<std::string> entries) {
  if (count <= 0.0) return;
  for (const std::string& name : entries) {
    if (const CostEntry* entry = table_.find(name)) return push(component, *entry, count);
  }
  miss(*entries.begin(), component, count);
}

void Pricer::add_bytes(Component component, double bytes, double footprint) {
  if (bytes <= 0.0) return;
  if (const CostEntry* memory = table_.memory_for(footprint)) {
    push(component, *memory, bytes);
  } else {
    miss(fmt::format("a memory of {:.0f} bytes", footprint), component, bytes);
  }
}

Result<EnergyBreakdown> Pricer::finish(Accounting accounting, NumberFormat format) && {
  if (!missing_.empty()) {
    constexpr std::size_t kMost = 6;
    const std::size_t shown = std::min(missing_.size(), kMost);
    std::string list = fmt::format(
        "{}",
        fmt::join(missing_.begin(), missing_.begin() + static_cast<std::ptrdiff_t>(shown), "; "));
    if (missing_.size() > kMost) list += fmt::format("; and {} more", missing_.size() - kMost);
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("the cost table '{}' has no price for what '{}' counts: {}",
                                     table_.name, to_string(accounting), list),
                 .next = "give another --table, or a table file with these entries"};
  }
  breakdown_.accounting = accounting;
  breakdown_.format = format;
  breakdown_.table = table_.name;
  return std::move(breakdown_);
}

}  // namespace spikeloom::detail
