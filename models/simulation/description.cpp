#include "models/simulation/description.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/toml.hpp"
#include "models/simulation/edge_list.hpp"

namespace spikeloom {
namespace {

using simulation::Distribution;
using simulation::Network;
using Keys = std::initializer_list<std::string_view>;

/// Of lists of populations on either side.
constexpr std::size_t kMostProjections = std::size_t{1} << 20;

std::string kind_of(const Value& value) {
  if (value.as_bool() != nullptr) return "true or false";
  if (value.is_number()) return "a number";
  if (value.as_string() != nullptr) return "text";
  if (value.as_list() != nullptr) return "a list";
  return value.as_map() != nullptr ? "a table" : "nothing";
}

bool has_word(std::string_view sentence, std::string_view word) {
  const std::size_t at = sentence.find(word);
  const auto inside = [&](std::size_t i) {
    const char c = i < sentence.size() ? sentence[i] : ' ';
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  return at != std::string_view::npos && !(at > 0 && inside(at - 1)) && !inside(at + word.size());
}

class Reader {
 public:
  Reader(const std::string& name, const std::string& folder, const io::TomlPositions& positions)
      : name_(name), folder_(folder), positions_(positions) {}

  Result<SimulationDescription> read(const Value& root) {
    SPIKELOOM_CHECK(allow(
        root, "",
        {"dt", "time", "warm_up", "seed", "populations", "projections", "stimuli", "recordings"}));
    SPIKELOOM_TRY(network_.dt, number_or(root, "", "dt", network_.dt));
    SPIKELOOM_TRY(const std::int64_t seed, whole_or(root, "", "seed", 1));
    network_.seed = static_cast<std::uint64_t>(seed);
    if (!(std::isfinite(network_.dt) && network_.dt > 0.0)) {
      return fault("dt", "the time step", "more than 0 ms", fmt::format("{}", network_.dt));
    }
    SimulationDescription made;
    SPIKELOOM_TRY(made.time, number_or(root, "", "time", made.time));
    SPIKELOOM_TRY(made.warm_up, number_or(root, "", "warm_up", made.warm_up));
    for (const auto& [key, value] : {std::pair("time", made.time), {"warm_up", made.warm_up}}) {
      if (!(value >= 0.0 && value / network_.dt < 1e15)) {
        return fault(key, "a time out of range", "0 ms or more", fmt::format("{}", value));
      }
    }
    SPIKELOOM_CHECK(each(root, "populations", &Reader::read_population));
    if (network_.populations.empty()) {
      return fault("populations", "no populations", "a table [populations.NAME]");
    }
    SPIKELOOM_CHECK(each(root, "projections", &Reader::read_projection));
    SPIKELOOM_CHECK(each(root, "stimuli", &Reader::read_stimulus));
    SPIKELOOM_CHECK(each(root, "recordings", &Reader::read_recording));
    // All parts have passed; sums over them, such as the number of neurons, are left.
    if (Status whole = check(network_); !whole.ok()) return std::move(whole).error().in(name_);
    made.network = std::move(network_);
    return made;
  }

 private:
  using ReadOne = Status (Reader::*)(const std::string& name, const std::string& path,
                                     const Value& table);

  Error fault(const std::string& path, std::string what, std::string expected = {},
              std::string got = {}) const {
    return io::toml_fault(name_, positions_, path, std::move(what), std::move(expected),
                          std::move(got));
  }
  static std::string join(const std::string& path, std::string_view key) {
    return path.empty() ? std::string(key) : path + "." + std::string(key);
  }

  /// Refuses keys that nothing reads, which are usually misspelt.
  Status allow(const Value& table, const std::string& path, Keys keys) const {
    for (const auto& [key, value] : *table.as_map()) {
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
      return fault(join(path, key), "an unknown key",
                   fmt::format("one of {}", fmt::join(keys, ", ")), key);
    }
    return {};
  }
  Result<const Value*> need(const Value& table, const std::string& path, std::string_view key,
                            std::string_view expected) const {
    if (const Value* value = table.find(key)) return value;
    return fault(join(path, key), fmt::format("{} is missing", key), std::string(expected));
  }

  Result<double> number(const Value& value, const std::string& path) const {
    if (value.is_number()) return value.number();
    return fault(path, "not a number", "a number", kind_of(value));
  }
  Result<double> number_or(const Value& table, const std::string& path, std::string_view key,
                           double otherwise) const {
    const Value* value = table.find(key);
    if (value == nullptr) return otherwise;
    return number(*value, join(path, key));
  }
  Result<double> need_number(const Value& table, const std::string& path,
                             std::string_view key) const {
    SPIKELOOM_TRY(const Value* value, need(table, path, key, "a number"));
    return number(*value, join(path, key));
  }
  Result<std::int64_t> whole(const Value& value, const std::string& path) const {
    const std::int64_t* integer = value.as_integer();
    if (integer != nullptr && *integer >= 0) return *integer;
    return fault(path, "not a whole number", "a whole number, 0 or more",
                 integer != nullptr ? std::to_string(*integer) : kind_of(value));
  }
  Result<std::int64_t> whole_or(const Value& table, const std::string& path, std::string_view key,
                                std::int64_t otherwise) const {
    const Value* value = table.find(key);
    if (value == nullptr) return otherwise;
    return whole(*value, join(path, key));
  }
  Result<std::int64_t> need_whole(const Value& table, const std::string& path,
                                  std::string_view key) const {
    SPIKELOOM_TRY(const Value* value, need(table, path, key, "a whole number"));
    return whole(*value, join(path, key));
  }
  Result<std::string> text(const Value& value, const std::string& path) const {
    if (value.as_string() != nullptr) return *value.as_string();
    return fault(path, "not a text", "text in quotes", kind_of(value));
  }
  Result<std::string> need_text(const Value& table, const std::string& path, std::string_view key,
                                std::string_view expected) const {
    SPIKELOOM_TRY(const Value* value, need(table, path, key, expected));
    return text(*value, join(path, key));
  }
  Result<bool> flag_or(const Value& table, const std::string& path, std::string_view key,
                       bool otherwise) const {
    const Value* value = table.find(key);
    if (value == nullptr) return otherwise;
    if (value->as_bool() != nullptr) return *value->as_bool();
    return fault(join(path, key), "neither true nor false", "true or false", kind_of(*value));
  }

  /// A number, or { normal = [mean, sd], low = ..., high = ... } and its like.
  Result<Distribution> distribution(const Value& value, const std::string& path) const {
    if (value.is_number()) return Distribution(simulation::Constant{value.number()});
    constexpr std::string_view kExpected =
        "a number, { uniform = [low, high] }, { normal = [mean, sd] } or "
        "{ lognormal = [mu, sigma] }, the last two perhaps with low and high";
    if (value.as_map() == nullptr) {
      return fault(path, "not a distribution", std::string(kExpected), kind_of(value));
    }
    std::string kind;
    for (const auto& [key, inner] : *value.as_map()) {
      if (key == "low" || key == "high") continue;
      const bool known = key == "uniform" || key == "normal" || key == "lognormal";
      if (!known || !kind.empty()) {
        return fault(join(path, key), "not a distribution", std::string(kExpected), key);
      }
      kind = key;
    }
    if (kind.empty()) return fault(path, "not a distribution", std::string(kExpected), "bounds");
    const Value& pair = *value.find(kind);
    const Value::List* list = pair.as_list();
    if (list == nullptr || list->size() != 2 || !(*list)[0].is_number() ||
        !(*list)[1].is_number()) {
      return fault(join(path, kind), "a distribution has two parameters", "[number, number]",
                   list == nullptr ? kind_of(pair) : fmt::format("{} values", list->size()));
    }
    const double a = (*list)[0].number(), b = (*list)[1].number();
    if (kind == "uniform") {
      SPIKELOOM_CHECK(allow(value, path, {"uniform"}));
      return Distribution(simulation::Uniform{a, b});
    }
    const auto bounded = [&](auto made) -> Result<Distribution> {
      SPIKELOOM_TRY(made.low, number_or(value, path, "low", made.low));
      SPIKELOOM_TRY(made.high, number_or(value, path, "high", made.high));
      return Distribution(made);
    };
    if (kind == "normal") return bounded(simulation::Normal{a, b});
    return bounded(simulation::Lognormal{a, b});
  }
  Result<Distribution> need_distribution(const Value& table, const std::string& path,
                                         std::string_view key) const {
    SPIKELOOM_TRY(const Value* value, need(table, path, key, "a number or a distribution"));
    return distribution(*value, join(path, key));
  }

  /// One population by its name, or a list of them.
  Result<std::vector<std::uint32_t>> populations(const Value& table, const std::string& path,
                                                 std::string_view key) const {
    SPIKELOOM_TRY(const Value* value, need(table, path, key, "the name of a population"));
    const std::string where = join(path, key);
    Value::List names;
    if (value->as_list() != nullptr) {
      names = *value->as_list();
    } else {
      names.push_back(*value);
    }
    std::vector<std::uint32_t> found;
    for (const Value& name : names) {
      SPIKELOOM_TRY(const std::string wanted, text(name, where));
      const auto at = number_of_.find(wanted);
      if (at == number_of_.end()) {
        return fault(where, "no such population", "the name of one under [populations]", wanted);
      }
      found.push_back(at->second);
    }
    return found;
  }

  /// check() of one item and the populations it joins; a complaint goes to that key of its table
  /// which it names, else to the table.
  Status check_item(const Network& part, const std::string& path, const Value& table) const {
    const Status status = check(part);
    if (status.ok()) return {};
    const Error& error = status.error();
    std::string place = table.find("file") != nullptr ? join(path, "file") : path;
    for (const auto& [key, value] : *table.as_map()) {
      const bool side = key == "from" || key == "to" || key == "of";  // also words of a sentence
      const bool named =
          (!side && has_word(error.what, key)) || error.where.ends_with(key) || error.got == key;
      if (named) place = join(path, key);
    }
    return fault(place, error.what, error.expected, error.got);
  }
  Network part_of(std::initializer_list<std::uint32_t> populations) const {
    Network part;
    part.dt = network_.dt;
    for (const std::uint32_t p : populations) part.populations.push_back(network_.populations[p]);
    return part;
  }

  Status each(const Value& root, const std::string& kind, ReadOne read_one) {
    const Value* tables = root.find(kind);
    if (tables == nullptr) return {};
    if (tables->as_map() == nullptr) {
      return fault(kind, "not a table", fmt::format("tables [{}.NAME]", kind), kind_of(*tables));
    }
    for (const auto& [name, table] : *tables->as_map()) {
      const std::string path = join(kind, name);
      if (table.as_map() == nullptr) {
        return fault(path, "not a table", fmt::format("a table [{}.{}]", kind, name),
                     kind_of(table));
      }
      SPIKELOOM_CHECK((this->*read_one)(name, path, table));
    }
    return {};
  }

  Status read_population(const std::string& name, const std::string& path, const Value& table) {
    simulation::Population population;
    population.name = name;
    SPIKELOOM_TRY(population.size, need_whole(table, path, "size"));
    SPIKELOOM_TRY(population.model, need_text(table, path, "model", "the name of a neuron model"));
    for (const auto& [key, value] : *table.as_map()) {
      if (key == "size" || key == "model") continue;
      SPIKELOOM_TRY(population.parameters[key], distribution(value, join(path, key)));
    }
    number_of_[name] = static_cast<std::uint32_t>(network_.populations.size());
    network_.populations.push_back(std::move(population));
    return check_item(part_of({number_of_[name]}), path, table);
  }

  Result<simulation::ConnectionRule> rule_of(const Value& table, const std::string& path) const {
    constexpr std::string_view kRules =
        "all_to_all, one_to_one, fixed_in_degree, fixed_out_degree, fixed_total_number, "
        "pairwise_bernoulli or list";
    SPIKELOOM_TRY(const std::string rule, need_text(table, path, "rule", kRules));
    const auto only = [&](Keys own) -> Status {
      std::vector<std::string_view> keys = {"from", "to", "rule", "weight", "delay"};
      keys.insert(keys.end(), own.begin(), own.end());
      for (const auto& [key, value] : *table.as_map()) {
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
          return fault(join(path, key), fmt::format("a key that {} has no use for", rule),
                       fmt::format("one of {}", fmt::join(keys, ", ")), key);
        }
      }
      return {};
    };
    using simulation::ConnectionRule;
    if (rule == "all_to_all") {
      SPIKELOOM_CHECK(only({"autapses"}));
      SPIKELOOM_TRY(const bool autapses, flag_or(table, path, "autapses", true));
      return ConnectionRule(simulation::AllToAll{autapses});
    }
    if (rule == "one_to_one") {
      SPIKELOOM_CHECK(only({}));
      return ConnectionRule(simulation::OneToOne{});
    }
    if (rule == "fixed_in_degree" || rule == "fixed_out_degree") {
      SPIKELOOM_CHECK(only({"degree"}));
      SPIKELOOM_TRY(const std::int64_t degree, need_whole(table, path, "degree"));
      if (rule == "fixed_in_degree") return ConnectionRule(simulation::FixedInDegree{degree});
      return ConnectionRule(simulation::FixedOutDegree{degree});
    }
    if (rule == "fixed_total_number") {
      SPIKELOOM_CHECK(only({"synapses"}));
      SPIKELOOM_TRY(const std::int64_t synapses, need_whole(table, path, "synapses"));
      return ConnectionRule(simulation::FixedTotalNumber{synapses});
    }
    if (rule == "pairwise_bernoulli") {
      SPIKELOOM_CHECK(only({"probability", "autapses"}));
      SPIKELOOM_TRY(const double probability, need_number(table, path, "probability"));
      SPIKELOOM_TRY(const bool autapses, flag_or(table, path, "autapses", true));
      return ConnectionRule(simulation::PairwiseBernoulli{probability, autapses});
    }
    if (rule == "list") {
      SPIKELOOM_CHECK(only({"file", "edge_population"}));
      SPIKELOOM_TRY(const std::string file,
                    need_text(table, path, "file", "a file .csv, .npz or .h5"));
      std::string population;
      if (table.find("edge_population") != nullptr) {
        SPIKELOOM_TRY(population, need_text(table, path, "edge_population", "a name"));
      }
      auto list = read_edge_list((std::filesystem::path(folder_) / file).string(), population);
      if (list.ok()) return ConnectionRule(*std::move(list));
      return std::move(list).error().in(fault(join(path, "file"), "").where);
    }
    return fault(join(path, "rule"), "no such rule", std::string(kRules), rule);
  }

  Status read_projection(const std::string& name, const std::string& path, const Value& table) {
    SPIKELOOM_TRY(const auto sources, populations(table, path, "from"));
    SPIKELOOM_TRY(const auto targets, populations(table, path, "to"));
    if (network_.projections.size() + sources.size() * targets.size() > kMostProjections) {
      return fault(path, "too many projections", fmt::format("at most {}", kMostProjections));
    }
    SPIKELOOM_TRY(const simulation::ConnectionRule rule, rule_of(table, path));
    const auto* list = std::get_if<simulation::ExplicitList>(&rule);
    if (list != nullptr && sources.size() * targets.size() != 1) {
      return fault(path, "a list of synapses joins one pair of populations",
                   "one name after from and after to");
    }
    const bool has_weight = list != nullptr && !list->weight.empty();
    const bool has_delay = list != nullptr && !list->delay.empty();
    simulation::Projection projection;
    projection.rule = rule;
    if (!has_weight || table.find("weight") != nullptr) {
      SPIKELOOM_TRY(projection.weight, need_distribution(table, path, "weight"));
    }
    if (!has_delay || table.find("delay") != nullptr) {
      SPIKELOOM_TRY(projection.delay, need_distribution(table, path, "delay"));
    }
    for (const std::uint32_t source : sources) {
      for (const std::uint32_t target : targets) {
        projection.name = sources.size() * targets.size() == 1
                              ? name
                              : fmt::format("{}: {} to {}", name, network_.populations[source].name,
                                            network_.populations[target].name);
        Network part = source == target ? part_of({source}) : part_of({source, target});
        projection.source = 0;
        projection.target = source == target ? 0 : 1;
        part.projections.push_back(std::move(projection));
        SPIKELOOM_CHECK(check_item(part, path, table));
        projection = part.projections.back();
        network_.projections.push_back(std::move(part.projections.back()));
        network_.projections.back().source = source;
        network_.projections.back().target = target;
      }
    }
    return {};
  }

  Status read_stimulus(const std::string&, const std::string& path, const Value& table) {
    SPIKELOOM_TRY(const std::string kind, need_text(table, path, "kind", "poisson or current"));
    SPIKELOOM_TRY(const auto targets, populations(table, path, "to"));
    simulation::Stimulus stimulus;
    if (kind == "poisson") {
      SPIKELOOM_CHECK(allow(table, path, {"kind", "to", "rate", "weight"}));
      simulation::PoissonStimulus poisson;
      SPIKELOOM_TRY(poisson.rate, need_number(table, path, "rate"));
      SPIKELOOM_TRY(poisson.weight, need_number(table, path, "weight"));
      stimulus = poisson;
    } else if (kind == "current") {
      SPIKELOOM_CHECK(allow(table, path, {"kind", "to", "amplitude", "start", "stop"}));
      simulation::CurrentStimulus current;
      SPIKELOOM_TRY(current.amplitude, need_number(table, path, "amplitude"));
      SPIKELOOM_TRY(current.start, number_or(table, path, "start", current.start));
      SPIKELOOM_TRY(current.stop, number_or(table, path, "stop", current.stop));
      stimulus = current;
    } else {
      return fault(join(path, "kind"), "no such stimulus", "poisson or current", kind);
    }
    for (const std::uint32_t target : targets) {
      Network part = part_of({target});
      part.stimuli = {stimulus};
      SPIKELOOM_CHECK(check_item(part, path, table));
      std::visit([&](auto& one) { one.population = target; }, stimulus);
      network_.stimuli.push_back(stimulus);
    }
    return {};
  }

  Status read_recording(const std::string&, const std::string& path, const Value& table) {
    SPIKELOOM_CHECK(allow(table, path, {"of", "first", "count", "variable", "interval"}));
    SPIKELOOM_TRY(const auto sources, populations(table, path, "of"));
    for (const std::uint32_t source : sources) {
      simulation::Recording recording;
      const std::int64_t size = network_.populations[source].size;
      SPIKELOOM_TRY(recording.first, whole_or(table, path, "first", 0));
      SPIKELOOM_TRY(recording.count, whole_or(table, path, "count",
                                              std::max<std::int64_t>(size - recording.first, 0)));
      if (table.find("variable") != nullptr) {
        SPIKELOOM_TRY(recording.variable, need_text(table, path, "variable", "a state variable"));
      }
      SPIKELOOM_TRY(const double interval, number_or(table, path, "interval", network_.dt));
      if (!(interval >= network_.dt * 0.5 && interval / network_.dt < 1e15)) {
        return fault(join(path, "interval"), "an interval under one step",
                     fmt::format("{} ms or more", network_.dt), fmt::format("{}", interval));
      }
      recording.interval = std::llround(interval / network_.dt);
      Network part = part_of({source});
      part.recordings = {recording};
      SPIKELOOM_CHECK(check_item(part, path, table));
      recording.population = source;
      network_.recordings.push_back(recording);
    }
    return {};
  }

  const std::string& name_;
  const std::string& folder_;
  const io::TomlPositions& positions_;
  Network network_;
  std::map<std::string, std::uint32_t> number_of_;  ///< of each population
};

}  // namespace

Result<SimulationDescription> parse_simulation(std::string_view text, const std::string& name,
                                               const std::string& folder) {
  io::TomlPositions positions;
  SPIKELOOM_TRY(const Value root, io::parse_toml(text, name, &positions));
  return Reader(name, folder, positions).read(root);
}

Result<SimulationDescription> read_simulation(const std::string& path) {
  SPIKELOOM_TRY(const std::string text, io::read_text_file(path));
  return parse_simulation(text, path, std::filesystem::path(path).parent_path().string());
}

}  // namespace spikeloom
