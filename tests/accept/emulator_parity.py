#!/usr/bin/env python3
"""SANA-FE's cycle mode and `spikeloom run --backend emulator` on the same mapped networks.

Three networks that are made and mapped here, and with --dvs the one of acceptance/emulator. Spikes and
counts have to be equal, step by step; energies within 0.1 %, also by component and step; the simulated
time within 5 %.

    emulator_parity.py --binary BUILD/cli/spikeloom   compares
    emulator_parity.py --freeze DIR                   writes the networks and SANA-FE's numbers, which
                                                      tests/validation/emulator_test.cpp reads
Needs sanafe (`./dev emulator` brings it in an environment of its own). SANA-FE's cycle mode has a mesh
of 8 x 4 tiles with 4 cores, whatever the chip says, so that is the chip here.
"""
import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import time

COUNTS = ("fired", "updated", "packets", "hops", "spikes")
ENERGIES = ("synapse_energy", "dendrite_energy", "soma_energy", "network_energy", "total_energy")

CHIP = """\
architecture:
  name: parity_chip
  attributes:
    topology: mesh
    width: 8
    height: 4
    link_buffer_size: 16
    sync_model: table
    latency_sync: {1: 0.2e-6, 3: 0.5e-6, 9: 0.9e-6}
  tile:
    - name: tile[0..31]
      attributes:
        {energy_north_hop: 4.0e-12, latency_north_hop: 6.0e-9, energy_east_hop: 3.0e-12,
         latency_east_hop: 4.0e-9, energy_south_hop: 5.0e-12, latency_south_hop: 7.0e-9,
         energy_west_hop: 2.0e-12, latency_west_hop: 5.0e-9}
      core:
        - name: core[0..3]
          attributes: {buffer_position: soma, buffer_inside_unit: false, max_neurons_supported: 512}
          axon_in:
            - name: in
              attributes: {energy_message_in: 7.0e-12, latency_message_in: 12.0e-9}
          synapse:
            - name: first
              attributes: {model: current_based, energy_process_spike: 30.0e-12,
                           latency_process_spike: 3.0e-9}
            - name: second
              attributes: {model: current_based, energy_process_spike: 20.0e-12,
                           latency_process_spike: 2.2e-9}
          dendrite:
            - name: sum
              attributes: {model: accumulator, energy_update: 1.5e-12, latency_update: 0.4e-9}
          soma:
            - name: loihi
              attributes: {model: leaky_integrate_fire,
                           energy_access_neuron: 50.0e-12, latency_access_neuron: 6.0e-9,
                           energy_update_neuron: 20.0e-12, latency_update_neuron: 4.0e-9,
                           energy_spike_out: 70.0e-12, latency_spike_out: 25.0e-9}
            - name: truenorth
              attributes: {model: truenorth,
                           energy_access_neuron: 11.0e-12, latency_access_neuron: 1.5e-9,
                           energy_update_neuron: 9.0e-12, latency_update_neuron: 2.5e-9,
                           energy_spike_out: 13.0e-12, latency_spike_out: 8.0e-9}
            - name: inputs[0..255]
              attributes: {model: input,
                           energy_access_neuron: 1.0e-12, latency_access_neuron: 0.5e-9,
                           energy_update_neuron: 2.0e-12, latency_update_neuron: 0.0,
                           energy_spike_out: 3.0e-12, latency_spike_out: 1.0e-9}
          axon_out:
            - name: out
              attributes: {energy_message_out: 100.0e-12, latency_message_out: 5.0e-9}
"""


def hashed(seed, index):
    """A number from 0 to 65535 that looks random and is the same everywhere."""
    value = (index + 1000003 * seed) * 2654435761 + 374761393
    value = (value ^ (value >> 15)) * 2246822519 & 0xFFFFFFFFFFFF
    return (value >> 13) & 0xFFFF


def whole(seed, count, low, high):
    return [low + hashed(seed, i) % (high - low + 1) for i in range(count)]


def lists(values):
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"


class Network:
    """Text of a network file, group by group and edge by edge."""

    def __init__(self, name):
        self.name, self.groups, self.edges, self.mappings = name, [], [], []

    def group(self, name, attributes, neurons):
        """`neurons`: (range, attributes) in order."""
        lines = [f"  - name: {name}", f"    attributes: {{{attributes}}}", "    neurons:"]
        lines += [f"    - {numbers}: {{{own}}}" for numbers, own in neurons]
        self.groups += lines

    def edge(self, ends, attributes):
        self.edges.append(f"  - {ends}: {{{attributes}}}")

    def place(self, group, count, cores, soma="", each=False):
        """Deals neurons out to cores in blocks; `each`: every neuron has a unit of its own."""
        block = -(-count // len(cores))
        for number, first in enumerate(range(0, count, block)):
            last = min(first + block, count) - 1
            core = f"core: '{cores[number]}'"
            if each:
                for i in range(first, last + 1):
                    self.mappings.append(f"  - {group}.{i}: {{{core}, soma: '{soma}[{i - first}]'}}")
            else:
                own = f", soma: '{soma}'" if soma else ""
                self.mappings.append(f"  - {group}.{first}..{last}: {{{core}{own}}}")

    def text(self):
        lines = ["network:", f"  name: {self.name}", "  groups:", *self.groups, "  edges:", *self.edges,
                 "mappings:", *self.mappings]
        return "\n".join(lines) + "\n"


def convolutional():
    """Spike trains, two convolutions and a dense layer of Loihi neurons; whole weights."""
    net = Network("convolutional")
    train = [lists([int(hashed(1, 40 * i + t) % 100 < 22) for t in range(40)]) for i in range(144)]
    net.group("in", "log_spikes: true", [(i, f"spikes: {train[i]}") for i in range(144)])
    loihi = "soma_hw_name: loihi, synapse_hw_name: {}, threshold: {}, leak_decay: {}, log_spikes: true"
    net.group("a", loihi.format("first", 60, 0.9375), [("0..39", ""), ("40..79", "bias: 3"), ("80..399", "")])
    net.group("b", loihi.format("first", 90, 0.875) + ", reset_mode: soft", [("0..95", "")])
    net.group("c", loihi.format("second", 70, 0.99975585937), [("0..2", ""), (3, "threshold: 35"), ("4..9", "")])
    shape = ("type: conv2d, input_width: {0}, input_height: {0}, input_channels: {1}, kernel_width: 3, "
             "kernel_height: 3, kernel_count: {2}, stride_width: {3}, stride_height: {3}, weight: {4}")
    net.edge("in -> a", shape.format(12, 1, 4, 1, lists(whole(2, 36, -20, 45))))
    net.edge("a -> b", shape.format(10, 4, 6, 2, lists(whole(3, 216, -25, 40))))
    net.edge("b -> c", "type: dense, weight: " + lists(whole(4, 960, -20, 30)))
    net.place("c", 10, ["0.0"])
    net.place("in", 144, ["3.1", "3.2"], soma="inputs", each=True)
    net.place("a", 400, ["9.0", "9.3", "10.1", "17.0", "17.1", "22.2", "31.3", "4.0"])
    net.place("b", 96, ["9.1", "28.0", "5.2", "12.3"])
    return net.text()


def recurrent():
    """Excitation and inhibition with fractional weights, every option of the Loihi neuron."""
    net = Network("recurrent")
    net.group("r", "log_spikes: true", [(i, f"rate: {0.05 + 0.04 * i:g}") for i in range(16)])
    net.group("e", "soma_hw_name: loihi, synapse_hw_name: second, threshold: 1.5, leak_decay: 0.9, "
              "input_decay: 0.5, refractory_delay: 2, reset_mode: soft, log_spikes: true",
              [("0..199", "bias: 0.11"), ])
    net.group("i", "soma_hw_name: loihi, threshold: 1, leak_decay: 0.75, reset: -0.25, log_spikes: true, "
              "reverse_threshold: -2, reverse_reset_mode: saturate, force_update: true",
              [("0..49", "potential: 0.5")])

    def sparse(ends, seed, sources, targets, count, low, high):
        pairs = sorted({(hashed(seed, 2 * k) % sources, hashed(seed, 2 * k + 1) % targets)
                        for k in range(count)})
        weights = [low + (high - low) * hashed(seed + 1, k) / 65536 for k in range(len(pairs))]
        text = ", ".join(f"[{a}, {b}]" for a, b in pairs)
        net.edge(ends, f"type: sparse, source_target_pairs: [{text}], weight: "
                 + "[" + ", ".join(f"{w:.4f}" for w in weights) + "]")

    sparse("r -> e", 10, 16, 200, 300, 0.2, 0.9)
    sparse("e -> e", 12, 200, 200, 1500, 0.02, 0.12)
    sparse("e -> i", 14, 200, 50, 600, 0.05, 0.4)
    sparse("i -> e", 16, 50, 200, 700, -0.5, -0.1)
    sparse("i -> i", 18, 50, 50, 120, -0.4, 0.0)
    net.edge("e.7 -> i.3", "weight: 0.75")
    net.edge("i.3 -> e.7", "weight: -0.625")
    net.place("r", 16, ["1.0"], soma="inputs", each=True)
    net.place("i", 50, ["15.3", "16.1"])
    net.place("e", 200, ["2.0", "2.1", "14.0", "14.2", "30.3"])
    return net.text()


def crowded():
    """TrueNorth neurons, all to all across the chip: messages stand in each other's way."""
    net = Network("crowded")
    net.group("t", "soma_hw_name: truenorth, synapse_hw_name: second, threshold: 40, leak: 1, "
              "reset_mode: soft, log_spikes: true",
              [("0..63", "bias: 3"), ("64..127", "bias: 2, leak_towards_zero: false")])
    net.group("u", "soma_hw_name: truenorth, threshold: 55, reset: 5, leak: 0.5, "
              "reverse_threshold: -30, reverse_reset_mode: hard, reverse_reset: -3, log_spikes: true",
              [("0..95", "")])
    net.edge("t -> u", "type: dense, weight: " + lists(whole(20, 128 * 96, -8, 9)))
    net.edge("u -> t", "type: dense, weight: " + lists(whole(21, 128 * 96, -6, 6)))
    net.place("t", 128, ["0.0", "0.1", "1.2", "4.0", "4.3", "9.1"])
    net.place("u", 96, ["27.0", "27.3", "30.1", "31.0", "18.2", "2.2", "6.1", "7.0"])
    return net.text()


NETWORKS = {"convolutional": (convolutional, 40), "recurrent": (recurrent, 60), "crowded": (crowded, 40)}


def sanafe_run(chip, network, steps, folder):
    """Runs SANA-FE in a process of its own and returns what its traces say."""
    program = (
        "import sys, sanafe\n"
        "chip_file, net_file, steps, folder = sys.argv[1:]\n"
        "arch = sanafe.load_arch(chip_file)\n"
        "chip = sanafe.SpikingChip(arch)\n"
        "chip.load(sanafe.load_net(net_file, arch))\n"
        "chip.sim(int(steps), timing_model='cycle', spike_trace=folder + '/spikes.csv',\n"
        "         perf_trace=folder + '/steps.csv')\n")
    folder.mkdir()
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program, chip, network, str(steps), folder],
                          capture_output=True, text=True)
    if done.returncode != 0 or not (folder / "steps.csv").exists():
        sys.exit(f"sanafe failed on {network}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return traces(folder), time.monotonic() - start


def traces(folder):
    with open(folder / "steps.csv", newline="") as file:
        steps = list(csv.DictReader(file))
    with open(folder / "spikes.csv", newline="") as file:
        spikes = sorted((row["neuron"], int(row["timestep"])) for row in csv.DictReader(file))
    return {"steps": steps, "spikes": spikes}


def our_run(binary, chip, network, steps, folder):
    start = time.monotonic()
    done = subprocess.run([binary, "run", network, "--target", chip, "--backend", "emulator", "--steps",
                           str(steps), "--json", "--out", folder], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"spikeloom failed on {network}: exit {done.returncode}\n{done.stderr}")
    found = traces(pathlib.Path(folder))
    found["json"] = json.loads(done.stdout)
    return found, time.monotonic() - start


def apart(ours, theirs):
    return abs(ours - theirs) / abs(theirs) if theirs else abs(ours)


def compare(name, ours, theirs):
    """Prints one line and returns what is wrong."""
    wrong = []
    if ours["spikes"] != theirs["spikes"]:
        wrong.append("spikes")
    energy = 0.0
    for mine, other in zip(ours["steps"], theirs["steps"], strict=True):
        for key in COUNTS:
            if int(mine[key]) != int(other[key]):
                wrong.append(f"{key} of step {other['timestep']}")
        for key in ENERGIES:
            energy = max(energy, apart(float(mine[key]), float(other[key])))
    if energy > 1e-3:
        wrong.append("energy")
    seconds = [sum(float(step["sim_time"]) for step in run["steps"]) for run in (ours, theirs)]
    worst = max(apart(float(a["sim_time"]), float(b["sim_time"]))
                for a, b in zip(ours["steps"], theirs["steps"]))
    if apart(*seconds) > 0.05:
        wrong.append("simulated time")
    totals = {key: sum(int(step[key]) for step in theirs["steps"]) for key in COUNTS}
    print(f"{name:14} {totals['fired']:8} spikes {totals['packets']:8} messages {totals['spikes']:9} "
          f"synaptic events: energy within {100 * energy:.5f} %, time {1e6 * seconds[0]:.3f} us for "
          f"{1e6 * seconds[1]:.3f} ({100 * (seconds[0] / seconds[1] - 1):+.3f} %, worst step "
          f"{100 * worst:.2f} %)" + (f"  WRONG: {', '.join(wrong[:5])}" if wrong else ""))
    return wrong


def freeze(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chip.yaml").write_text(CHIP)
    for name, (make, steps) in NETWORKS.items():
        (folder / f"{name}.yaml").write_text(make())
        with tempfile.TemporaryDirectory() as scratch:
            found, _ = sanafe_run(folder / "chip.yaml", folder / f"{name}.yaml", steps,
                                  pathlib.Path(scratch) / "sanafe")
        (folder / f"{name}.json").write_text(json.dumps(
            {"steps": [[float(step[key]) if "." in step[key] else int(step[key]) for key in
                        COUNTS + ("sim_time",) + ENERGIES] for step in found["steps"]],
             "spikes": [f"{neuron},{step}" for neuron, step in found["spikes"]]},
            separators=(",", ":")) + "\n")
        print(f"{name}: {len(found['spikes'])} spikes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, help="the built spikeloom")
    parser.add_argument("--freeze", type=pathlib.Path, help="write networks and SANA-FE's numbers here")
    parser.add_argument("--dvs", type=pathlib.Path, metavar="DIR",
                        help="folder of acceptance/emulator: its network too (SANA-FE: two minutes, 5 GB)")
    arguments = parser.parse_args()
    if arguments.freeze:
        freeze(arguments.freeze)
        return 0
    if not arguments.binary:
        parser.error("--binary or --freeze")
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "chip.yaml").write_text(CHIP)
        cases = []
        for name, (make, steps) in NETWORKS.items():
            (folder / f"{name}.yaml").write_text(make())
            cases.append((name, folder / "chip.yaml", folder / f"{name}.yaml", steps))
        if arguments.dvs:
            cases.append(("dvs", arguments.dvs / "loihi.yaml", arguments.dvs / "dvs.yaml", 100))
        for name, chip, network, steps in cases:
            theirs, slow = sanafe_run(chip, network, steps, folder / f"{name}-sanafe")
            ours, fast = our_run(arguments.binary, chip, network, steps, folder / f"{name}-ours")
            failed |= bool(compare(name, ours, theirs))
            print(f"{'':14} wall time {fast:.2f} s, SANA-FE's {slow:.2f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
