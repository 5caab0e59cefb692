#pragma once
/// The folder that `run --out DIR` writes: run.json and recordings.h5 (docs/formats/run.md).
///
/// Everything is written into a temporary folder beside DIR, which commit() renames; without
/// commit() it is removed, so DIR is whole or not there.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/run_report.hpp"

namespace spikeloom::cli {

/// One node's events as a run folder has them, for plots.
struct StoredEvents {
  std::string node;
  std::string variable;
  std::int64_t neurons = 0;
  std::vector<std::int64_t> step;
  std::vector<std::int64_t> index;
};
struct StoredRecording {
  std::string name;
  std::int64_t steps = 0;
  double step_seconds = 0.0;  ///< 0 where dt is unknown
  std::vector<StoredEvents> events;
};

/// A state variable of some neurons, every `interval` steps.
struct StoredTrace {
  std::string node;
  std::string variable;
  std::int64_t first = 0, neurons = 0;  ///< of the node
  std::int64_t interval = 1;
  std::vector<double> values = {};  ///< (samples, neurons); the first after `interval` steps
};

class RunDirectory {
 public:
  /// kInvalidArgument when `path` is there already (an empty folder may be).
  static Result<RunDirectory> create(const std::string& path);
  ~RunDirectory();
  RunDirectory(RunDirectory&&) noexcept;
  RunDirectory& operator=(RunDirectory&&) noexcept;

  /// Appends one recording to recordings.h5.
  Status add(const Program& program, const RecordingResult& result);
  /// The same of a simulated network: populations stand for nodes, of kind "population".
  Status add(const StoredRecording& recording, const std::vector<StoredTrace>& traces);
  /// The folder until commit(): for further files.
  const std::string& folder() const;
  /// Writes run.json, closes everything and gives the folder its name.
  Status commit(const Value& run);

 private:
  struct State;
  explicit RunDirectory(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Reads recording `number` of a run folder. kNotFound: no such folder or recording.
Result<StoredRecording> read_run_directory(const std::string& path, std::size_t number);

}  // namespace spikeloom::cli
