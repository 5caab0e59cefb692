"""Makes tests/formats/files: small recordings written by other programs, for events_foreign_test.cpp.

    python make_event_files.py OUTPUT_FOLDER

Needs the libraries of bench/peers/events.txt and h5py. All files hold the same 500 events, by formula.
"""

import sys
from pathlib import Path

import dv_processing as dv
import faery
import h5py
import numpy

WIDTH, HEIGHT, COUNT = 320, 240, 500


def events():
    """Event i; rows of up to five neighbours at one time, so that vectors are used."""
    i = numpy.arange(COUNT)
    out = numpy.zeros(COUNT, dtype=faery.EVENTS_DTYPE)
    out["t"] = 5000 + 70 * (i // 5)
    out["x"] = (i // 5 * 17) % 300 + i % 5
    out["y"] = (i // 5 * 13) % HEIGHT
    out["on"] = i // 5 % 2 == 0
    return out


def with_faery(folder, name, file_type, version):
    stream = faery.events_stream_from_array(events(), dimensions=(WIDTH, HEIGHT))
    stream.to_file(folder / name, file_type=file_type, version=version, zero_t0=False)


def with_dv(folder, name, compression):
    config = dv.io.MonoCameraWriter.Config("DVXplorer_sample", compression)
    config.addEventStream((WIDTH, HEIGHT))
    config.addImuStream()
    config.addTriggerStream()
    writer = dv.io.MonoCameraWriter(str(folder / name), config)
    store = dv.EventStore()
    for event in events():
        store.push_back(int(event["t"]), int(event["x"]), int(event["y"]), bool(event["on"]))
    writer.writeImu(dv.IMU(5000, 20, 0, 0, 1, 0, 0, 0, 0, 0, 0))
    writer.writeTrigger(dv.Trigger(5001, dv.TriggerType.EXTERNAL_SIGNAL_RISING_EDGE))
    writer.writeEvents(store)
    del writer


def with_h5py(folder, name):
    made = events()
    seconds = (made["t"] / 1e6).astype(numpy.float64)
    units = made["x"].astype(numpy.uint16)
    variable = [h5py.vlen_dtype(numpy.float64), h5py.vlen_dtype(numpy.uint16)]
    with h5py.File(folder / name, "w", libver="earliest") as file:
        spikes = file.create_group("spikes")
        times = spikes.create_dataset("times", (2,), dtype=variable[0])
        neurons = spikes.create_dataset("units", (2,), dtype=variable[1])
        times[0], neurons[0] = seconds[:100], units[:100]
        times[1], neurons[1] = seconds, units
        file["labels"] = numpy.array([3, 14], dtype=numpy.uint16)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with_faery(folder, "dat1.dat", "dat", "dat1")
    with_faery(folder, "evt2.raw", "evt", "evt2")
    with_faery(folder, "evt3.raw", "evt", "evt3")
    with_dv(folder, "zstd.aedat4", dv.CompressionType.ZSTD)
    with_dv(folder, "none.aedat4", dv.CompressionType.NONE)
    with_h5py(folder, "shd.h5")


if __name__ == "__main__":
    main()
