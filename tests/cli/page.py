#!/usr/bin/env python3
"""Checks a report page: valid HTML, nothing from elsewhere, and the numbers of its run.

    page.py PAGE.html RUN.json ENERGY.json
    page.py PAGE.html RUN.json               the page of a run on an emulated machine
    page.py PAGE.html                        only that it is valid and whole
"""
import json
import re
import sys

import html5lib

XHTML = "{http://www.w3.org/1999/xhtml}"


def numbers_of(run):
    """Counts per layer over all recordings."""
    totals = {}
    for recording in run.get("recordings", [run]):
        for layer in recording["layers"]:
            counts = totals.setdefault(layer["name"], {})
            for key, value in layer.items():
                if isinstance(value, int):
                    counts[key] = counts.get(key, 0) + value
    return totals


def check_machine(tree, machine):
    """Counts and joules of the page are those of the run."""
    counts = {e.get("data-machine"): e.text for e in tree.iter() if e.get("data-machine")}
    for key, text in counts.items():
        assert text == f"{machine[key]:,}", (key, text, machine[key])
    assert {"packets", "synaptic_events", "dropped", "late", "overruns"} <= set(counts), counts
    joules = {e.get("data-joules-of"): float(e.get("data-joules"))
              for e in tree.iter() if e.get("data-joules-of")}
    for key, value in joules.items():
        assert value == machine["energy_j"][key], (key, value)
    if "energy_j" in machine:
        total = machine["energy_j"]["total"]
        assert abs(sum(joules.values()) - total) <= 1e-9 * total, (joules, total)
    print(f"valid, {len(counts)} numbers equal, {len(joules)} energies equal")


def main():
    text = open(sys.argv[1], encoding="utf-8").read()
    tree = html5lib.HTMLParser(strict=True).parse(text)  # raises on the first fault
    assert len(text.encode()) < 2_000_000, "2 MB or more"
    assert tree.find(f".//{XHTML}script") is None, "a script"
    assert tree.find(f".//{XHTML}link") is None, "a linked file"
    assert not re.search(r"""(src|href)\s*=\s*["']\s*(https?:|//)""", text), "loads from elsewhere"
    assert "@import" not in text and "url(http" not in text, "loads from elsewhere"

    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids)), "an id twice"
    for element in tree.iter():
        target = element.get("href")
        assert not target or target[1:] in ids, f"a link to nowhere: {target}"

    if len(sys.argv) == 2:
        print("valid")
        return
    if len(sys.argv) == 3:
        check_machine(tree, json.load(open(sys.argv[2], encoding="utf-8"))["machine"])
        return
    run, energy = (json.load(open(name, encoding="utf-8")) for name in sys.argv[2:])
    totals, seen = numbers_of(run), 0
    for element in tree.iter():
        if element.get("data-layer"):
            expected = totals[element.get("data-layer")][element.get("data-count")]
            assert element.text == f"{expected:,}", (element.attrib, element.text, expected)
            seen += 1
    assert seen == 6 * len(totals), f"{seen} counts for {len(totals)} layers"

    operations = sum(layer["ac"] + layer["mac"] for layer in totals.values())
    spans = {e.get("data-run"): e.text for e in tree.iter() if e.get("data-run")}
    assert spans["synaptic_operations"] == f"{operations:,}", spans

    joules = {e.get("data-energy"): float(e.get("data-joules"))
              for e in tree.iter() if e.get("data-energy")}
    for accounting in energy["reports"][0]["accountings"]:
        for side in ("spiking", "dense", "dense_int8"):
            if accounting[side]:
                key = f"{accounting['accounting']}/{side}"
                assert joules[key] == accounting[side]["total_j"], (key, joules)
    assert joules, "no energy"
    print(f"valid, {seen} numbers equal, {len(joules)} energies equal")


if __name__ == "__main__":
    main()
