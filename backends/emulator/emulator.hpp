#pragma once
/// The emulator: runs a mapped program step by step and says what it did, how long the chip would
/// have taken and what it would have used.
///
///     SPIKELOOM_TRY(auto program, read_sanafe({"dvs.yaml", "loihi.yaml"}));
///     Emulator emulator(std::make_shared<const MappedProgram>(std::move(program)), {});
///     for (int step = 0; step < 100; ++step) emulator.step();
///
/// Energy by component, in J, of one step:
///     soma       access x neurons + update x updated + spike x fired, each with its unit's costs
///     synapse    one synapse unit's event per synaptic event; dendrite: likewise
///     network    axon out and axon in per message, and every hop
/// A message and its synaptic events count in the step of sending.
///
/// Numbers are exact: sums of whole weights are integers, all others are added in float64 in the
/// order of sender core, neuron and synapse.

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/emulator/mapped_program.hpp"
#include "backends/emulator/network_timing.hpp"

namespace spikeloom::emulator {

struct Energy {
  double synapse = 0.0, dendrite = 0.0, soma = 0.0, network = 0.0;

  double total() const { return synapse + dendrite + soma + network; }
  void add(const Energy& other);
};

struct StepRecord {
  std::uint64_t fired = 0, updated = 0, messages = 0, hops = 0, synaptic_events = 0;
  double seconds = 0.0;
  Energy energy;

  void add(const StepRecord& other);
};

struct Spike {
  std::uint32_t step = 0;  ///< from 1
  std::uint32_t neuron = 0;
};

/// What one core did since the start.
struct CoreLoad {
  std::uint64_t updated = 0, fired = 0, messages_out = 0, messages_in = 0, synaptic_events = 0;
  double neuron_seconds = 0.0, message_seconds = 0.0;
};

struct EmulatorOptions {
  Timing timing = Timing::kEvents;
  bool keep_spikes = true;  ///< those of logged neurons
};

class Emulator {
 public:
  Emulator(std::shared_ptr<const MappedProgram> program, const EmulatorOptions& options);
  ~Emulator();
  Emulator(Emulator&&) noexcept;
  Emulator& operator=(Emulator&&) noexcept;

  /// Runs one step and returns its record.
  const StepRecord& step();

  const MappedProgram& program() const;
  const std::vector<StepRecord>& steps() const;
  StepRecord total() const;
  /// By step, within it by group name's place in the program and index.
  std::vector<Spike> take_spikes();
  const std::vector<CoreLoad>& core_loads() const;
  /// Fired since the start, by neuron.
  const std::vector<std::uint32_t>& fired() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spikeloom::emulator
