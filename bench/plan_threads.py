#!/usr/bin/env python3
"""Threads that own what a Plan gives them beside threads with even parts: `run` twice, by turns.

    plan_threads.py [--threads 2] [--repeats 5] SPIKELOOM MODEL [flags of run...]

Prints the seconds that cpu computed (median), their ratio, and whether every count of the Outputs is the
same; exit code 1 when it is not.
"""
import argparse
import json
import statistics
import subprocess
import sys


def run(binary, words):
    out = subprocess.run([binary, 'run', *words, '--json'], capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    value = json.loads(out.stdout)
    counts = value.get('output_counts') or [r.get('output_counts') for r in value['recordings']]
    return value['seconds']['compute'], counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('binary')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('words', nargs=argparse.REMAINDER, help='MODEL and flags of run')
    arguments = parser.parse_args()
    ways = {'even parts': ['--threads', str(arguments.threads)],
            'Plan': ['--target', f'cpu:{arguments.threads}']}
    seconds, counts = {name: [] for name in ways}, {}
    for _ in range(arguments.repeats):
        for name, more in ways.items():
            taken, counts[name] = run(arguments.binary, arguments.words + more)
            seconds[name].append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f'{name:12} {median:9.4f} s')
    same = counts['even parts'] == counts['Plan']
    print(f'Plan over even parts: {medians["Plan"] / medians["even parts"]:.3f}; '
          f'outputs {"the same" if same else "DIFFERENT"}')
    sys.exit(0 if same else 1)


if __name__ == '__main__':
    main()
