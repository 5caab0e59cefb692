#pragma once
/// What a token cost in a cost table: a model of joules, not a measurement (docs/energy.md).
///
/// Prices: 45 nm CMOS (Horowitz), accounting `traffic`: the operations that the backend executed
/// and every byte it moved, decoder included.

#include <optional>
#include <vector>

#include "base/result.hpp"
#include "energy/accounting.hpp"
#include "snn/program.hpp"

namespace spikeloom::cli {

class TokenEnergy {
 public:
  static Result<TokenEnergy> make(const Program& program);
  /// Joules per token of what a session did between two looks at its statistics; nothing where no
  /// token lies between them.
  std::optional<double> per_token(const RunStats& before, const RunStats& after) const;
  /// The same from the beginning on.
  std::optional<double> per_token(const RunStats& all) const;
  /// What to say beside the figure: "modelled, 45nm, traffic".
  static constexpr const char* kHow = "modelled, 45 nm, accounting traffic";

 private:
  std::vector<LayerDescription> layers_;
  CostTable table_;
};

}  // namespace spikeloom::cli
