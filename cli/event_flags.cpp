#include "cli/event_flags.hpp"

#include <charconv>

#include <CLI/CLI.hpp>

#include "base/io/hdf5.hpp"

namespace spikeloom::cli {
namespace {

bool to_number(std::string_view text, std::uint32_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0;
}

}  // namespace

void add_event_flags(CLI::App& command, EventFlags& flags, const char* group) {
  const auto place = [group](CLI::Option* option) {
    if (group != nullptr) option->group(group);
  };
  place(command.add_option("--input-format", flags.format,
                           "event format, where content does not tell"));
  place(command.add_option("--columns", flags.columns,
                           "event columns of text, CSV and .npy, e.g. txyp"));
  place(command.add_option("--size", flags.size,
                           "the sensor's size, e.g. 346x260, if the file "
                           "does not say it"));
  place(command.add_option("--sample-number", flags.sample,
                           "which recording of an HDF5 file of many, from 0"));
  place(command.add_option("--event-time-unit", flags.time_unit, "unit of times in the file")
            ->check(CLI::IsMember({"auto", "s", "ms", "us", "ns"})));
  place(command.add_flag("--lenient", flags.lenient, "keep the events before the first error"));
  place(command.add_flag("--unsorted", flags.unsorted, "accept times that run backwards"));
}

Result<ReadOptions> read_options(const EventFlags& flags) {
  ReadOptions options;
  options.format = flags.format;
  options.columns = flags.columns;
  options.lenient = flags.lenient;
  options.unsorted = flags.unsorted;
  options.sample = flags.sample;
  SPIKELOOM_TRY(options.time_unit, parse_event_time_unit(flags.time_unit));
  if (!flags.size.empty()) {
    const std::string_view text = flags.size;
    const std::size_t x = text.find('x');
    if (x == text.npos || !to_number(text.substr(0, x), options.width) ||
        !to_number(text.substr(x + 1), options.height)) {
      return Error{.what = "--size is not a sensor's size",
                   .expected = "WIDTHxHEIGHT, e.g. 346x260",
                   .got = flags.size};
    }
  }
  return options;
}

bool npy_holds_fields(std::span<const std::byte> start) {
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  const std::size_t descr = text.find("'descr'");
  return descr != text.npos && text.substr(descr + 7, 3).find('[') != text.npos;
}

Result<bool> hdf5_holds_events(const std::string& path) {
  SPIKELOOM_TRY(const auto file, io::Hdf5File::open(path));
  const io::Hdf5Group root = file.root();
  return !root.has("node") &&
         (root.has("spikes") || root.has("events") || root.has("CD") || root.has("x"));
}

}  // namespace spikeloom::cli
