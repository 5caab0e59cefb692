#include "cli/live.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <poll.h>

#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/interrupt.hpp"
#include "cli/live_feed.hpp"
#include "cli/live_input.hpp"
#include "cli/live_udp.hpp"
#include "cli/network_file.hpp"
#include "cli/number_check.hpp"
#include "cli/run_report.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

constexpr const char* kStandardInput = "standard input";
/// A wait never lasts longer, so that Ctrl-C is seen whenever it comes.
constexpr Time kLongestWait = 100 * kMillisecond;

/// Nanoseconds since the program began to listen.
class ArrivalClock {
 public:
  Time now() const {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() -
                                                                start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Decisions on their way to stdout: "step time_s decision score" a line.
class DecisionLines {
 public:
  DecisionLines(const LiveFlags& flags, bool quiet, Time step_time, Console& console)
      : flags_(flags), quiet_(quiet), step_time_(step_time), console_(console) {}

  Status operator()(const LiveDecision& decision) {
    const bool changed = decision.prediction != last_;
    last_ = decision.prediction;
    if (changed) ++changes_;
    const bool due = flags_.every > 0 ? decision.step % flags_.every == 0 : changed;
    if (!due || quiet_) return {};
    std::string line;
    if (!has_header_) line = "# step time_s decision score\n";
    has_header_ = true;
    line += fmt::format("{} {} {} {}\n", decision.step,
                        number_text(to_seconds(decision.step * step_time_)),
                        decision.prediction ? std::to_string(*decision.prediction) : "-",
                        number_text(decision.score));
    return printed(console_.print(line));
  }

  std::uint64_t changes() const { return changes_; }

 private:
  const LiveFlags& flags_;
  bool quiet_;  ///< --json: the document says it all
  Time step_time_;
  Console& console_;
  std::optional<std::int64_t> last_;
  bool has_header_ = false;
  std::uint64_t changes_ = 0;
};

Error read_error() {
  return Error{.code = ErrorCode::kIo,
               .what = "cannot be read",
               .where = kStandardInput,
               .got = std::strerror(errno)};
}

/// Until when to wait for input: the end of the present step, if that ends by the clock.
Time wait_for(const LiveFeed& feed, bool wall_clock, Time step_time, Time now) {
  if (!wall_clock || !feed.origin()) return kLongestWait;
  const Time end = *feed.origin() + (feed.steps() + 1) * step_time;
  return std::clamp<Time>(end - now, 0, kLongestWait);
}

/// Feeds what comes until the stream or the run ends. kCancelled after Ctrl-C.
Status listen(const LiveRequest& request, Time step_time, LiveReader& reader, LiveFeed& feed) {
  const bool wall_clock = request.live.wall_clock;
  const ArrivalClock clock;
  std::array<std::byte, 65536> buffer{};
  LiveEvents events;
  while (!feed.is_over()) {
    if (interrupted()) return interrupted_error();
    const Time wait = wait_for(feed, wall_clock, step_time, clock.now());
    const timespec timeout = {static_cast<time_t>(wait / kSecond),
                              static_cast<long>(wait % kSecond)};
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    const int ready = ppoll(&input, 1, &timeout, nullptr);
    if (ready < 0 && errno != EINTR) return read_error();
    const Time now = clock.now();
    const auto arrival = wall_clock ? std::optional<Time>(now) : std::nullopt;
    if (wall_clock) SPIKELOOM_CHECK(feed.complete_until(now));
    if (ready <= 0) continue;
    const ssize_t count = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno != EINTR && errno != EAGAIN) return read_error();
    if (count < 0) continue;
    events.clear();
    const Status fed = count == 0
                           ? reader.finish(events)
                           : reader.feed({buffer.data(), static_cast<std::size_t>(count)}, events);
    SPIKELOOM_CHECK(feed.take(events, reader.unit(), arrival));
    SPIKELOOM_CHECK(fed);
    if (count == 0) return feed.finish();
  }
  return {};
}

Value live_value(const LiveFlags& flags, const LiveFeed& feed, std::uint64_t changes,
                 bool stopped) {
  Value latency = Value::map();
  latency.set("steps", feed.latency().count());
  latency.set("median", feed.latency().quantile_us(0.5));
  latency.set("p99", feed.latency().quantile_us(0.99));
  Value value = Value::map();
  value.set("format", flags.format).set("wall_clock", flags.wall_clock);
  value.set("events", feed.events()).set("decision_changes", changes).set("stopped", stopped);
  value.set("latency_us", std::move(latency));
  return value;
}

std::string input_text(const LiveFeed& feed, const InputStats& input) {
  return fmt::format("input          {} events, {} out of order, {} late, {} dropped\n",
                     with_commas(feed.events()), with_commas(input.out_of_order),
                     with_commas(input.late), with_commas(input.dropped));
}

std::string latency_text(const LatencyHistogram& latency) {
  return fmt::format(
      "latency        last event of a step to decision: median {:.1f} us, 99th "
      "percentile {:.1f} us, {} steps\n",
      latency.quantile_us(0.5), latency.quantile_us(0.99), with_commas(latency.count()));
}

Result<LiveRules> rules_of(const LiveRequest& request, const Pipeline& pipeline) {
  LiveRules rules;
  if (request.live.late == "drop") rules.late = LatePolicy::kDrop;
  if (request.live.late == "next") rules.late = LatePolicy::kNextStep;
  if (request.live.overflow == "drop") rules.overflow = OverflowPolicy::kDropNewest;
  rules.max_pending_events = static_cast<std::size_t>(request.live.max_pending);
  SPIKELOOM_TRY(rules.most_steps, asked_steps(request.run, pipeline.discretisation()));
  if (!rules.most_steps) rules.most_steps = pipeline.coding.steps;
  return rules;
}

void print_notes(const LiveRequest& request, const Pipeline& pipeline, Console& console) {
  if (request.common.json) return;  // they are in the document
  for (const std::string& note : pipeline.notes) console.note(note);
  console.note("discretisation: " + describe(pipeline.discretisation()));
}

std::string name_of(const LiveFlags& flags) {
  return flags.udp ? fmt::format("UDP port {}", *flags.udp) : std::string(kStandardInput);
}

Value udp_value(const UdpStats& stats) {
  Value value = Value::map();
  value.set("datagrams", stats.datagrams).set("events", stats.events).set("lost", stats.lost);
  value.set("late_datagrams", stats.late).set("malformed_datagrams", stats.malformed);
  return value.set("queue_bytes", std::uint64_t{stats.queue_bytes});
}

std::string udp_text(const UdpStats& stats) {
  return fmt::format(
      "UDP            {} datagrams, {} events, {} events lost on the way (newest first when the "
      "queue of {} bytes is full), {} late and {} malformed datagrams\n",
      with_commas(stats.datagrams), with_commas(stats.events), with_commas(stats.lost),
      with_commas(stats.queue_bytes), with_commas(stats.late), with_commas(stats.malformed));
}

/// What is known at the end, also after Ctrl-C.
Status conclude(const LiveRequest& request, const Pipeline& pipeline, const LiveFeed& feed,
                const UdpStats* udp, std::uint64_t changes, bool stopped, Console& console) {
  RecordingResult result;
  result.name = name_of(request.live);
  result.outcome = feed.outcome();
  const RunContext context{request.model, &pipeline, result.outcome.wall_seconds};
  if (request.common.json) {
    Value document = run_value(context, {result});
    document.set("live", live_value(request.live, feed, changes, stopped));
    if (udp != nullptr) document.set("udp", udp_value(*udp));
    return printed(console.print_json(document));
  }
  console.note("summary\n" + run_text(context, {result}) +
               input_text(feed, result.outcome.stats.input) +
               (udp != nullptr ? udp_text(*udp) : std::string()));
  console.debug("\n" + latency_text(feed.latency()));
  return {};
}

}  // namespace

void add_live_flags(CLI::App& command, LiveFlags& flags) {
  constexpr const char* kGroup = "Live input";
  CLI::Option* live =
      command.add_flag("--live", flags.live, "decide while events arrive on standard input");
  live->group(kGroup);
  const auto needs_live = [&](CLI::Option* option) {
    option->needs(live)->group(kGroup);
    return option;
  };
  needs_live(command.add_option("--format", flags.format, "of the events: text or binary")
                 ->check(CLI::IsMember({"text", "binary"})));
  needs_live(command.add_option("--late", flags.late, "events of a step that is done")
                 ->check(CLI::IsMember({"error", "drop", "next"})));
  needs_live(command.add_option("--overflow", flags.overflow, "events beyond --max-pending")
                 ->check(CLI::IsMember({"error", "drop"})));
  needs_live(command.add_option("--max-pending", flags.max_pending, "most events of one step")
                 ->check(whole_number));
  needs_live(command.add_option("--every", flags.every, "a line every N steps, not at changes")
                 ->check(whole_number));
  needs_live(command.add_option("--udp", flags.udp,
                                "take events from this UDP port of the loopback interface"))
      ->excludes("--format");
  needs_live(command.add_flag("--wall-clock", flags.wall_clock, "bins by time of arrival"));
  for (const char* other : {"--input", "--labels", "--input-format", "--axes", "--samples",
                            "--lenient", "--unsorted", "--record", "--out"}) {
    live->excludes(command.get_option(other));
  }
  for (const std::string& filter : filter_flag_names()) live->excludes(command.get_option(filter));
}

Result<int> run_live(const LiveRequest& request, Console& console) {
  SPIKELOOM_TRY(const LoadedModel model, load_network_file(request.model, request.model_flags));
  PipelineRequest wanted;
  wanted.flags = request.run;
  wanted.seed = request.common.seed;
  wanted.threads = thread_count(request.common);
  SPIKELOOM_TRY(const Pipeline pipeline, make_pipeline(model, wanted));
  if (!pipeline.port) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the network has no Input node to feed",
                 .where = request.model,
                 .next = "run it with --steps N, without --live"};
  }
  print_notes(request, pipeline, console);
  SPIKELOOM_TRY(const LiveRules rules, rules_of(request, pipeline));
  std::optional<UdpEventReceiver> receiver;
  if (request.live.udp) {
    SPIKELOOM_TRY(receiver, UdpEventReceiver::open(*request.live.udp));
    console.note(fmt::format("listening on 127.0.0.1:{}", receiver->port()));
  }
  LiveFormat format;
  format.format = request.live.format;
  format.columns = request.input.columns;
  format.time_unit = request.input.event_time_unit;
  format.shape = pipeline.input_shape();
  SPIKELOOM_TRY(const auto reader, make_live_reader(format));
  DecisionLines lines(request.live, request.common.json, pipeline.step_time(), console);
  SPIKELOOM_TRY(LiveFeed feed,
                LiveFeed::open(pipeline, rules,
                               [&lines](const LiveDecision& decision) { return lines(decision); }));

  Status heard = receiver ? listen_udp(*receiver, format.shape, request.live.wall_clock, feed)
                          : listen(request, pipeline.step_time(), *reader, feed);
  const bool stopped = !heard.ok() && heard.error().code == ErrorCode::kCancelled;
  if (!heard.ok() && !stopped) {
    // The operating system refused: stdin and stdout name themselves.
    if (heard.error().code == ErrorCode::kIo) return std::move(heard.error());
    return Error(heard.error()).in(name_of(request.live));
  }
  SPIKELOOM_CHECK(conclude(request, pipeline, feed, receiver ? &receiver->stats() : nullptr,
                           lines.changes(), stopped, console));
  return stopped ? kExitCancelled : kExitOk;
}

}  // namespace spikeloom::cli
