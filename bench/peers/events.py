"""PyPI's decoders of event recordings beside ours: the same files, in turns, one core.

Each way decodes a whole file once per turn, from the page cache, and gives every event's time, x, y
and polarity. A figure is the best of all turns, in events per second of processor time, so that
other work on the machine does not count. Compared are the fastest ways of both sides, and the ways
that leave the whole recording in memory; the others hand out parts, as our streams do.
"""

import argparse
import json
import os
import subprocess
import time
from pathlib import Path


def expelliarmus_whole(encoding):
    from expelliarmus import Wizard

    wizard = Wizard(encoding=encoding)
    return lambda path: len(wizard.read(path))


def expelliarmus_chunks(encoding):
    from expelliarmus import Wizard

    def decode(path):
        wizard = Wizard(encoding=encoding, chunk_size=65536)
        wizard.set_file(path)
        return sum(len(chunk) for chunk in wizard.read_chunk())

    return decode


def faery_packets():
    import faery

    return lambda path: sum(len(packet) for packet in faery.events_stream_from_file(path))


def evlib_frame():
    import evlib

    return lambda path: evlib.load_events(path).collect().height


def aedat_packets():
    import aedat

    def decode(path):
        packets = aedat.Decoder(path)
        return sum(len(packet["events"]) for packet in packets if "events" in packet)

    return decode


def dv_batches():
    import dv_processing

    def decode(path):
        recording = dv_processing.io.MonoCameraRecording(path)
        events = 0
        while recording.isRunning():
            batch = recording.getNextEventBatch()
            if batch is None:
                break
            events += batch.size()
        return events

    return decode


def event_stream_chunks():
    import event_stream

    def decode(path):
        with event_stream.Decoder(path) as chunks:
            return sum(len(chunk) for chunk in chunks)

    return decode


FILES = {
    "EVT2": "prophesee/evt2_sample.raw",
    "EVT3": "prophesee/evt3_sample.raw",
    "AEDAT4": "aedat/sample.aedat4",
    ".es": "es/dvs.es",
}
WAYS = {
    "EVT2": {
        "expelliarmus, whole": lambda: expelliarmus_whole("evt2"),
        "expelliarmus, chunks": lambda: expelliarmus_chunks("evt2"),
        "faery": faery_packets,
        "evlib": evlib_frame,
    },
    "EVT3": {
        "expelliarmus, whole": lambda: expelliarmus_whole("evt3"),
        "expelliarmus, chunks": lambda: expelliarmus_chunks("evt3"),
        "faery": faery_packets,
        "evlib": evlib_frame,
    },
    "AEDAT4": {
        "dv-processing": dv_batches,
        "aedat": aedat_packets,
        "faery": faery_packets,
        "evlib": evlib_frame,
    },
    ".es": {"event_stream": event_stream_chunks, "faery": faery_packets},
}
BAR = 1.5


def once(decode, path):
    start = time.process_time()
    events = decode(path)
    return time.process_time() - start, events


def ours(binary, path):
    printed = subprocess.run(
        [binary, path, "--repeat", "3"], check=True, capture_output=True, text=True
    ).stdout
    result = json.loads(printed)
    return {"whole": result["whole"][0], "stream": result["stream"][0]}, result["events"]


def measure(name, path, turns, binary):
    decoders, notes = {}, []
    for way, make in WAYS[name].items():
        try:
            decoders[way] = make()
            decoders[way](path)
        except Exception as error:  # a library that does not read this file is said, not hidden
            decoders.pop(way, None)
            notes.append(f"{way}: {str(error)[:100]}")
    best, counts = {}, {}
    for _ in range(turns):
        for way, decode in decoders.items():
            seconds, counts[way] = once(decode, path)
            best[way] = min(best.get(way, 1e9), seconds)
        mine, counts["spikeloom"] = ours(binary, path)
        for mode, seconds in mine.items():
            key = f"spikeloom, {mode}"
            best[key] = min(best.get(key, 1e9), seconds)
    rates = {way: counts.get(way, counts["spikeloom"]) / s / 1e6 for way, s in best.items()}
    return rates, counts, notes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--data", default=None, help="folder with the recordings")
    parser.add_argument("--only", choices=FILES, nargs="*", help="these formats")
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    root = Path(__file__).resolve().parents[2]
    shared = os.environ.get("SPIKELOOM_SHARED", root.parent / "shared")
    data = Path(flags.data or Path(shared) / "acceptance/events")
    binary = root / "build/release/bench/spikeloom_events"
    results, worst = {}, 1e9
    for name in flags.only or FILES:
        rates, counts, notes = measure(name, str(data / FILES[name]), flags.turns, binary)
        ours_of = {way: rate for way, rate in rates.items() if way.startswith("spikeloom")}
        rivals = {way: rate for way, rate in rates.items() if way not in ours_of}
        ratio = max(ours_of.values()) / max(rivals.values())
        whole = [rate for way, rate in rivals.items() if way.endswith("whole")]
        ratio_whole = rates["spikeloom, whole"] / max(whole) if whole else None
        worst = min(worst, ratio)
        results[name] = {
            "rates": rates,
            "events": counts,
            "notes": notes,
            "ratio": ratio,
            "ratio_whole": ratio_whole,
        }
        if flags.json:
            continue
        print(f"\n{name}: {counts['spikeloom']:,} events, M events/s of processor time")
        for way, rate in sorted(rates.items(), key=lambda item: -item[1]):
            print(f"  {way:24} {rate:8.1f}")
        for note in notes:
            print(f"  not read by {note}")
        print(f"  fastest way to {max(rivals, key=rivals.get)}: {ratio:.2f} times", end="")
        print(f"; whole recordings {ratio_whole:.2f} times" if ratio_whole else "")
    if flags.json:
        print(json.dumps(results, indent=2))
    else:
        print(f"\nsmallest ratio {worst:.2f}, bar {BAR}")


if __name__ == "__main__":
    main()
