/// Saving and loading the CUDA session. A checkpoint holds dense values, as every backend's does.

#include "backends/cuda/session.hpp"

namespace spikeloom::cuda {
namespace {

Error unknown_state() {
  return Error{.code = ErrorCode::kIo,
               .what = "the device failed in an earlier step, and what it held is lost",
               .next = "load the last checkpoint"};
}

/// Values [first, first + size) of a buffer.
template <typename T>
Result<std::vector<double>> fetch(Machine& machine, const Buffer<T>& buffer, std::size_t first,
                                  std::size_t size) {
  std::vector<T> values(size);
  SPIKELOOM_CHECK(buffer.read(values.data(), size, first));
  SPIKELOOM_CHECK(machine.wait());
  return std::vector<double>(values.begin(), values.end());
}

template <typename T>
Status put(Machine& machine, const Buffer<T>& buffer, std::size_t first,
           const std::vector<double>& from) {
  if (buffer.empty() || from.empty()) return {};
  std::vector<T> values(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) values[i] = static_cast<T>(from[i]);
  SPIKELOOM_CHECK(buffer.write(values.data(), values.size(), first));
  return machine.wait();
}

}  // namespace

template <typename V>
Result<Checkpoint> CudaSession<V>::save() const {
  SPIKELOOM_TRY(const CheckpointState saved, collect());
  return write_checkpoint(saved, program_, executable_->options().arithmetic);
}

template <typename V>
Result<CheckpointState> CudaSession<V>::collect() const {
  if (lost_) return unknown_state();
  CheckpointState saved;
  saved.step = step_;
  saved.stats = stats();
  auto& queues = const_cast<std::vector<InputQueue>&>(queues_);  // sorts what waits
  for (std::uint32_t e = 0; e < batch_; ++e) {
    CheckpointElement element;
    element.latest = queues_[e].latest();
    for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
      const ProgramNode& program = program_.nodes[n];
      const NodeDevice<V>& device = nodes_[n];
      const auto size = static_cast<std::size_t>(program.out_size);
      const auto in_size = static_cast<std::size_t>(program.in_size);
      CheckpointNode node;
      if (resident_ != nullptr) {
        SPIKELOOM_TRY(node, resident_->save(e, n, step_));
        element.nodes.push_back(std::move(node));
        continue;
      }
      if (!device.membrane.empty()) {
        SPIKELOOM_TRY(node.membrane, fetch(machine_, device.membrane, e * size, size));
      }
      if (!device.current.empty()) {
        SPIKELOOM_TRY(node.current, fetch(machine_, device.current, e * size, size));
      }
      if (std::holds_alternative<op::Recurrent>(program.operation)) {
        const std::size_t place = device.out.ref.place(step_ - 1, e);
        SPIKELOOM_TRY(node.current, fetch(machine_, device.out.value, place * size, size));
      }
      if (!device.countdown.empty()) {
        SPIKELOOM_TRY(const auto waiting, fetch(machine_, device.countdown, e * size, size));
        node.waiting.assign(waiting.begin(), waiting.end());
      }
      if (const auto* delay = std::get_if<op::Delay>(&program.operation)) {
        for (std::uint32_t back = images_[n].longest_delay; back > 0; --back) {
          const std::size_t place = device.in.place(step_ - back, e);
          SPIKELOOM_TRY(auto slot,
                        fetch(machine_, device.gathered.value, place * in_size, in_size));
          // What has left already is not kept by anybody.
          for (std::size_t i = 0; i < in_size; ++i) {
            if (delay->steps[i] < back) slot[i] = 0.0;
          }
          node.delay.push_back(std::move(slot));
        }
      }
      for (std::size_t l = 0; l < program.inputs.size(); ++l) {
        const std::int64_t delay = program.inputs[l].delay;
        std::vector<std::vector<double>> slots;
        for (std::int64_t then = step_ - delay; then < step_; ++then) {
          const SignalBuffer<V>& source = nodes_[program.inputs[l].source].out;
          const bool here = then >= base_;
          const std::size_t place =
              here ? source.ref.place(then, e)
                   : static_cast<std::size_t>(then - base_ + delay) * batch_ + e;
          const Buffer<V>& from = here ? source.value : device.before[l];
          SPIKELOOM_TRY(auto slot, fetch(machine_, from, place * in_size, in_size));
          slots.push_back(std::move(slot));
        }
        node.links.push_back(std::move(slots));
      }
      element.nodes.push_back(std::move(node));
    }
    for (const QueuedEvent& event : queues[e].waiting()) {
      element.pending.push_back({event.step, event.port, event.index, event.value});
    }
    saved.elements.push_back(std::move(element));
  }
  return saved;
}

template <typename V>
Status CudaSession<V>::load(std::span<const std::byte> checkpoint) {
  SPIKELOOM_TRY(const CheckpointState saved,
                read_checkpoint(checkpoint, program_, executable_->options().arithmetic, batch_));
  return restore(saved);
}

template <typename V>
Status CudaSession<V>::restore(const CheckpointState& saved) {
  SPIKELOOM_CHECK(clear());
  lost_ = true;  // until all is there
  step_ = saved.step;
  base_ = saved.step;
  log_base_ = saved.step;
  totals_.steps = saved.stats.steps;
  totals_.input = saved.stats.input;
  saved_stats_ = saved.stats.nodes;
  stale_ = stale_ || resident_ != nullptr;  // Resident::load
  for (std::uint32_t e = 0; e < batch_; ++e) {
    const CheckpointElement& element = saved.elements[e];
    std::vector<QueuedEvent> waiting;
    for (const CheckpointEvent& event : element.pending) {
      waiting.push_back({event.step, event.port, event.index, event.value});
    }
    waiting_ += waiting.size();
    queues_[e].restore(std::move(waiting), element.latest);
    if (resident_ != nullptr) resident_->forget(e);
    for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
      const CheckpointNode& node = element.nodes[n];
      const NodeDevice<V>& device = nodes_[n];
      const auto size = static_cast<std::size_t>(program_.nodes[n].out_size);
      const auto in_size = static_cast<std::size_t>(program_.nodes[n].in_size);
      if (resident_ != nullptr) {
        SPIKELOOM_CHECK(resident_->load(e, n, step_, node));
        continue;
      }
      SPIKELOOM_CHECK(put(machine_, device.membrane, e * size, node.membrane));
      SPIKELOOM_CHECK(put(machine_, device.current, e * size, node.current));
      if (std::holds_alternative<op::Recurrent>(program_.nodes[n].operation)) {
        const std::size_t place = device.out.ref.place(step_ - 1, e);
        SPIKELOOM_CHECK(put(machine_, device.out.value, place * size, node.current));
      }
      SPIKELOOM_CHECK(put(machine_, device.countdown, e * size,
                          std::vector<double>(node.waiting.begin(), node.waiting.end())));
      for (std::size_t age = 0; age < node.delay.size(); ++age) {
        const auto back = static_cast<std::int64_t>(node.delay.size() - age);
        const std::size_t place = device.in.place(step_ - back, e);
        SPIKELOOM_CHECK(put(machine_, device.gathered.value, place * in_size, node.delay[age]));
      }
      for (std::size_t l = 0; l < node.links.size(); ++l) {
        for (std::size_t age = 0; age < node.links[l].size(); ++age) {
          SPIKELOOM_CHECK(
              put(machine_, device.before[l], (age * batch_ + e) * in_size, node.links[l][age]));
        }
      }
    }
  }
  lost_ = false;
  return {};
}

#define SPIKELOOM_INSTANTIATE(V)                                    \
  template Result<Checkpoint> CudaSession<V>::save() const;         \
  template Result<CheckpointState> CudaSession<V>::collect() const; \
  template Status CudaSession<V>::restore(const CheckpointState&);  \
  template Status CudaSession<V>::load(std::span<const std::byte>);
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cuda
