#include "mapping/from_program.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "snn/stored_weights.hpp"

namespace spikeloom::mapping {
namespace {

constexpr std::size_t kMostPaths = 100'000;
/// Below this share of weights that are not 0 a dense layer is listed synapse by synapse.
constexpr double kSparseBelow = 0.4;

/// 1 when the values differ from neuron to neuron.
std::uint32_t varies(const std::vector<double>& values) {
  const auto other = [&](double v) { return v != values.front(); };
  return values.empty() || std::none_of(values.begin(), values.end(), other) ? 0U : 1U;
}

/// Passes events on without weights, as they are or merged.
bool is_transparent(const Operation& operation) {
  const auto* pool = std::get_if<op::Pool>(&operation);
  return std::holds_alternative<op::Identity>(operation) ||
         std::holds_alternative<op::Scale>(operation) ||
         std::holds_alternative<op::Delay>(operation) ||
         (pool != nullptr && pool->kind != op::PoolKind::kMax);
}

Extent3 extent(const Shape& shape, std::int64_t size) {
  const auto narrow = [](std::int64_t n) { return static_cast<std::uint32_t>(n); };
  if (shape.size() == 3) return {narrow(shape[0]), narrow(shape[1]), narrow(shape[2])};
  if (shape.size() == 2) return {narrow(shape[0]), 1, narrow(shape[1])};
  return {1, 1, narrow(size)};
}

/// Composes what lies between two populations.
class Path {
 public:
  explicit Path(const ProgramNode& source)
      : shape_(extent(source.out_shape, source.out_size)), size_(source.out_size) {}

  Status add(const ProgramNode& node) {
    if (const auto* pool = std::get_if<op::Pool>(&node.operation)) {
      window(node.operation, pool->input, pool->kernel);
    } else if (const auto* delay = std::get_if<op::Delay>(&node.operation)) {
      delay_ +=
          delay->steps.empty() ? 0 : *std::max_element(delay->steps.begin(), delay->steps.end());
    } else if (is_weight_operation(node.operation)) {
      if (weighted_) {
        return Error{.code = ErrorCode::kUnsupported,
                     .what = "two layers of weights without neurons between them",
                     .where = node.name,
                     .next = "multiply them into one, or put neurons between them"};
      }
      weighted_ = true;
      weigh(node);
    }
    // What works element by element leaves rows and columns as they are, flattened or not.
    if (!std::holds_alternative<op::Identity>(node.operation) &&
        !std::holds_alternative<op::Scale>(node.operation) &&
        !std::holds_alternative<op::Delay>(node.operation)) {
      shape_ = extent(node.out_shape, node.out_size);
    }
    size_ = node.out_size;
    return {};
  }

  void add_delay(std::uint32_t steps) { delay_ += steps; }

  Projection take() {
    projection_.delay = std::max<std::uint32_t>(1, delay_);
    return std::move(projection_);
  }
  /// Of what leaves the last node, before it was flattened.
  const Extent3& shape() const { return shape_; }
  bool has_effect() const { return weighted_ || projection_.pattern != Pattern::kOneToOne; }

  Path(const Path&) = default;

 private:
  void window(const Operation& operation, const op::Extent& input, const op::Extent& kernel) {
    const auto rows = static_cast<std::int64_t>(shape_[1]);
    const auto columns = static_cast<std::int64_t>(shape_[2]);
    const bool alone = projection_.pattern == Pattern::kOneToOne;
    if ((!alone && projection_.pattern != Pattern::kWindow) || input.rows != rows ||
        input.columns != columns) {
      random(static_cast<double>(size_) * static_cast<double>(kernel.rows * kernel.columns));
      return;
    }
    window_ = field_through(window_, operation);
    projection_.window = *window_;
    projection_.pattern = Pattern::kWindow;
  }

  void random(double synapses) {
    projection_.pattern = Pattern::kRandom;
    projection_.synapses = synapses;
    projection_.list = nullptr;
  }

  void weigh(const ProgramNode& node) {
    const bool direct = projection_.pattern == Pattern::kOneToOne;
    if (const auto* conv = std::get_if<op::Convolution>(&node.operation)) {
      projection_.weight_bytes = stored_bytes(conv->weight);
      window(node.operation, conv->input, conv->kernel);
      if (projection_.pattern == Pattern::kRandom) {
        projection_.synapses = static_cast<double>(node.dense_macs);
      }
    } else if (const auto* dense = std::get_if<op::Dense>(&node.operation)) {
      projection_.weight_bytes = stored_bytes(dense->weight);
      const auto zeros = std::count(dense->weight.begin(), dense->weight.end(), 0.0);
      const auto weights = static_cast<double>(dense->weight.size());
      if (dense->repeats > 1) {
        random(weights * static_cast<double>(dense->repeats));
      } else if (direct && weights - static_cast<double>(zeros) < kSparseBelow * weights) {
        list(*dense);
      } else {
        projection_.pattern = Pattern::kAll;
        projection_.rows = direct ? 0 : static_cast<std::uint64_t>(dense->inputs);
      }
    } else if (const auto* sparse = std::get_if<op::Sparse>(&node.operation)) {
      projection_.weight_bytes = stored_bytes(sparse->value);
      if (direct) {
        list(*sparse);
      } else {
        random(static_cast<double>(sparse->value.size()));
      }
    } else if (const auto* rule = std::get_if<op::RandomSparse>(&node.operation)) {
      // A rule has one weight a group: nothing but an index is kept for a synapse.
      projection_.weight_bytes = rule->groups.size() > 1 ? 1 : 0;
      random(static_cast<double>(node.weights));
    }
  }

  void list(const op::Dense& dense) {
    auto made = std::make_shared<SynapseList>();
    made->start.push_back(0);
    for (std::int64_t o = 0; o < dense.outputs; ++o) {
      for (std::int64_t i = 0; i < dense.inputs; ++i) {
        if (dense.weight[static_cast<std::size_t>(o * dense.inputs + i)] != 0.0) {
          made->source.push_back(static_cast<std::uint32_t>(i));
        }
      }
      made->start.push_back(made->source.size());
    }
    take_list(std::move(made));
  }

  void list(const op::Sparse& sparse) {
    auto made = std::make_shared<SynapseList>();
    made->start.assign(sparse.row_start.begin(), sparse.row_start.end());
    made->source.assign(sparse.column.begin(), sparse.column.end());
    for (std::size_t o = 0; o + 1 < made->start.size(); ++o) {
      std::sort(made->source.begin() + static_cast<std::ptrdiff_t>(made->start[o]),
                made->source.begin() + static_cast<std::ptrdiff_t>(made->start[o + 1]));
    }
    take_list(std::move(made));
  }

  void take_list(std::shared_ptr<const SynapseList> list) {
    projection_.pattern = Pattern::kList;
    projection_.list = std::move(list);
  }

  Projection projection_{.pattern = Pattern::kOneToOne, .weight_bytes = 0};
  std::optional<Window> window_;
  Extent3 shape_;
  std::int64_t size_ = 0;
  bool weighted_ = false;
  std::uint32_t delay_ = 0;
};

/// One matrix of a recurrent layer, whose gates lie below each other.
Projection gate_projection(const op::SourceMatrix& matrix, const op::Recurrent& layer) {
  const auto gates = static_cast<std::uint32_t>(op::gate_count(layer.cell));
  Projection made{.weight_bytes = stored_bytes(matrix.value), .gates = gates};
  const auto pairs = static_cast<double>(matrix.outputs) * static_cast<double>(matrix.inputs);
  if (static_cast<double>(matrix.value.size()) >= kSparseBelow * pairs) {
    made.pattern = Pattern::kAll;
    return made;
  }
  auto list = std::make_shared<SynapseList>();
  const auto units = static_cast<std::size_t>(layer.units);
  list->start.assign(units + 1, 0);
  for (const std::uint32_t target : matrix.target) ++list->start[target % units + 1];
  std::partial_sum(list->start.begin(), list->start.end(), list->start.begin());
  list->source.resize(matrix.target.size());
  std::vector<std::uint64_t> at(list->start.begin(), list->start.end() - 1);
  for (std::int64_t source = 0; source < matrix.inputs; ++source) {
    const auto row = static_cast<std::size_t>(source);
    for (std::int64_t i = matrix.row_start[row]; i < matrix.row_start[row + 1]; ++i) {
      const std::size_t unit = matrix.target[static_cast<std::size_t>(i)] % units;
      list->source[at[unit]++] = static_cast<std::uint32_t>(source);
    }
  }
  made.pattern = Pattern::kList;
  made.list = std::move(list);
  return made;
}

class Builder {
 public:
  Builder(const Program& program, const RateOptions& rates)
      : program_(program), rates_(rates), population_(program.nodes.size(), -1) {}

  Result<PopulationGraph> run() {
    for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) SPIKELOOM_CHECK(add_node(n));
    for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) keep_sums_before(n);
    for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) {
      const bool output = std::holds_alternative<op::Output>(program_.nodes[n].operation);
      const bool words = std::holds_alternative<op::Embedding>(program_.nodes[n].operation);
      if ((population_[n] >= 0 || output) && !words) SPIKELOOM_CHECK(add_inputs(n));
      // What an Output that is no read-out of sums would record where it is sent is a part of the
      // sums here.
      const auto plain = std::exchange(plain_paths_, {});
      for (const auto& [source, hops] : plain) {
        if (population_[n] >= 0) SPIKELOOM_CHECK(add_path(source, hops));
      }
    }
    check_windows();
    drop_words();
    shapes();
    if (graph_.populations.empty()) {
      return Error{.code = ErrorCode::kUnsupported, .what = "the network has no neurons to map"};
    }
    return std::move(graph_);
  }

 private:
  Status add_node(std::uint32_t n) {
    const ProgramNode& node = program_.nodes[n];
    Population made{.name = node.name,
                    .shape = extent(node.out_shape, node.out_size),
                    .rate = rate(n),
                    .node = n};
    if (std::holds_alternative<op::Input>(node.operation)) {
      made.source = true;
    } else if (const auto* neuron = std::get_if<op::Neuron>(&node.operation)) {
      const NeuronCoefficients& c = neuron->coefficients;
      made.state_values = static_cast<std::uint32_t>(node.state_values / node.out_size);
      for (const auto* values : {&c.current_decay, &c.current_gain, &c.decay, &c.gain, &c.drive,
                                 &c.threshold, &c.reset, &c.clamp}) {
        made.state_values += varies(*values);
      }
      made.graded = !c.spiking;
      if (!c.spiking) made.rate = 1.0;
    } else if (const auto* layer = std::get_if<op::Recurrent>(&node.operation)) {
      // Hidden state, the biases of the gates, a threshold; a sum for each gate and matrix.
      const auto gates = static_cast<std::uint32_t>(op::gate_count(layer->cell));
      const bool events = op::emits_events(layer->cell);
      made.state_values = (layer->cell == op::Cell::kLstm ? 2 : 1) + 2 * gates + (events ? 1 : 0);
      made.sums = 2 * gates;
      made.graded = true;
      if (!events) made.rate = 1.0;
    } else if (const auto* embedding = std::get_if<op::Embedding>(&node.operation)) {
      made.source = made.graded = true;
      made.rate = 1.0;
      const auto bytes = size_of(embedding->weight.dtype());
      graph_.off_chip.push_back({node.name,
                                 "a row for every word; one row a step arrives as events",
                                 static_cast<double>(node.weights) * static_cast<double>(bytes)});
    } else if (const auto* decoder = std::get_if<op::Decoder>(&node.operation)) {
      const auto bytes = size_of(decoder->weight.dtype());
      graph_.off_chip.push_back({node.name, "a row for every word, all of them read each step",
                                 static_cast<double>(node.weights) * static_cast<double>(bytes)});
      return {};
    } else if (const auto* pool = std::get_if<op::Pool>(&node.operation)) {
      if (pool->kind != op::PoolKind::kMax) return {};
    } else if (std::holds_alternative<op::Relu>(node.operation)) {
      made.graded = true;
      made.rate = 1.0;
    } else if (!std::holds_alternative<op::Threshold>(node.operation)) {
      return {};
    }
    add_population(n, std::move(made));
    return {};
  }

  /// Layers of weights that follow each other without neurons: a core cannot multiply both, so the
  /// sums of the first are a population, whose values travel each tick.
  void keep_sums_before(std::uint32_t n) {
    const Operation& operation = program_.nodes[n].operation;
    const auto* pool = std::get_if<op::Pool>(&operation);
    const bool second = is_weight_operation(operation) ||
                        std::holds_alternative<op::Recurrent>(operation) ||
                        (pool != nullptr && pool->kind == op::PoolKind::kMax);
    if (!second) return;
    std::vector<std::uint32_t> before{n};
    for (std::size_t head = 0; head < before.size(); ++head) {
      for (const Link& link : program_.nodes[before[head]].inputs) {
        const ProgramNode& source = program_.nodes[link.source];
        if (population_[link.source] >= 0) continue;
        if (is_weight_operation(source.operation)) {
          add_population(link.source, {.name = source.name,
                                       .shape = extent(source.out_shape, source.out_size),
                                       .rate = 1.0,
                                       .graded = true,
                                       .node = link.source});
        } else if (is_transparent(source.operation) &&
                   std::find(before.begin(), before.end(), link.source) == before.end()) {
          before.push_back(link.source);
        }
      }
    }
  }

  void add_population(std::uint32_t n, Population population) {
    population_[n] = static_cast<std::int64_t>(graph_.populations.size());
    graph_.populations.push_back(std::move(population));
  }

  double rate(std::uint32_t n) const {
    const bool measured = n < rates_.by_node.size() && rates_.by_node[n] >= 0.0;
    return measured ? rates_.by_node[n] : rates_.assumed;
  }

  /// Follows every link into node n back to populations.
  Status add_inputs(std::uint32_t n) {
    const ProgramNode& node = program_.nodes[n];
    for (const Link& link : node.inputs) {
      std::vector<Hop> hops{{n, link.delay}};
      SPIKELOOM_CHECK(follow(link.source, hops));
    }
    if (const auto* layer = std::get_if<op::Recurrent>(&node.operation)) {
      Projection own = gate_projection(layer->recurrent, *layer);
      own.source = own.target = static_cast<std::uint32_t>(population_[n]);
      own.nodes = {n};
      graph_.projections.push_back(std::move(own));
    }
    return {};
  }

  struct Hop {
    std::uint32_t node = 0;
    std::uint32_t delay = 0;  ///< of the link into it
  };

  Status follow(std::uint32_t at, std::vector<Hop>& hops) {
    const ProgramNode& node = program_.nodes[at];
    if (population_[at] >= 0) return add_path(at, hops);
    if (std::holds_alternative<op::Decoder>(node.operation)) return {};
    if (!is_transparent(node.operation) && !is_weight_operation(node.operation)) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = fmt::format("no target executes a {}", node.kind),
                   .where = node.name};
    }
    for (const Link& link : node.inputs) {
      hops.push_back({at, link.delay});
      SPIKELOOM_CHECK(follow(link.source, hops));
      hops.pop_back();
    }
    return {};
  }

  Status add_path(std::uint32_t source, const std::vector<Hop>& hops) {
    if (++paths_ > kMostPaths) {
      return Error{.code = ErrorCode::kResource,
                   .what = "too many ways between populations",
                   .where = program_.nodes[source].name,
                   .expected = fmt::format("at most {}", kMostPaths)};
    }
    Path path(program_.nodes[source]);
    std::vector<std::uint32_t> nodes;
    for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
      path.add_delay(hop->delay);
      if (hop + 1 == hops.rend()) break;
      SPIKELOOM_CHECK(path.add(program_.nodes[hop->node]));
      nodes.push_back(hop->node);
    }
    const std::uint32_t target = hops.front().node;
    const ProgramNode& end = program_.nodes[target];
    if (std::holds_alternative<op::Output>(end.operation) && population_[target] < 0) {
      if (!path.has_effect()) {  // recorded where it is sent
        plain_paths_.emplace_back(source, hops);
        return {};
      }
      add_population(target, {.name = end.name,
                              .shape = extent(end.in_shape, end.in_size),
                              .graded = true,
                              .node = target});
    }
    Projection made;
    if (const auto* layer = std::get_if<op::Recurrent>(&end.operation)) {
      if (path.has_effect()) {
        return Error{.code = ErrorCode::kUnsupported,
                     .what = "weights or pools in front of a recurrent layer, which has its own",
                     .where = end.name};
      }
      made = gate_projection(layer->kernel, *layer);
      made.delay = path.take().delay;
      nodes.push_back(target);
    } else if (const auto* pool = std::get_if<op::Pool>(&end.operation)) {
      if (path.has_effect()) {
        return Error{.code = ErrorCode::kUnsupported,
                     .what = "weights or pools in front of a maximum pool",
                     .where = end.name,
                     .next = "put neurons between them"};
      }
      Path pooled(program_.nodes[source]);
      op::Pool sum = *pool;
      sum.kind = op::PoolKind::kSum;
      ProgramNode as_sum = end;
      as_sum.operation = sum;
      SPIKELOOM_CHECK(pooled.add(as_sum));
      made = pooled.take();
    } else {
      if (is_weight_operation(end.operation)) {
        SPIKELOOM_CHECK(path.add(end));
        nodes.push_back(target);
      }
      made = path.take();
    }
    made.source = static_cast<std::uint32_t>(population_[source]);
    made.target = static_cast<std::uint32_t>(population_[target]);
    if (made.pattern == Pattern::kWindow) shape_target(made, path.shape(), hops);
    if (made.pattern == Pattern::kWindow) {
      windows_.emplace_back(graph_.projections.size(), extent(program_.nodes[source].out_shape,
                                                              program_.nodes[source].out_size));
    }
    made.nodes = std::move(nodes);
    graph_.projections.push_back(std::move(made));
    return {};
  }

  /// Windows end in channels, rows and columns, though what they lead to may be flat. Where windows
  /// of several shapes meet, no box of neurons is one of all.
  void shape_target(Projection& made, const Extent3& shape, const std::vector<Hop>& hops) {
    Population& target = graph_.populations[made.target];
    const bool pooled =
        std::holds_alternative<op::Pool>(program_.nodes[hops.front().node].operation);
    if (pooled || target.shape == shape) return;
    const auto into_it = [&](const Projection& other) {
      return other.pattern == Pattern::kWindow && other.target == made.target;
    };
    const bool first = std::none_of(graph_.projections.begin(), graph_.projections.end(), into_it);
    if (first && shape[0] * shape[1] * shape[2] == target.neurons()) {
      target.shape = shape;
      return;
    }
    double synapses = 0.0;
    for (const Hop& hop : hops) {
      const ProgramNode& node = program_.nodes[hop.node];
      if (is_weight_operation(node.operation)) synapses = static_cast<double>(node.dense_macs);
    }
    made.pattern = Pattern::kRandom;
    made.synapses = synapses;
  }

  /// What windows lead to may have got other channels, rows and columns than the windows that
  /// leave it were made for.
  void check_windows() {
    for (const auto& [number, shape] : windows_) {
      Projection& projection = graph_.projections[number];
      if (graph_.populations[projection.source].shape == shape) continue;
      const Window& window = projection.window;
      projection.pattern = Pattern::kRandom;
      projection.synapses = static_cast<double>(graph_.populations[projection.target].neurons()) *
                            static_cast<double>(shape[0] / window.groups) *
                            static_cast<double>(window.taps);
    }
  }

  /// Sources of words that only an Embedding reads: they are off the chip with it. Others stay,
  /// heard or not, since a run may send them events.
  void drop_words() {
    std::vector<char> heard(graph_.populations.size(), 1);
    for (const ProgramNode& node : program_.nodes) {
      if (!std::holds_alternative<op::Embedding>(node.operation)) continue;
      for (const Link& link : node.inputs) {
        if (population_[link.source] < 0) continue;
        heard[static_cast<std::size_t>(population_[link.source])] = 0;
      }
    }
    for (const Projection& projection : graph_.projections) heard[projection.source] = 1;
    std::vector<std::uint32_t> moved(graph_.populations.size());
    std::vector<Population> kept;
    for (std::size_t p = 0; p < heard.size(); ++p) {
      moved[p] = static_cast<std::uint32_t>(kept.size());
      if (heard[p] != 0) kept.push_back(std::move(graph_.populations[p]));
    }
    graph_.populations = std::move(kept);
    for (Projection& projection : graph_.projections) {
      projection.source = moved[projection.source];
      projection.target = moved[projection.target];
    }
  }

  /// Windows need both ends in (channels, rows, columns); what no window touches is flat.
  void shapes() {
    std::vector<char> windowed(graph_.populations.size(), 0);
    for (const Projection& projection : graph_.projections) {
      if (projection.pattern == Pattern::kWindow) {
        windowed[projection.source] = windowed[projection.target] = 1;
      }
    }
    for (std::size_t p = 0; p < windowed.size(); ++p) {
      Population& population = graph_.populations[p];
      if (windowed[p] == 0) population.shape = {1, 1, population.neurons()};
    }
  }

  const Program& program_;
  const RateOptions& rates_;
  std::vector<std::int64_t> population_;
  PopulationGraph graph_;
  std::vector<std::pair<std::uint32_t, std::vector<Hop>>> plain_paths_;  ///< into an Output
  std::vector<std::pair<std::size_t, Extent3>> windows_;  ///< projection, what it starts from
  std::size_t paths_ = 0;
};

}  // namespace

Status check_events(const Program& program, const Target& target) {
  if (target.constants.table_entries <= 0.0) return {};
  for (const ProgramNode& node : program.nodes) {
    const auto* layer = std::get_if<op::Recurrent>(&node.operation);
    if (layer == nullptr || layer->cell != op::Cell::kEgruPaper) continue;
    return Error{.code = ErrorCode::kUnsupported,
                 .what =
                     "the paper's form of EGRU sends a second event, times the reset gate, "
                     "within a step; a Plan has one key a neuron",
                 .where = node.name,
                 .next = "train the form of the released code (form 0)"};
  }
  return {};
}

Result<PopulationGraph> population_graph(const Program& program, const RateOptions& rates) {
  SPIKELOOM_TRY(PopulationGraph graph, Builder(program, rates).run());
  SPIKELOOM_CHECK(check(graph));
  return graph;
}

}  // namespace spikeloom::mapping
