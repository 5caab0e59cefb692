/// The state of a CUDA session: made once, set back at every reset.

#include <algorithm>

#include <fmt/format.h>

#include "backends/backend_impl.hpp"
#include "backends/cuda/memory_check.hpp"
#include "backends/cuda/session.hpp"

namespace spikeloom::cuda {
namespace {

/// Values that a thread can count: sizes and launches are 32-bit.
constexpr std::uint64_t kMostValues = std::uint64_t{1} << 31;

/// Links beyond this would need a ring that no device holds.
constexpr std::uint64_t kLongest = std::uint64_t{1} << 24;

bool reads_one_signal(const Operation& operation) {
  return is_weight_operation(operation) || std::holds_alternative<op::Pool>(operation) ||
         std::holds_alternative<op::Delay>(operation) ||
         std::holds_alternative<op::Embedding>(operation) ||
         std::holds_alternative<op::Recurrent>(operation) ||
         std::holds_alternative<op::Decoder>(operation);
}

}  // namespace

template <typename V>
CudaSession<V>::CudaSession(std::shared_ptr<const CudaExecutable<V>> executable,
                            std::shared_ptr<Machine> machine, std::uint32_t batch, bool layers)
    : executable_(std::move(executable)),
      own_machine_(std::move(machine)),
      program_(executable_->program()),
      images_(executable_->images()),
      machine_(*own_machine_),
      batch_(batch),
      step_time_(session_step_time(program_.discretisation)),
      stages_(find_stages(program_)),
      records_(program_.nodes.size()),
      queues_(batch, InputQueue(program_)) {
  wants_resident_ = layers;
  const RunOptions& options = executable_->options();
  if (options.record_outputs) {
    for (const std::uint32_t output : program_.outputs) records_[output] = {Variable::kOutput};
  }
  for (const RecordRequest& request : options.record) {
    auto& wanted = records_[request.node];
    if (std::find(wanted.begin(), wanted.end(), request.variable) == wanted.end()) {
      wanted.push_back(request.variable);
    }
  }
}

template <typename V>
Result<std::unique_ptr<Session>> CudaSession<V>::open(
    std::shared_ptr<const CudaExecutable<V>> executable, std::uint32_t batch) {
  SPIKELOOM_TRY(auto machine, executable->machine().fork());
  SPIKELOOM_TRY(auto session, open_on(std::move(executable), std::move(machine), batch));
  return std::unique_ptr<Session>(std::move(session));
}

template <typename V>
Result<std::unique_ptr<CudaSession<V>>> CudaSession<V>::open_on(
    std::shared_ptr<const CudaExecutable<V>> executable, std::shared_ptr<Machine> machine,
    std::uint32_t batch) {
  const bool layers = executable->takes_layers();
  auto made = open_as(executable, machine, batch, layers);
  const bool is_short = !made.ok() && made.error().code == ErrorCode::kResource;
  // The rings between layers may take more than launches per node do.
  return layers && is_short ? open_as(std::move(executable), std::move(machine), batch, false)
                            : std::move(made);
}

template <typename V>
Result<std::unique_ptr<CudaSession<V>>> CudaSession<V>::open_as(
    std::shared_ptr<const CudaExecutable<V>> executable, std::shared_ptr<Machine> machine,
    std::uint32_t batch, bool layers) {
  {
    const auto measure = make_measuring_machine(*machine);
    CudaSession like(executable, measure, batch, layers);
    SPIKELOOM_CHECK(like.make_state());
    SPIKELOOM_CHECK(
        check_memory(*machine, measure->memory(), "a session of this batch",
                     "run a smaller batch, or see with nvidia-smi who else holds memory "
                     "of this GPU"));
  }
  std::unique_ptr<CudaSession> session(
      new CudaSession(std::move(executable), std::move(machine), batch, layers));
  SPIKELOOM_CHECK(session->make_state());
  SPIKELOOM_CHECK(session->seed_links());
  SPIKELOOM_CHECK(session->clear());
  return session;
}

template <typename V>
bool CudaSession<V>::skipped(std::uint32_t node) const {
  return std::holds_alternative<op::Output>(program_.nodes[node].operation) &&
         !executable_->options().record_outputs;
}

/// A ring for a chunk and `reach` steps before it.
template <typename V>
Result<SignalBuffer<V>> CudaSession<V>::make_signal(std::size_t size, std::uint64_t reach,
                                                    bool masked) const {
  SignalBuffer<V> made;
  const std::uint64_t slots = std::bit_ceil(kChunk + reach);
  const std::uint64_t rows = slots * batch_;
  if (reach > kLongest || size * std::uint64_t{batch_} > kMostValues) {
    return Error{.code = ErrorCode::kResource,
                 .what = "a node's values do not fit a CUDA device",
                 .expected = fmt::format("delays up to {} steps, up to {} values a step", kLongest,
                                         kMostValues),
                 .got = fmt::format("{} steps, {} values", reach, size * std::uint64_t{batch_}),
                 .next = "run a smaller batch"};
  }
  made.ref.slots = static_cast<std::uint32_t>(slots);
  made.ref.batch = batch_;
  made.ref.size = static_cast<std::uint32_t>(size);
  made.ref.words = static_cast<std::uint32_t>((size + 31) / 32);
  if (wants_resident_) return made;
  SPIKELOOM_TRY(made.value, Buffer<V>::make(machine_, rows * size));
  made.ref.value = made.value.data();
  if (masked) {
    SPIKELOOM_TRY(made.mask, Buffer<std::uint32_t>::make(machine_, rows * made.ref.words));
    made.ref.mask = made.mask.data();
  }
  return made;
}

template <typename V>
Status CudaSession<V>::make_state() {
  const std::size_t size = program_.nodes.size();
  nodes_.resize(size);
  SPIKELOOM_TRY(clock_, Buffer<Clock>::make(machine_, 1));
  SPIKELOOM_TRY(tallies_, Buffer<Tally<V>>::make(machine_, 2 * size * kTallyCopies));
  for (std::uint32_t n = 0; n < size; ++n) {
    auto made = make_node(n);
    if (!made.ok()) {
      return std::move(made).error().in(fmt::format("node \"{}\"", program_.nodes[n].name));
    }
  }
  for (std::uint32_t n = 0; n < size; ++n) SPIKELOOM_CHECK(make_links(n));
  for (const Stage& stage : stages_) {
    for (const std::uint32_t n : stage.nodes) nodes_[n].has_product &= !stage.cyclic;
  }
  for (NodeDevice<V>& device : nodes_) device.multiplies = takes_product_at_first(device);
  SPIKELOOM_CHECK(make_logs());
  return wants_resident_ ? make_resident() : Status();
}

template <typename V>
Status CudaSession<V>::make_resident() {
  std::vector<ResidentNode<V>> nodes;
  for (const NodeDevice<V>& device : nodes_) {
    nodes.push_back({device.gathers, device.out.ref.unit, device.out.ref.tally, device.in_tally,
                     device.output_log.data(), device.membrane_log.data(),
                     device.current_log.data()});
  }
  SPIKELOOM_TRY(resident_, Resident<V>::make(program_, images_, nodes, batch_, machine_));
  SPIKELOOM_TRY(clock_, Buffer<Clock>::make(machine_, 1 + resident_->most_chunks()));
  return {};
}

template <typename V>
bool CudaSession<V>::records_units(std::uint32_t n) const {
  if (nodes_[n].out.ref.unit) return true;
  const ProgramNode& node = program_.nodes[n];
  return std::holds_alternative<op::Output>(node.operation) && node.inputs.size() == 1 &&
         node.inputs[0].delay == 0 && nodes_[node.inputs[0].source].out.ref.unit;
}

/// Room for what is recorded of some chunks, so that the host seldom has to wait for the device.
template <typename V>
Status CudaSession<V>::make_logs() {
  constexpr std::uint64_t kBytes = std::uint64_t{256} << 20, kMostSteps = 4096;
  const auto size = [&](std::uint32_t n) {
    return batch_ * static_cast<std::size_t>(program_.nodes[n].out_size);
  };
  std::uint64_t step_bytes = 1;
  for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
    step_bytes += records_[n].size() * size(n) * sizeof(V);
  }
  const std::uint64_t steps =
      std::clamp<std::uint64_t>(kBytes / step_bytes, kChunk, kMostSteps) / kChunk * kChunk;
  log_steps_ = static_cast<std::int64_t>(steps);
  for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
    for (const Variable variable : records_[n]) {
      Buffer<V>& log = variable == Variable::kMembrane  ? nodes_[n].membrane_log
                       : variable == Variable::kCurrent ? nodes_[n].current_log
                                                        : nodes_[n].output_log;
      if (!log.empty()) continue;  // spikes and y are the same
      SPIKELOOM_TRY(log, Buffer<V>::make(machine_, steps * size(n)));
      const bool smaller = nodes_[n].out.ref.words < nodes_[n].out.ref.size;
      if (!Records::has_index(variable) || !records_units(n) || !smaller) continue;
      const std::size_t words = steps * batch_ * nodes_[n].out.ref.words;
      SPIKELOOM_TRY(nodes_[n].bits_log, Buffer<std::uint32_t>::make(machine_, words));
    }
  }
  return {};
}

template <typename V>
Status CudaSession<V>::make_node(std::uint32_t n) {
  const ProgramNode& node = program_.nodes[n];
  NodeDevice<V>& device = nodes_[n];
  const auto size = static_cast<std::size_t>(node.out_size);
  std::uint64_t reach = 0;
  for (const ProgramNode& reader : program_.nodes) {
    for (const Link& link : reader.inputs) {
      if (link.source == n) reach = std::max<std::uint64_t>(reach, link.delay);
    }
  }
  const bool weights =
      is_weight_operation(node.operation) || std::holds_alternative<op::Decoder>(node.operation);
  device.masked = !weights;
  SPIKELOOM_TRY(device.out, make_signal(size, reach, device.masked));
  device.out.ref.tally = tallies_.data() + std::size_t{2} * n * kTallyCopies;
  device.in_tally = device.out.ref.tally + kTallyCopies;
  if (const Exchange* const exchange = executable_->exchange(n); exchange != nullptr) {
    return make_exchange(n, *exchange);
  }
  const auto* neuron = std::get_if<op::Neuron>(&node.operation);
  device.out.ref.unit = sends_units(node, program_.discretisation);
  if (neuron == nullptr) return make_language(n);
  const NeuronCoefficients& c = neuron->coefficients;
  device.has_current = c.has_current || c.sigma_delta;
  if (wants_resident_) return {};
  SPIKELOOM_TRY(device.membrane, Buffer<V>::make(machine_, batch_ * size));
  if (c.has_current || c.sigma_delta) {
    SPIKELOOM_TRY(device.current, Buffer<V>::make(machine_, batch_ * size));
  }
  if (!c.refractory.empty()) {
    SPIKELOOM_TRY(device.countdown, Buffer<std::int32_t>::make(machine_, batch_ * size));
  }
  return {};
}

/// Its source, a node before it, is there already.
template <typename V>
Status CudaSession<V>::make_exchange(std::uint32_t n, const Exchange& exchange) {
  NodeDevice<V>& device = nodes_[n];
  device.out.ref.unit = nodes_[exchange.source].out.ref.unit;
  std::uint32_t most = 0;
  const std::size_t devices = exchange.bounds.size() - 1;
  for (std::size_t d = 0; d < devices; ++d) {
    most = std::max(most, exchange.bounds[d + 1] - exchange.bounds[d]);
  }
  device.words = device.out.ref.unit ? tiles(most, 32) : most;
  const std::size_t words = std::size_t{kChunk} * batch_ * device.words;
  SPIKELOOM_TRY(device.sent, Buffer<std::uint32_t>::make(machine_, words));
  SPIKELOOM_TRY(device.received, Buffer<std::uint32_t>::make(machine_, devices * words));
  SPIKELOOM_TRY(device.part_bounds, Buffer<std::uint32_t>::of(machine_, exchange.bounds));
  return {};
}

/// What a node reads; every node's output is there already.
template <typename V>
Status CudaSession<V>::make_links(std::uint32_t n) {
  const ProgramNode& node = program_.nodes[n];
  NodeDevice<V>& device = nodes_[n];
  std::vector<LinkRef<V>> links;
  for (const Link& link : node.inputs) {
    Buffer<V> before;
    if (link.delay > 0 && !wants_resident_) {
      const auto values = std::size_t{link.delay} * batch_ * static_cast<std::size_t>(node.in_size);
      SPIKELOOM_TRY(before, Buffer<V>::make(machine_, values));
    }
    links.push_back({nodes_[link.source].out.ref, before.data(), link.delay});
    device.before.push_back(std::move(before));
  }
  SPIKELOOM_TRY(device.links, Buffer<LinkRef<V>>::of(machine_, links));
  if (!reads_one_signal(node.operation)) return {};
  const bool asks_mask = !std::holds_alternative<op::Pool>(node.operation) &&
                         !std::holds_alternative<op::Recurrent>(node.operation);
  const bool direct = links.size() == 1 && links[0].delay == 0 &&
                      !std::holds_alternative<op::Delay>(node.operation) &&
                      (!asks_mask || nodes_[node.inputs[0].source].masked);
  device.gathers = !direct;
  if (direct) {
    device.in = links[0].source;
  } else if (wants_resident_) {
  } else {
    SPIKELOOM_TRY(device.gathered, make_signal(static_cast<std::size_t>(node.in_size),
                                               images_[n].longest_delay, true));
    device.gathered.ref.tally = device.in_tally;
    device.gathered.ref.unit =
        links.size() == 1 && links[0].source.unit && !node.inputs[0].bias_at_start;
    device.in = device.gathered.ref;
  }
  if (wants_resident_) return {};
  SPIKELOOM_CHECK(make_product(n));
  if (!images_[n].weights.pivot.empty() || !images_[n].weights.bits.empty()) {
    const std::size_t rows = std::size_t{kChunk} * batch_;
    const auto in_size = static_cast<std::size_t>(node.in_size);
    SPIKELOOM_TRY(device.list_count, Buffer<std::uint32_t>::make(machine_, rows));
    SPIKELOOM_TRY(device.list_index, Buffer<std::uint32_t>::make(machine_, rows * in_size));
  }
  return {};
}

/// Back to step 0. What links carried before it stays as seed_links() made it.
template <typename V>
Status CudaSession<V>::clear() {
  lost_ = true;  // until all is clear
  step_ = 0;
  base_ = 0;
  log_base_ = 0;
  waiting_ = 0;
  steps_here_ = 0;
  measured_steps_ = 0;
  measured_events_.assign(2 * program_.nodes.size(), 0);
  for (NodeDevice<V>& device : nodes_) {
    device.multiplied_steps = 0;
    const bool at_first = takes_product_at_first(device);
    stale_ |= device.multiplies != at_first;
    device.multiplies = at_first;
  }
  cancelled_ = false;
  made_.clear();
  for (InputQueue& queue : queues_) queue.clear();
  totals_ = {};
  totals_.backend = executable_->backend();
  totals_.arithmetic = to_string(executable_->options().arithmetic);
  totals_.peak_memory_bytes = device_memory();
  saved_stats_.assign(program_.nodes.size(), {});
  SPIKELOOM_CHECK(tallies_.clear());
  if (resident_ != nullptr) SPIKELOOM_CHECK(resident_->clear());
  for (std::uint32_t n = 0; n < nodes_.size() && resident_ == nullptr; ++n) {
    NodeDevice<V>& device = nodes_[n];
    SPIKELOOM_CHECK(device.out.value.clear());
    SPIKELOOM_CHECK(device.out.mask.clear());
    SPIKELOOM_CHECK(device.gathered.value.clear());
    SPIKELOOM_CHECK(device.gathered.mask.clear());
    SPIKELOOM_CHECK(device.current.clear());
    SPIKELOOM_CHECK(device.countdown.clear());
    SPIKELOOM_CHECK(device.membrane.clear());
    if (images_[n].initial.empty()) continue;
    const auto& initial = std::get<op::Neuron>(program_.nodes[n].operation).coefficients.initial;
    std::vector<V> membrane;
    for (std::uint32_t e = 0; e < batch_; ++e) {
      for (const double v : initial) membrane.push_back(static_cast<V>(v));
    }
    SPIKELOOM_CHECK(device.membrane.write(membrane.data(), membrane.size()));
    SPIKELOOM_CHECK(machine_.wait());
  }
  lost_ = false;
  return {};
}

/// Fills the links that carry their cycle's response to silence before step 0: the stateless nodes
/// run once, for one step, on what reaches them within their cycle while every neuron is silent.
template <typename V>
Status CudaSession<V>::seed_links() {
  const auto seeded = [](const ProgramNode& node) {
    return std::any_of(node.inputs.begin(), node.inputs.end(),
                       [](const Link& link) { return link.bias_at_start; });
  };
  for (const NodeDevice<V>& device : nodes_) {  // load() may have written them
    for (const Buffer<V>& before : device.before) SPIKELOOM_CHECK(before.clear());
  }
  if (std::none_of(program_.nodes.begin(), program_.nodes.end(), seeded)) return {};
  SPIKELOOM_CHECK(clear());
  const Clock clock{.count = 1};
  SPIKELOOM_CHECK(clock_.write(&clock, 1));
  // Only the links of cycles count, and none of them has been fed yet.
  for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
    std::vector<LinkRef<V>> links;
    for (const Link& link : program_.nodes[n].inputs) {
      if (link.in_cycle) links.push_back({nodes_[link.source].out.ref, nullptr, link.delay});
    }
    std::vector<KernelCall> calls;
    const Operation& operation = program_.nodes[n].operation;
    if (std::holds_alternative<op::Neuron>(operation) ||
        std::holds_alternative<op::Recurrent>(operation) ||
        std::holds_alternative<op::Delay>(operation) ||
        std::holds_alternative<op::Input>(operation)) {
      continue;
    }
    NodeDevice<V>& device = nodes_[n];
    const Signal<V> in = device.in;
    const bool gathers = device.gathers;
    SPIKELOOM_TRY(auto cyclic, Buffer<LinkRef<V>>::of(machine_, links));
    SignalBuffer<V> scratch;
    if (reads_one_signal(operation) && !gathers) {
      SPIKELOOM_TRY(scratch,
                    make_signal(static_cast<std::size_t>(program_.nodes[n].in_size), 0, true));
      scratch.ref.tally = device.in_tally;
    }
    std::swap(device.links, cyclic);
    if (reads_one_signal(operation) && !gathers) {
      std::swap(device.gathered, scratch);
      device.in = device.gathered.ref;
      device.gathers = true;
    }
    add_node(n, {clock_.data(), 0, 1, batch_}, true, calls);
    const auto sequence = machine_.record(std::move(calls));
    Status ran = sequence.ok() ? machine_.run(**sequence) : Status(sequence.error());
    if (ran.ok()) ran = machine_.wait();
    if (!gathers && reads_one_signal(operation)) std::swap(device.gathered, scratch);
    device.in = in;
    device.gathers = gathers;
    std::swap(device.links, cyclic);
    SPIKELOOM_CHECK(std::move(ran));
  }
  for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
    for (std::size_t l = 0; l < program_.nodes[n].inputs.size(); ++l) {
      const Link& link = program_.nodes[n].inputs[l];
      if (!link.bias_at_start || link.delay == 0) continue;
      const SignalBuffer<V>& source = nodes_[link.source].out;
      std::vector<V> values(std::size_t{batch_} * source.ref.size);
      SPIKELOOM_CHECK(source.value.read(values.data(), values.size()));
      SPIKELOOM_CHECK(machine_.wait());
      for (std::size_t d = 0; d < link.delay; ++d) {
        SPIKELOOM_CHECK(nodes_[n].before[l].write(values.data(), values.size(), d * values.size()));
      }
      SPIKELOOM_CHECK(machine_.wait());
    }
  }
  return {};
}

#define SPIKELOOM_INSTANTIATE(V)                                                          \
  template CudaSession<V>::CudaSession(std::shared_ptr<const CudaExecutable<V>>,          \
                                       std::shared_ptr<Machine>, std::uint32_t, bool);    \
  template Result<std::unique_ptr<Session>> CudaSession<V>::open(                         \
      std::shared_ptr<const CudaExecutable<V>>, std::uint32_t);                           \
  template Result<std::unique_ptr<CudaSession<V>>> CudaSession<V>::open_on(               \
      std::shared_ptr<const CudaExecutable<V>>, std::shared_ptr<Machine>, std::uint32_t); \
  template bool CudaSession<V>::skipped(std::uint32_t) const;                             \
  template Status CudaSession<V>::seed_links();                                           \
  template Status CudaSession<V>::clear();
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cuda
