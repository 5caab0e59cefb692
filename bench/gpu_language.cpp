/// A language model on the CUDA backend, for `./dev gpu run`; each line of the output is JSON.
///
///     spikeloom_gpu_language check   the text's scores beside cpu's, token by token
///     spikeloom_gpu_language time    tokens a second: one token at a time, and windows of 70
///
/// Batch elements read the same text from places of their own. Scores stay on the device in `time`.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backends/backend.hpp"
#include "base/io/file.hpp"
#include "bench/measuring.hpp"
#include "models/language/language_model.hpp"
#include "models/load.hpp"
#include "snn/lowering.hpp"
#include "snn/word_read_out.hpp"

namespace {

using namespace spikeloom;

struct Options {
  std::string command, backend = "cuda", model, text;
  std::size_t tokens = 0;
  std::uint32_t batch = 256;
  std::int64_t window = 70;
  double seconds = 2.0;
  bool tabulate = false, rows = false;
};

struct Work {
  std::string name;
  Program program;
  std::uint32_t decoder = 0;
  std::vector<std::uint32_t> tokens;
};

Result<Work> read_work(const Options& options) {
  Work work;
  const std::size_t slash = options.model.rfind('/');
  work.name = options.model.substr(slash == std::string::npos ? 0 : slash + 1);
  work.name = work.name.substr(0, work.name.find('.'));
  SPIKELOOM_TRY(const LoadedModel model, load_model(options.model));
  SPIKELOOM_TRY(const Vocabulary vocabulary, language_vocabulary(model.network));
  SPIKELOOM_TRY(const auto bytes, io::read_file(options.text));
  SPIKELOOM_TRY(
      EncodedText text,
      vocabulary.encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, options.text));
  work.tokens = std::move(text.tokens);
  if (options.tokens > 0 && work.tokens.size() > options.tokens) work.tokens.resize(options.tokens);
  if (work.tokens.size() < 2) return Error{.what = "the text is too short", .where = options.text};
  SPIKELOOM_TRY(const Discretisation d, make_preset("nir"));
  SPIKELOOM_TRY(work.program, lower(model.network, d));
  const auto decoder = work.program.find("decoder");
  if (!decoder) return Error{.what = "the network has no decoder", .where = options.model};
  work.decoder = *decoder;
  return work;
}

/// Scores after every token, for one element that reads token by token.
struct Reader {
  std::unique_ptr<Session> session;
  std::vector<float> scores;
  PerplexityMeter meter;

  Status step(const Work& work, std::size_t i) {
    const Time at = session->steps_done() * session->step_time();
    SPIKELOOM_CHECK(session->push(0, 0, {{&at, 1}, {&work.tokens[i], 1}, {}}));
    SPIKELOOM_CHECK(session->advance(at + session->step_time()));
    SPIKELOOM_CHECK(session->latest(0, work.decoder, scores));
    meter.add(log_likelihood(scores, work.tokens[i + 1]));
    return {};
  }
};

Status check(const Work& work, const Options& options) {
  for (const Arithmetic arithmetic : {Arithmetic::kFloat32, Arithmetic::kInteger}) {
    for (const std::int64_t reset : {std::int64_t{0}, options.window}) {
      RunOptions run;
      run.arithmetic = arithmetic;
      run.record_outputs = false;
      run.state_reset = reset;
      if (!supports("cpu", work.program, run).yes) continue;  // not every model has integers
      Reader readers[2];
      const std::string backends[2] = {"cpu", options.backend};
      for (int b = 0; b < 2; ++b) {
        SPIKELOOM_TRY(const auto executable, compile(backends[b], work.program, run));
        SPIKELOOM_TRY(readers[b].session, executable->open());
        readers[b].scores.resize(
            static_cast<std::size_t>(work.program.nodes[work.decoder].out_size));
      }
      std::int64_t first = -1;
      double worst = 0.0;
      for (std::size_t i = 0; i + 1 < work.tokens.size(); ++i) {
        for (Reader& reader : readers) SPIKELOOM_CHECK(reader.step(work, i));
        double largest = 0.0, difference = 0.0;
        for (std::size_t w = 0; w < readers[0].scores.size(); ++w) {
          const double a = readers[0].scores[w], b = readers[1].scores[w];
          largest = std::max(largest, std::abs(a));
          difference = std::max(difference, std::abs(a - b));
        }
        if (difference != 0.0 && first < 0) first = static_cast<std::int64_t>(i);
        worst = std::max(worst, difference / std::max(largest, 1e-30));
      }
      const RunStats a = readers[0].session->stats(), b = readers[1].session->stats();
      fmt::print(
          "{{\"language_check\":\"{}\",\"backend\":\"{}\",\"arithmetic\":\"{}\",\"reset\":{},"
          "\"tokens\":{},\"perplexity_cpu\":{:.6f},\"perplexity\":{:.6f},\"first_difference\":{},"
          "\"worst_relative\":{:.3g},\"same_operations\":{}}}\n",
          work.name, options.backend, to_string(arithmetic), reset, readers[0].meter.words(),
          readers[0].meter.perplexity(), readers[1].meter.perplexity(), first, worst,
          a.synaptic_operations() == b.synaptic_operations());
      std::fflush(stdout);
    }
  }
  return {};
}

/// Every element's next `count` tokens.
Status feed(Session& session, const Work& work, std::uint32_t batch, std::int64_t count) {
  const std::int64_t first = session.steps_done();
  const Time step = session.step_time();
  std::vector<Time> time(static_cast<std::size_t>(count));
  std::vector<std::uint32_t> words(time.size());
  const std::size_t size = work.tokens.size();
  for (std::uint32_t e = 0; e < batch; ++e) {
    for (std::size_t k = 0; k < time.size(); ++k) {
      time[k] = (first + static_cast<std::int64_t>(k)) * step;
      words[k] = work.tokens[(static_cast<std::size_t>(first) + k + e * size / batch) % size];
    }
    SPIKELOOM_CHECK(session.push(e, 0, {time, words, {}}));
  }
  return session.advance((first + count) * step);
}

Status measure(const Work& work, const Options& options, Arithmetic arithmetic, std::uint32_t batch,
               std::int64_t window) {
  RunOptions run;
  run.arithmetic = arithmetic;
  run.record_outputs = false;
  run.tabulate = options.tabulate;
  run.schedule = options.rows ? Schedule::kRows : Schedule::kAuto;
  if (!supports("cpu", work.program, run).yes) return {};
  SPIKELOOM_TRY(const auto executable, compile(options.backend, work.program, run));
  SPIKELOOM_TRY(const auto session, executable->open(batch));
  std::vector<double> seconds;
  const std::int64_t warm = 70 / window + 2;
  double started = 0.0, began = 0.0;
  for (std::int64_t pass = -warm; pass < 3 || now() - started < options.seconds; ++pass) {
    if (pass == 0) {
      started = now();
      began = wall_clock();
    }
    const double start = now();
    SPIKELOOM_CHECK(feed(*session, work, batch, window));
    if (pass >= 0) seconds.push_back(now() - start);
  }
  const double ended = wall_clock();
  std::sort(seconds.begin(), seconds.end());
  const double tokens = static_cast<double>(window) * batch;
  const RunStats stats = session->stats();
  std::string active;
  double operations = 0.0;
  const double steps = static_cast<double>(stats.steps) * batch;
  for (std::size_t n = 0; n < stats.nodes.size(); ++n) {
    const NodeStats& node = stats.nodes[n];
    if (!std::holds_alternative<op::Recurrent>(work.program.nodes[n].operation)) continue;
    active += fmt::format(
        "{}{:.4f}", active.empty() ? "" : ",",
        static_cast<double>(node.events_out) / static_cast<double>(node.neuron_updates));
    operations += static_cast<double>(node.ac + node.mac) / steps;
  }
  fmt::print(
      "{{\"language\":\"{}\",\"backend\":\"{}\",\"arithmetic\":\"{}\",\"batch\":{},\"window\":{},"
      "\"rows\":{},"
      "\"median_s\":{:.8f},\"best_s\":{:.8f},\"passes\":{},\"tokens_per_s\":{:.1f},"
      "\"token_us\":{:.4f},\"active\":[{}],\"stack_operations\":{:.1f},\"operations\":{:.1f},"
      "\"device_bytes\":{},\"began\":{:.3f},\"ended\":{:.3f}}}\n",
      work.name, options.backend, to_string(arithmetic), batch, window, options.rows,
      seconds[seconds.size() / 2], seconds[0], seconds.size(),
      tokens * static_cast<double>(seconds.size()) / (ended - began),
      1e6 * seconds[seconds.size() / 2] / tokens, active, operations,
      static_cast<double>(stats.synaptic_operations()) / steps, stats.peak_memory_bytes, began,
      ended);
  std::fflush(stdout);
  return {};
}

Status run(const Options& options) {
  SPIKELOOM_TRY(const Work work, read_work(options));
  if (options.command == "check") return check(work, options);
  for (const Arithmetic arithmetic : {Arithmetic::kInteger, Arithmetic::kFloat32}) {
    SPIKELOOM_CHECK(measure(work, options, arithmetic, 1, 1));
    SPIKELOOM_CHECK(measure(work, options, arithmetic, 1, options.window));
    SPIKELOOM_CHECK(measure(work, options, arithmetic, options.batch, options.window));
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A language model on the CUDA backend");
  Options options;
  app.add_option("COMMAND", options.command, "check or time")
      ->required()
      ->check(CLI::IsMember({"check", "time"}));
  app.add_option("--model", options.model, "a language model's file")->required();
  app.add_option("--text", options.text, "words to read")->required();
  app.add_option("--tokens", options.tokens, "no more than so many of them");
  app.add_option("--backend", options.backend, "cuda, cuda-host or cpu");
  app.add_option("--batch", options.batch, "texts at once");
  app.add_option("--window", options.window, "tokens at once, and between resets of `check`")
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "repeat each way for so long");
  app.add_flag("--tabulate", options.tabulate, "keep layer 1's input sums of every word");
  app.add_flag("--rows", options.rows, "the decoder's active rows alone, no products");
  CLI11_PARSE(app, argc, argv);
  return exit_code(run(options));
}
