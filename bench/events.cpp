/// How fast recordings are decoded, on one core: the whole recording into memory, and as a stream
/// of packets. Prints one JSON object a file: the best processor and wall time of `--repeat` turns.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "sensors/recording_io.hpp"

namespace {

using namespace spikeloom;

struct Times {
  double processor = 1e300;
  double wall = 1e300;
};

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <typename Work>
Times best_of(int turns, Work work) {
  Times best;
  for (int turn = 0; turn < turns; ++turn) {
    const double processor = processor_seconds();
    const auto wall = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - wall;
    best.processor = std::min(best.processor, processor_seconds() - processor);
    best.wall = std::min(best.wall, passed.count());
  }
  return best;
}

/// Events of the file, read as a stream; 0 after an error, which is printed.
std::uint64_t stream(const std::string& path) {
  auto stream = RecordingStream::open(path);
  EventPacket packet;
  while (stream.ok()) {
    const auto more = stream->next(packet);
    if (!more.ok()) {
      fmt::print(stderr, "{}\n", more.error().message());
      return 0;
    }
    if (!*more) return stream->report().events;
  }
  fmt::print(stderr, "{}\n", stream.error().message());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Decodes recordings and says how fast.");
  std::vector<std::string> files;
  int turns = 15;
  app.add_option("FILE", files, "recordings")->required();
  app.add_option("--repeat", turns, "turns, of which the best counts (15)")
      ->check(CLI::Range(1, 100000));
  bool streams_only = false;
  app.add_flag("--stream", streams_only, "only as a stream (for a profiler)");
  CLI11_PARSE(app, argc, argv);
  for (const std::string& file : files) {
    const std::uint64_t events = stream(file);
    if (events == 0) return 1;
    const Times streamed = best_of(turns, [&] { stream(file); });
    const Times whole =
        best_of(streams_only ? 1 : turns, [&] { static_cast<void>(read_recording(file).ok()); });
    fmt::print("{{\"file\": \"{}\", \"events\": {}, \"stream\": [{}, {}], \"whole\": [{}, {}]}}\n",
               file, events, streamed.processor, streamed.wall, whole.processor, whole.wall);
  }
  return 0;
}
