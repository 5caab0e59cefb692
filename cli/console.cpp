#include "cli/console.hpp"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include "base/io/json.hpp"
#include "cli/common_options.hpp"

namespace spikeloom::cli {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kSilence = 500ms;
constexpr auto kRedraw = 100ms;
constexpr auto kLineEvery = 2s;
constexpr int kBarCells = 24;

}  // namespace

struct Console::Logger {
  spdlog::logger log{"spikeloom", std::make_shared<spdlog::sinks::stderr_color_sink_mt>()};
};

Console::Console(const CommonOptions& options)
    : logger_(std::make_unique<Logger>()),
      quiet_(options.quiet),
      progress_lines_(options.progress),
      started_(Clock::now()),
      last_drawn_(started_) {
  logger_->log.set_pattern("spikeloom: %^%l%$: %v");
  logger_->log.set_level(options.quiet     ? spdlog::level::err
                         : options.verbose ? spdlog::level::debug
                                           : spdlog::level::info);
}

Console::~Console() { end_progress(); }

bool Console::print(std::string_view text) {
  end_progress();
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  return std::fflush(stdout) == 0 && written;
}

bool Console::print_json(const Value& value) { return print(io::to_json(value, 2) + "\n"); }

void Console::debug(std::string_view message) {
  end_progress();
  logger_->log.debug(message);
}

void Console::note(std::string_view message) {
  end_progress();
  logger_->log.info(message);
}

void Console::warn(std::string_view message) {
  end_progress();
  logger_->log.warn(message);
}

void Console::error(std::string_view message) {
  end_progress();
  logger_->log.error(message);
}

void Console::progress(std::string_view what, std::int64_t done, std::int64_t total) {
  const std::lock_guard lock(mutex_);
  const bool terminal = isatty(STDERR_FILENO) != 0;
  if (quiet_ || total <= 0 || (!terminal && !progress_lines_)) return;
  const auto now = Clock::now();
  // What came before the first step, such as building a network, says nothing about the time left.
  if (done == 0 && last_drawn_ == started_) started_ = last_drawn_ = now;
  const auto pause = terminal ? Clock::duration(kRedraw) : Clock::duration(kLineEvery);
  const bool first_line = progress_lines_ && last_drawn_ == started_;
  if (!first_line && (now - started_ < kSilence || now - last_drawn_ < pause)) return;
  last_drawn_ = std::max(now, started_ + Clock::duration(1));  // something was drawn
  const double share = static_cast<double>(done) / static_cast<double>(total);
  const double elapsed = std::chrono::duration<double>(now - started_).count();
  const std::string left = share > 0.0 ? fmt::format("{:.0f} s left", elapsed / share - elapsed)
                                       : std::string("starting");
  if (!terminal) {
    fmt::print(stderr, "spikeloom: {} {}/{}, {}\n", what, done, total, left);
    return;
  }
  const int filled = std::clamp(static_cast<int>(share * kBarCells), 0, kBarCells);
  fmt::print(stderr, "\r\x1b[K{} [{:#<{}}{:.<{}}] {}/{}, {}", what, "", filled, "",
             kBarCells - filled, done, total, left);
  std::fflush(stderr);
  progress_line_open_ = true;
}

void Console::end_progress() {
  const std::lock_guard lock(mutex_);
  if (!progress_line_open_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  progress_line_open_ = false;
}

bool Console::stdout_is_terminal() const { return isatty(STDOUT_FILENO) != 0; }

}  // namespace spikeloom::cli
