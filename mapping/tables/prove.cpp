#include "mapping/tables/prove.hpp"

#include <bit>
#include <vector>

#include <fmt/format.h>

namespace spikeloom::mapping {
namespace {

/// Splits regions (entries without a route: key bits that are fixed) until each table has one
/// deciding entry. Lists of entries that still matter lie on one stack.
class Splitter {
 public:
  Splitter(std::span<const RoutingEntry> raw, std::span<const RoutingEntry> compressed,
           const ProofOptions& options)
      : raw_(raw), compressed_(compressed), options_(options) {}

  Result<std::optional<CounterExample>> run() {
    for (std::uint32_t i = 0; i < raw_.size(); ++i) stack_.push_back(i);
    for (std::uint32_t i = 0; i < compressed_.size(); ++i) stack_.push_back(i);
    const bool same = check({}, {0, raw_.size()}, {raw_.size(), stack_.size()});
    if (regions_ > options_.max_regions) {
      return Error{.code = ErrorCode::kResource,
                   .what = fmt::format("the proof looks at more than {} regions of the key space",
                                       options_.max_regions)};
    }
    if (same) return std::optional<CounterExample>();
    return std::optional<CounterExample>(difference_);
  }

 private:
  struct Range {
    std::size_t first, last;
  };

  /// Appends the entries of `range` that meet the region, up to the first that covers it.
  Range narrowed(std::span<const RoutingEntry> table, Range range, const RoutingEntry& region) {
    const std::size_t first = stack_.size();
    for (std::size_t i = range.first; i < range.last; ++i) {
      const std::uint32_t index = stack_[i];
      if (!intersects(table[index], region)) continue;
      stack_.push_back(index);
      if (contains(table[index], region)) break;
    }
    return {first, stack_.size()};
  }

  /// True when both tables agree on the region. The ranges list what meets it.
  bool check(const RoutingEntry& region, Range raw, Range compressed) {
    if (raw.first == raw.last) return true;  // unused
    if (++regions_ > options_.max_regions) return false;
    const RoutingEntry& decides = raw_[stack_[raw.first]];
    std::uint32_t open = decides.mask & ~region.mask;
    if (open == 0) {
      const bool none = compressed.first == compressed.last;
      if (none) {
        if (decides.defaultable && options_.allow_default_routes) return true;
      } else {
        const RoutingEntry& found = compressed_[stack_[compressed.first]];
        open = found.mask & ~region.mask;
        if (open == 0 && found.route == decides.route) return true;
      }
      if (open == 0) {
        difference_ = {.key = region.key, .raw_route = decides.route, .compressed_route = {}};
        if (!none) difference_.compressed_route = compressed_[stack_[compressed.first]].route;
        return false;
      }
    }
    const std::uint32_t bit = std::bit_floor(open);
    for (const std::uint32_t value : {std::uint32_t{0}, bit}) {
      const RoutingEntry half{.key = region.key | value, .mask = region.mask | bit};
      const std::size_t top = stack_.size();
      const Range half_raw = narrowed(raw_, raw, half);
      const Range half_compressed =
          half_raw.first == half_raw.last ? half_raw : narrowed(compressed_, compressed, half);
      const bool same = check(half, half_raw, half_compressed);
      stack_.resize(top);
      if (!same) return false;
    }
    return true;
  }

  std::span<const RoutingEntry> raw_, compressed_;
  ProofOptions options_;
  std::vector<std::uint32_t> stack_;
  std::uint64_t regions_ = 0;
  CounterExample difference_;
};

}  // namespace

std::string CounterExample::text() const {
  return fmt::format("key {}: raw {}, compressed {}", hex32(key), hex32(raw_route),
                     compressed_route ? hex32(*compressed_route) : "none (default route)");
}

Result<std::optional<CounterExample>> find_difference(std::span<const RoutingEntry> raw,
                                                      std::span<const RoutingEntry> compressed,
                                                      const ProofOptions& options) {
  return Splitter(raw, compressed, options).run();
}

}  // namespace spikeloom::mapping
