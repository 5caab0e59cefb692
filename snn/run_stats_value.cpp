#include "snn/run_stats_value.hpp"

#include <string_view>
#include <utility>

namespace spikeloom {
namespace {

Error damaged(const std::string& where, std::string_view key) {
  return Error{.code = ErrorCode::kFormat,
               .what = "'" + std::string(key) + "' is missing or no count",
               .where = where};
}

Status read_count(const Value& map, const char* key, const std::string& where,
                  std::uint64_t& count) {
  const Value* value = map.find(key);
  if (value == nullptr || value->as_integer() == nullptr || *value->as_integer() < 0) {
    return damaged(where, key);
  }
  count = static_cast<std::uint64_t>(*value->as_integer());
  return {};
}

Result<NodeStats> node_from_value(const Value& value, std::size_t number) {
  NodeStats node;
  std::string where = "layer " + std::to_string(number);
  for (const auto& [key, member] :
       {std::pair{"name", &NodeStats::name}, std::pair{"kind", &NodeStats::kind}}) {
    const Value* text = value.find(key);
    if (text == nullptr || text->as_string() == nullptr) return damaged(where, key);
    node.*member = *text->as_string();
  }
  where += " '" + node.name + "'";
  for (const auto& [key, member] :
       {std::pair{"events_in", &NodeStats::events_in},
        std::pair{"events_out", &NodeStats::events_out}, std::pair{"ac", &NodeStats::ac},
        std::pair{"mac", &NodeStats::mac}, std::pair{"dense_macs", &NodeStats::dense_macs},
        std::pair{"neuron_updates", &NodeStats::neuron_updates},
        std::pair{"executed_ac", &NodeStats::executed_ac},
        std::pair{"executed_mac", &NodeStats::executed_mac},
        std::pair{"executed_updates", &NodeStats::executed_updates}}) {
    SPIKELOOM_CHECK(read_count(value, key, where, node.*member));
  }
  const Value* bytes = value.find("bytes");
  if (bytes == nullptr) return damaged(where, "bytes");
  SPIKELOOM_CHECK(read_count(*bytes, "weights", where, node.bytes.weights));
  SPIKELOOM_CHECK(read_count(*bytes, "state", where, node.bytes.state));
  SPIKELOOM_CHECK(read_count(*bytes, "events", where, node.bytes.events));
  if (const Value* sum = value.find("value_sum")) node.value_sum = sum->number();
  return node;
}

}  // namespace

Result<RunStats> run_stats_from_value(const Value& value) {
  RunStats stats;
  SPIKELOOM_CHECK(read_count(value, "steps", "run", stats.steps));
  for (const auto& [key, member] :
       {std::pair{"backend", &RunStats::backend}, std::pair{"arithmetic", &RunStats::arithmetic}}) {
    if (const Value* text = value.find(key); text != nullptr && text->as_string() != nullptr) {
      stats.*member = *text->as_string();
    }
  }
  const Value* layers = value.find("layers");
  if (layers == nullptr || layers->as_list() == nullptr) return damaged("run", "layers");
  for (const Value& layer : *layers->as_list()) {
    SPIKELOOM_TRY(NodeStats node, node_from_value(layer, stats.nodes.size()));
    stats.nodes.push_back(std::move(node));
  }
  return stats;
}

}  // namespace spikeloom
