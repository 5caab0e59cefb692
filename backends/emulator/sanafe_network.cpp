#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "backends/emulator/sanafe_network_private.hpp"
#include "base/io/file.hpp"
#include "base/io/yaml.hpp"

namespace spikeloom::emulator {
namespace {

constexpr std::uint32_t kUnmapped = ~std::uint32_t{0};

struct NeuronEntry {
  Range range;
  const Value* attributes = nullptr;  ///< null: none
};

/// "- 0..9: {...}", "- {0: {...}, 1: {...}}" or "- 7".
Result<std::vector<NeuronEntry>> neuron_entries(const Value& neurons, const Place& place) {
  if (neurons.as_list() == nullptr) return format_error(place, "'neurons' is no list");
  std::vector<NeuronEntry> entries;
  for (const Value& item : *neurons.as_list()) {
    if (item.as_string() != nullptr) {
      SPIKELOOM_TRY(const Range range, parse_range(*item.as_string(), place));
      entries.push_back({range, nullptr});
      continue;
    }
    SPIKELOOM_TRY(const Fields fields, Fields::of(item, place));
    for (const auto& [key, value] : fields.entries()) {
      SPIKELOOM_TRY(const Range range, parse_range(key, place));
      entries.push_back({range, value});
    }
  }
  return entries;
}

Status read_group(const Value& value, const Place& place, const SanafeLimits& limits,
                  SanafeNetwork& into) {
  SPIKELOOM_TRY(const Fields named, Fields::of(value, place + ": groups"));
  constexpr std::array<std::string_view, 3> known = {"name", "attributes", "neurons"};
  SPIKELOOM_CHECK(named.only(known));
  SPIKELOOM_TRY(const std::string name, named.text("name"));
  const Place group_place = fmt::format("{}: group '{}'", place, name);
  if (into.group_of_name.contains(name)) {
    return format_error(group_place, "a group of this name is there already");
  }
  NeuronSettings common;
  if (const Value* attributes = named.find("attributes"); attributes != nullptr) {
    SPIKELOOM_TRY(common, read_settings(*attributes, {}, group_place));
  }
  SPIKELOOM_TRY(const Value* neurons, named.need("neurons"));
  SPIKELOOM_TRY(const auto entries, neuron_entries(*neurons, group_place));
  std::uint64_t count = 0;
  for (const NeuronEntry& entry : entries) {
    count += entry.range.count();
    if (into.neurons() + count > limits.neurons) {
      return Error{.code = ErrorCode::kResource,
                   .what = "more neurons than are read",
                   .where = group_place,
                   .expected = fmt::format("up to {}", limits.neurons)};
    }
  }
  const auto first = static_cast<std::uint32_t>(into.neurons());
  into.group_of_name.emplace(name, static_cast<std::uint32_t>(into.groups.size()));
  into.groups.push_back({name, first, static_cast<std::uint32_t>(count)});
  into.settings.push_back(common);
  into.settings_of.resize(first + count, static_cast<std::uint32_t>(into.settings.size() - 1));
  for (const NeuronEntry& entry : entries) {
    if (entry.range.last >= count) {
      return Error{.code = ErrorCode::kShape,
                   .what = "a neuron's number is beyond the number of neurons",
                   .where = group_place,
                   .expected = fmt::format("0 to {}", count - 1),
                   .got = fmt::format("{}", entry.range.last)};
    }
    const bool says_nothing =
        entry.attributes == nullptr || entry.attributes->is_null() ||
        (entry.attributes->as_map() != nullptr && entry.attributes->as_map()->empty());
    if (says_nothing) continue;
    SPIKELOOM_TRY(NeuronSettings settings,
                  read_settings(*entry.attributes, common,
                                fmt::format("{}, neuron {}", group_place, entry.range.first)));
    into.settings.push_back(std::move(settings));
    const auto begin = into.settings_of.begin() + first;
    std::fill(begin + static_cast<std::ptrdiff_t>(entry.range.first),
              begin + static_cast<std::ptrdiff_t>(entry.range.last) + 1,
              static_cast<std::uint32_t>(into.settings.size() - 1));
  }
  return {};
}

Result<std::uint32_t> core_of_address(const Value& value, const Chip& chip, const Place& place) {
  SPIKELOOM_TRY(const std::string text, to_text(value, place));
  const std::size_t dot = text.find('.');
  if (dot == std::string::npos) {
    return format_error(place, fmt::format("'{}' is no core: it is written tile.core", text));
  }
  SPIKELOOM_TRY(const Range tile, parse_range(text.substr(0, dot), place));
  SPIKELOOM_TRY(const Range core, parse_range(text.substr(dot + 1), place));
  if (tile.first != tile.last || core.first != core.last || tile.first >= chip.tiles.size() ||
      core.first >= chip.tiles[tile.first].core_count) {
    return Error{.code = ErrorCode::kShape,
                 .what = fmt::format("the chip '{}' has no core {}", chip.name, text),
                 .where = place};
  }
  return chip.tiles[tile.first].first_core + static_cast<std::uint32_t>(core.first);
}

/// One entry of `mappings`: which neurons, and where they go.
Status read_mapping(std::string_view address, const Value& value, const Place& place,
                    const Chip& chip, SanafeNetwork& into) {
  const Place here = fmt::format("{}: mapping of '{}'", place, address);
  const std::size_t dot = address.find('.');
  const auto group = into.group_of_name.find(address.substr(0, dot));
  if (group == into.group_of_name.end()) return format_error(here, "there is no such group");
  const NeuronGroup& neurons = into.groups[group->second];
  Range range{0, neurons.count == 0 ? 0 : neurons.count - 1};
  if (dot != std::string_view::npos) {
    SPIKELOOM_TRY(range, parse_range(address.substr(dot + 1), here));
  }
  if (range.last >= neurons.count) return format_error(here, "there is no such neuron");
  SPIKELOOM_TRY(const Fields fields, Fields::of(value, here));
  constexpr std::array<std::string_view, 4> known = {"core", "synapse", "dendrite", "soma"};
  SPIKELOOM_CHECK(fields.only(known));
  SPIKELOOM_TRY(const Value* core_value, fields.need("core"));
  SPIKELOOM_TRY(const std::uint32_t core, core_of_address(*core_value, chip, here));
  UnitNames names;
  if (fields.find("synapse") != nullptr) {
    SPIKELOOM_TRY(names.synapse, fields.text("synapse"));
  }
  if (fields.find("dendrite") != nullptr) {
    SPIKELOOM_TRY(names.dendrite, fields.text("dendrite"));
  }
  if (fields.find("soma") != nullptr) {
    SPIKELOOM_TRY(names.soma, fields.text("soma"));
  }
  if (!(into.named_by_mapping.back() == names)) into.named_by_mapping.push_back(std::move(names));
  for (std::uint64_t n = neurons.first + range.first; n <= neurons.first + range.last; ++n) {
    if (into.core_of[n] != kUnmapped) return format_error(here, "a neuron is mapped twice");
    into.core_of[n] = core;
    into.named_of[n] = static_cast<std::uint32_t>(into.named_by_mapping.size() - 1);
    into.neurons_of[core].push_back(static_cast<std::uint32_t>(n));
  }
  return {};
}

}  // namespace

Status read_groups(const Fields& network, const SanafeLimits& limits, SanafeNetwork& into) {
  SPIKELOOM_TRY(const Value* groups, network.need("groups"));
  if (groups->as_list() == nullptr) return format_error(network.place(), "'groups' is no list");
  for (const Value& group : *groups->as_list()) {
    SPIKELOOM_CHECK(read_group(group, network.place(), limits, into));
  }
  return {};
}

Status read_mappings(const Value& mappings, const Place& place, const Chip& chip,
                     SanafeNetwork& into) {
  if (mappings.as_list() == nullptr) return format_error(place, "'mappings' is no list");
  into.core_of.assign(into.neurons(), kUnmapped);
  into.named_of.assign(into.neurons(), 0);
  into.neurons_of.assign(chip.cores.size(), {});
  into.named_by_mapping.assign(1, {});
  for (const Value& item : *mappings.as_list()) {
    const Value::Map* map = item.as_map();
    if (map == nullptr || map->size() != 1) {
      return format_error(place, "an entry of 'mappings' is one address with its core");
    }
    SPIKELOOM_CHECK(read_mapping((*map)[0].first, (*map)[0].second, place, chip, into));
  }
  for (const NeuronGroup& group : into.groups) {
    for (std::uint32_t n = group.first; n != group.first + group.count; ++n) {
      if (into.core_of[n] == kUnmapped) {
        return format_error(
            place, fmt::format("the neuron {}.{} is not mapped", group.name, n - group.first));
      }
    }
  }
  return {};
}

Result<MappedProgram> parse_sanafe(const std::string& text, const std::string& name, Chip chip,
                                   const SanafeLimits& limits) {
  SPIKELOOM_TRY(const Value document, io::parse_yaml(text, name, io::YamlScalars::kText));
  const Value* section = document.find("network");
  const Value* mappings = document.find("mappings");
  if (section == nullptr) return format_error(name, "'network' is missing");
  if (mappings == nullptr) return format_error(name, "'mappings' is missing");
  SPIKELOOM_TRY(const Fields fields, Fields::of(*section, name));
  constexpr std::array<std::string_view, 3> known = {"name", "groups", "edges"};
  SPIKELOOM_CHECK(fields.only(known));
  SanafeNetwork network;
  if (fields.find("name") != nullptr) {
    SPIKELOOM_TRY(network.name, fields.text("name"));
  }
  SPIKELOOM_CHECK(read_groups(fields, limits, network));
  SPIKELOOM_TRY(const Value* edges, fields.need("edges"));
  SPIKELOOM_CHECK(read_edges(*edges, name, limits, network));
  SPIKELOOM_CHECK(read_mappings(*mappings, name, chip, network));
  return place_network(std::move(network), std::move(chip), name);
}

Result<MappedProgram> read_sanafe(const SanafeFiles& files, const SanafeLimits& limits) {
  SPIKELOOM_TRY(Chip chip, read_sanafe_chip(files.chip.empty() ? files.network : files.chip));
  SPIKELOOM_TRY(const std::string text, io::read_text_file(files.network));
  return parse_sanafe(text, files.network, std::move(chip), limits);
}

}  // namespace spikeloom::emulator
