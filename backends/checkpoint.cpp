#include "backends/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>

#include "backends/backend_impl.hpp"

namespace spikeloom {
namespace {

static_assert(std::endian::native == std::endian::little, "checkpoints are little endian");

constexpr std::string_view kMagic = "SLCKPT03";
constexpr std::string_view kBefore = "SLCKPT02";  ///< without ways and the later counts

class Writer {
 public:
  template <typename T>
  void put(T value) {
    const auto raw = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  }
  void put_size(std::size_t value) { put(static_cast<std::uint64_t>(value)); }
  template <typename T>
  void put_all(const std::vector<T>& values) {
    put_size(values.size());
    for (const T value : values) put(value);
  }
  Checkpoint bytes;
};

/// Whether a session of this arithmetic can hold a number of the file, which it will cast.
bool holds(Arithmetic arithmetic, double value) {
  switch (arithmetic) {
    case Arithmetic::kInteger:
    case Arithmetic::kRing16:
      return std::trunc(value) == value &&
             std::abs(value) <= std::numeric_limits<std::int32_t>::max();
    case Arithmetic::kFloat32:
      return !std::isfinite(value) || std::abs(value) <= std::numeric_limits<float>::max();
    default:
      return true;
  }
}

/// Reads until something does not fit; `ok` then stays false and values are zero.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, Arithmetic arithmetic)
      : rest_(bytes), arithmetic_(arithmetic) {}

  template <typename T>
  T get() {
    T value{};
    if (rest_.size() < sizeof(T)) {
      ok = false;
      return value;
    }
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }
  /// A length that must be `expected`.
  void expect_size(std::size_t expected) { ok = get<std::uint64_t>() == expected && ok; }
  template <typename T>
  std::vector<T> get_all(std::size_t expected) {
    expect_size(expected);
    if (!ok || rest_.size() / sizeof(T) < expected) {
      ok = false;
      return {};
    }
    std::vector<T> values(expected);
    for (T& value : values) value = get<T>();
    return values;
  }
  /// Numbers of a session's state.
  std::vector<double> get_state(std::size_t expected) {
    std::vector<double> values = get_all<double>(expected);
    const auto fits = [this](double value) { return holds(arithmetic_, value); };
    ok = ok && std::all_of(values.begin(), values.end(), fits);
    return values;
  }
  std::size_t left() const { return rest_.size(); }
  bool ok = true;

 private:
  std::span<const std::byte> rest_;
  Arithmetic arithmetic_;
};

class Fnv {
 public:
  void add(std::string_view text) {
    for (const char c : text) step(static_cast<unsigned char>(c));
    step(0);
  }
  void add(std::uint64_t value) {
    for (int i = 0; i < 8; ++i) step(static_cast<unsigned char>(value >> (8 * i)));
  }
  std::uint64_t hash = 14695981039346656037ULL;

 private:
  void step(unsigned char byte) { hash = (hash ^ byte) * 1099511628211ULL; }
};

constexpr std::array kCounts = {
    &NodeStats::events_in,   &NodeStats::events_out,   &NodeStats::ac,
    &NodeStats::mac,         &NodeStats::dense_macs,   &NodeStats::neuron_updates,
    &NodeStats::executed_ac, &NodeStats::executed_mac, &NodeStats::executed_updates};
constexpr std::array kLaterCounts = {&NodeStats::steps_rows, &NodeStats::steps_bitmask,
                                     &NodeStats::steps_dense, &NodeStats::saturated};
constexpr std::array kBytes = {&TrafficBytes::weights, &TrafficBytes::state, &TrafficBytes::events};

/// Sizes of a node's state, from the program alone.
struct StateSizes {
  std::size_t neurons = 0, currents = 0, waiting = 0, delay_slots = 0;
};

StateSizes state_sizes(const ProgramNode& node) {
  StateSizes sizes;
  if (const auto* neuron = std::get_if<op::Neuron>(&node.operation)) {
    sizes.neurons = neuron->coefficients.size();
    sizes.currents = neuron->coefficients.has_current ? sizes.neurons : 0;
    sizes.waiting = neuron->coefficients.refractory.size();
  } else if (const auto* layer = std::get_if<op::Recurrent>(&node.operation)) {
    sizes.neurons = sizes.currents = static_cast<std::size_t>(layer->units);
  } else if (const auto* delay = std::get_if<op::Delay>(&node.operation)) {
    for (const std::uint32_t steps : delay->steps) {
      sizes.delay_slots = std::max<std::size_t>(sizes.delay_slots, steps);
    }
  }
  return sizes;
}

void read_way(Reader& reader, CheckpointNode& state) {
  const auto way = reader.get<std::uint64_t>();
  state.active = reader.get<double>();
  const bool known = way >= static_cast<std::uint64_t>(Schedule::kRows) &&
                     way <= static_cast<std::uint64_t>(Schedule::kDense);
  reader.ok = reader.ok && known && std::isfinite(state.active) && state.active >= 0.0;
  if (reader.ok) state.way = static_cast<Schedule>(way);
}

CheckpointNode read_node(Reader& reader, const ProgramNode& node, bool before) {
  CheckpointNode state;
  const StateSizes sizes = state_sizes(node);
  const auto width = static_cast<std::size_t>(node.in_size);
  state.current = reader.get_state(sizes.currents);
  state.membrane = reader.get_state(sizes.neurons);
  state.waiting = reader.get_all<std::uint32_t>(sizes.waiting);
  reader.expect_size(sizes.delay_slots);
  for (std::size_t i = 0; i < sizes.delay_slots && reader.ok; ++i) {
    state.delay.push_back(reader.get_state(width));
  }
  reader.expect_size(node.inputs.size());
  for (const Link& link : node.inputs) {
    std::vector<std::vector<double>> slots;
    reader.expect_size(link.delay);
    for (std::uint32_t i = 0; i < link.delay && reader.ok; ++i) {
      slots.push_back(reader.get_state(width));
    }
    state.links.push_back(std::move(slots));
  }
  if (!before) read_way(reader, state);
  return state;
}

Error damaged(const char* what) {
  return Error{.code = ErrorCode::kFormat,
               .what = what,
               .where = "checkpoint",
               .next = "save the session again"};
}

}  // namespace

std::uint64_t program_fingerprint(const Program& program) {
  Fnv fnv;
  for (const OptionInfo& option : discretisation_options()) {
    fnv.add(get_option(program.discretisation, option.name));
  }
  for (const ProgramNode& node : program.nodes) {
    fnv.add(node.name);
    fnv.add(node.kind);
    fnv.add(static_cast<std::uint64_t>(node.in_size));
    fnv.add(static_cast<std::uint64_t>(node.out_size));
    fnv.add(static_cast<std::uint64_t>(state_sizes(node).waiting));
    for (const Link& link : node.inputs) {
      fnv.add(link.source);
      fnv.add(link.delay);
    }
  }
  return fnv.hash;
}

Checkpoint write_checkpoint(const CheckpointState& state, const Program& program,
                            Arithmetic arithmetic) {
  Writer writer;
  for (const char c : kMagic) writer.put(c);
  writer.put(program_fingerprint(program));
  writer.put_size(static_cast<std::size_t>(arithmetic));
  writer.put(state.step);
  writer.put_size(state.elements.size());
  for (const CheckpointElement& element : state.elements) {
    for (const CheckpointNode& node : element.nodes) {
      writer.put_all(node.current);
      writer.put_all(node.membrane);
      writer.put_all(node.waiting);
      writer.put_size(node.delay.size());
      for (const auto& slot : node.delay) writer.put_all(slot);
      writer.put_size(node.links.size());
      for (const auto& link : node.links) {
        writer.put_size(link.size());
        for (const auto& slot : link) writer.put_all(slot);
      }
      writer.put_size(static_cast<std::size_t>(node.way));
      writer.put(node.active);
    }
    writer.put_all(element.latest);
    writer.put_size(element.pending.size());
    for (const CheckpointEvent& event : element.pending) {
      writer.put(event.step);
      writer.put(event.port);
      writer.put(event.index);
      writer.put(event.value);
    }
  }
  writer.put(state.stats.steps);
  for (const NodeStats& node : state.stats.nodes) {
    for (const auto count : kCounts) writer.put(node.*count);
    writer.put(node.value_sum);
    for (const auto count : kLaterCounts) writer.put(node.*count);
    for (const auto bytes : kBytes) writer.put(node.bytes.*bytes);
  }
  writer.put(state.stats.input.late);
  writer.put(state.stats.input.out_of_order);
  writer.put(state.stats.input.dropped);
  return std::move(writer.bytes);
}

Result<CheckpointState> read_checkpoint(std::span<const std::byte> bytes, const Program& program,
                                        Arithmetic arithmetic, std::size_t batch) {
  Reader reader(bytes, arithmetic);
  std::string magic(kMagic.size(), '\0');
  for (char& c : magic) c = reader.get<char>();
  const bool before = magic == kBefore;
  if (magic != kMagic && !before) return damaged("this is not a checkpoint");
  const auto mismatch = [](const char* what) {
    return Error{.what = what,
                 .where = "checkpoint",
                 .next = "load it into a session of the network, options and batch it came from"};
  };
  if (reader.get<std::uint64_t>() != program_fingerprint(program)) {
    return mismatch("the checkpoint belongs to another network or discretisation");
  }
  if (reader.get<std::uint64_t>() != static_cast<std::uint64_t>(arithmetic)) {
    return mismatch("the checkpoint belongs to another arithmetic");
  }
  CheckpointState state;
  state.step = reader.get<std::int64_t>();
  if (reader.get<std::uint64_t>() != batch) {
    return mismatch("the checkpoint belongs to another batch size");
  }
  for (std::size_t e = 0; e < batch && reader.ok; ++e) {
    CheckpointElement element;
    for (const ProgramNode& node : program.nodes) {
      element.nodes.push_back(read_node(reader, node, before));
    }
    element.latest = reader.get_all<Time>(program.inputs.size());
    const auto pending = reader.get<std::uint64_t>();
    if (pending > reader.left()) reader.ok = false;
    for (std::uint64_t i = 0; i < pending && reader.ok; ++i) {
      CheckpointEvent event;
      event.step = reader.get<std::int64_t>();
      event.port = reader.get<std::uint32_t>();
      event.index = reader.get<std::uint32_t>();
      event.value = reader.get<double>();
      const bool inside = event.port < program.inputs.size() && event.step >= state.step &&
                          event.index < program.nodes[program.inputs[event.port]].out_size;
      const bool whole = arithmetic == Arithmetic::kInteger || arithmetic == Arithmetic::kRing16;
      const bool pushed = whole ? is_input_integer(event.value) : holds(arithmetic, event.value);
      reader.ok = reader.ok && inside && pushed;
      element.pending.push_back(event);
    }
    state.elements.push_back(std::move(element));
  }
  state.stats.steps = reader.get<std::uint64_t>();
  for (const ProgramNode& node : program.nodes) {
    NodeStats stats;
    stats.name = node.name;
    stats.kind = node.kind;
    for (const auto count : kCounts) stats.*count = reader.get<std::uint64_t>();
    stats.value_sum = reader.get<double>();
    if (!before) {
      for (const auto count : kLaterCounts) stats.*count = reader.get<std::uint64_t>();
      for (const auto bytes : kBytes) stats.bytes.*bytes = reader.get<std::uint64_t>();
    }
    state.stats.nodes.push_back(std::move(stats));
  }
  state.stats.input.late = reader.get<std::uint64_t>();
  state.stats.input.out_of_order = reader.get<std::uint64_t>();
  state.stats.input.dropped = reader.get<std::uint64_t>();
  if (!reader.ok || reader.left() != 0 || state.step < 0) {
    return damaged("the checkpoint is truncated or damaged");
  }
  return state;
}

}  // namespace spikeloom
