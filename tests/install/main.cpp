// One leaky neuron, driven by one event a step, through the installed library.
// tau = 2 ms and dt = 1 ms halve the membrane each step, r = 2 makes an event add 1: the membrane
// goes 1, 1.5, 1.75, passes the threshold of 1.6 at every third step and starts again from 0.

#include <cstdio>
#include <vector>

#include <spikeloom/backends/backend.hpp>
#include <spikeloom/base/build_info.hpp>
#include <spikeloom/snn/lowering.hpp>

using namespace spikeloom;

struct PrintSpikes : Sink {
  void events(std::uint32_t, Variable, std::uint32_t, std::int64_t step,
              std::span<const std::uint32_t>, std::span<const double>) override {
    std::printf(" %lld", static_cast<long long>(step));
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}
};

Status run() {
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({1})});
  builder.add("neuron", node::Lif{Tensor::full({1}, 2e-3F),
                                  Tensor::full({1}, 2.0F),
                                  Tensor::full({1}, 0.0F),
                                  Tensor::full({1}, 1.6F),
                                  {}});
  builder.add("out", node::Output{shape_tensor({1})});
  builder.connect("in", "neuron");
  builder.connect("neuron", "out");
  SPIKELOOM_TRY(const Network network, std::move(builder).build());

  Discretisation discretisation;
  discretisation.dt = 1e-3;
  SPIKELOOM_TRY(const Program program, lower(network, discretisation));
  SPIKELOOM_TRY(const auto executable, compile("reference", program, {}));
  SPIKELOOM_TRY(const auto session, executable->open());

  std::vector<Time> times;
  for (int step = 0; step < 9; ++step) times.push_back(step * kMillisecond);
  const std::vector<std::uint32_t> index(times.size(), 0);
  SPIKELOOM_CHECK(session->push(0, 0, {times, index, {}}));
  SPIKELOOM_CHECK(session->advance(9 * kMillisecond));
  PrintSpikes sink;
  return session->read(sink);
}

int main() {
  std::printf("spikeloom %s: spikes at", build_info::version);
  const Status status = run();
  if (!status.ok()) std::printf(" nowhere: %s", status.error().message().c_str());
  std::printf("\n");
  return status.ok() ? 0 : 1;
}
