#include "backends/cpu/executable.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "backends/cpu/population_private.hpp"
#include "backends/cpu/session.hpp"
#include "snn/integer.hpp"

namespace spikeloom::cpu {
namespace {

using detail::Divisor;

template <typename V>
void keep_unless(const std::vector<double>& values, double neutral, std::size_t per_value,
                 std::size_t size, const Order& order, AlignedBuffer<V>& out) {
  if (std::all_of(values.begin(), values.end(), [&](double v) { return v == neutral; })) return;
  std::vector<double> each(size);
  for (std::size_t i = 0; i < size; ++i) each[i] = values[i / per_value % values.size()];
  out = lay_out<V>(each, order, V{0});
}

/// Scale and bias of a weight node, per element.
template <typename V>
void finish_weights(const ProgramNode& node, NodePlan<V>& plan) {
  const auto size = static_cast<std::size_t>(node.out_size);
  std::visit(
      [&](const auto& o) {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (requires { o.row_scale; }) {
          std::size_t per_value = 1;
          if constexpr (std::is_same_v<Op, op::Convolution>) {
            per_value = static_cast<std::size_t>(o.output.rows * o.output.columns);
          }
          if (size == 0) return;
          keep_unless(o.row_scale, 1.0, per_value, size, plan.order, plan.scale);
          keep_unless(o.bias, 0.0, per_value, size, plan.order, plan.bias);
        }
      },
      node.operation);
}

PoolReach pool_reach(std::int64_t input, std::int64_t output, std::int64_t kernel,
                     std::int64_t stride, std::int64_t pad) {
  PoolReach reach;
  for (std::int64_t position = 0; position < input; ++position) {
    const std::int64_t shifted = position + pad;
    const std::int64_t first = shifted < kernel ? 0 : (shifted - kernel) / stride + 1;
    reach.outputs.push_back({first, std::min(shifted / stride + 1, output)});
  }
  return reach;
}

/// By position in a plane; empty if windows overlap.
std::vector<std::uint32_t> pool_windows(const PoolReach& rows, const PoolReach& columns,
                                        std::int64_t output_columns) {
  std::vector<std::uint32_t> window;
  for (const TapRange& r : rows.outputs) {
    for (const TapRange& c : columns.outputs) {
      if (r.last - r.first > 1 || c.last - c.first > 1) return {};
      const bool none = r.last <= r.first || c.last <= c.first;
      const std::int64_t index = r.first * output_columns + c.first;
      window.push_back(none ? kNoWindow : static_cast<std::uint32_t>(index));
    }
  }
  return window;
}

/// Language layers; those before node `n` are planned already.
template <typename V>
Status plan_language(const Program& program, const RunOptions& options, std::size_t n,
                     const IntegerNode* integer, std::vector<NodePlan<V>>& plans) {
  const ProgramNode& node = program.nodes[n];
  NodePlan<V>& plan = plans[n];
  if (const auto* embedding = std::get_if<op::Embedding>(&node.operation)) {
    plan.embedding = std::make_unique<EmbeddingPlan<V>>(*embedding, integer);
  } else if (const auto* decoder = std::get_if<op::Decoder>(&node.operation)) {
    SPIKELOOM_TRY(plan.decoder, DecoderPlan<V>::make(*decoder, integer));
    plan.dense = true;
  } else if (const auto* layer = std::get_if<op::Recurrent>(&node.operation)) {
    const EmbeddingPlan<V>* words = nullptr;
    std::size_t word_count = 0;
    if (node.inputs.size() == 1 && node.inputs[0].delay == 0) {
      const std::uint32_t source = node.inputs[0].source;
      const std::vector<Link>& before = program.nodes[source].inputs;
      if (plans[source].embedding != nullptr && before.size() == 1 && before[0].delay == 0) {
        words = plans[source].embedding.get();
        word_count = static_cast<std::size_t>(program.nodes[source].in_size);
        plan.word_source = before[0].source;
      }
    }
    SPIKELOOM_TRY(plan.recurrent,
                  RecurrentPlan<V>::make(*layer, options, integer, words, word_count));
  }
  return {};
}

/// Whether a step may be added up in another way than by rows: costs rise with the number of active
/// sources, so that what does not pay with all of them never does.
template <typename V>
bool has_choice(const Projection<V>& projection, Schedule wanted, std::int64_t sources) {
  if (wanted != Schedule::kAuto) return wanted != Schedule::kRows;
  const auto all = static_cast<double>(sources);
  for (const Schedule way : {Schedule::kBitmask, Schedule::kDense}) {
    if (!projection.offers(way, false)) continue;
    if (projection.cost(way, all) < projection.cost(Schedule::kRows, all)) return true;
  }
  return false;
}

/// Finds the weight nodes whose values live for one population and one step only.
template <typename V>
void mark_fused(std::vector<NodePlan<V>>& plans) {
  std::vector<int> readers(plans.size(), 0);
  for (const NodePlan<V>& plan : plans) {
    for (const LinkPlan& link : plan.links) ++readers[link.source];
  }
  for (NodePlan<V>& plan : plans) {
    for (const LinkPlan& link : plan.links) {
      NodePlan<V>& source = plans[link.source];
      if (source.projection == nullptr || plan.population == nullptr) continue;
      const bool only_here = readers[link.source] == 1 && source.records.empty();
      source.fused = only_here && link.same_order && link.delay == 0;
      source.ranged = source.fused && source.projection->range() != 0;
      if (!source.ranged) continue;
      plan.population->range_words =
          std::max(plan.population->range_words, source.projection->range() / (64 * kBlock));
    }
  }
}

template <typename V>
NodeWork work_of(const ProgramNode& node, const NodePlan<V>& plan) {
  if (plan.skipped) return NodeWork::kNothing;
  if (plan.projection != nullptr) return NodeWork::kProjection;
  if (plan.population != nullptr) return NodeWork::kNeurons;
  if (plan.recurrent != nullptr) return NodeWork::kRecurrent;
  if (plan.embedding != nullptr) return NodeWork::kEmbedding;
  if (plan.decoder != nullptr) return NodeWork::kDecoder;
  const Operation& operation = node.operation;
  if (std::holds_alternative<op::Relu>(operation)) return NodeWork::kRelu;
  if (std::holds_alternative<op::Pool>(operation)) return NodeWork::kPool;
  if (std::holds_alternative<op::Scale>(operation)) return NodeWork::kScale;
  if (std::holds_alternative<op::Threshold>(operation)) return NodeWork::kThreshold;
  if (std::holds_alternative<op::Delay>(operation)) return NodeWork::kDelay;
  if (std::holds_alternative<op::Output>(operation)) return NodeWork::kCopy;
  if (std::holds_alternative<op::Identity>(operation)) return NodeWork::kCopy;
  return NodeWork::kNothing;
}

/// Finds out what a step does for each node, what its links carry, and whether a reader minds the
/// order of what it reads.
template <typename V>
void settle(const Program& program, std::vector<NodePlan<V>>& plans) {
  for (NodePlan<V>& plan : plans) {
    plan.any_order = plan.population != nullptr && plan.records.empty() && plan.depth == 1;
  }
  for (std::size_t n = 0; n < plans.size(); ++n) {
    const ProgramNode& node = program.nodes[n];
    plans[n].work = work_of(node, plans[n]);
    plans[n].early = node.early;
    const auto* neurons = std::get_if<op::Neuron>(&node.operation);
    plans[n].restarts = neurons != nullptr && neurons->reset_period > 0;
    plans[n].dense_macs = static_cast<std::uint64_t>(node.dense_macs);
    plans[n].out_size = static_cast<std::uint64_t>(node.out_size);
    for (const LinkPlan& link : plans[n].links) {
      plans[n].only_events &= !plans[link.source].dense;
      const bool alone = plans[n].links.size() == 1;
      const bool pools = std::holds_alternative<op::Pool>(program.nodes[n].operation);
      plans[link.source].any_order &= alone && pools;
    }
  }
}

}  // namespace

Order channels_last(std::size_t channels, std::size_t plane) {
  Order order;
  if (channels <= 1 || plane <= 1) return order;
  order.to_logical.resize(channels * plane);
  order.to_physical.resize(channels * plane);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t p = 0; p < plane; ++p) {
      order.to_logical[p * channels + c] = static_cast<std::uint32_t>(c * plane + p);
      order.to_physical[c * plane + p] = static_cast<std::uint32_t>(p * channels + c);
    }
  }
  return order;
}

template <typename V>
CpuExecutable<V>::CpuExecutable(Program program, RunOptions options, std::vector<NodePlan<V>> plans,
                                double input_limit)
    : program_(std::move(program)),
      options_(std::move(options)),
      plans_(std::move(plans)),
      input_limit_(input_limit) {
  kernels_ = neuron_kernels(NeuronArrays<V>{});
}

template <typename V>
Result<std::unique_ptr<Session>> CpuExecutable<V>::open(std::uint32_t batch) const {
  if (batch == 0) {
    return Error{.what = "a session needs at least one batch element", .got = "batch 0"};
  }
  auto self = std::static_pointer_cast<const CpuExecutable<V>>(this->shared_from_this());
  try {
    return std::unique_ptr<Session>(std::make_unique<CpuSession<V>>(std::move(self), batch));
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "there is not enough memory for the session's state",
                 .next = "run a smaller batch"};
  }
}

template <typename V>
Result<std::vector<NodePlan<V>>> make_plans(const Program& program, const RunOptions& options,
                                            const IntegerProgram& integer) {
  std::vector<NodePlan<V>> plans(program.nodes.size());
  for (std::size_t n = 0; n < plans.size(); ++n) {
    const ProgramNode& node = program.nodes[n];
    for (const Link& link : node.inputs) {
      plans[n].links.push_back({link.source, link.delay, link.in_cycle, link.bias_at_start});
      plans[link.source].depth = std::max(plans[link.source].depth, link.delay + 1);
    }
  }
  for (const std::uint32_t output : program.outputs) {
    if (options.record_outputs) plans[output].records = {Variable::kOutput};
  }
  for (const RecordRequest& request : options.record) {
    auto& wanted = plans[request.node].records;
    if (std::find(wanted.begin(), wanted.end(), request.variable) == wanted.end()) {
      wanted.push_back(request.variable);
    }
  }
  for (std::size_t n = 0; n < plans.size(); ++n) {
    const ProgramNode& node = program.nodes[n];
    NodePlan<V>& plan = plans[n];
    if (!is_weight_operation(node.operation)) continue;
    plan.dense = true;
    auto made = [&] {
      if constexpr (std::is_integral_v<V>) {
        return make_projection(node.operation, options.schedule, integer.nodes[n],
                               options.arithmetic == Arithmetic::kRing16);
      } else {
        return make_projection(node.operation, options.schedule);
      }
    }();
    if (!made.ok()) return std::move(made).error().in(fmt::format("node \"{}\"", node.name));
    plan.projection = *std::move(made);
    plan.has_choice = has_choice(*plan.projection, options.schedule, node.in_size);
    plan.cheap_weights = weight_class(node.operation) != WeightClass::kGeneral;
    plan.order = plan.projection->order();
    finish_weights(node, plan);
  }
  for (std::size_t n = 0; n < plans.size(); ++n) {
    const ProgramNode& node = program.nodes[n];
    NodePlan<V>& plan = plans[n];
    const IntegerNode* const whole = std::is_integral_v<V> ? &integer.nodes[n] : nullptr;
    auto language = plan_language(program, options, n, whole, plans);
    if (!language.ok()) return Error(language.error()).in(fmt::format("node \"{}\"", node.name));
    if (whole != nullptr) plan.unit = std::ldexp(1.0, -whole->exponent);
    plan.skipped = std::holds_alternative<op::Output>(node.operation) && !options.record_outputs;
    if (const auto* pool = std::get_if<op::Pool>(&node.operation)) {
      plan.pool_rows = pool_reach(pool->input.rows, pool->output.rows, pool->kernel.rows,
                                  pool->stride.rows, pool->pad_before.rows);
      plan.pool_columns =
          pool_reach(pool->input.columns, pool->output.columns, pool->kernel.columns,
                     pool->stride.columns, pool->pad_before.columns);
      plan.pool_plane = Divisor(static_cast<std::uint32_t>(pool->input.rows * pool->input.columns));
      plan.pool_line = Divisor(static_cast<std::uint32_t>(pool->input.columns));
      plan.pool_window = pool_windows(plan.pool_rows, plan.pool_columns, pool->output.columns);
    } else if (const auto* scale = std::get_if<op::Scale>(&node.operation)) {
      for (const double f : scale->factor) plan.factor.push_back(static_cast<V>(f));
    } else if (const auto* threshold = std::get_if<op::Threshold>(&node.operation)) {
      for (const double t : threshold->threshold) plan.threshold.push_back(static_cast<V>(t));
      if constexpr (std::is_integral_v<V>) plan.threshold = integer.nodes[n].threshold;
      plan.all_thresholds_positive =
          std::all_of(plan.threshold.begin(), plan.threshold.end(), [](V t) { return t >= V{0}; });
    } else if (std::holds_alternative<op::Neuron>(node.operation)) {
      for (const Link& link : node.inputs) {  // neurons live where their input is added up
        if (!plans[link.source].order.same()) {
          plan.order = plans[link.source].order;
          break;
        }
      }
      NeuronCoefficients c = std::get<op::Neuron>(node.operation).coefficients;
      if constexpr (std::is_integral_v<V>) c = whole_coefficients(c, integer.nodes[n].neurons);
      plan.population = make_population<V>(node, plan, program, c);
      plan.dense = !plan.population->arrays.options.spiking;
      for (LinkPlan& link : plan.links) {
        link.same_order = plans[link.source].dense && plans[link.source].order == plan.order;
      }
      for (const Link& link : node.inputs) {  // a bias is input in every step
        if (!plans[link.source].bias.empty()) plan.population->always.fill();
      }
    }
  }
  mark_fused(plans);
  settle(program, plans);
  return plans;
}

template <typename V>
Result<std::shared_ptr<const Executable>> compile_cpu(
    const Program& program, const RunOptions& options,
    const std::vector<std::vector<std::size_t>>& owners) {
  IntegerProgram integer;
  if constexpr (std::is_integral_v<V>) {
    SPIKELOOM_TRY(integer, to_integer(program));
  }
  try {
    SPIKELOOM_TRY(auto plans, make_plans<V>(program, options, integer));
    for (std::size_t n = 0; n < owners.size(); ++n) plans[n].cuts = owners[n];
    return std::shared_ptr<const Executable>(std::make_shared<const CpuExecutable<V>>(
        program, options, std::move(plans), integer.input_limit));
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "there is not enough memory for the network's rows",
                 .next = "free memory, or run a smaller network"};
  }
}

template class CpuExecutable<float>;
template class CpuExecutable<std::int32_t>;
template Result<std::shared_ptr<const Executable>> compile_cpu<float>(
    const Program&, const RunOptions&, const std::vector<std::vector<std::size_t>>&);
template Result<std::shared_ptr<const Executable>> compile_cpu<std::int32_t>(
    const Program&, const RunOptions&, const std::vector<std::vector<std::size_t>>&);

}  // namespace spikeloom::cpu
