#pragma once
/// The flags of every command that runs a network, and the text form `compare` takes them in.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/backend.hpp"
#include "base/result.hpp"
#include "cli/filter_flags.hpp"
#include "snn/input_coding.hpp"
#include "snn/read_out.hpp"

namespace CLI {
class App;
}

namespace spikeloom::cli {

/// How a network is run. What is absent is left to the model file, then to the defaults.
struct RunFlags {
  std::optional<std::string> preset;
  /// The Discretisation options that were given, by name; a name occurs once.
  std::vector<std::pair<std::string, std::string>> discretisation;
  std::optional<std::string> coding, bin_origin, bin_rounding, read_out;
  std::optional<std::int64_t> ignore_steps;
  std::optional<double> clip;
  bool keep_last_bin = false;
  std::string arithmetic = "auto";  ///< auto: integer where the network is, else float32
  std::string backend = "auto";
  std::string schedule = "auto";      ///< how cpu adds up projections
  std::optional<std::int64_t> steps;  ///< cut the input, or follow it with silence
  std::optional<double> duration;     ///< the same in the unit of dt
  std::string port;                   ///< Input node that gets the files; empty: the only one
};

/// Which recordings, and how their files are read.
struct InputFlags {
  std::vector<std::string> files;
  std::string labels;
  std::string format = "auto";  ///< auto, events, array, or the name of an event codec
  std::string axes;             ///< letters of a spike tensor's axes; empty: (time, features...)
  bool samples = false;         ///< an array's first axis is samples
  std::string columns;          ///< of events: letters; of a table: numbers or names
  std::string event_time_unit = "auto";
  bool lenient = false;
  bool unsorted = false;
  FilterFlags filters;
};

void add_run_flags(CLI::App& command, RunFlags& flags);
void add_input_flags(CLI::App& command, InputFlags& flags);

/// Applies flags written as one text, as in "--reset subtract --dt 1e-3", on top of `flags`.
Status apply_run_flags(std::string_view text, RunFlags& flags);

/// The coding of a run: flags beat the preset they name, that beats what the model declares, and
/// that beats `preset`, what the network was resolved to.
Result<InputCoding> input_coding(const RunFlags& flags, const std::optional<InputCoding>& declared,
                                 std::string_view preset);
/// True when a flag says how the network is run, as a model file would keep it.
bool has_model_settings(const RunFlags& flags);

/// "NODE" or "NODE:VARIABLE" with spikes (default), y, v or u. A name may hold colons: only a
/// variable's name behind the last one counts.
struct RecordFlag {
  std::string node;
  Variable variable = Variable::kSpikes;
};
RecordFlag parse_record_flag(std::string_view text);

}  // namespace spikeloom::cli
