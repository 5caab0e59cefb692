#!/usr/bin/env python3
"""Spikes of NEST for simulation_nest_test.cpp: python3 make_nest_spikes.py nest_spikes.npz

Needs nest-simulator (PyPI; made with 3.10.0) and NumPy. For each model a single neuron that gets
spikes, and a network of 1,000 neurons, both made by formulas (splitmix64), which the test repeats.
Spikes are (step, neuron): step k of 0.1 ms is the one that ends at the time NEST gives.

adaptive_lif is compared with gif_psc_exp, whose noise is switched off by a Delta_V of 1e-9 mV. It
lets a spike act one step earlier than iaf_psc_exp, so every delay is one step longer, and adds q_sfa
after the decay of a step, so q_sfa is smaller by exp(-dt / tau_sfa). Its spike-triggered current is
held over each step, not exact, and left out here.
"""

import math
import sys

import nest
import numpy as np

DT = 0.1
LIF = dict(tau_m=10.0, C_m=250.0, t_ref=2.0, E_L=-70.0, V_reset=-68.0, V_th=-55.0)
CURRENTS = dict(LIF, tau_syn_ex=0.5, tau_syn_in=3.0)
ADAPTATION = dict(q_sfa=4.0, tau_sfa=60.0)
# Parameters; weight of an excitatory synapse in the network, inhibitory over excitatory; I_e of
# population p is first + p * step; weight of the single neuron's input.
MODELS = {
    "iaf_psc_delta": (LIF, 0.25, -6.0, (340.0, 4.0), 3.0),
    "iaf_psc_exp": (CURRENTS, 64.0, -1.5, (340.0, 4.0), 400.0),
    "iaf_psc_alpha": (CURRENTS, 32.0, -1.5, (340.0, 4.0), 300.0),
    "izhikevich": (dict(a=0.02, b=0.2, c=-65.0, d=8.0, V_th=30.0), 0.25, -6.0, (3.0, 0.25), 4.0),
    "adaptive_lif": (CURRENTS, 64.0, -1.5, (400.0, 8.0), 400.0),
}
POPULATIONS, SIZE, INPUTS, STEPS = 20, 50, 100, 3000
MASK = (1 << 64) - 1


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def nest_model(name, parameters):
    """NEST's model and parameters, and how many steps later its input has to arrive."""
    if name != "adaptive_lif":
        return name, parameters, 0
    p = dict(parameters)
    p["g_L"] = p["C_m"] / p.pop("tau_m")
    p["V_T_star"] = p.pop("V_th")
    p.update(Delta_V=1e-9, lambda_0=1e9, tau_sfa=[ADAPTATION["tau_sfa"]],
             q_sfa=[ADAPTATION["q_sfa"] * math.exp(-DT / ADAPTATION["tau_sfa"])])
    return "gif_psc_exp", p, 1


def start():
    nest.ResetKernel()
    nest.set_verbosity("M_ERROR")
    nest.resolution = DT


def single(name):
    parameters, _, _, (first, step), weight = MODELS[name]
    model, p, later = nest_model(name, parameters)
    start()
    neuron = nest.Create(model, params=dict(p, I_e=first + 10 * step))
    if name == "izhikevich":
        neuron.set(V_m=-65.0, U_m=-13.0)
    else:
        neuron.V_m = -70.0
    # Input j arrives in step 20 + mix(j) % (STEPS - 40).
    arrivals = [(20 + mix(j) % (STEPS - 40), weight if mix(j) % 5 else -weight)
                for j in range(INPUTS)]
    for sign in (1, -1):
        steps = sorted(k for k, w in arrivals if w * sign > 0)
        # Stamped t, it leaves in step t / dt - 1 and arrives 10 steps later.
        times, counts = np.unique(steps, return_counts=True)
        source = nest.Create("spike_generator", params=dict(
            spike_times=[(k + 1 - 10) * DT for k in times.tolist()],
            spike_multiplicities=counts.tolist()))
        nest.Connect(source, neuron, syn_spec=dict(weight=sign * weight, delay=(10 + later) * DT))
    recorder = nest.Create("spike_recorder")
    nest.Connect(neuron, recorder)
    meter = nest.Create("multimeter", params=dict(record_from=["V_m"], interval=5.0))
    nest.Connect(meter, neuron)
    nest.Simulate(STEPS * DT + 1.0)
    steps = np.rint(np.asarray(recorder.events["times"]) / DT).astype(np.int64) - 1
    return steps[steps < STEPS], np.asarray(meter.events["V_m"])[: STEPS // 50 - 1]


def network(name):
    parameters, weight, ratio, (first, step), _ = MODELS[name]
    model, p, later = nest_model(name, parameters)
    start()
    neurons = nest.Create(model, POPULATIONS * SIZE, params=p)
    for population in range(POPULATIONS):
        some = neurons[population * SIZE:(population + 1) * SIZE]
        some.I_e = first + population * step
        some.V_m = -70.0 + 0.75 * population
        if name == "izhikevich":
            some.U_m = -13.0
    sources, targets, weights, delays = [], [], [], []
    for target in range(POPULATIONS * SIZE):
        for k in range(INPUTS):
            word = mix(target * INPUTS + k)
            source = word % (POPULATIONS * SIZE)
            strength = weight * (1 + (word >> 32) % 8 / 8)
            sources.append(source + 1)
            targets.append(target + 1)
            weights.append(strength if source < 4 * POPULATIONS * SIZE // 5 else ratio * strength)
            delays.append((10 + (word >> 40) % 20 + later) * DT)
    nest.Connect(sources, targets, "one_to_one", dict(weight=weights, delay=delays))
    recorder = nest.Create("spike_recorder")
    nest.Connect(neurons, recorder)
    nest.Simulate(STEPS * DT + 1.0)
    steps = np.rint(np.asarray(recorder.events["times"]) / DT).astype(np.int64) - 1
    senders = np.asarray(recorder.events["senders"]) - 1
    order = np.lexsort((senders, steps))
    found = np.stack([steps[order], senders[order]], axis=1)
    return found[found[:, 0] < STEPS].astype(np.uint16)


def main():
    arrays = {}
    for name in MODELS:
        steps, membrane = single(name)
        arrays[name + "_steps"] = steps.astype(np.uint16)
        arrays[name + "_membrane"] = membrane
        arrays[name + "_network"] = network(name)
        rate = len(arrays[name + "_network"]) / (POPULATIONS * SIZE) / (STEPS * DT * 1e-3)
        print(f"{name}: single {len(steps)} spikes, network {len(arrays[name + '_network'])}, "
              f"{rate:.1f} Hz, NEST {nest.__version__}")
    np.savez_compressed(sys.argv[1], **arrays)


if __name__ == "__main__":
    main()
