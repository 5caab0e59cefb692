#include "mapping/graph_file.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/json.hpp"

namespace spikeloom::mapping {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  Result<PopulationGraph> read(const Value& document) {
    PopulationGraph graph;
    graph.name = text(document, "name").value_or(file_);
    SPIKELOOM_TRY(const Value::List* populations, list(document, "populations"));
    for (const Value& item : *populations) {
      place_ = fmt::format("population {}", graph.populations.size());
      SPIKELOOM_CHECK(known(item, {"name", "neurons", "rate", "state_values", "sums"}));
      Population population;
      population.name = text(item, "name").value_or(place_);
      SPIKELOOM_TRY(const double neurons, number(item, "neurons", -1.0, 1.0, 2147483647.0));
      population.shape = {1, 1, static_cast<std::uint32_t>(neurons)};
      SPIKELOOM_TRY(population.rate, number(item, "rate", 0.05, 0.0, 1e9, false));
      SPIKELOOM_TRY(const double state, number(item, "state_values", 1.0, 0.0, 1e6));
      SPIKELOOM_TRY(const double sums, number(item, "sums", 1.0, 0.0, 1000.0));
      population.state_values = static_cast<std::uint32_t>(state);
      population.sums = static_cast<std::uint32_t>(sums);
      graph.populations.push_back(std::move(population));
    }
    SPIKELOOM_TRY(const Value::List* projections, list(document, "projections"));
    for (const Value& item : *projections) {
      place_ = fmt::format("projection {}", graph.projections.size());
      SPIKELOOM_CHECK(
          known(item, {"source", "target", "pattern", "delay", "synapses", "weight_bytes"}));
      Projection projection;
      const auto last = static_cast<double>(graph.populations.size()) - 1.0;
      SPIKELOOM_TRY(const double source, number(item, "source", -1.0, 0.0, last));
      SPIKELOOM_TRY(const double target, number(item, "target", -1.0, 0.0, last));
      SPIKELOOM_TRY(const double delay, number(item, "delay", 1.0, 1.0, 1e6));
      SPIKELOOM_TRY(const double weight, number(item, "weight_bytes", 1.0, 0.0, 8.0));
      projection.source = static_cast<std::uint32_t>(source);
      projection.target = static_cast<std::uint32_t>(target);
      projection.delay = static_cast<std::uint32_t>(delay);
      projection.weight_bytes = static_cast<std::uint32_t>(weight);
      const std::string pattern = text(item, "pattern").value_or("all");
      if (pattern == "one-to-one") {
        projection.pattern = Pattern::kOneToOne;
      } else if (pattern == "random") {
        projection.pattern = Pattern::kRandom;
        SPIKELOOM_TRY(projection.synapses, number(item, "synapses", -1.0, 0.0, 1e18));
      } else if (pattern != "all") {
        return fault("an unknown pattern", "all, one-to-one or random", pattern);
      }
      graph.projections.push_back(std::move(projection));
    }
    SPIKELOOM_CHECK(check(graph));
    return graph;
  }

 private:
  Error fault(std::string what, std::string expected, std::string got = {}) const {
    return Error{.code = ErrorCode::kFormat,
                 .what = std::move(what),
                 .where = place_.empty() ? file_ : file_ + ": " + place_,
                 .expected = std::move(expected),
                 .got = std::move(got)};
  }

  static std::optional<std::string> text(const Value& map, const char* key) {
    const Value* value = map.find(key);
    if (value == nullptr || value->as_string() == nullptr) return std::nullopt;
    return *value->as_string();
  }

  Result<const Value::List*> list(const Value& map, const char* key) const {
    const Value* value = map.find(key);
    if (value == nullptr || value->as_list() == nullptr) {
      return fault(fmt::format("'{}' is missing", key), "a list");
    }
    return value->as_list();
  }

  Status known(const Value& map, std::initializer_list<std::string_view> keys) const {
    if (map.as_map() == nullptr) return fault("the entry is no object", "{...}");
    for (const auto& [key, unused] : *map.as_map()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        return fault(fmt::format("there is no '{}'", key),
                     fmt::format("{}", fmt::join(keys, ", ")));
      }
    }
    return {};
  }

  /// A negative `absent` means that the number has to be there.
  Result<double> number(const Value& map, const char* key, double absent, double low, double high,
                        bool whole = true) const {
    const Value* value = map.find(key);
    if (value == nullptr && absent >= 0.0) return absent;
    const double found = value != nullptr && value->is_number()
                             ? value->number()
                             : std::numeric_limits<double>::quiet_NaN();
    if (!(found >= low && found <= high) || (whole && found != std::floor(found))) {
      return fault(
          fmt::format("'{}' is missing or out of range", key),
          fmt::format("{} from {} to {}", whole ? "a whole number" : "a number", low, high));
    }
    return found;
  }

  const std::string& file_;
  std::string place_;
};

}  // namespace

Result<PopulationGraph> parse_graph(std::string_view text, const std::string& name) {
  SPIKELOOM_TRY(const Value document, io::parse_json(text, name));
  return Reader(name).read(document);
}

Result<PopulationGraph> read_graph_file(const std::string& path) {
  SPIKELOOM_TRY(const std::string text, io::read_text_file(path, kMostBytes));
  return parse_graph(text, path);
}

bool looks_like_graph(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{' &&
         text.find("\"populations\"") != std::string_view::npos;
}

}  // namespace spikeloom::mapping
