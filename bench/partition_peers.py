#!/usr/bin/env python3
"""`spikeloom map partition` beside Mt-KaHyPar, METIS and Scotch on hypergraphs of neurons.

    partition_peers.py SPIKELOOM FILE.hgr... [--capacity 256] [--seeds N] [--presets default,quality]
    partition_peers.py SPIKELOOM FILE.hgr... --limits [--seeds N]

Everything on one thread. Needs the PyPI package mtkahypar; gpmetis (Debian: metis) and gpart (Debian:
scotch) are used when they are there: they get the graph of all synapses, weighted by rate, and their
result is scored like the others. With --limits ours alone, without and with limits on synapses (1.3 times
the mean) and axons (the most that the result without limits has). Packets are sum of rate x (cores touched - 1); seconds are processor
time of the partition alone (of the whole process for gpmetis and gpart). A result with a core over the
capacity is marked infeasible.
"""
import argparse
import collections
import json
import math
import os
import resource
import shutil
import subprocess
import tempfile
import time


def read_hgr(path):
    with open(path) as file:
        nets, vertices, _ = map(int, file.readline().split())
        rows = [list(map(int, file.readline().split())) for _ in range(nets)]
    return vertices, [(row[0], [v - 1 for v in row[1:]]) for row in rows]


def score(nets, part, cores, capacity):
    packets = sum(rate * (len({part[v] for v in pins}) - 1) for rate, pins in nets)
    fullest = max(collections.Counter(part).values())
    return packets, fullest <= capacity and max(part) < cores


def partition(binary, path, capacity, seed, *more):
    out = subprocess.run([binary, 'map', 'partition', path, '--capacity', str(capacity), '--seed',
                          str(seed), '--json', *more], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def ours(binary, path, capacity, seed):
    value = partition(binary, path, capacity, seed)
    return value['cores'], value['packets'], value['cpu_seconds'], value['feasible']


def limited(arguments):
    print(f'{"graph":24} {"seed":>4} {"packets":>10} {"limited":>10} {"ratio":>6} {"seconds":>8}  feasible')
    for path in arguments.files:
        for seed in range(arguments.seeds):
            free = partition(arguments.binary, path, arguments.capacity, seed)
            value = partition(arguments.binary, path, arguments.capacity, seed, '--synapse-ratio',
                              '1.3', '--max-axons', str(free['max_axons']))
            name = os.path.basename(path).removesuffix('.hgr')
            print(f'{name:24} {seed:4} {free["packets"]:10} {value["packets"]:10} '
                  f'{value["packets"] / free["packets"]:6.3f} {value["cpu_seconds"]:8.2f}  '
                  f'{"yes" if value["feasible"] else "NO"}', flush=True)


def mtkahypar_run(library, path, preset, cores, vertices, capacity):
    context = library.context_from_preset(preset)
    epsilon = capacity / math.ceil(vertices / cores) - 1
    import mtkahypar
    context.set_partitioning_parameters(cores, epsilon, mtkahypar.Objective.KM1)
    context.logging = False
    graph = library.hypergraph_from_file(path, context, mtkahypar.FileFormat.HMETIS)
    started = time.process_time()
    result = graph.partition(context)
    seconds = time.process_time() - started
    fullest = max(result.block_weight(i) for i in range(cores))
    return result.km1(), seconds, fullest <= capacity


def synapse_graph(vertices, nets):
    edges = collections.Counter()
    for rate, pins in nets:
        for target in pins[1:]:
            edges[min(pins[0], target), max(pins[0], target)] += rate
    rows = [[] for _ in range(vertices)]
    for (a, b), weight in edges.items():
        rows[a].append((b, weight))
        rows[b].append((a, weight))
    return rows, len(edges)


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def metis_run(rows, edges, folder, cores, capacity, objective):
    path = os.path.join(folder, 'graph')
    with open(path, 'w') as file:
        file.write(f'{len(rows)} {edges} 001\n')
        for row in rows:
            file.write(' '.join(f'{v + 1} {w}' for v, w in row) + '\n')
    factor = max(1, int(1000 * (capacity * cores / len(rows) - 1)))
    started = children_seconds()
    subprocess.run(['gpmetis', f'-ufactor={factor}', f'-objtype={objective}', path, str(cores)],
                   stdout=subprocess.DEVNULL, check=True)
    seconds = children_seconds() - started
    with open(f'{path}.part.{cores}') as file:
        return [int(line) for line in file], seconds


def scotch():
    """Debian calls it scotch_gpart."""
    return next((name for name in ('gpart', 'scotch_gpart') if shutil.which(name)), None)


def scotch_run(rows, edges, folder, cores, capacity):
    path, out = os.path.join(folder, 'graph.grf'), os.path.join(folder, 'graph.map')
    with open(path, 'w') as file:
        file.write(f'0\n{len(rows)} {2 * edges}\n0 010\n')
        for row in rows:
            file.write(f'{len(row)} ' + ' '.join(f'{w} {v}' for v, w in row) + '\n')
    slack = capacity * cores / len(rows) - 1
    started = children_seconds()
    subprocess.run([scotch(), str(cores), path, out, f'-b{slack:.4f}'], stdout=subprocess.DEVNULL,
                   check=True)
    seconds = children_seconds() - started
    part = [0] * len(rows)
    with open(out) as file:
        next(file)
        for line in file:
            vertex, block = line.split()
            part[int(vertex)] = int(block)
    return part, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('binary')
    parser.add_argument('files', nargs='+')
    parser.add_argument('--capacity', type=int, default=256)
    parser.add_argument('--seeds', type=int, default=1, help='our seeds, each a row')
    parser.add_argument('--presets', default='default,quality,deterministic')
    parser.add_argument('--limits', action='store_true')
    arguments = parser.parse_args()
    if arguments.limits:
        return limited(arguments)
    import mtkahypar
    library = mtkahypar.initialize(1)
    presets = {'default': mtkahypar.PresetType.DEFAULT, 'quality': mtkahypar.PresetType.QUALITY,
               'deterministic': mtkahypar.PresetType.DETERMINISTIC}
    print(f'{"graph":24} {"engine":24} {"packets":>12} {"seconds":>8}  feasible')

    def row(path, engine, packets, seconds, feasible):
        name = os.path.basename(path).removesuffix('.hgr')
        print(f'{name:24} {engine:24} {packets:12} {seconds:8.2f}  {"yes" if feasible else "NO"}',
              flush=True)

    for path in arguments.files:
        vertices, nets = read_hgr(path)
        mine = []
        for seed in range(arguments.seeds):
            cores, packets, seconds, feasible = ours(arguments.binary, path, arguments.capacity,
                                                     seed)
            mine.append((packets, seconds))
            row(path, f'spikeloom, seed {seed}', packets, seconds, feasible)
        theirs = {}
        for name in arguments.presets.split(','):
            theirs[name] = mtkahypar_run(library, path, presets[name], cores, vertices,
                                         arguments.capacity)
            row(path, f'mtkahypar {name}', *theirs[name])
        with tempfile.TemporaryDirectory() as folder:
            graph = None
            for tool, run in (('gpmetis', lambda o: metis_run(*graph, folder, cores,
                                                              arguments.capacity, o)),
                              ('gpart', lambda o: scotch_run(*graph, folder, cores,
                                                             arguments.capacity))):
                if not (scotch() if tool == 'gpart' else shutil.which(tool)):
                    print(f'{tool}: not installed')
                    continue
                graph = graph or synapse_graph(vertices, nets)
                for objective in (('cut', 'vol') if tool == 'gpmetis' else ('',)):
                    part, seconds = run(objective)
                    packets, feasible = score(nets, part, cores, arguments.capacity)
                    row(path, f'{tool} {objective}', packets, seconds, feasible)
        best = min((packets for packets, _, feasible in theirs.values() if feasible), default=None)
        if best is not None:
            ratio = mine[0][0] / best
            line = f'{"":24} ours over their best: {ratio:.3f}'
            if 'default' in theirs:
                line += f', over default\'s time: {mine[0][1] / theirs["default"][1]:.2f}'
            print(line, flush=True)


if __name__ == '__main__':
    main()
