#include "cli/token_energy.hpp"

namespace spikeloom::cli {
namespace {

/// Counts of `after` that `before` does not have.
RunStats difference(const RunStats& before, RunStats after) {
  after.steps -= before.steps;
  for (std::size_t n = 0; n < after.nodes.size(); ++n) {
    NodeStats& node = after.nodes[n];
    const NodeStats& earlier = before.nodes[n];
    for (const auto count : {&NodeStats::events_in, &NodeStats::events_out, &NodeStats::ac,
                             &NodeStats::mac, &NodeStats::neuron_updates, &NodeStats::executed_ac,
                             &NodeStats::executed_mac, &NodeStats::executed_updates}) {
      node.*count -= earlier.*count;
    }
    for (const auto bytes : {&TrafficBytes::weights, &TrafficBytes::state, &TrafficBytes::events}) {
      node.bytes.*bytes -= earlier.bytes.*bytes;
    }
  }
  return after;
}

}  // namespace

Result<TokenEnergy> TokenEnergy::make(const Program& program) {
  TokenEnergy made;
  made.layers_ = describe_layers(program);
  SPIKELOOM_TRY(made.table_, load_cost_table("45nm"));
  return made;
}

std::optional<double> TokenEnergy::per_token(const RunStats& before, const RunStats& after) const {
  return per_token(difference(before, after));
}

std::optional<double> TokenEnergy::per_token(const RunStats& all) const {
  if (all.steps == 0) return std::nullopt;
  EnergyRequest request;
  request.format = format_of(layers_, all, table_);
  request.inferences = static_cast<double>(all.steps);
  const auto priced = price_run(Accounting::kTraffic, layers_, all, table_, request);
  return priced.ok() ? std::optional<double>(priced->total()) : std::nullopt;
}

}  // namespace spikeloom::cli
