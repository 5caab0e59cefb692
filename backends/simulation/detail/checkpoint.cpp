#include "backends/simulation/detail/checkpoint.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include <fmt/format.h>

#include "snn/simulation/weight_units.hpp"

namespace spikeloom::simulation {
namespace {

constexpr char kMagic[] = "SLSIM001";
constexpr std::size_t kMagicBytes = sizeof kMagic - 1;
static_assert(std::endian::native == std::endian::little, "checkpoints are written as memory is");

/// FNV-1a over what makes a network another one.
class Fingerprint {
 public:
  void add(std::uint64_t word) {
    for (int byte = 0; byte < 8; ++byte) {
      hash_ = (hash_ ^ (word >> (8 * byte) & 0xff)) * 0x100000001b3ULL;
    }
  }
  void add(double real) { add(std::bit_cast<std::uint64_t>(real)); }
  void add(const std::string& text) {
    add(static_cast<std::uint64_t>(text.size()));
    for (const char c : text) add(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
  }
  void add(const Distribution& d) {
    add(static_cast<std::uint64_t>(d.index()));
    const auto [low, high] = range(d);
    for (const double real : {low, quantile(d, 0.3), quantile(d, 0.7), high}) add(real);
  }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

std::uint64_t fingerprint(const Network& network, int arithmetic) {
  Fingerprint f;
  f.add(static_cast<std::uint64_t>(arithmetic));
  f.add(network.dt);
  f.add(network.seed);
  for (const Population& p : network.populations) {
    f.add(p.name);
    f.add(p.model);
    f.add(static_cast<std::uint64_t>(p.size));
    for (const auto& [name, value] : p.parameters) {
      f.add(name);
      f.add(value);
    }
  }
  for (const Projection& p : network.projections) {
    f.add(std::uint64_t{p.source} << 32 | p.target);
    f.add(static_cast<std::uint64_t>(p.rule.index()));
    f.add(expected_synapses(network, p));
    f.add(p.weight);
    f.add(p.delay);
  }
  for (const Stimulus& s : network.stimuli) {
    f.add(static_cast<std::uint64_t>(s.index()));
    if (const auto* poisson = std::get_if<PoissonStimulus>(&s)) {
      f.add(std::uint64_t{poisson->population});
      f.add(poisson->rate);
      f.add(poisson->weight);
    } else if (const auto* current = std::get_if<CurrentStimulus>(&s)) {
      f.add(std::uint64_t{current->population});
      for (const double x : {current->amplitude, current->start, current->stop}) f.add(x);
    }
  }
  for (const double unit : weight_units(network)) f.add(unit);
  return f.value();
}

class Writer {
 public:
  template <typename T>
  void put(const T* values, std::size_t count) {
    const auto* bytes = reinterpret_cast<const std::byte*>(values);
    bytes_.insert(bytes_.end(), bytes, bytes + count * sizeof(T));
  }
  void number(std::uint64_t value) { put(&value, 1); }
  template <typename T>
  void list(const std::vector<T>& values) {
    number(values.size());
    put(values.data(), values.size());
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

Error damaged(std::string what) {
  return Error{.code = ErrorCode::kFormat, .what = std::move(what), .where = "checkpoint"};
}

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  Result<std::uint64_t> number() {
    std::uint64_t value = 0;
    if (bytes_.size() < sizeof value) return damaged("it is cut short");
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_ = bytes_.subspan(sizeof value);
    return value;
  }
  template <typename T>
  Result<std::vector<T>> list() {
    SPIKELOOM_TRY(const std::uint64_t count, number());
    if (count > bytes_.size() / sizeof(T)) return damaged("it is cut short");
    std::vector<T> values(count);
    if (count > 0) std::memcpy(values.data(), bytes_.data(), count * sizeof(T));
    bytes_ = bytes_.subspan(count * sizeof(T));
    return values;
  }
  bool at_end() const { return bytes_.empty(); }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace

std::vector<std::byte> write_state(const SimulationState& state, const Network& network,
                                   int arithmetic) {
  Writer out;
  out.put(kMagic, kMagicBytes);
  out.number(fingerprint(network, arithmetic));
  out.number(static_cast<std::uint64_t>(state.step));
  out.number(state.spikes);
  out.number(state.synaptic_events);
  for (const PopulationState& population : state.populations) {
    for (const auto& column : population) out.list(column);
  }
  out.number(state.history.size());
  for (const auto& spikes : state.history) out.list(spikes);
  return out.take();
}

Result<SimulationState> read_state(std::span<const std::byte> bytes, const Network& network,
                                   int arithmetic, const std::vector<PopulationState>& shape) {
  if (bytes.size() < kMagicBytes || std::memcmp(bytes.data(), kMagic, kMagicBytes) != 0) {
    return damaged("it does not begin with SLSIM001");
  }
  Reader in(bytes.subspan(kMagicBytes));
  SPIKELOOM_TRY(const std::uint64_t print, in.number());
  if (print != fingerprint(network, arithmetic)) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the checkpoint is of another network or arithmetic",
                 .where = "checkpoint",
                 .next = "load it with the description, seed and arithmetic that made it"};
  }
  SimulationState state;
  SPIKELOOM_TRY(const std::uint64_t step, in.number());
  if (step > std::uint64_t{1} << 62) return damaged("its step is out of range");
  state.step = static_cast<std::int64_t>(step);
  SPIKELOOM_TRY(state.spikes, in.number());
  SPIKELOOM_TRY(state.synaptic_events, in.number());
  for (const PopulationState& expected : shape) {
    PopulationState population;
    for (const auto& like : expected) {
      SPIKELOOM_TRY(std::vector<double> column, in.list<double>());
      if (column.size() != like.size()) return damaged("a population has another size");
      for (const double value : column) {
        // States of a healthy run are far from this, and whole currents leave room for a step.
        if (!(std::abs(value) < 1073741824.0)) return damaged("a state is out of range");
      }
      population.push_back(std::move(column));
    }
    state.populations.push_back(std::move(population));
  }
  SPIKELOOM_TRY(const std::uint64_t steps, in.number());
  if (steps > static_cast<std::uint64_t>(kLongestDelay) + 1 || steps > step) {
    return damaged("it has spikes of too many steps");
  }
  const std::int64_t neurons = neuron_count(network);
  for (std::uint64_t i = 0; i < steps; ++i) {
    SPIKELOOM_TRY(std::vector<std::uint32_t> spikes, in.list<std::uint32_t>());
    for (const std::uint32_t neuron : spikes) {
      if (neuron >= neurons) return damaged("a neuron that there is not has fired");
    }
    state.history.push_back(std::move(spikes));
  }
  if (!in.at_end()) return damaged("something follows its end");
  return state;
}

}  // namespace spikeloom::simulation
