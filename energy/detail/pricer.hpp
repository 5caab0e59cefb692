#pragma once
/// Collects the products of an accounting and the prices it misses; private to energy.

#include <string>
#include <utility>
#include <vector>

#include "energy/accounting.hpp"

namespace spikeloom::detail {

class Pricer {
 public:
  Pricer(const CostTable& table, std::span<const LayerDescription> layers, double inferences)
      : table_(table), layers_(layers), scale_(1.0 / inferences) {}

  /// The layer, and what caused what follows: events (dynamic) or steps.
  Pricer& at(std::uint32_t layer, bool dynamic) {
    layer_ = layer;
    dynamic_ = dynamic;
    return *this;
  }
  /// Adds count * price of the first of `entries` that the table has; 0 adds nothing.
  void add(Component component, double count, std::initializer_list<std::string> entries);
  /// Adds bytes at the price of the memory that holds an array of `footprint` bytes.
  void add_bytes(Component component, double bytes, double footprint);

  /// kUnsupported when a price was missing.
  Result<EnergyBreakdown> finish(Accounting accounting, NumberFormat format) &&;

 private:
  void push(Component component, const CostEntry& entry, double count);
  void miss(const std::string& entry, Component component, double count);

  const CostTable& table_;
  std::span<const LayerDescription> layers_;
  double scale_;
  std::uint32_t layer_ = 0;
  bool dynamic_ = true;
  EnergyBreakdown breakdown_;
  std::vector<std::string> missing_;
};

}  // namespace spikeloom::detail
