#include "backends/emulator/emulator.hpp"

#include <algorithm>

#include "backends/emulator/core_work_private.hpp"

namespace spikeloom::emulator {

void Energy::add(const Energy& other) {
  synapse += other.synapse;
  dendrite += other.dendrite;
  soma += other.soma;
  network += other.network;
}

void StepRecord::add(const StepRecord& other) {
  fired += other.fired;
  updated += other.updated;
  messages += other.messages;
  hops += other.hops;
  synaptic_events += other.synaptic_events;
  seconds += other.seconds;
  energy.add(other.energy);
}

struct Emulator::State {
  std::shared_ptr<const MappedProgram> program;
  EmulatorOptions options;
  std::unique_ptr<NetworkTiming> timing;
  double barrier = 0.0;
  std::vector<CoreState> cores;
  std::vector<CoreTraffic> traffic;
  std::vector<CoreLoad> loads;
  std::vector<StepRecord> steps;
  std::vector<Spike> spikes;
  std::vector<std::uint32_t> fired_now, fired;

  void keep_spikes();
  void deliver(const CoreTraffic& sent, StepRecord& record);
};

Emulator::Emulator(std::shared_ptr<const MappedProgram> program, const EmulatorOptions& options)
    : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->timing = make_network_timing(options.timing, *program);
  state_->barrier = program->chip.barrier_seconds(program->used_tiles);
  state_->cores.reserve(program->cores.size());
  for (const CoreProgram& core : program->cores) {
    state_->cores.push_back(initial_state(core, program->compact));
  }
  state_->traffic.resize(program->cores.size());
  state_->loads.resize(program->cores.size());
  state_->fired.resize(program->neurons());
  state_->program = std::move(program);
}

Emulator::~Emulator() = default;
Emulator::Emulator(Emulator&&) noexcept = default;
Emulator& Emulator::operator=(Emulator&&) noexcept = default;

const StepRecord& Emulator::step() {
  State& s = *state_;
  const MappedProgram& program = *s.program;
  StepRecord record;
  s.fired_now.clear();
  for (std::size_t c = 0; c < s.cores.size(); ++c) {
    const CoreProgram& core = program.cores[c];
    if (core.neuron.empty()) continue;
    work_off_neurons({core, program.chip.kinds[program.chip.cores[c].kind], s.cores[c],
                      s.traffic[c], record, s.loads[c], s.fired_now},
                     s.steps.size() + 1);
  }
  for (const CoreTraffic& sent : s.traffic) s.deliver(sent, record);
  record.seconds = s.timing->step(s.traffic) + s.barrier;
  s.keep_spikes();
  return s.steps.emplace_back(record);
}

void Emulator::State::deliver(const CoreTraffic& sent, StepRecord& record) {
  for (const Message& message : sent.messages) {
    const Axon& axon = *message.axon;
    receive(axon, program->cores[axon.core], cores[axon.core]);
    record.hops += axon.hops;
    record.synaptic_events += axon.count;
    record.energy.synapse += axon.synapse_energy;
    record.energy.dendrite += axon.dendrite_energy;
    record.energy.network += axon.network_energy;
    CoreLoad& load = loads[axon.core];
    ++load.messages_in;
    load.synaptic_events += axon.count;
    load.message_seconds += axon.receive_latency;
  }
  record.messages += sent.messages.size();
}

void Emulator::State::keep_spikes() {
  for (const std::uint32_t neuron : fired_now) ++fired[neuron];
  if (!options.keep_spikes) return;
  std::sort(fired_now.begin(), fired_now.end());
  for (const std::uint32_t neuron : fired_now) {
    if (program->logged[neuron]) {
      spikes.push_back({static_cast<std::uint32_t>(steps.size() + 1), neuron});
    }
  }
}

const MappedProgram& Emulator::program() const { return *state_->program; }
const std::vector<StepRecord>& Emulator::steps() const { return state_->steps; }
const std::vector<CoreLoad>& Emulator::core_loads() const { return state_->loads; }
const std::vector<std::uint32_t>& Emulator::fired() const { return state_->fired; }

StepRecord Emulator::total() const {
  StepRecord total;
  for (const StepRecord& step : state_->steps) total.add(step);
  return total;
}

std::vector<Spike> Emulator::take_spikes() { return std::move(state_->spikes); }

}  // namespace spikeloom::emulator
