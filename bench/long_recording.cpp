/// Memory that reading a long recording takes: the recording is written again and again, each time
/// later, until its file has the size asked for; then it is read as a stream. Prints one JSON
/// object a file: peak memory of this process before reading, after a hundredth, and at the end.

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/process_memory.hpp"
#include "sensors/recording_io.hpp"

namespace {

using namespace spikeloom;

/// `turns` times the events of `recording`, each time later.
Status write_turns(const ReadRecording& read, const std::string& path, std::uint64_t turns) {
  EventPacket events = read.recording.events;
  SPIKELOOM_TRY(auto writer, RecordingWriter::create(
                                 path, read.report.format,
                                 {.width = read.recording.width, .height = read.recording.height}));
  const Time length = events.time.back() - events.time.front() + kMillisecond;
  for (std::uint64_t turn = 0; turn < turns; ++turn) {
    SPIKELOOM_CHECK(writer.write(events));
    for (Time& time : events.time) time += length;
  }
  SPIKELOOM_TRY(const auto losses, writer.commit());
  return {};
}

Status write_long(const std::string& file, const std::string& path, std::uint64_t bytes) {
  SPIKELOOM_TRY(const ReadRecording read, read_recording(file));
  if (read.recording.events.empty()) {
    return Error{.code = ErrorCode::kInvalidArgument, .what = "no events", .where = file};
  }
  SPIKELOOM_CHECK(write_turns(read, path, 1));
  return write_turns(read, path, bytes / std::filesystem::file_size(path) + 2);
}

Status read_long(const std::string& path, std::uint64_t bytes) {
  const double before = bench::peak_memory_mb();
  double early = 0.0;
  const auto start = std::chrono::steady_clock::now();
  SPIKELOOM_TRY(auto stream, RecordingStream::open(path));
  EventPacket packet;
  while (true) {
    SPIKELOOM_TRY(const bool more, stream.next(packet));
    if (!more) break;
    if (early == 0.0 && stream.report().file_bytes > bytes / 100) early = bench::peak_memory_mb();
  }
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  fmt::print(
      "{{\"format\": \"{}\", \"bytes\": {}, \"events\": {}, \"seconds\": {:.2f}, "
      "\"peak_mb_before\": {:.1f}, \"peak_mb_after_1_percent\": {:.1f}, \"peak_mb\": {:.1f}}}\n",
      stream.report().format, stream.report().file_bytes, stream.report().events, passed.count(),
      before, early, bench::peak_memory_mb());
  return {};
}

/// In a process of its own, as the peak of one is never forgotten.
Status apart(const std::string& program, const std::vector<std::string>& arguments) {
  std::string command = "'" + program + "'";
  for (const std::string& argument : arguments) command += " '" + argument + "'";
  if (std::system(command.c_str()) == 0) return {};
  return Error{.code = ErrorCode::kIo, .what = "failed", .where = command};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Memory that reading a long recording takes.");
  std::vector<std::string> files;
  std::string folder = std::filesystem::temp_directory_path();
  std::uint64_t bytes = 2'000'000'000;
  bool only_read = false;
  app.add_option("FILE", files, "recordings")->required();
  app.add_option("--bytes", bytes, "size of the long one (2e9)");
  app.add_option("--folder", folder, "where it is written, and removed again");
  app.add_flag("--read", only_read, "FILE is long already");
  CLI11_PARSE(app, argc, argv);
  for (const std::string& file : files) {
    // Some formats are known by their extension alone.
    const std::string path =
        folder + "/spikeloom_long" + std::filesystem::path(file).extension().string();
    Status status;
    if (only_read) {
      status = read_long(file, bytes);
    } else {
      status = write_long(file, path, bytes);
      if (status.ok()) status = apart(argv[0], {"--read", path, "--bytes", std::to_string(bytes)});
      std::remove(path.c_str());
    }
    if (status.ok()) continue;
    fmt::print(stderr, "{}\n", status.error().message());
    return 1;
  }
  return 0;
}
