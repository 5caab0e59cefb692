#pragma once
/// A small chip in SANA-FE's format, and networks mapped to it.

#include <string>

#include <gtest/gtest.h>

#include "backends/emulator/sanafe.hpp"

namespace spikeloom::test {

/// 3 x 2 tiles of two cores. Costs are powers of ten apart, so that a sum shows what is in it.
inline std::string example_chip() {
  return R"(architecture:
  name: example
  attributes: {topology: mesh, width: 3, height: 2, link_buffer_size: 16,
               sync_model: table, latency_sync: {1: 1.0e-6, 2: 2.0e-6}}
  tile:
  - name: tile[0..5]
    attributes: {energy_north_hop: 1.0, latency_north_hop: 1.0e-9,
                 energy_east_hop: 10.0, latency_east_hop: 2.0e-9,
                 energy_south_hop: 100.0, latency_south_hop: 3.0e-9,
                 energy_west_hop: 1000.0, latency_west_hop: 4.0e-9}
    core:
    - name: core[0..1]
      attributes: {buffer_position: soma, max_neurons_supported: 64}
      axon_in: [{name: in, attributes: {energy_message_in: 3.0e+4, latency_message_in: 20.0e-9}}]
      synapse:
      - name: dense
        attributes: {model: current_based, energy_process_spike: 2.0, latency_process_spike: 5.0e-9}
      - name: sparse
        attributes: {model: current_based, energy_process_spike: 7.0, latency_process_spike: 9.0e-9}
      dendrite:
      - name: sum
        attributes: {model: accumulator, energy_update: 0.5, latency_update: 0.0}
      - name: line
        attributes: {model: accumulator_with_delay, energy_update: 0.0, latency_update: 0.0}
      soma:
      - name: loihi
        attributes: {model: leaky_integrate_fire,
                     energy_access_neuron: 1.0, latency_access_neuron: 10.0e-9,
                     energy_update_neuron: 100.0, latency_update_neuron: 30.0e-9,
                     energy_spike_out: 10000.0, latency_spike_out: 50.0e-9}
      - name: truenorth
        attributes: {model: truenorth,
                     energy_access_neuron: 1.0, latency_access_neuron: 10.0e-9,
                     energy_update_neuron: 100.0, latency_update_neuron: 30.0e-9,
                     energy_spike_out: 10000.0, latency_spike_out: 50.0e-9}
      - name: inputs[0..9]
        attributes: {model: input,
                     energy_access_neuron: 0.0, latency_access_neuron: 0.0,
                     energy_update_neuron: 0.0, latency_update_neuron: 0.0,
                     energy_spike_out: 0.0, latency_spike_out: 0.0}
      axon_out: [{name: out, attributes: {energy_message_out: 2.0e+5, latency_message_out: 40.0e-9}}]
)";
}

/// `groups`, `edges` and `mappings` as lines of their lists.
inline std::string example_network(const std::string& groups, const std::string& edges,
                                   const std::string& mappings) {
  return "network:\n  name: example\n  groups:\n" + groups +
         "  edges:" + (edges.empty() ? " []" : "") + "\n" + edges + "mappings:\n" + mappings;
}

inline Result<emulator::MappedProgram> parse_mapped(const std::string& network,
                                                    const emulator::SanafeLimits& limits = {}) {
  SPIKELOOM_TRY(emulator::Chip chip, emulator::parse_sanafe_chip(example_chip(), "chip.yaml"));
  return emulator::parse_sanafe(network, "net.yaml", std::move(chip), limits);
}

}  // namespace spikeloom::test
