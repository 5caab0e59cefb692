#include "backends/cuda/resident.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "backends/cuda/stages.hpp"

namespace spikeloom::cuda {

Tuning& tuning() {
  static Tuning made;
  return made;
}

namespace {

/// Rings hold many steps, so that the images of larger elements take much memory; larger weights
/// were not measured by layers.
constexpr std::uint64_t kMostValues = std::uint64_t{1} << 20;
constexpr std::int64_t kMostWeights = std::int64_t{1} << 22,
                       kProductWeights = std::int64_t{1} << 20;
constexpr std::size_t kMostOps = 48;
constexpr std::uint32_t kFewestEvents = 1024;

bool is_alias(const Operation& operation) {
  return std::holds_alternative<op::Identity>(operation) ||
         std::holds_alternative<op::Output>(operation);
}

bool gathers_window(const Operation& operation) {
  return is_weight_operation(operation) || std::holds_alternative<op::Pool>(operation);
}

template <typename Op>
void set_window(const Op& from, ResidentWindow& w) {
  const auto narrow = [](std::int64_t value) { return static_cast<std::int32_t>(value); };
  w.in_rows = narrow(from.input.rows), w.in_columns = narrow(from.input.columns);
  w.out_rows = narrow(from.output.rows), w.out_columns = narrow(from.output.columns);
  w.kernel_rows = narrow(from.kernel.rows), w.kernel_columns = narrow(from.kernel.columns);
  w.stride_rows = narrow(from.stride.rows), w.stride_columns = narrow(from.stride.columns);
  w.pad_rows = narrow(from.pad_before.rows), w.pad_columns = narrow(from.pad_before.columns);
}

}  // namespace

std::uint32_t longest(const op::Delay& delay) {
  return delay.steps.empty() ? 0 : *std::max_element(delay.steps.begin(), delay.steps.end());
}

std::string refuse_resident(const Program& program, const RunOptions& options, bool real) {
  if (options.schedule == Schedule::kDense) return "products were asked for";
  if (program.nodes.size() > kMostOps) return "it has many nodes";
  for (const Stage& stage : find_stages(program)) {
    if (stage.cyclic) return "it has a cycle";
  }
  std::uint64_t values = 0;  // of a few steps
  for (const ProgramNode& node : program.nodes) {
    std::uint64_t longest_link = 0;
    for (const ProgramNode& reader : program.nodes) {
      for (const Link& link : reader.inputs) {
        if (&program.nodes[link.source] == &node) {
          longest_link = std::max<std::uint64_t>(longest_link, link.delay);
        }
      }
    }
    values += static_cast<std::uint64_t>(node.out_size) * (2 * longest_link + 10);
    if (const auto* delay = std::get_if<op::Delay>(&node.operation)) {
      values += static_cast<std::uint64_t>(node.in_size) * (2 * std::uint64_t{longest(*delay)} + 2);
    }
  }
  if (values > kMostValues) return "its image is large";
  for (const ProgramNode& node : program.nodes) {
    const Operation& operation = node.operation;
    if (std::holds_alternative<op::Recurrent>(operation) ||
        std::holds_alternative<op::Embedding>(operation) ||
        std::holds_alternative<op::Decoder>(operation) ||
        std::holds_alternative<op::Relu>(operation)) {
      return "it has language layers";
    }
    if (node.weights > kMostWeights) return "its weights are large";
    if (node.in_size == 0 || node.out_size == 0) return "a node is empty";
    if (real && options.schedule == Schedule::kAuto &&
        std::holds_alternative<op::Dense>(operation) && node.weights >= kProductWeights) {
      return "a layer may be worth a product";
    }
    if (const auto* pool = std::get_if<op::Pool>(&operation)) {
      // What divided() is exact for.
      const auto plane = static_cast<std::uint64_t>(pool->output.rows * pool->output.columns);
      if (static_cast<std::uint64_t>(node.out_size) * plane >> 32 != 0) return "a pool is wide";
    }
    if (const auto* conv = std::get_if<op::Convolution>(&operation)) {
      if (conv->kernel.columns > 32) return "a kernel is wide";
    } else if (is_weight_operation(operation) && !std::holds_alternative<op::Dense>(operation)) {
      return "it has sparse weights";
    }
  }
  return "";
}

template <typename V>
Result<std::unique_ptr<Resident<V>>> Resident<V>::make(const Program& program,
                                                       const std::vector<NodeImage<V>>& images,
                                                       const std::vector<ResidentNode<V>>& nodes,
                                                       std::uint32_t batch, Machine& machine) {
  std::unique_ptr<Resident> made(new Resident(program, machine, batch));
  SPIKELOOM_CHECK(made->plan(images, nodes));
  SPIKELOOM_TRY(made->signals_image_, Buffer<ResidentSignal>::of(machine, made->signals_));
  SPIKELOOM_TRY(made->links_image_, Buffer<ResidentLink>::of(machine, made->links_));
  SPIKELOOM_TRY(made->inputs_image_, Buffer<ResidentInput<V>>::of(machine, made->inputs_));
  SPIKELOOM_TRY(made->images_, Buffer<char>::make(machine, batch * made->fresh_.size()));
  made->event_slots_ = kFewestEvents;
  SPIKELOOM_TRY(made->events_,
                Buffer<ResidentEvent<V>>::make(machine, std::size_t{batch} * made->event_slots_));
  return made;
}

template <typename V>
std::uint32_t Resident<V>::add_signal(std::size_t size, std::uint64_t reach, bool unit,
                                      bool input) {
  ResidentSignal s;
  s.size = static_cast<std::uint32_t>(size);
  s.words = static_cast<std::uint32_t>((size + 31) / 32);
  s.slots = static_cast<std::uint32_t>(std::bit_ceil(reach + 1));  // size_rings() wants more
  s.value = unit ? kNowhere : 0;
  s.graded = input ? 0 : kNowhere;
  signals_.push_back(s);
  return static_cast<std::uint32_t>(signals_.size() - 1);
}

/// Flatten and outputs that read one signal of the same step are that signal.
template <typename V>
void Resident<V>::find_aliases(const std::vector<ResidentNode<V>>& nodes) {
  std::vector<int> logs(program_.nodes.size());
  for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) {
    const ProgramNode& node = program_.nodes[n];
    logs[n] = nodes[n].output_log != nullptr ? 1 : 0;
    if (!is_alias(node.operation) || node.inputs.size() != 1 || node.inputs[0].delay != 0) continue;
    std::uint32_t root = node.inputs[0].source;
    if (root >= n) continue;
    if (places_[root].counted_as != kNowhere) root = places_[root].counted_as;
    if (logs[root] + logs[n] > 3) continue;
    logs[root] += logs[n];
    places_[n].counted_as = root;
  }
}

template <typename V>
void Resident<V>::add_log(V* log, ResidentOp<V>& op) const {
  if (log != nullptr) op.log[op.log_count++] = log;
}

template <typename V>
Status Resident<V>::plan(const std::vector<NodeImage<V>>& images,
                         const std::vector<ResidentNode<V>>& nodes) {
  const std::size_t size = program_.nodes.size();
  find_aliases(nodes);
  const auto root = [&](std::uint32_t n) {
    return places_[n].counted_as != kNowhere ? places_[n].counted_as : n;
  };
  std::vector<std::uint64_t> reach(size, 0);
  std::vector<std::uint32_t> readers(size, 0), reader(size, 0);
  for (std::uint32_t n = 0; n < size; ++n) {
    for (const Link& link : program_.nodes[n].inputs) {
      std::uint64_t& r = reach[root(link.source)];
      r = std::max<std::uint64_t>(r, link.delay);
      ++readers[link.source];
      reader[link.source] = n;
    }
  }
  // Weights and pooling that only one population reads are one operation with it.
  std::vector<std::uint32_t> feeds(size, kNowhere), fed_by(size, kNowhere);
  for (std::uint32_t n = 0; n < size; ++n) {
    if (!gathers_window(program_.nodes[n].operation) || readers[n] != 1) continue;
    const ProgramNode& to = program_.nodes[reader[n]];
    if (!std::holds_alternative<op::Neuron>(to.operation) || to.inputs.size() != 1 ||
        to.inputs[0].delay != 0 || reader[n] < n) {
      continue;
    }
    feeds[n] = reader[n];
    fed_by[reader[n]] = n;
  }
  const auto out_size = [&](std::uint32_t n) {
    return static_cast<std::size_t>(program_.nodes[n].out_size);
  };
  for (std::uint32_t n = 0; n < size; ++n) {
    const ProgramNode& node = program_.nodes[n];
    const bool input = std::holds_alternative<op::Input>(node.operation);
    if (places_[n].counted_as == kNowhere && feeds[n] == kNowhere) {
      places_[n].signal = add_signal(out_size(n), reach[n], nodes[n].unit, input);
    }
    const bool delays = std::holds_alternative<op::Delay>(node.operation);
    if (delays || (nodes[n].gathers && node.inputs.size() != 1)) {
      places_[n].gathered =
          add_signal(static_cast<std::size_t>(node.in_size), images[n].longest_delay, false, false);
    }
    if (feeds[n] != kNowhere) {
      places_[n].latest = static_cast<std::uint32_t>(latest_.size());
      SPIKELOOM_TRY(auto latest, Buffer<V>::make(machine_, out_size(n) * batch_));
      latest_.push_back(std::move(latest));
    }
  }
  for (std::uint32_t n = 0; n < size; ++n) {
    if (places_[n].counted_as != kNowhere) places_[n].signal = places_[root(n)].signal;
  }
  first_place_.assign(program_.inputs.size(), 0);
  std::uint32_t place = 0;
  for (std::size_t p = 0; p < program_.inputs.size(); ++p) {
    const std::uint32_t n = program_.inputs[p];
    first_place_[p] = place;
    ResidentInput<V> input;
    input.signal = places_[n].signal;
    input.first_place = place;
    input.tally = nodes[n].out_tally;
    for (std::uint32_t m = 0; m < size; ++m) {
      if (root(m) == n && nodes[m].output_log != nullptr) {
        input.log[input.log_count++] = nodes[m].output_log;
      }
    }
    inputs_.push_back(input);
    place += static_cast<std::uint32_t>(out_size(n));
  }
  const auto add_links = [&](std::uint32_t n, ResidentOp<V>& op) {
    op.first_link = static_cast<std::uint32_t>(links_.size());
    op.links = static_cast<std::uint32_t>(program_.nodes[n].inputs.size());
    for (const Link& link : program_.nodes[n].inputs) {
      links_.push_back({places_[link.source].signal, link.delay});
    }
    if (op.links == 0) links_.push_back({});
  };
  const auto add_logs = [&](std::uint32_t n, ResidentOp<V>& op) {
    for (std::uint32_t m = 0; m < size; ++m) {
      if (root(m) == n) add_log(nodes[m].output_log, op);
    }
  };
  const auto add_delay = [&](std::uint32_t n) {
    ResidentOp<V> op;
    op.head = Head::kDelay;
    op.size = static_cast<std::uint32_t>(out_size(n));
    op.first_link = static_cast<std::uint32_t>(links_.size());
    op.links = 1;
    links_.push_back({places_[n].gathered, 0});
    op.delay = images[n].delay.data();
    op.node = n;
    op.out = places_[n].signal;
    op.y_tally = nodes[n].out_tally;
    add_logs(n, op);
    ops_.push_back(op);
  };
  // Sources come before who reads them.
  std::vector<std::uint32_t> order;
  for (const Stage& stage : find_stages(program_)) {
    order.insert(order.end(), stage.nodes.begin(), stage.nodes.end());
  }
  for (const std::uint32_t n : order) {
    const ProgramNode& node = program_.nodes[n];
    if (std::holds_alternative<op::Input>(node.operation) || places_[n].counted_as != kNowhere ||
        feeds[n] != kNowhere) {
      continue;
    }
    const bool is_neuron = std::holds_alternative<op::Neuron>(node.operation);
    const std::uint32_t head = fed_by[n] != kNowhere ? fed_by[n] : n;
    if (places_[head].gathered != kNowhere) {
      ResidentOp<V> gather;
      gather.size = static_cast<std::uint32_t>(program_.nodes[head].in_size);
      gather.out = places_[head].gathered;
      gather.y_tally = nodes[head].in_tally;
      add_links(head, gather);
      ops_.push_back(gather);
    }
    if (std::holds_alternative<op::Delay>(node.operation)) {
      add_delay(n);
      continue;
    }
    ResidentOp<V> op;
    op.size = static_cast<std::uint32_t>(out_size(n));
    op.out = places_[n].signal;
    add_links(head, op);
    if (places_[head].gathered != kNowhere) {
      op.first_link = static_cast<std::uint32_t>(links_.size());
      op.links = 1;
      links_.push_back({places_[head].gathered, 0});
    }
    add_node(head, images[head], nodes, op);
    if (is_neuron) {
      add_neurons(n, images[n], nodes[n], op);
      op.y_tally = nodes[n].out_tally;
      if (head != n) {
        op.x_latest = latest_[places_[head].latest].data();
        op.x_log = nodes[head].output_log;
      }
    }
    add_logs(n, op);
    SPIKELOOM_CHECK(add_products(images[head].weights, op));
    ops_.push_back(op);
  }
  size_rings();
  return lay_out();
}

/// Whether each output channel's weights are all the same.
bool has_even_taps(const op::Convolution& conv) {
  const std::size_t taps = conv.weight.size() / static_cast<std::size_t>(conv.out_channels);
  for (std::size_t i = 0; i < conv.weight.size(); ++i) {
    if (conv.weight[i] != conv.weight[i / taps * taps]) return false;
  }
  return true;
}

/// What makes x of a node, and the counts of it.
template <typename V>
void Resident<V>::add_node(std::uint32_t n, const NodeImage<V>& image,
                           const std::vector<ResidentNode<V>>& nodes, ResidentOp<V>& op) {
  const ProgramNode& node = program_.nodes[n];
  const Operation& operation = node.operation;
  const bool window = gathers_window(operation);
  op.x_tally = window ? nodes[n].out_tally : nodes[n].in_tally;
  if (!window && !std::holds_alternative<op::Neuron>(operation)) op.y_tally = nodes[n].out_tally;
  if (window && nodes[n].gathers && places_[n].gathered == kNowhere) {
    op.counts_input = true;
    op.in_tally = nodes[n].in_tally;
  }
  const WeightImage<V>& weights = image.weights;
  op.scale = weights.scale.data();
  op.bias = weights.bias.data();
  op.narrow = !weights.narrow.empty();
  op.weight = op.narrow               ? static_cast<const void*>(weights.narrow.data())
              : !weights.real.empty() ? static_cast<const void*>(weights.real.data())
                                      : static_cast<const void*>(weights.wide.data());
  if (const auto* dense = std::get_if<op::Dense>(&operation)) {
    op.head = Head::kDense;
    op.inputs = static_cast<std::uint32_t>(dense->inputs);
    op.outputs = static_cast<std::uint32_t>(dense->outputs);
  } else if (const auto* conv = std::get_if<op::Convolution>(&operation)) {
    op.head = Head::kConvolution;
    set_window(*conv, op.window);
    op.window.dilation_rows = static_cast<std::int32_t>(conv->dilation.rows);
    op.window.dilation_columns = static_cast<std::int32_t>(conv->dilation.columns);
    op.groups = static_cast<std::uint32_t>(conv->groups);
    op.in_group = static_cast<std::uint32_t>(conv->in_channels / conv->groups);
    op.out_group = static_cast<std::uint32_t>(conv->out_channels / conv->groups);
    op.plane = static_cast<std::uint32_t>(conv->output.rows * conv->output.columns);
    op.even_taps = std::is_integral_v<V> && has_even_taps(*conv);
  } else if (const auto* pool = std::get_if<op::Pool>(&operation)) {
    op.head = Head::kPool;
    set_window(*pool, op.window);
    op.plane = static_cast<std::uint32_t>(op.window.out_rows * op.window.out_columns);
    op.per_plane = per_divisor(op.plane);
    op.per_column = per_divisor(static_cast<std::uint32_t>(op.window.out_columns));
    // Its windows are those of a convolution of each channel by itself.
    op.groups = op.size / op.plane;
    op.pooling = pool->kind == op::PoolKind::kSum       ? Pooling::kSum
                 : pool->kind == op::PoolKind::kAverage ? Pooling::kAverage
                                                        : Pooling::kMax;
  } else {
    op.parameter = image.parameter.data();
    if (std::holds_alternative<op::Scale>(operation)) op.work = Elementwise::kScale;
    if (std::holds_alternative<op::Threshold>(operation)) op.work = Elementwise::kThreshold;
  }
}

/// When neurons without input do nothing that anybody could see.
Rest rest_of(const NeuronCoefficients& c, const equations::StepOptions& o, bool integer) {
  const auto all = [](const std::vector<double>& values, auto holds) {
    return std::all_of(values.begin(), values.end(), holds);
  };
  if (o.sigma_delta || o.substep) return Rest::kNever;
  if (!all(c.drive, [](double v) { return v == 0.0; })) return Rest::kNever;
  if (!all(c.clamp, [](double v) { return v <= 0.0; })) return Rest::kNever;
  if (!all(c.threshold, [](double v) { return v > 0.0; })) return Rest::kNever;
  const bool exact = integer || o.fixed_point == FixedPoint::kNone;  // a decay of 1
  const bool holds = o.spiking && !o.late && !o.has_current && exact &&
                     all(c.decay, [](double v) { return v == 1.0; });
  return holds ? Rest::kBelowThreshold : Rest::kAtZero;
}

template <typename V>
void Resident<V>::add_neurons(std::uint32_t n, const NodeImage<V>& image,
                              const ResidentNode<V>& node, ResidentOp<V>& op) {
  const auto& neuron = std::get<op::Neuron>(program_.nodes[n].operation);
  const NeuronCoefficients& c = neuron.coefficients;
  const Discretisation& d = program_.discretisation;
  Place& place = places_[n];
  place.membrane = 0;
  if (c.has_current || c.sigma_delta) place.current = 0;
  if (!c.refractory.empty()) place.countdown = 0;
  op.has_neurons = true;
  op.neurons = image.neurons;
  op.amplitude = static_cast<V>(d.spike_amplitude());
  op.reset_period = neuron.reset_period;
  op.reset_phase = neuron.reset_phase;
  op.membrane_log = node.membrane_log;
  op.current_log = node.current_log;
  op.log_before_reset = d.record_membrane == RecordMembrane::kBeforeReset;
  op.rest = rest_of(c, op.neurons.options, std::is_integral_v<V>);
  op.node = n;
}

/// Bits first, then values and state.
template <typename V>
Status Resident<V>::lay_out() {
  std::uint64_t end = 0;
  const auto take = [&](std::uint32_t& place, std::uint64_t bytes) {
    if (place == kNowhere) return;
    place = static_cast<std::uint32_t>(end);
    end += (bytes + 15) / 16 * 16;
  };
  take(cursor_, 32);
  for (ResidentSignal& s : signals_) {
    take(s.bits, std::uint64_t{s.slots} * s.words * 4);
    take(s.graded, std::uint64_t{s.slots} * 8);
  }
  for (ResidentSignal& s : signals_) take(s.value, std::uint64_t{s.slots} * s.size * sizeof(V));
  for (std::size_t n = 0; n < places_.size(); ++n) {
    const auto size = static_cast<std::uint64_t>(program_.nodes[n].out_size);
    take(places_[n].membrane, size * sizeof(V));
    take(places_[n].current, size * sizeof(V));
    take(places_[n].countdown, size * 4);
  }
  for (ResidentOp<V>& op : ops_) {
    if (!op.has_neurons) continue;
    const Place& p = places_[op.node];
    op.membrane = p.membrane, op.current = p.current, op.countdown = p.countdown;
  }
  if (end > std::numeric_limits<std::uint32_t>::max()) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the values between layers do not fit a CUDA session",
                 .expected = "up to 2^32 bytes a batch element",
                 .got = std::to_string(end),
                 .next = "run shorter delays"};
  }
  fresh_.assign(end, 0);
  for (std::uint32_t n = 0; n < places_.size(); ++n) {
    const std::uint32_t membrane = places_[n].membrane;
    if (membrane == kNowhere) continue;
    const auto& initial = std::get<op::Neuron>(program_.nodes[n].operation).coefficients.initial;
    const std::vector<V> values(initial.begin(), initial.end());
    std::copy_n(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(V),
                fresh_.data() + membrane);
  }
  return {};
}

template class Resident<float>;
template class Resident<std::int32_t>;

}  // namespace spikeloom::cuda
