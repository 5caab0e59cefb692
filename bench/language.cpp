/// Time per token of an event-based language model: batch 1, one thread. Prints JSON for
/// bench/peers/language.py.
///
/// The model is a file, or random weights of given sizes and sparsity whose thresholds are set so
/// that each layer's share of active units is the one asked for (a stand-in for time and
/// operations, not for text). Measured: the recurrent stack with and without the table of input
/// sums per word, with and without the decoder, in float32 and in integers; the same stack with
/// every weight stored, and a dense LSTM of its sizes; a minimal loop that walks the same rows; and
/// time against executed operations as thresholds rise. With --sparsities: the stack of random
/// weights at each of these sparsities, and nothing else.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <numeric>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backends/backend.hpp"
#include "base/io/file.hpp"
#include "base/random.hpp"
#include "models/language/language_model.hpp"
#include "models/language/quantize_language.hpp"
#include "models/load.hpp"
#include "snn/lowering.hpp"

namespace spikeloom {
namespace {

double process_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Sizes {
  std::int64_t words = 33278;
  std::vector<std::int64_t> units = {750, 1350, 1350, 750};  ///< embedding, then the layers
  double sparsity = 0.95;
  std::vector<double> active = {0.20, 0.27, 0.46};
};

Tensor random_matrix(std::int64_t rows, std::int64_t columns, std::uint64_t stream, double size,
                     double sparsity) {
  const RandomStream random{20, stream};
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto words = random.words(i);
    if (static_cast<double>(words[0]) < sparsity * 4294967296.0) continue;
    const double x = (static_cast<double>(words[1]) + words[2]) / 4294967296.0 - 1.0;
    values[i] = static_cast<float>(size * x);
  }
  return Tensor::of<float>({rows, columns}, values);
}

node::Egru random_layer(const Sizes& sizes, std::size_t l) {
  const std::int64_t in = sizes.units[l], units = sizes.units[l + 1];
  const double kept = 1.0 - sizes.sparsity;
  node::Egru layer;
  layer.kernel = random_matrix(3 * units, in, 10 * l + 1,
                               3.0 / std::sqrt(kept * static_cast<double>(in)), sizes.sparsity);
  layer.recurrent =
      random_matrix(3 * units, units, 10 * l + 2,
                    2.0 / std::sqrt(kept * static_cast<double>(units)), sizes.sparsity);
  layer.bias = Tensor::full({3 * units}, 0.0F);
  layer.recurrent_bias = Tensor::full({3 * units}, 0.0F);
  layer.threshold = Tensor::full({units}, 0.1F);
  return layer;
}

/// Input -> Embedding -> layers [-> Decoder] -> Output.
Result<Network> chain(const Sizes& sizes, const node::Embedding& words,
                      const std::vector<node::Egru>& layers, bool with_decoder) {
  NetworkBuilder builder;
  NodeId last = builder.add("input", node::Input{shape_tensor({sizes.words})});
  const auto add = [&](const std::string& name, NodeKind kind) {
    const NodeId id = builder.add(name, std::move(kind));
    builder.connect(last, id);
    last = id;
  };
  add("embedding", words);
  for (std::size_t l = 0; l < layers.size(); ++l) add(fmt::format("layer{}", l + 1), layers[l]);
  if (with_decoder) {
    node::Decoder decoder{words.weight, Tensor::full({sizes.words}, 0.0F), words.weight_scale};
    add("decoder", std::move(decoder));
  }
  const std::int64_t out = with_decoder ? sizes.words : sizes.units[layers.size()];
  add("output", node::Output{shape_tensor({out})});
  return std::move(builder).build();
}

/// The same network without its Decoder.
Result<Network> without_decoder(const Network& network) {
  NetworkBuilder builder;
  std::optional<NodeId> last;
  std::int64_t width = 0;
  for (const Node& node : network.nodes()) {
    if (std::holds_alternative<node::Decoder>(node.kind)) continue;
    NodeKind kind = node.kind;
    if (std::holds_alternative<node::Output>(kind)) kind = node::Output{shape_tensor({width})};
    if (const auto* layer = std::get_if<node::Egru>(&kind)) width = layer->recurrent.dim(1);
    const NodeId id = builder.add(node.name, std::move(kind));
    if (last) builder.connect(*last, id);
    last = id;
  }
  return std::move(builder).build();
}

/// The same weights with every zero stored as a number too small to matter, in float32.
Result<Network> with_every_weight(const Network& network) {
  const auto fill = [](Tensor& matrix, std::optional<Tensor>& scale) {
    std::vector<float> values(static_cast<std::size_t>(matrix.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      const double w = matrix.at(at) * (scale ? scale->at(at / matrix.dim(1)) : 1.0);
      values[i] = w == 0.0 ? 1e-30F : static_cast<float>(w);
    }
    matrix = Tensor::of<float>(matrix.shape(), values);
    scale.reset();
  };
  NetworkBuilder builder;
  std::optional<NodeId> last;
  for (const Node& node : network.nodes()) {
    NodeKind kind = node.kind;
    if (auto* layer = std::get_if<node::Egru>(&kind)) {
      fill(layer->kernel, layer->kernel_scale);
      fill(layer->recurrent, layer->recurrent_scale);
    }
    const NodeId id = builder.add(node.name, std::move(kind));
    if (last) builder.connect(*last, id);
    last = id;
  }
  return std::move(builder).build();
}

/// Dense LSTM layers of the same sizes, random weights, in our own runtime.
Result<Network> dense_lstm(const Network& network) {
  NetworkBuilder builder;
  std::optional<NodeId> last;
  std::uint64_t stream = 200;
  for (const Node& node : network.nodes()) {
    NodeKind kind = node.kind;
    if (const auto* egru = std::get_if<node::Egru>(&node.kind)) {
      const std::int64_t in = egru->kernel.dim(1), units = egru->recurrent.dim(1);
      node::Lstm layer;
      layer.kernel = random_matrix(4 * units, in, ++stream, 0.05, 0.0);
      layer.recurrent = random_matrix(4 * units, units, ++stream, 0.05, 0.0);
      layer.bias = Tensor::full({4 * units}, 0.0F);
      layer.recurrent_bias = Tensor::full({4 * units}, 0.0F);
      kind = std::move(layer);
    }
    const NodeId id = builder.add(node.name, std::move(kind));
    if (last) builder.connect(*last, id);
    last = id;
  }
  return std::move(builder).build();
}

class Keeper : public Sink {
 public:
  explicit Keeper(std::size_t nodes) : steps(nodes) {}
  void events(std::uint32_t node, Variable, std::uint32_t, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    auto& list = steps[node];
    list.resize(static_cast<std::size_t>(step) + 1);
    list.back().first.assign(index.begin(), index.end());
    list.back().second.assign(value.begin(), value.end());
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}
  /// By node and step: indices and values.
  std::vector<std::vector<std::pair<std::vector<std::uint32_t>, std::vector<float>>>> steps;
};

struct Run {
  double seconds = 0.0;  ///< processor time of a token
  std::vector<double> chunks;
  double operations = 0.0, executed = 0.0, dense = 0.0;
  std::vector<double> active;
  double compile_seconds = 0.0;
};

struct Ready {
  Program program;
  std::shared_ptr<const Executable> executable;
  double compile_seconds = 0.0;
};

Result<Ready> prepare(const Network& network, RunOptions options, bool record) {
  const double start = process_seconds();
  Ready ready;
  SPIKELOOM_TRY(const Discretisation d, make_preset("nir"));
  SPIKELOOM_TRY(ready.program, lower(network, d));
  options.record_outputs = false;
  for (std::uint32_t n = 0; record && n < ready.program.nodes.size(); ++n) {
    const Operation& operation = ready.program.nodes[n].operation;
    if (std::holds_alternative<op::Recurrent>(operation) ||
        std::holds_alternative<op::Embedding>(operation)) {
      options.record.push_back({n, Variable::kOutput});
    }
  }
  SPIKELOOM_TRY(ready.executable, compile("cpu", ready.program, options));
  ready.compile_seconds = process_seconds() - start;
  return ready;
}

Status feed(Session& session, std::uint32_t token) {
  const Time now = session.steps_done() * session.step_time();
  SPIKELOOM_CHECK(session.push(0, 0, {{&now, 1}, {&token, 1}, {}}));
  return session.advance(now + session.step_time());
}

/// Zipf's law, roughly: word w with weight 1 / (w + 10).
std::vector<std::uint32_t> random_tokens(std::int64_t words, std::size_t count) {
  const RandomStream random{21, 0};
  const double last = std::log1p(static_cast<double>(words) / 10.0);
  std::vector<std::uint32_t> tokens;
  for (std::size_t i = 0; i < count; ++i) {
    const double w = 10.0 * std::expm1(last * random.uniform(i));
    tokens.push_back(static_cast<std::uint32_t>(std::min(w, static_cast<double>(words - 1))));
  }
  return tokens;
}

constexpr std::size_t kWarm = 20;

Result<Run> measure(const Network& network, const RunOptions& options,
                    std::span<const std::uint32_t> tokens, std::size_t chunk) {
  SPIKELOOM_TRY(const Ready ready, prepare(network, options, false));
  SPIKELOOM_TRY(const auto session, ready.executable->open());
  for (std::size_t i = 0; i < kWarm; ++i) SPIKELOOM_CHECK(feed(*session, tokens[i]));
  Run run;
  run.compile_seconds = ready.compile_seconds;
  for (std::size_t i = kWarm; i + chunk <= tokens.size(); i += chunk) {
    const double start = process_seconds();
    for (std::size_t k = 0; k < chunk; ++k) SPIKELOOM_CHECK(feed(*session, tokens[i + k]));
    run.chunks.push_back((process_seconds() - start) / static_cast<double>(chunk));
  }
  std::vector<double> sorted = run.chunks;
  std::sort(sorted.begin(), sorted.end());
  run.seconds = sorted[sorted.size() / 2];
  const RunStats stats = session->stats();
  const auto steps = static_cast<double>(stats.steps);
  run.operations = static_cast<double>(stats.synaptic_operations()) / steps;
  run.dense = static_cast<double>(stats.total(&NodeStats::dense_macs)) / steps;
  run.executed = static_cast<double>(stats.total(&NodeStats::executed_ac) +
                                     stats.total(&NodeStats::executed_mac)) /
                 steps;
  for (std::size_t n = 0; n < stats.nodes.size(); ++n) {
    if (!std::holds_alternative<op::Recurrent>(ready.program.nodes[n].operation)) continue;
    run.active.push_back(static_cast<double>(stats.nodes[n].events_out) /
                         static_cast<double>(stats.nodes[n].neuron_updates));
  }
  return run;
}

/// Thresholds by halving, layer by layer.
Status set_thresholds(const Sizes& sizes, const node::Embedding& words,
                      std::span<const std::uint32_t> tokens, std::vector<node::Egru>& layers) {
  for (std::size_t l = 0; l < layers.size(); ++l) {
    double low = 0.0, high = 1.0;
    const std::vector<node::Egru> before(layers.begin(),
                                         layers.begin() + static_cast<std::ptrdiff_t>(l));
    for (int round = 0; round < 7; ++round) {
      const double middle = (low + high) / 2.0;
      layers[l].threshold = Tensor::full({sizes.units[l + 1]}, static_cast<float>(middle));
      std::vector<node::Egru> upto = before;
      upto.push_back(layers[l]);
      SPIKELOOM_TRY(const Network network, chain(sizes, words, upto, false));
      SPIKELOOM_TRY(const Run run, measure(network, {}, tokens.first(kWarm + 40), 40));
      (run.active.back() > sizes.active[l] ? low : high) = middle;
    }
  }
  return {};
}

/// Rows of one matrix as the plainest loop walks them.
struct PlainRows {
  std::vector<std::uint32_t> start;
  std::vector<std::uint16_t> target;
  std::vector<float> weight;
  explicit PlainRows(const op::SourceMatrix& matrix)
      : start(matrix.row_start.begin(), matrix.row_start.end()),
        target(matrix.target.begin(), matrix.target.end()),
        weight(matrix.value) {}
  void walk(std::span<const std::uint32_t> index, std::span<const float> value, float* acc) const {
    for (std::size_t k = 0; k < index.size(); ++k) {
      for (std::uint32_t i = start[index[k]]; i < start[index[k] + 1]; ++i) {
        acc[target[i]] += weight[i] * value[k];
      }
    }
  }
};

/// Processor time of a token of loops over the rows that a run walked, and nothing else.
Result<double> minimal_loop(const Network& network, std::span<const std::uint32_t> tokens,
                            bool with_input) {
  SPIKELOOM_TRY(const Ready ready, prepare(network, {}, true));
  SPIKELOOM_TRY(const auto session, ready.executable->open());
  for (const std::uint32_t token : tokens) SPIKELOOM_CHECK(feed(*session, token));
  Keeper keeper(ready.program.nodes.size());
  SPIKELOOM_CHECK(session->read(keeper));
  for (auto& list : keeper.steps) list.resize(tokens.size());
  struct Layer {
    PlainRows kernel, recurrent;
    std::uint32_t source, self;
    bool input;
    std::vector<float> acc;
  };
  std::vector<Layer> layers;
  for (std::uint32_t n = 0; n < ready.program.nodes.size(); ++n) {
    const auto* layer = std::get_if<op::Recurrent>(&ready.program.nodes[n].operation);
    if (layer == nullptr) continue;
    const std::uint32_t source = ready.program.nodes[n].inputs[0].source;
    layers.push_back({PlainRows(layer->kernel), PlainRows(layer->recurrent), source, n,
                      !layer->dense_input || with_input,
                      std::vector<float>(static_cast<std::size_t>(layer->kernel.outputs))});
  }
  double best = 1e9;
  double checksum = 0.0;
  for (int round = 0; round < 5; ++round) {
    const double start = process_seconds();
    for (std::size_t s = 1; s < tokens.size(); ++s) {
      for (Layer& layer : layers) {
        if (layer.input) {
          const auto& in = keeper.steps[layer.source][s];
          layer.kernel.walk(in.first, in.second, layer.acc.data());
        }
        const auto& own = keeper.steps[layer.self][s - 1];
        layer.recurrent.walk(own.first, own.second, layer.acc.data());
      }
    }
    best = std::min(best, (process_seconds() - start) / static_cast<double>(tokens.size() - 1));
    for (const Layer& layer : layers) checksum += layer.acc[0];
  }
  if (std::isnan(checksum)) std::fputs("language: the loop made no number\n", stderr);
  return best;
}

std::string list_of(const std::vector<double>& values, double unit) {
  std::string text = "[";
  for (const double value : values) {
    text += fmt::format("{}{:.6g}", text.size() > 1 ? ", " : "", value * unit);
  }
  return text + "]";
}

void print_run(const char* name, const Run& run, bool last = false) {
  fmt::print(
      "  \"{}\": {{\"us\": {:.3f}, \"chunks_us\": {}, \"operations\": {:.1f}, \"executed\": "
      "{:.1f}, "
      "\"dense\": {:.1f}, \"active\": {}, \"compile_s\": {:.3f}}}{}\n",
      name, 1e6 * run.seconds, list_of(run.chunks, 1e6), run.operations, run.executed, run.dense,
      list_of(run.active, 1.0), run.compile_seconds, last ? "" : ",");
}

struct Asked {
  std::string model, text;
  Sizes sizes;
  std::string stack = "int8";  ///< none, int8 or ternary
  std::vector<double> sparsities;
  std::size_t tokens = 400, chunk = 40;
  bool quick = false;
};

Result<Network> make_network(const Asked& asked, std::span<const std::uint32_t> tokens) {
  if (!asked.model.empty()) {
    SPIKELOOM_TRY(const LoadedModel model, load_model(asked.model));
    return model.network;
  }
  node::Embedding words;
  words.weight = random_matrix(asked.sizes.words, asked.sizes.units[0], 100, 0.5, 0.0);
  std::vector<node::Egru> layers;
  for (std::size_t l = 0; l + 1 < asked.sizes.units.size(); ++l) {
    layers.push_back(random_layer(asked.sizes, l));
  }
  SPIKELOOM_CHECK(set_thresholds(asked.sizes, words, tokens, layers));
  return chain(asked.sizes, words, layers, true);
}

/// A stack of random weights at each sparsity, its units as active as asked for.
Status sparsity_curve(Asked asked) {
  const auto tokens = random_tokens(asked.sizes.words, kWarm + asked.tokens);
  fmt::print("{{\n");
  for (std::size_t i = 0; i < asked.sparsities.size(); ++i) {
    asked.sizes.sparsity = asked.sparsities[i];
    SPIKELOOM_TRY(Network network, make_network(asked, tokens));
    SPIKELOOM_TRY(network, quantize_language(network, RowRounding::kInt8));
    SPIKELOOM_TRY(const Network stack, without_decoder(network));
    SPIKELOOM_TRY(const Run run, measure(stack, {}, tokens, asked.chunk));
    print_run(fmt::format("{}", asked.sparsities[i]).c_str(), run,
              i + 1 == asked.sparsities.size());
  }
  fmt::print("}}\n");
  return {};
}

Status bench(Asked asked) {
  if (!asked.sparsities.empty()) return sparsity_curve(asked);
  const std::size_t count = kWarm + asked.tokens;
  std::vector<std::uint32_t> tokens = random_tokens(asked.sizes.words, count);
  SPIKELOOM_TRY(Network network, make_network(asked, tokens));
  const std::int64_t words =
      std::get<node::Input>(network.nodes()[0].kind).shape.to_integers()->at(0);
  tokens = random_tokens(words, count);
  if (!asked.text.empty()) {
    SPIKELOOM_TRY(const Vocabulary vocabulary, language_vocabulary(network));
    SPIKELOOM_TRY(const auto bytes, io::read_file(asked.text));
    const std::string_view content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    SPIKELOOM_TRY(EncodedText encoded, vocabulary.encode(content, asked.text));
    if (encoded.tokens.size() < count) return Error{.what = "the text is too short"};
    tokens.assign(encoded.tokens.begin(),
                  encoded.tokens.begin() + static_cast<std::ptrdiff_t>(count));
  }
  if (asked.stack != "none") {
    const auto rounding = asked.stack == "int8" ? RowRounding::kInt8 : RowRounding::kTernary;
    SPIKELOOM_TRY(network, quantize_language(network, rounding));
  }
  SPIKELOOM_TRY(const Network stack, without_decoder(network));
  fmt::print("{{\n  \"model\": \"{}\", \"stack\": \"{}\", \"words\": {}, \"tokens\": {},\n",
             asked.model.empty() ? "random weights" : asked.model, asked.stack, words,
             asked.tokens);
  RunOptions plain, table, whole, whole_table_options;
  table.tabulate = whole_table_options.tabulate = true;
  whole.arithmetic = whole_table_options.arithmetic = Arithmetic::kInteger;
  SPIKELOOM_TRY(const Run stack_run, measure(stack, plain, tokens, asked.chunk));
  print_run("stack", stack_run);
  SPIKELOOM_TRY(const Run all_run, measure(network, plain, tokens, asked.chunk));
  print_run("all", all_run);
  SPIKELOOM_TRY(const Run table_run, measure(stack, table, tokens, asked.chunk));
  print_run("stack_table", table_run);
  if (asked.stack != "none") {
    SPIKELOOM_TRY(const Run whole_run, measure(stack, whole, tokens, asked.chunk));
    print_run("stack_integer", whole_run);
    SPIKELOOM_TRY(const Run whole_table, measure(stack, whole_table_options, tokens, asked.chunk));
    print_run("stack_table_integer", whole_table);
    SPIKELOOM_TRY(const Run whole_all, measure(network, whole, tokens, asked.chunk));
    print_run("all_integer", whole_all);
    SPIKELOOM_TRY(const Run table_all, measure(network, whole_table_options, tokens, asked.chunk));
    print_run("all_table_integer", table_all);
  }
  if (!asked.quick) {
    const std::span<const std::uint32_t> few(tokens.data(), kWarm + 40);
    SPIKELOOM_TRY(const Network filled, with_every_weight(stack));
    SPIKELOOM_TRY(const Run filled_run, measure(filled, plain, few, 8));
    print_run("stack_every_weight", filled_run);
    SPIKELOOM_TRY(const Network lstm, dense_lstm(stack));
    SPIKELOOM_TRY(const Run lstm_run, measure(lstm, plain, few, 8));
    print_run("our_lstm", lstm_run);
  }
  const auto& first = std::get<node::Egru>(network.nodes()[2].kind);
  const double padded = std::ceil(static_cast<double>(first.recurrent.dim(1)) / 64.0) * 64.0;
  fmt::print("  \"table_bytes\": {:.0f}, \"table_s\": {:.3f},\n",
             static_cast<double>(words) * 3.0 * padded * 4.0,
             table_run.compile_seconds - stack_run.compile_seconds);
  const std::span<const std::uint32_t> some(tokens.data(), std::min<std::size_t>(count, 200));
  SPIKELOOM_TRY(const double loop, minimal_loop(stack, some, true));
  SPIKELOOM_TRY(const double loop_table, minimal_loop(stack, some, false));
  fmt::print("  \"minimal_us\": {:.3f}, \"minimal_table_us\": {:.3f},\n", 1e6 * loop,
             1e6 * loop_table);
  // Time against executed operations, as thresholds rise; without the table, which takes seconds.
  std::vector<double> x, y;
  for (const double sharpen : {0.0, 0.02, 0.05, 0.1, 0.2, 0.4}) {
    RunOptions options = plain;
    options.sharpen = sharpen;
    SPIKELOOM_TRY(const Run run, measure(stack, options, tokens, asked.chunk));
    x.push_back(run.executed);
    y.push_back(run.seconds);
  }
  const double n = static_cast<double>(x.size());
  const double mx = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double my = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xy = 0.0, xx = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) * (x[i] - mx);
  }
  const double slope = xx > 0.0 ? xy / xx : 0.0;
  fmt::print(
      "  \"line\": {{\"operations\": {}, \"us\": {}, \"ns_per_operation\": {:.4f}, "
      "\"intercept_us\": {:.2f}}}\n}}\n",
      list_of(x, 1.0), list_of(y, 1e6), 1e9 * slope, 1e6 * (my - slope * mx));
  return {};
}

}  // namespace
}  // namespace spikeloom

int main(int argc, char** argv) {
  CLI::App app{"Time per token of an event-based language model"};
  spikeloom::Asked asked;
  app.add_option("--model", asked.model, "language model; random weights without one");
  app.add_option("--text", asked.text, "words to read; random ones without it");
  app.add_option("--stack", asked.stack, "rounding of the recurrent layers")
      ->check(CLI::IsMember({"none", "int8", "ternary"}));
  app.add_option("--sparsity", asked.sizes.sparsity, "of random weights (0.95)");
  app.add_option("--sparsities", asked.sparsities, "a curve over these sparsities");
  app.add_option("--active", asked.sizes.active, "share of active units per layer")->expected(3);
  app.add_option("--tokens", asked.tokens, "tokens to time (400)");
  app.add_option("--chunk", asked.chunk, "tokens between two looks at the clock (40)");
  app.add_flag("--quick", asked.quick, "without the dense networks");
  CLI11_PARSE(app, argc, argv);
  const auto status = spikeloom::bench(asked);
  if (!status.ok()) std::fprintf(stderr, "language: %s\n", status.error().message().c_str());
  return status.ok() ? 0 : 1;
}
