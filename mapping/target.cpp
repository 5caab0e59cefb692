#include "mapping/target.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/toml.hpp"
#include "mapping/detail/constant_limits.hpp"
#include "mapping/detail/embedded_targets.hpp"

namespace spikeloom::mapping {
namespace {

constexpr std::uint64_t kMostTargetBytes = 1 << 20;
constexpr std::int64_t kMostSide = 2048;
constexpr std::size_t kMostFaults = 1'000'000;

using C = TargetConstants;
constexpr ConstantInfo kConstants[] = {
    {"core.count", &C::cores, "cores of a chip that run a network"},
    {"core.first", &C::first_core, "number of the first of them"},
    {"core.neurons", &C::neurons, "most neurons of a core"},
    {"core.in_axons", &C::in_axons, "most sources that a core hears"},
    {"core.out_axons", &C::out_axons, "most pairs of a core's neuron and a target core"},
    {"core.data", &C::data_bytes, "bytes of a core for data"},
    {"core.clock", &C::clock, "Hz"},
    {"core.fast_clock", &C::fast_clock, "Hz of the faster level; 0: there is none"},
    {"layout.fixed", &C::fixed_bytes, "bytes of every core"},
    {"layout.state", &C::state_bytes, "bytes of a state value or parameter of a neuron"},
    {"layout.sum", &C::sum_bytes, "bytes of a slot that input is added up in"},
    {"layout.sums", &C::sums, "slots of a neuron for each tick of delay"},
    {"layout.delay_slots", &C::delay_slots, "longest delay, in ticks"},
    {"layout.spikes", &C::spike_bytes, "bytes of the buffer of arriving packets"},
    {"layout.block", &C::block_bytes, "bytes of a source slice in a core's lookup table"},
    {"layout.row", &C::row_bytes, "bytes of the header of a row"},
    {"layout.word", &C::word_bytes, "bytes of a synapse in a row; 0: as the weights need"},
    {"layout.index", &C::index_bytes, "bytes of a target's index within a core"},
    {"layout.align", &C::row_align, "rows and arrays begin at multiples of so many bytes"},
    {"layout.kernel", &C::kernel_bytes, "bytes of a convolution's geometry"},
    {"layout.rows_in_chip", &C::rows_apart, "1: rows lie in the chip's memory"},
    {"chip.memory", &C::shared_bytes, "bytes of a chip for all its cores"},
    {"cycles.tick", &C::cycles_tick, "cycles of every core in every tick"},
    {"cycles.neuron", &C::cycles_neuron, "cycles of a neuron's update"},
    {"cycles.packet", &C::cycles_packet, "cycles of a packet that arrives"},
    {"cycles.synapse", &C::cycles_synapse, "cycles of an event at a synapse"},
    {"tick.seconds", &C::tick_seconds, "seconds of a tick in real time"},
    {"router.entries", &C::table_entries, "entries of a chip's key table; 0: there is none"},
    {"router.key_bits", &C::key_bits, "bits of a key"},
    {"router.seconds", &C::router_seconds, "s between two packets that a router takes"},
    {"router.latency", &C::router_latency, "s from taking a packet to its output"},
    {"router.timeout", &C::router_timeout, "s that a packet waits for an output; 0: ever"},
    {"link.seconds", &C::link_seconds, "s of a packet on a link"},
    {"link.output", &C::link_output, "packets that wait before a link; 0: any number"},
    {"link.input", &C::link_input, "packets that wait behind a link; 0: any number"},
    {"reinject.packets", &C::reinject_packets, "dropped packets that a chip keeps; 0: none"},
    {"reinject.seconds", &C::reinject_seconds, "s between two looks at them"},
    {"power.base", &C::power_base, "W of a chip whose cores are off"},
    {"power.board", &C::power_board, "W: a chip's share of what else is on its board"},
    {"power.cores", &C::power_cores, "cores of a chip that draw power, used or not"},
    {"power.sleep", &C::power_sleep, "W of a core that waits"},
    {"power.active", &C::power_active, "W more of a core that works"},
    {"power.fast_sleep", &C::power_fast_sleep, "W of a core that waits at core.fast_clock"},
    {"power.fast_active", &C::power_fast_active, "W more of one that works there"},
    {"power.hop", &C::hop_joules, "J of a packet in a router"},
};

/// Every complaint has its file, line and column.
class Reader {
 public:
  Reader(const std::string& file, const io::TomlPositions& positions)
      : file_(file), positions_(positions) {}

  Error fault(const std::string& path, std::string what, std::string expected = {},
              std::string got = {}) const {
    return io::toml_fault(file_, positions_, path, std::move(what), std::move(expected),
                          std::move(got));
  }

  Result<std::string> text(const Value& map, const std::string& path, const char* key) const {
    const std::string full = path.empty() ? key : path + "." + key;
    const Value* value = map.find(key);
    const std::string* found = value == nullptr ? nullptr : value->as_string();
    if (found == nullptr || found->find_first_not_of(' ') == std::string::npos) {
      return fault(full, fmt::format("'{}' is missing or says nothing", full), "text");
    }
    return *found;
  }

  /// A list of lists of `length` whole numbers within `low` and `high`.
  Result<std::vector<std::array<std::int32_t, 3>>> tuples(const Value& value,
                                                          const std::string& path,
                                                          std::size_t length) const {
    const std::string expected = fmt::format("a list of lists of {} whole numbers", length);
    const Value::List* list = value.as_list();
    if (list == nullptr) return fault(path, fmt::format("'{}' is no list", path), expected);
    if (list->size() > kMostFaults) {
      return fault(path, fmt::format("'{}' is too long", path),
                   fmt::format("at most {}", kMostFaults));
    }
    std::vector<std::array<std::int32_t, 3>> found;
    for (const Value& item : *list) {
      const Value::List* numbers = item.as_list();
      if (numbers == nullptr || numbers->size() != length) {
        return fault(path, fmt::format("entry {} of '{}' is something else", found.size(), path),
                     expected);
      }
      auto& tuple = found.emplace_back();
      tuple = {};
      for (std::size_t i = 0; i < length; ++i) {
        const std::int64_t* number = (*numbers)[i].as_integer();
        std::int64_t direction = -1;
        if (number == nullptr && (*numbers)[i].as_string() != nullptr && i == 2) {
          direction = direction_of(*(*numbers)[i].as_string());
          number = &direction;
        }
        if (number == nullptr || *number < 0 || *number > 65535) {
          return fault(path,
                       fmt::format("entry {} of '{}' is something else", found.size() - 1, path),
                       expected + " from 0 to 65535");
        }
        tuple[i] = static_cast<std::int32_t>(*number);
      }
    }
    return found;
  }

 private:
  static std::int64_t direction_of(std::string_view text) {
    constexpr std::string_view names[] = {"E", "NE", "N", "W", "SW", "S"};
    const auto* found = std::find(std::begin(names), std::end(names), text);
    return found == std::end(names) ? -1 : found - std::begin(names);
  }

  const std::string& file_;
  const io::TomlPositions& positions_;
};

class TargetReader {
 public:
  TargetReader(const std::string& file, const io::TomlPositions& positions)
      : reader_(file, positions), file_(file) {}

  Result<Target> read(const Value& document, const std::string& size) {
    SPIKELOOM_TRY(target_.name, reader_.text(document, "", "name"));
    SPIKELOOM_TRY(target_.title, reader_.text(document, "", "title"));
    SPIKELOOM_TRY(const std::string topology, reader_.text(document, "", "topology"));
    if (topology == "hex") {
      target_.topology = Topology::kHex;
    } else if (topology == "mesh") {
      target_.topology = Topology::kMesh;
    } else if (topology == "flat") {
      target_.topology = Topology::kFlat;
    } else {
      return reader_.fault("topology", "an unknown topology", "hex, mesh or flat", topology);
    }
    SPIKELOOM_TRY(const std::string synapses, reader_.text(document, "", "synapses"));
    if (synapses != "rows" && synapses != "packed") {
      return reader_.fault("synapses", "an unknown layout of synapses", "rows or packed", synapses);
    }
    target_.synapses = synapses == "rows" ? SynapseLayout::kRows : SynapseLayout::kPacked;
    for (const auto& [key, value] : *document.as_map()) {
      if (key == "name" || key == "title" || key == "topology" || key == "synapses" ||
          key == "size" || key == "sizes" || key == "torus") {
        continue;
      }
      if (value.as_map() == nullptr) {
        return reader_.fault(key, fmt::format("a target has no '{}'", key),
                             "name, title, topology, synapses, size, sizes, torus, or a group of "
                             "constants such as [core.neurons]");
      }
      for (const auto& [inner, constant] : *value.as_map()) {
        SPIKELOOM_CHECK(read_constant(key + "." + inner, constant));
      }
    }
    if (target_.constants.cores < 1.0) {
      return reader_.fault("core.count", "'core.count' is missing, or 0", "1 to 4096");
    }
    SPIKELOOM_CHECK(read_size(document, size));
    return std::move(target_);
  }

 private:
  Status read_constant(const std::string& path, const Value& value) {
    const auto* info = std::find_if(std::begin(kConstants), std::end(kConstants),
                                    [&](const ConstantInfo& known) { return known.name == path; });
    if (info == std::end(kConstants)) {
      return reader_.fault(path, fmt::format("there is no constant '{}'", path),
                           "one of docs/mapping.md's list");
    }
    if (value.as_map() == nullptr) {
      return reader_.fault(path, fmt::format("'{}' is no constant", path), "value and source");
    }
    for (const auto& [key, unused] : *value.as_map()) {
      if (key != "value" && key != "source") {
        return reader_.fault(path + "." + key, fmt::format("'{}' has no '{}'", path, key),
                             "value and source");
      }
    }
    const Value* number = value.find("value");
    if (number == nullptr || !number->is_number() ||
        !detail::constant_in_range(path, number->number())) {
      return reader_.fault(path + ".value", fmt::format("'{}' has no value in range", path),
                           fmt::format("a number from 0 to {}", detail::most_of_constant(path)));
    }
    TargetEntry entry{.name = path, .value = number->number(), .source = {}};
    SPIKELOOM_TRY(entry.source, reader_.text(value, path, "source"));
    target_.constants.*(info->member) = entry.value;
    target_.entries.push_back(std::move(entry));
    return {};
  }

  Status read_size(const Value& document, const std::string& asked) {
    std::string size = asked;
    if (size.empty()) {
      SPIKELOOM_TRY(size, reader_.text(document, "", "size"));
    }
    const Value* sizes = document.find("sizes");
    if (sizes == nullptr || sizes->as_map() == nullptr || sizes->as_map()->empty()) {
      return reader_.fault("sizes", "a target needs at least one size", "a table [sizes.NAME]");
    }
    target_.size = size;
    if (const Value* found = sizes->find(size)) return read_rows("sizes." + size, *found);
    if (target_.topology == Topology::kFlat) {
      std::int32_t cores = 0;
      const char* end = size.data() + size.size();
      const auto at = std::from_chars(size.data(), end, cores);
      if (at.ec == std::errc() && at.ptr == end && cores >= 1 && cores <= kMostSide) {
        target_.constants.cores = cores;
        for (TargetEntry& entry : target_.entries) {
          if (entry.name == "core.count") entry.value = cores;
        }
        fill(1, 1);
        return {};
      }
    }
    const Value* torus = document.find("torus");
    const bool has_torus = torus != nullptr && torus->as_bool() != nullptr && *torus->as_bool();
    if (has_torus) {
      std::int32_t width = 0, height = 0;
      const char* end = size.data() + size.size();
      auto at = std::from_chars(size.data(), end, width);
      if (at.ec == std::errc() && at.ptr != end && *at.ptr == 'x') {
        at = std::from_chars(at.ptr + 1, end, height);
        if (at.ec == std::errc() && at.ptr == end && width >= 1 && height >= 1 &&
            width <= kMostSide && height <= kMostSide) {
          target_.wraps = true;
          fill(width, height);
          return {};
        }
      }
    }
    std::string names;
    for (const auto& [name, unused] : *sizes->as_map()) {
      names += (names.empty() ? "" : ", ") + name;
    }
    return Error{
        .code = ErrorCode::kNotFound,
        .what = fmt::format("there is no size '{}'", size),
        .where = file_,
        .expected = names + (has_torus                             ? ", or WIDTHxHEIGHT for a torus"
                             : target_.topology == Topology::kFlat ? ", or a number of cores"
                                                                   : "")};
  }

  Status read_rows(const std::string& path, const Value& value) {
    if (value.as_map() == nullptr) {
      return reader_.fault(path, fmt::format("'{}' is no size", path), "rows, or width and height");
    }
    for (const auto& [key, unused] : *value.as_map()) {
      if (key != "rows" && key != "width" && key != "height" && key != "wraps") {
        return reader_.fault(path + "." + key, fmt::format("'{}' has no '{}'", path, key),
                             "rows, or width and height; wraps");
      }
    }
    if (const Value* wraps = value.find("wraps")) {
      if (wraps->as_bool() == nullptr) {
        return reader_.fault(path + ".wraps", "'wraps' is neither true nor false");
      }
      target_.wraps = *wraps->as_bool();
    }
    if (const Value* rows = value.find("rows")) {
      SPIKELOOM_TRY(const auto spans, reader_.tuples(*rows, path + ".rows", 2));
      for (const auto& span : spans) {
        if (span[1] < span[0] || span[1] > kMostSide) {
          return reader_.fault(path + ".rows", "a row of chips ends before it begins, or too late",
                               fmt::format("at most {}", kMostSide));
        }
        target_.rows.push_back({span[0], span[1]});
        target_.width = std::max(target_.width, span[1]);
      }
      if (target_.width == 0 || target_.height() > kMostSide) {
        return reader_.fault(path + ".rows", "a size without chips, or with too many rows");
      }
      return {};
    }
    std::int64_t side[2] = {0, 0};
    for (int i = 0; i < 2; ++i) {
      const Value* number = value.find(i == 0 ? "width" : "height");
      if (number == nullptr || number->as_integer() == nullptr || *number->as_integer() < 1 ||
          *number->as_integer() > kMostSide) {
        return reader_.fault(path, fmt::format("'{}' needs rows, or width and height", path),
                             fmt::format("1 to {}", kMostSide));
      }
      side[i] = *number->as_integer();
    }
    fill(static_cast<std::int32_t>(side[0]), static_cast<std::int32_t>(side[1]));
    return {};
  }

  void fill(std::int32_t width, std::int32_t height) {
    target_.width = width;
    target_.rows.assign(static_cast<std::size_t>(height), {0, width});
  }

  Reader reader_;
  const std::string& file_;
  Target target_;
};

}  // namespace

const char* to_string(Topology topology) {
  switch (topology) {
    case Topology::kHex:
      return "hex";
    case Topology::kMesh:
      return "mesh";
    case Topology::kFlat:
      return "flat";
  }
  return "";
}

const char* to_string(SynapseLayout layout) {
  return layout == SynapseLayout::kRows ? "rows" : "packed";
}

std::span<const ConstantInfo> target_constants() { return kConstants; }

Result<Target> parse_target(std::string_view text, const std::string& file,
                            const std::string& size) {
  io::TomlPositions positions;
  SPIKELOOM_TRY(const Value document, io::parse_toml(text, file, &positions));
  return TargetReader(file, positions).read(document, size);
}

Result<Target> load_target(const std::string& name) {
  const std::size_t colon = name.rfind(':');
  const std::string base = name.substr(0, colon);
  const std::string size = colon == std::string::npos ? "" : name.substr(colon + 1);
  if (base.find('/') != std::string::npos || base.ends_with(".toml")) {
    SPIKELOOM_TRY(const std::string text, io::read_text_file(base, kMostTargetBytes));
    return parse_target(text, base, size);
  }
  for (const detail::EmbeddedTarget& target : detail::embedded_targets()) {
    if (target.name == base) return parse_target(target.text, base, size);
  }
  std::string names;
  for (const std::string& known : target_names()) names += (names.empty() ? "" : ", ") + known;
  return Error{.code = ErrorCode::kNotFound,
               .what = fmt::format("there is no target '{}'", base),
               .expected = names + ", or a .toml file"};
}

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const detail::EmbeddedTarget& target : detail::embedded_targets()) {
    names.emplace_back(target.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<Faults> parse_faults(std::string_view text, const std::string& file) {
  io::TomlPositions positions;
  SPIKELOOM_TRY(const Value document, io::parse_toml(text, file, &positions));
  const Reader reader(file, positions);
  Faults faults;
  for (const auto& [key, value] : *document.as_map()) {
    if (key == "chips") {
      SPIKELOOM_TRY(const auto chips, reader.tuples(value, key, 2));
      for (const auto& chip : chips) faults.chips.push_back({chip[0], chip[1]});
    } else if (key == "cores") {
      SPIKELOOM_TRY(const auto cores, reader.tuples(value, key, 3));
      for (const auto& core : cores) faults.cores.push_back({core[0], core[1], core[2]});
    } else if (key == "links") {
      SPIKELOOM_TRY(const auto links, reader.tuples(value, key, 3));
      for (const auto& link : links) faults.links.push_back({link[0], link[1], link[2]});
    } else {
      return reader.fault(key, fmt::format("a file of faults has no '{}'", key),
                          "chips, cores, links");
    }
  }
  return faults;
}

Result<Faults> load_faults(const std::string& path) {
  SPIKELOOM_TRY(const std::string text, io::read_text_file(path, kMostTargetBytes));
  return parse_faults(text, path);
}

}  // namespace spikeloom::mapping
