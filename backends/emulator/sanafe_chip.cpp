#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "backends/emulator/sanafe.hpp"
#include "backends/emulator/sanafe_fields_private.hpp"
#include "base/io/file.hpp"
#include "base/io/yaml.hpp"

namespace spikeloom::emulator {
namespace {

constexpr std::uint64_t kMaxTiles = 1 << 14;
constexpr std::uint64_t kMaxCores = 1 << 16;
constexpr std::uint64_t kMaxCoresPerTile = 60;  ///< a router has one bit per core and neighbour
constexpr std::uint64_t kMaxUnits = 1 << 20;    ///< of one name

/// "soma" or "inputs[0..15]".
Result<UnitName> unit_name(const Fields& fields) {
  SPIKELOOM_TRY(const std::string text, fields.text("name"));
  UnitName name;
  name.base = text;
  if (text.find("..") == std::string::npos) return name;
  const std::size_t bracket = text.find('[');
  if (bracket == std::string::npos) {
    return format_error(fields.place(), fmt::format("'{}' is no range of names", text));
  }
  SPIKELOOM_TRY(const Range range, parse_range(text.substr(bracket), fields.place()));
  if (range.last > kMaxUnits) {
    return Error{.code = ErrorCode::kResource,
                 .what = "more units of one name than are read",
                 .where = fields.place(),
                 .expected = fmt::format("up to {}", kMaxUnits),
                 .got = text};
  }
  name.base = text.substr(0, bracket);
  name.indexed = true;
  name.first = static_cast<std::uint32_t>(range.first);
  name.last = static_cast<std::uint32_t>(range.last);
  return name;
}

struct Section {
  Fields entry;       ///< with its name
  Fields attributes;  ///< of the entry
};

Result<std::vector<Section>> sections(const Fields& core, std::string_view key) {
  SPIKELOOM_TRY(const Value* value, core.need(key));
  std::vector<Section> found;
  for (const Value* item : items_of(*value)) {
    const Place place = fmt::format("{}: {}", core.place(), key);
    SPIKELOOM_TRY(Fields entry, Fields::of(*item, place));
    constexpr std::array<std::string_view, 2> known = {"name", "attributes"};
    SPIKELOOM_CHECK(entry.only(known));
    SPIKELOOM_TRY(const std::string name, entry.text("name"));
    SPIKELOOM_TRY(const Value* attributes, entry.need("attributes"));
    SPIKELOOM_TRY(Fields fields, Fields::of(*attributes, fmt::format("{} '{}'", place, name)));
    found.push_back({std::move(entry), std::move(fields)});
  }
  if (found.empty()) {
    return format_error(core.place(), fmt::format("'{}' has no unit", key));
  }
  return found;
}

Result<Cost> cost(const Fields& fields, std::string_view operation) {
  Cost cost;
  SPIKELOOM_TRY(cost.energy, fields.cost(fmt::format("energy_{}", operation)));
  SPIKELOOM_TRY(cost.latency, fields.cost(fmt::format("latency_{}", operation)));
  return cost;
}

Result<Cost> axon(const Fields& core, std::string_view key, std::string_view operation) {
  SPIKELOOM_TRY(const auto units, sections(core, key));
  if (units.size() > 1) {
    return unsupported(core.place(), fmt::format("several units '{}' in one core", key));
  }
  const std::string energy = fmt::format("energy_{}", operation);
  const std::string latency = fmt::format("latency_{}", operation);
  const std::array<std::string_view, 2> known = {energy, latency};
  SPIKELOOM_CHECK(units[0].attributes.only(known));
  return cost(units[0].attributes, operation);
}

/// Keys that every unit may have and that change nothing here.
constexpr std::array<std::string_view, 4> kUnitKeys = {"model", "log_energy", "log_latency",
                                                       "update_every_timestep"};

Status check_unit(const Fields& attributes, std::vector<std::string_view> known) {
  if (attributes.find("plugin") != nullptr) {
    return unsupported(attributes.place(), "the model is a plugin");
  }
  known.insert(known.end(), kUnitKeys.begin(), kUnitKeys.end());
  return attributes.only(known);
}

Error unknown_model(const Fields& attributes, const std::string& model) {
  return unsupported(attributes.place(), fmt::format("the model '{}' is not emulated", model));
}

Status read_synapses(const Fields& core, CoreKind& kind) {
  SPIKELOOM_TRY(const auto units, sections(core, "synapse"));
  for (const Section& section : units) {
    const Fields& attributes = section.attributes;
    SPIKELOOM_CHECK(check_unit(attributes, {"energy_process_spike", "latency_process_spike"}));
    SPIKELOOM_TRY(const std::string model, attributes.text("model"));
    if (model != "current_based") return unknown_model(attributes, model);
    SynapseUnit unit;
    SPIKELOOM_TRY(unit.name, unit_name(section.entry));
    SPIKELOOM_TRY(unit.event, cost(attributes, "process_spike"));
    kind.synapses.push_back(std::move(unit));
  }
  return {};
}

Status read_dendrites(const Fields& core, CoreKind& kind) {
  SPIKELOOM_TRY(const auto units, sections(core, "dendrite"));
  for (const Section& section : units) {
    const Fields& attributes = section.attributes;
    SPIKELOOM_CHECK(check_unit(attributes, {"energy_update", "latency_update"}));
    SPIKELOOM_TRY(const std::string model, attributes.text("model"));
    if (model != "accumulator" && model != "accumulator_with_delay") {
      return unknown_model(attributes, model);
    }
    DendriteUnit unit;
    SPIKELOOM_TRY(unit.name, unit_name(section.entry));
    SPIKELOOM_TRY(unit.event, cost(attributes, "update"));
    unit.is_delay_line = model == "accumulator_with_delay";
    kind.dendrites.push_back(std::move(unit));
  }
  return {};
}

Result<SomaModel> soma_model(const Fields& attributes) {
  SPIKELOOM_TRY(const std::string model, attributes.text("model"));
  if (model == "leaky_integrate_fire") return SomaModel::kLoihi;
  if (model == "truenorth") return SomaModel::kTrueNorth;
  if (model == "input") return SomaModel::kInput;
  return unknown_model(attributes, model);
}

Status read_somas(const Fields& core, CoreKind& kind) {
  SPIKELOOM_TRY(const auto units, sections(core, "soma"));
  for (const Section& section : units) {
    const Fields& attributes = section.attributes;
    if (attributes.find("noise") != nullptr) {
      return unsupported(attributes.place(), "noise from a file is not emulated");
    }
    SPIKELOOM_CHECK(check_unit(
        attributes,
        {"energy_access_neuron", "energy_update_neuron", "energy_spike_out",
         "latency_access_neuron", "latency_update_neuron", "latency_spike_out", "noise_bits"}));
    SomaUnit unit;
    SPIKELOOM_TRY(unit.name, unit_name(section.entry));
    SPIKELOOM_TRY(unit.model, soma_model(attributes));
    SPIKELOOM_TRY(unit.access, cost(attributes, "access_neuron"));
    SPIKELOOM_TRY(unit.update, cost(attributes, "update_neuron"));
    SPIKELOOM_TRY(unit.spike, cost(attributes, "spike_out"));
    kind.somas.push_back(std::move(unit));
  }
  return {};
}

/// One unit does the work of two sections: SANA-FE charges it under both.
Status check_sections_apart(const CoreKind& kind, const Place& place) {
  const auto clash = [&](const UnitName& name) {
    return unsupported(place, fmt::format("the unit '{}' is in two sections", name.base));
  };
  for (const SynapseUnit& synapse : kind.synapses) {
    for (const DendriteUnit& dendrite : kind.dendrites) {
      if (synapse.name.base == dendrite.name.base) return clash(synapse.name);
    }
    for (const SomaUnit& soma : kind.somas) {
      if (synapse.name.base == soma.name.base) return clash(synapse.name);
    }
  }
  for (const DendriteUnit& dendrite : kind.dendrites) {
    for (const SomaUnit& soma : kind.somas) {
      if (dendrite.name.base == soma.name.base) return clash(dendrite.name);
    }
  }
  return {};
}

Result<CoreKind> read_core(const Fields& core) {
  constexpr std::array<std::string_view, 7> known = {"name",     "attributes", "axon_in", "synapse",
                                                     "dendrite", "soma",       "axon_out"};
  SPIKELOOM_CHECK(core.only(known));
  CoreKind kind;
  SPIKELOOM_TRY(kind.name, core.text("name"));
  SPIKELOOM_TRY(const Value* value, core.need("attributes"));
  SPIKELOOM_TRY(const Fields attributes, Fields::of(*value, core.place()));
  constexpr std::array<std::string_view, 4> known_attributes = {
      "buffer_position", "buffer_inside_unit", "max_neurons_supported", "log_energy"};
  SPIKELOOM_CHECK(attributes.only(known_attributes));
  SPIKELOOM_TRY(const std::string buffer, attributes.text("buffer_position"));
  bool inside = false;
  if (const Value* flag = attributes.find("buffer_inside_unit"); flag != nullptr) {
    SPIKELOOM_TRY(inside, to_flag(*flag, core.place()));
  }
  if (buffer != "soma" || inside) {
    return unsupported(core.place(), fmt::format("only a buffer before the soma is emulated (this "
                                                 "one: buffer_position {}, buffer_inside_unit {})",
                                                 buffer, inside));
  }
  SPIKELOOM_TRY(const std::int64_t most,
                attributes.integer("max_neurons_supported", 0, std::int64_t{1} << 31));
  kind.max_neurons = static_cast<std::uint32_t>(most);
  SPIKELOOM_TRY(kind.message_in, axon(core, "axon_in", "message_in"));
  SPIKELOOM_TRY(kind.message_out, axon(core, "axon_out", "message_out"));
  SPIKELOOM_CHECK(read_synapses(core, kind));
  SPIKELOOM_CHECK(read_dendrites(core, kind));
  SPIKELOOM_CHECK(read_somas(core, kind));
  SPIKELOOM_CHECK(check_sections_apart(kind, core.place()));
  return kind;
}

Result<HopCosts> read_hops(const Fields& attributes) {
  constexpr std::array<std::string_view, 9> known = {
      "energy_north_hop",  "energy_east_hop",  "energy_south_hop",
      "energy_west_hop",   "latency_east_hop", "latency_north_hop",
      "latency_south_hop", "latency_west_hop", "log_energy"};
  SPIKELOOM_CHECK(attributes.only(known));
  HopCosts hops;
  SPIKELOOM_TRY(hops.east, cost(attributes, "east_hop"));
  SPIKELOOM_TRY(hops.west, cost(attributes, "west_hop"));
  SPIKELOOM_TRY(hops.north, cost(attributes, "north_hop"));
  SPIKELOOM_TRY(hops.south, cost(attributes, "south_hop"));
  return hops;
}

Result<std::uint64_t> count_of(const Fields& fields, std::uint64_t most) {
  SPIKELOOM_TRY(const std::string name, fields.text("name"));
  if (name.find("..") == std::string::npos) return std::uint64_t{1};
  const std::size_t bracket = name.find('[');
  SPIKELOOM_TRY(
      const Range range,
      parse_range(bracket == std::string::npos ? name : name.substr(bracket), fields.place()));
  if (range.count() > most) {
    return Error{.code = ErrorCode::kResource,
                 .what = "more tiles or cores than are read",
                 .where = fields.place(),
                 .expected = fmt::format("up to {}", most),
                 .got = name};
  }
  return range.count();
}

class ChipReader {
 public:
  explicit ChipReader(std::string name) : name_(std::move(name)) {}

  Result<Chip> read(const Value& document) {
    const Value* architecture = document.find("architecture");
    if (architecture == nullptr) return format_error(name_, "'architecture' is missing");
    SPIKELOOM_TRY(const Fields fields, Fields::of(*architecture, name_));
    constexpr std::array<std::string_view, 3> known = {"name", "attributes", "tile"};
    SPIKELOOM_CHECK(fields.only(known));
    SPIKELOOM_TRY(chip_.name, fields.text("name"));
    SPIKELOOM_TRY(const Value* attributes, fields.need("attributes"));
    SPIKELOOM_TRY(const Fields mesh, Fields::of(*attributes, name_ + ": attributes"));
    SPIKELOOM_CHECK(read_mesh(mesh));
    SPIKELOOM_TRY(const Value* tiles, fields.need("tile"));
    for (const Value* tile : items_of(*tiles)) SPIKELOOM_CHECK(read_tiles(*tile));
    return std::move(chip_);
  }

 private:
  Status read_mesh(const Fields& mesh) {
    constexpr std::array<std::string_view, 6> known = {
        "topology", "width", "height", "link_buffer_size", "sync_model", "latency_sync"};
    SPIKELOOM_CHECK(mesh.only(known));
    if (mesh.find("topology") != nullptr) {
      SPIKELOOM_TRY(const std::string topology, mesh.text("topology"));
      if (topology != "mesh") {
        return unsupported(mesh.place(), fmt::format("the topology '{}'", topology));
      }
    }
    SPIKELOOM_TRY(const std::int64_t width, mesh.integer("width", 1, kMaxTiles));
    SPIKELOOM_TRY(const std::int64_t height, mesh.integer("height", 1, kMaxTiles));
    if (static_cast<std::uint64_t>(width * height) > kMaxTiles) {
      return Error{.code = ErrorCode::kResource,
                   .what = "more tiles than are read",
                   .where = mesh.place(),
                   .expected = fmt::format("up to {}", kMaxTiles),
                   .got = fmt::format("{}", width * height)};
    }
    chip_.width = static_cast<std::uint32_t>(width);
    chip_.height = static_cast<std::uint32_t>(height);
    return read_barrier(mesh);
  }

  Status read_barrier(const Fields& mesh) {
    std::string model = "fixed";
    if (mesh.find("sync_model") != nullptr) {
      SPIKELOOM_TRY(model, mesh.text("sync_model"));
    }
    const Value* latency = mesh.find("latency_sync");
    const Place place = mesh.place() + ": latency_sync";
    if (model == "fixed" && latency == nullptr) return {};
    if (latency == nullptr) return format_error(mesh.place(), "'latency_sync' is missing");
    if (model != "fixed" && model != "table") {
      return unsupported(mesh.place(), fmt::format("the sync_model '{}'", model));
    }
    if (model == "table" && latency->as_map() != nullptr) {
      for (const auto& [key, value] : *latency->as_map()) {
        SPIKELOOM_TRY(const Range tiles, parse_range(key, place));
        SPIKELOOM_TRY(chip_.barrier[tiles.first], to_number(value, place));
      }
      return {};
    }
    std::uint64_t tiles = 0;
    for (const Value* value : items_of(*latency)) {
      SPIKELOOM_TRY(chip_.barrier[tiles++], to_number(*value, place));
    }
    return {};
  }

  Status read_tiles(const Value& value) {
    SPIKELOOM_TRY(const Fields tile, Fields::of(value, name_ + ": tile"));
    constexpr std::array<std::string_view, 3> known = {"name", "attributes", "core"};
    SPIKELOOM_CHECK(tile.only(known));
    SPIKELOOM_TRY(const std::uint64_t count, count_of(tile, kMaxTiles));
    SPIKELOOM_TRY(const Value* attributes, tile.need("attributes"));
    SPIKELOOM_TRY(const Fields hops, Fields::of(*attributes, name_ + ": tile"));
    SPIKELOOM_TRY(const HopCosts costs, read_hops(hops));
    chip_.hop_costs.push_back(costs);
    SPIKELOOM_TRY(const Value* cores, tile.need("core"));
    std::vector<std::uint32_t> kinds;
    for (const Value* core : items_of(*cores)) SPIKELOOM_CHECK(read_cores(*core, kinds));
    if (chip_.tiles.size() + count > std::uint64_t{chip_.width} * chip_.height) {
      return Error{.code = ErrorCode::kShape,
                   .what = "more tiles than places in the mesh",
                   .where = tile.place(),
                   .expected = fmt::format("{} x {}", chip_.width, chip_.height),
                   .got = fmt::format("{}", chip_.tiles.size() + count)};
    }
    if (chip_.cores.size() + count * kinds.size() > kMaxCores) {
      return Error{.code = ErrorCode::kResource,
                   .what = "more cores than are read",
                   .where = tile.place(),
                   .expected = fmt::format("up to {}", kMaxCores)};
    }
    for (std::uint64_t i = 0; i < count; ++i) add_tile(kinds);
    return {};
  }

  Status read_cores(const Value& value, std::vector<std::uint32_t>& kinds) {
    SPIKELOOM_TRY(const Fields named, Fields::of(value, name_ + ": core"));
    SPIKELOOM_TRY(const std::string core_name, named.text("name"));
    SPIKELOOM_TRY(const Fields core,
                  Fields::of(value, fmt::format("{}: core '{}'", name_, core_name)));
    SPIKELOOM_TRY(const std::uint64_t count, count_of(core, kMaxCoresPerTile));
    SPIKELOOM_TRY(CoreKind kind, read_core(core));
    if (kinds.size() + count > kMaxCoresPerTile) {
      return Error{.code = ErrorCode::kResource,
                   .what = "more cores in a tile than are read",
                   .where = core.place(),
                   .expected = fmt::format("up to {}", kMaxCoresPerTile)};
    }
    chip_.kinds.push_back(std::move(kind));
    kinds.insert(kinds.end(), count, static_cast<std::uint32_t>(chip_.kinds.size() - 1));
    return {};
  }

  void add_tile(const std::vector<std::uint32_t>& kinds) {
    Tile tile;
    const auto number = static_cast<std::uint32_t>(chip_.tiles.size());
    tile.x = number / chip_.height;
    tile.y = number % chip_.height;
    tile.first_core = static_cast<std::uint32_t>(chip_.cores.size());
    tile.core_count = static_cast<std::uint32_t>(kinds.size());
    tile.costs = static_cast<std::uint32_t>(chip_.hop_costs.size() - 1);
    chip_.tiles.push_back(tile);
    for (std::uint32_t offset = 0; offset < kinds.size(); ++offset) {
      chip_.cores.push_back({number, offset, kinds[offset]});
    }
  }

  std::string name_;
  Chip chip_;
};

}  // namespace

Result<Chip> parse_sanafe_chip(const std::string& text, const std::string& name) {
  SPIKELOOM_TRY(const Value document, io::parse_yaml(text, name, io::YamlScalars::kText));
  return ChipReader(name).read(document);
}

Result<Chip> read_sanafe_chip(const std::string& path) {
  SPIKELOOM_TRY(const std::string text, io::read_text_file(path));
  return parse_sanafe_chip(text, path);
}

}  // namespace spikeloom::emulator
