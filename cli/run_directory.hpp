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

class RunDirectory {
 public:
  /// kInvalidArgument when `path` is there already (an empty folder may be).
  static Result<RunDirectory> create(const std::string& path);
  ~RunDirectory();
  RunDirectory(RunDirectory&&) noexcept;
  RunDirectory& operator=(RunDirectory&&) noexcept;

  /// Appends one recording to recordings.h5.
  Status add(const Program& program, const RecordingResult& result);
  /// Writes run.json, closes everything and gives the folder its name.
  Status commit(const Value& run);

 private:
  struct State;
  explicit RunDirectory(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

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

/// Reads recording `number` of a run folder. kNotFound: no such folder or recording.
Result<StoredRecording> read_run_directory(const std::string& path, std::size_t number);

}  // namespace spikeloom::cli
