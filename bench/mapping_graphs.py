#!/usr/bin/env python3
"""Mapping time and link counts of `spikeloom map` on the graphs that PACMAN and rig were measured on.

    mapping_graphs.py SPIKELOOM [--repeats 5] [--microcircuit pd14.json] [--check]

synfire20 and synfire200: rings of populations of 10,000, 100 neurons a core, every slice to every slice of
the next. rnd500: 500 populations of 512, 20 random targets each (Python's random.Random(1)), 256 a core.
pd14: the cortical microcircuit of Potjans and Diesmann, 64 a core, from the file of its facts where that is
given. Cores and chips: 17 a chip, tori of 12 x 11, 36 x 33, 9 x 8 and 9 x 8.

Seconds are the median and the best over runs of everything from the cut to compressed and proven tables;
reading files is left out. Links: those of a slice's multicast tree, summed over slices.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile

BARS = {'synfire20': (None, 15000), 'synfire200': (0.3, None), 'rnd500': (0.3, 24000),
        'pd14': (0.1, None)}


def graph(name, sizes, edges):
    return {'name': name,
            'populations': [{'name': f'p{i}', 'neurons': n} for i, n in enumerate(sizes)],
            'projections': [{'source': a, 'target': b, **more} for a, b, more in edges]}


def graphs(microcircuit):
    for n, torus in ((20, '12x11'), (200, '36x33')):
        ring = [(i, (i + 1) % n, {}) for i in range(n)]
        yield graph(f'synfire{n}', [10000] * n, ring), torus, 100
    draw = random.Random(1)
    pairs = sorted({(i, draw.randrange(500)) for i in range(500) for _ in range(20)})
    # One pair of neurons in ten, so that the rows fit the chips' memory; trees do not depend on it.
    sparse = {'pattern': 'random', 'synapses': 512 * 512 // 10}
    yield graph('rnd500', [512] * 500, [(a, b, sparse) for a, b in pairs]), '9x8', 256
    if microcircuit:
        with open(microcircuit) as file:
            facts = json.load(file)
        sizes = facts['sizes']
        counts = facts['synapse_count_target_by_source']
        edges = [(s, t, {'pattern': 'random', 'synapses': counts[t][s]})
                 for t in range(len(sizes)) for s in range(len(sizes)) if counts[t][s] > 0]
        yield graph('pd14', sizes, edges), '9x8', 64


def edited(made):
    """The graph with every hundredth projection sent elsewhere."""
    copy = json.loads(json.dumps(made))
    for projection in copy['projections'][::100]:
        projection['target'] = (projection['target'] + 17) % len(copy['populations'])
    return copy


def mend(options, made, path, torus, neurons, full):
    """1 % of the projections edited: `map --from` beside mapping all, the best of the repeats."""
    with open(path, 'w') as file:
        json.dump(made, file)
    common = [options.spikeloom, 'map', path, '--target', f'spinnaker1:{torus}',
              '--neurons-per-core', str(neurons)]
    subprocess.run([*common, '-o', path + '.h5'], capture_output=True, check=True)
    with open(path, 'w') as file:
        json.dump(edited(made), file)
    seconds = []
    for _ in range(options.repeats):
        out = subprocess.run([*common, '--from', path + '.h5', '--json', '--quiet'],
                             capture_output=True, text=True, check=True)
        seconds.append(json.loads(out.stdout)['seconds']['mend'])
    share = min(seconds) / full
    print(f'{"":12}1 % edited: {min(seconds):.4f} s, {100 * share:.1f} % of {full:.4f} s')
    return [f'mending takes {100 * share:.1f} %, bar 5'] if share > 0.05 else []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('spikeloom')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--microcircuit')
    parser.add_argument('--check', action='store_true', help='fail where a bar is missed')
    options = parser.parse_args()
    missed = []
    print(f'{"graph":12}{"cores":>8}{"seconds":>10}{"best":>10}{"links":>10}{"max load":>10}'
          f'{"raw":>9}{"entries":>9}{"largest":>9}')
    with tempfile.TemporaryDirectory() as folder:
        for made, torus, neurons in graphs(options.microcircuit):
            path = os.path.join(folder, made['name'] + '.json')
            with open(path, 'w') as file:
                json.dump(made, file)
            seconds = []
            for _ in range(options.repeats):
                out = subprocess.run(
                    [options.spikeloom, 'map', path, '--target', f'spinnaker1:{torus}',
                     '--neurons-per-core', str(neurons), '--json'],
                    capture_output=True, text=True, check=True)
                value = json.loads(out.stdout)
                seconds.append(value['seconds']['total'])
            median = statistics.median(seconds)
            print(f'{made["name"]:12}{value["cores"]:8}{median:10.4f}{min(seconds):10.4f}'
                  f'{value["tree_links"]:10}'
                  f'{value["max_link_trees"]:10}{value["raw_sum"]:9}{value["table_sum"]:9}'
                  f'{value["table_max"]:9}')
            if made['name'] == 'rnd500':
                missed += mend(options, made, path, torus, neurons, min(seconds))
            time_bar, link_bar = BARS[made['name']]
            if time_bar and median > time_bar:
                missed.append(f'{made["name"]}: {median:.3f} s, bar {time_bar}')
            if link_bar and value['tree_links'] > link_bar:
                missed.append(f'{made["name"]}: {value["tree_links"]} links, bar {link_bar}')
    for line in missed:
        print('missed:', line)
    sys.exit(1 if missed and options.check else 0)


if __name__ == '__main__':
    main()
