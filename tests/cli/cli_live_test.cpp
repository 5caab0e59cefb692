/// `spikeloom run --live`: what comes through a pipe decides as the same recording in a file does.

#include <array>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <thread>

#include "cli/live_latency.hpp"
#include "tests/cli/cli_models.hpp"
#include "tests/cli/cli_process.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

using namespace std::chrono_literals;

/// "t x y p" with times in microseconds.
std::string as_text(const EventPacket& events) {
  std::string text;
  for (std::size_t i = 0; i < events.size(); ++i) {
    text += std::to_string(events.time[i] / kMicrosecond) + " " + std::to_string(events.x[i]) +
            " " + std::to_string(events.y[i]) + " " + std::to_string(events.polarity[i]) + "\n";
  }
  return text;
}

/// One record of the binary format: int64 ns, uint32 index, float32 value, little endian.
std::string record(std::int64_t ns, std::uint32_t index, float value) {
  std::array<char, 16> bytes{};
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(ns >> (8 * i));
  for (std::size_t i = 0; i < 4; ++i) bytes[8 + i] = static_cast<char>(index >> (8 * i));
  for (std::size_t i = 0; i < 4; ++i) bytes[12 + i] = static_cast<char>(bits >> (8 * i));
  return {bytes.begin(), bytes.end()};
}

class CliLive : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    save(two_if_network(), path("net.nir"));
    save(polarity_network(), path("polarity.nir"));
  }

  /// Starts the binary with a pipe for standard input; feed() writes to it, end() closes it.
  pid_t start_fed(const std::vector<std::string>& arguments) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    const int own = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
    dup2(ends[0], STDIN_FILENO);
    const pid_t child = start(arguments);
    dup2(own, STDIN_FILENO);
    close(own);
    close(ends[0]);
    pipe_ = ends[1];
    return child;
  }

  void feed(const std::string& bytes) const {
    // A child that has given up closes its end; its exit code is what the test looks at.
    std::signal(SIGPIPE, SIG_IGN);
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t written = write(pipe_, bytes.data() + at, bytes.size() - at);
      if (written <= 0) return;
      at += static_cast<std::size_t>(written);
    }
  }

  void end() const { close(pipe_); }

  ProcessResult live(const std::vector<std::string>& more, const std::string& input,
                     const std::string& model = "net.nir") {
    std::vector<std::string> arguments = {"run", model, "--dt", "1e-3", "--live"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const pid_t child = start_fed(arguments);
    feed(input);
    end();
    return finish(child);
  }

  std::vector<double> live_counts(std::vector<std::string> more, const std::string& input) {
    more.emplace_back("--json");
    const auto result = live(more, input);
    EXPECT_EQ(result.code, 0) << result.err;
    return numbers_at(result.json(), {"output_counts"});
  }

  /// Waits until stdout of the running child holds `part`.
  bool says(const std::string& part) const {
    for (int i = 0; i < 1000; ++i) {
      if (contains(read_whole(folder() / ".stdout"), part)) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

 private:
  int pipe_ = -1;
};

/// Both elements at 0, 1, ..., 8 ms: eight whole steps, in which neuron 0 fires at every second
/// and neuron 1 at each (cli_models.hpp).
std::string both_every_ms(const std::string& value = "") {
  std::string text;
  for (int ms = 0; ms <= 8; ++ms) {
    for (const char* index : {"0", "1"}) {
      text += std::to_string(1000 * ms) + " " + index + value + "\n";
    }
  }
  return text;
}

TEST_F(CliLive, IndexLinesGiveCountsWorkedOutByHand) {
  const auto result = live({"--json"}, both_every_ms());
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  EXPECT_EQ(numbers_at(document, {"output_counts"}), (std::vector<double>{4, 8}));
  EXPECT_EQ(number_at(document, {"prediction"}), 1);
  EXPECT_EQ(number_at(document, {"steps"}), 8) << "the last, incomplete bin is dropped";
  EXPECT_EQ(number_at(document, {"live", "events"}), 18);
  EXPECT_EQ(number_at(document, {"live", "latency_us", "steps"}), 8);
  const double median = number_at(document, {"live", "latency_us", "median"});
  EXPECT_GT(median, 0.0);
  EXPECT_GE(number_at(document, {"live", "latency_us", "p99"}), median);

  EXPECT_EQ(live_counts({}, both_every_ms(" 2")), (std::vector<double>{8, 8})) << "2 > 1.5";
  EXPECT_EQ(live_counts({"--keep-last-bin"}, both_every_ms()), (std::vector<double>{4, 9}));
  EXPECT_EQ(live_counts({"--columns", "ti"}, "# times in us\n" + both_every_ms()),
            (std::vector<double>{4, 8}));
  EXPECT_EQ(live_counts({"--event-time-unit", "ms"}, "t index\n0 1\n1 1\n2 1"),
            (std::vector<double>{0, 2}));
  // Cut after 3 steps, and followed by silence up to 20.
  EXPECT_EQ(live_counts({"--steps", "3"}, both_every_ms()), (std::vector<double>{1, 3}));
  EXPECT_EQ(live_counts({"--steps", "20"}, both_every_ms()), (std::vector<double>{4, 8}));
}

TEST_F(CliLive, CodingWorksOnTheSumOfAStep) {
  // Every event twice: sums of 2 unless they are limited.
  const std::string once = both_every_ms();
  std::string twice;
  for (std::size_t at = 0; at < once.size();) {
    const std::size_t next = once.find('\n', at) + 1;
    twice += once.substr(at, next - at) + once.substr(at, next - at);
    at = next;
  }
  EXPECT_EQ(live_counts({}, twice), (std::vector<double>{8, 8}));
  EXPECT_EQ(live_counts({"--coding", "binary"}, twice), (std::vector<double>{4, 8}));
  EXPECT_EQ(live_counts({"--clip", "1"}, twice), (std::vector<double>{4, 8}));
  EXPECT_EQ(live({"--coding", "latency"}, once).code, 7);
}

TEST_F(CliLive, BinaryRecordsMayBeCutAnywhere) {
  std::string bytes;
  for (int ms = 0; ms <= 8; ++ms) {
    bytes += record(ms * kMillisecond, 0, 2.0F) + record(ms * kMillisecond, 1, 1.0F);
  }
  const pid_t child =
      start_fed({"run", "net.nir", "--dt", "1e-3", "--live", "--format", "binary", "--json"});
  feed(bytes.substr(0, 21));
  std::this_thread::sleep_for(50ms);
  feed(bytes.substr(21));
  end();
  const auto result = finish(child);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(numbers_at(result.json(), {"output_counts"}), (std::vector<double>{8, 8}));

  const auto cut = live({"--format", "binary"}, bytes.substr(0, 37));
  EXPECT_EQ(cut.code, 4);
  EXPECT_TRUE(contains(cut.err, "record 3")) << cut.err;
  EXPECT_TRUE(contains(cut.err, "16 bytes")) << cut.err;
}

TEST_F(CliLive, GivesWhatTheSameRecordingGivesAsAFile) {
  Recording recording = one_event_per_ms(40, true);
  for (std::size_t i = 0; i < recording.events.size(); ++i) {
    recording.events.time[i] += 7 * kMillisecond + 300 * kMicrosecond;
    recording.events.polarity[i] = i % 3 == 0 ? 0 : 1;
  }
  write_whole(path("events.txt"), as_text(recording.events));
  const std::vector<std::vector<std::string>> variants = {
      {},
      {"--bin-origin", "zero"},
      {"--keep-last-bin"},
      {"--dt", "2e-3"},
      {"--coding", "binary", "--dt", "4e-3"},
      {"--clip", "2", "--dt", "4e-3"},
      {"--steps", "17"},
      {"--steps", "100"},
      {"--keep-last-bin", "--steps", "100"},
  };
  for (const auto& variant : variants) {
    std::vector<std::string> file = {"run", "polarity.nir", "--input", "events.txt", "--json"};
    std::vector<std::string> pipe = {"run", "polarity.nir", "--live", "--json"};
    for (std::vector<std::string>* arguments : {&file, &pipe}) {
      if (std::find(variant.begin(), variant.end(), "--dt") == variant.end()) {
        arguments->insert(arguments->end(), {"--dt", "1e-3"});
      }
      arguments->insert(arguments->end(), variant.begin(), variant.end());
    }
    const auto expected = run(file);
    ASSERT_EQ(expected.code, 0) << expected.err;
    const pid_t child = start_fed(pipe);
    feed(as_text(recording.events));
    end();
    const auto found = finish(child);
    ASSERT_EQ(found.code, 0) << found.err;
    const Value a = expected.json();
    const Value b = found.json();
    const std::string name = variant.empty() ? "plain" : variant[0];
    for (const char* key : {"output_counts", "prediction", "steps", "synaptic_operations"}) {
      EXPECT_EQ(at(a, {key}), at(b, {key})) << name << " " << key;
    }
  }
}

TEST_F(CliLive, DecidesBeforeTheInputEnds) {
  const pid_t child = start_fed({"run", "net.nir", "--dt", "1e-3", "--live"});
  feed("0 1\n1000 1\n");
  EXPECT_TRUE(says("1 0.001 1 1\n")) << "step 0 is complete, and neuron 1 fired";
  // Neuron 0 fires twice within the next steps and overtakes neuron 1.
  feed("1500 0 2\n2000 0 2\n3000 0 2\n4000 0 2\n5000 0 2\n");
  EXPECT_TRUE(says("3 0.003 0 2\n"));
  end();
  const auto result = finish(child);
  EXPECT_EQ(result.code, 0) << result.err;
  // Step 1: neurons 0 and 1 fire (1, 2); step 2: neuron 0 (2, 2), a tie that the lowest wins.
  EXPECT_EQ(result.out, "# step time_s decision score\n1 0.001 1 1\n3 0.003 0 2\n");
  EXPECT_TRUE(contains(result.err, "output counts  4 2")) << result.err;
  EXPECT_TRUE(contains(result.err, "7 events, 0 out of order, 0 late, 0 dropped")) << result.err;
}

TEST_F(CliLive, EveryPrintsAtEqualDistances) {
  const auto result = live({"--every", "2", "--quiet"}, both_every_ms());
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "# step time_s decision score\n2 0.002 1 2\n4 0.004 1 4\n6 0.006 1 6\n8 0.008 1 8\n");
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(live({"--every", "1", "--quiet"}, "0 0\n1000 0\n").out,
            "# step time_s decision score\n1 0.001 - 0\n")
      << "nothing was decided yet";
}

TEST_F(CliLive, LateEventsAreRefusedDroppedOrMoved) {
  // The third event belongs to step 1, when step 5 has begun.
  const std::string input = "0 1\n5000 0\n1000 0\n6000 1\n";
  const auto refused = live({}, input);
  EXPECT_EQ(refused.code, 4);
  EXPECT_TRUE(contains(refused.err, "line 3")) << refused.err;
  EXPECT_TRUE(contains(refused.err, "step 5 or later")) << refused.err;
  EXPECT_TRUE(contains(refused.err, "got step 1")) << refused.err;

  const auto check = [&](const char* policy, std::vector<double> counts, double dropped) {
    const auto result = live({"--late", policy, "--json"}, input);
    ASSERT_EQ(result.code, 0) << result.err;
    const Value document = result.json();
    EXPECT_EQ(numbers_at(document, {"output_counts"}), counts) << policy;
    EXPECT_EQ(number_at(document, {"input", "late"}), 1);
    EXPECT_EQ(number_at(document, {"input", "out_of_order"}), 1);
    EXPECT_EQ(number_at(document, {"input", "dropped"}), dropped);
  };
  check("drop", {0, 1}, 1);  // neuron 0 got 1, which is not above 1.5
  check("next", {1, 1}, 0);  // neuron 0 got 2 in step 5
  // Out of order within a step is not late.
  const auto within = live({"--json"}, "0 1\n900 1\n100 0\n2000 1\n");
  ASSERT_EQ(within.code, 0) << within.err;
  EXPECT_EQ(number_at(within.json(), {"input", "out_of_order"}), 1);
  EXPECT_EQ(number_at(within.json(), {"input", "late"}), 0);
}

TEST_F(CliLive, MoreEventsThanAStepMayHoldAreRefusedOrDropped) {
  const std::string input = "0 0\n1 0\n2 0\n3 1\n1000 1\n";
  const auto refused = live({"--max-pending", "2"}, input);
  EXPECT_EQ(refused.code, 8);
  EXPECT_TRUE(contains(refused.err, "line 3")) << refused.err;
  EXPECT_TRUE(contains(refused.err, "at most 2")) << refused.err;
  const auto dropped = live({"--max-pending", "2", "--overflow", "drop", "--json"}, input);
  ASSERT_EQ(dropped.code, 0) << dropped.err;
  EXPECT_EQ(numbers_at(dropped.json(), {"output_counts"}), (std::vector<double>{1, 0}));
  EXPECT_EQ(number_at(dropped.json(), {"input", "dropped"}), 2);
}

TEST_F(CliLive, MalformedLinesAreNamedWithWhatWasExpected) {
  struct Bad {
    std::string model, line;
    int code;
    std::string part;
  };
  const std::vector<Bad> cases = {
      {"net.nir", "1000 x", 4, "not an index"},
      {"net.nir", "1000 2", 5, "an index from 0 to 1"},
      {"net.nir", "1000 -1", 5, "got -1"},
      {"net.nir", "1000 1 1e999", 4, "a finite number"},
      {"net.nir", "1000 1 1 1", 4, "2 or 3: t index [value]"},
      {"net.nir", "soon 1", 4, "not a time"},
      {"net.nir", "99999999999999999999 1", 4, "not a time"},
      {"net.nir", "9000000000000000 1", 8, "too far from the first step"},
      {"net.nir", std::string(5000, '1'), 4, "at most 4096 bytes"},
      {"polarity.nir", "1000 1 1", 4, "wrong number of columns"},
      {"polarity.nir", "1000 4 1 1", 4, "x < 4, y < 4"},
      {"polarity.nir", "1000 1 1 7", 4, "not a polarity"},
      {"polarity.nir", "1000 1 one 1", 4, "got \"one\""},
  };
  for (const Bad& bad : cases) {
    const std::string good = bad.model == "net.nir" ? "0 1\n" : "0 1 1 1\n";
    const auto result = live({}, "# a comment\n" + good + bad.line + "\n" + good, bad.model);
    EXPECT_EQ(result.code, bad.code) << bad.line.substr(0, 40) << ": " << result.err;
    EXPECT_TRUE(contains(result.err, "standard input: line 3")) << result.err;
    EXPECT_TRUE(contains(result.err, bad.part)) << result.err;
  }
}

TEST_F(CliLive, NothingToReadIsZeroSteps) {
  for (const std::string input : {"", "\n", "# only a comment"}) {
    const auto result = live({"--json"}, input);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(number_at(result.json(), {"steps"}), 0);
  }
  EXPECT_EQ(live_counts({"--steps", "4"}, ""), (std::vector<double>{0, 0}));
}

TEST_F(CliLive, CtrlCSumsUpAndExitsWith130) {
  const pid_t child = start_fed({"run", "net.nir", "--dt", "1e-3", "--live"});
  feed("0 1\n1000 1\n");
  ASSERT_TRUE(says("1 0.001 1 1\n"));
  kill(child, SIGINT);
  const auto result = finish(child);
  end();
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_TRUE(contains(result.err, "output counts  0 1")) << result.err;
}

TEST_F(CliLive, WallClockBinsByArrival) {
  const pid_t child =
      start_fed({"run", "net.nir", "--dt", "1e-3", "--live", "--wall-clock", "--every", "5"});
  feed("0 1\n");
  EXPECT_TRUE(says("5 0.005 1 1\n")) << "steps end by the clock, without another event";
  // By its own time this event would come after a million steps.
  feed("1000000000 1\n");
  EXPECT_TRUE(says(" 1 2\n"));
  end();
  const auto result = finish(child);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "output counts  0 2")) << result.err;
}

TEST_F(CliLive, FlagsThatDoNotGoTogetherAreUsageErrors) {
  EXPECT_EQ(live({"--input", "x.bs2"}, "").code, 2);
  EXPECT_EQ(live({"--record", "neurons"}, "").code, 2);
  EXPECT_EQ(live({"--late", "maybe"}, "").code, 2);
  EXPECT_EQ(run({"run", "net.nir", "--every", "3", "--steps", "3"}).code, 2);
  const auto no_step = run({"run", "net.nir", "--live"});
  EXPECT_EQ(no_step.code, 6) << no_step.err;
  EXPECT_TRUE(contains(no_step.err, "--dt")) << no_step.err;
}

TEST_F(CliLive, NMnistThroughAPipeGivesTheExpectedCounts) {
  REQUIRE_SHARED("acceptance/nir/02_cnn/cnn_sinabs.nir");
  const auto folder = shared_path("acceptance/nir/02_cnn");
  const auto read = read_recording((folder / "nmnist_test100/60001.bs2").string());
  ASSERT_TRUE(read.ok());
  const EventPacket& events = read->recording.events;
  std::string records;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::uint32_t index = (events.polarity[i] * 34U + events.y[i]) * 34U + events.x[i];
    records += record(events.time[i], index, 1.0F);
  }
  const std::string model = (folder / "cnn_sinabs.nir").string();
  for (const bool binary : {false, true}) {
    const auto result = live({"--format", binary ? "binary" : "text", "--json"},
                             binary ? records : as_text(events), model);
    ASSERT_EQ(result.code, 0) << result.err;
    const Value document = result.json();
    // The first line of expected_test100_out_counts_zero.csv and of expected_test100_ops.csv.
    EXPECT_EQ(numbers_at(document, {"output_counts"}),
              (std::vector<double>{0, 3, 1, 0, 0, 0, 0, 110, 0, 0}));
    EXPECT_EQ(number_at(document, {"prediction"}), 7);
    EXPECT_EQ(number_at(document, {"steps"}), 302);
  }
}

TEST(LatencyHistogram, QuantilesAreAtMostABinTooHigh) {
  cli::LatencyHistogram histogram;
  EXPECT_EQ(histogram.quantile_us(0.5), 0.0);
  for (std::int64_t ns = 1; ns <= 100000; ++ns) histogram.add(ns);
  for (const double share : {0.01, 0.5, 0.99, 1.0}) {
    const double exact_us = (share * 99999 + 1) * 1e-3;
    EXPECT_GE(histogram.quantile_us(share), exact_us - 0.001) << share;
    EXPECT_LE(histogram.quantile_us(share), exact_us * 33.0 / 32.0 + 0.001) << share;
  }
  histogram.add(-5);
  histogram.add(std::int64_t{1} << 62);
  EXPECT_EQ(histogram.count(), 100002U);
  EXPECT_GE(histogram.quantile_us(1.0), 4.6e15);
}

}  // namespace
}  // namespace spikeloom::test
