#pragma once
/// What the command says: data on stdout, everything else on stderr.
///
/// Messages go through spdlog. `--quiet` leaves errors only, `--verbose` adds details. Progress is
/// drawn on stderr when that is a terminal, or in lines of their own with `--progress`.

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/value.hpp"

namespace spikeloom::cli {

struct CommonOptions;

class Console {
 public:
  explicit Console(const CommonOptions& options);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// Data, as it is; false when stdout does not take it.
  bool print(std::string_view text);
  /// A JSON document of two spaces a level.
  bool print_json(const Value& value);

  void debug(std::string_view message);
  void note(std::string_view message);
  void warn(std::string_view message);
  void error(std::string_view message);

  /// Says that `done` of `total` are done; callable from any thread. Nothing within the first
  /// half second, so that short work stays silent.
  void progress(std::string_view what, std::int64_t done, std::int64_t total);
  /// Wipes the progress line.
  void end_progress();

  bool stdout_is_terminal() const;

 private:
  struct Logger;
  std::unique_ptr<Logger> logger_;
  std::mutex mutex_;
  bool quiet_ = false;
  bool progress_lines_ = false;
  bool progress_line_open_ = false;
  std::chrono::steady_clock::time_point started_, last_drawn_;
};

}  // namespace spikeloom::cli
