/// Spice's synthetic network on one GPU: N neurons, connected at random with p = 0.00156, of which
/// 0.5 % fire in every step; explicit targets and weights, 4 bytes a synapse. Prints synaptic
/// events per second beside the card's copy bandwidth in the same run, JSON lines.
///
///     spikeloom_gpu_rows [SYNAPSES] [STEPS]
///
/// The kernels are those of the backend (kernels/sparse.hpp); sizes of target blocks and of the
/// groups of threads that walk a row together are swept. A step is: empty the list of sources, list
/// the active ones, deliver their rows, write every target's sum. Which neurons fire is drawn anew
/// for every step before the clock starts. Sums of one step are checked against the processor's.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <cuda_runtime.h>

#include "backends/cuda/kernels/sparse.hpp"

namespace {

using namespace spikeloom::cuda;

void check(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(code));
  std::exit(1);
}

template <typename T>
T* device(std::size_t size) {
  T* memory = nullptr;
  check(cudaMalloc(&memory, size * sizeof(T)), "cudaMalloc");
  check(cudaMemset(memory, 0, size * sizeof(T)), "cudaMemset");
  return memory;
}

__host__ __device__ inline std::uint64_t mixed(std::uint64_t x) {  // splitmix64
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

/// Every source has `per_block` +- its rounding targets in every block of targets, drawn with
/// replacement: a row of p N targets, thrown evenly. Both passes draw the same numbers.
struct Rule {
  std::uint32_t sources, block_targets, last_targets, blocks;
  double p;

  __host__ __device__ std::uint32_t degree(std::uint32_t block, std::uint32_t source) const {
    const std::uint32_t targets = block + 1 == blocks ? last_targets : block_targets;
    const double mean = p * targets;
    const auto whole = static_cast<std::uint32_t>(mean);
    const double rest = mean - whole;
    const double u = (mixed((std::uint64_t{block} << 32 | source) * 2 + 1) >> 11) * 0x1p-53;
    return whole + (u < rest ? 1 : 0);
  }
  __host__ __device__ std::uint32_t synapse(std::uint32_t block, std::uint32_t source,
                                            std::uint32_t k) const {
    const std::uint32_t targets = block + 1 == blocks ? last_targets : block_targets;
    const std::uint64_t draw = mixed(mixed(std::uint64_t{block} << 32 | source) + k);
    const auto target = static_cast<std::uint32_t>((draw >> 32) * targets >> 32);
    const auto weight = static_cast<std::int32_t>(draw & 127) - 63;
    return target | static_cast<std::uint32_t>(weight) << 16;
  }
};

__global__ void count_rows(Rule rule, std::uint32_t* pivot, std::uint32_t* fan_out) {
  const std::uint64_t all = std::uint64_t{rule.blocks} * rule.sources;
  for (std::uint64_t i = blockIdx.x * std::uint64_t{blockDim.x} + threadIdx.x; i < all;
       i += std::uint64_t{gridDim.x} * blockDim.x) {
    const auto block = static_cast<std::uint32_t>(i / rule.sources);
    const auto source = static_cast<std::uint32_t>(i % rule.sources);
    const std::uint32_t degree = rule.degree(block, source);
    pivot[std::uint64_t{block} * (rule.sources + 1) + source + 1] = degree;
    atomicAdd(fan_out + source, degree);
  }
}

__global__ void draw_rows(Rule rule, BlockedRows rows, std::uint32_t* synapse) {
  const std::uint64_t all = std::uint64_t{rule.blocks} * rule.sources;
  for (std::uint64_t i = blockIdx.x * std::uint64_t{blockDim.x} + threadIdx.x; i < all;
       i += std::uint64_t{gridDim.x} * blockDim.x) {
    const auto block = static_cast<std::uint32_t>(i / rule.sources);
    const auto source = static_cast<std::uint32_t>(i % rule.sources);
    const std::uint32_t* const pivot = rows.pivot + std::uint64_t{block} * (rule.sources + 1);
    std::uint32_t* const to = synapse + rows.block_start[block] + pivot[source];
    const std::uint32_t degree = pivot[source + 1] - pivot[source];
    for (std::uint32_t k = 0; k < degree; ++k) to[k] = rule.synapse(block, source, k);
  }
}

template <typename K>
__global__ void run_kernel(const K kernel) {
  extern __shared__ std::uint64_t memory[];
  typename K::Local local;
  const Place place{blockIdx.x, threadIdx.x, blockDim.x, memory};
  const std::uint32_t phases = kernel.phases();
  for (std::uint32_t phase = 0; phase < phases; ++phase) {
    if (phase != 0) __syncthreads();
    kernel(place, phase, local);
  }
}

struct Network {
  Rule rule;
  BlockedRows rows;
  std::uint64_t synapses = 0;
  std::uint32_t* synapse = nullptr;
};

Network make_network(std::uint32_t sources, double p, std::uint32_t block_targets) {
  Network n;
  n.rule = {sources, block_targets, 0, tiles(sources, block_targets), p};
  n.rule.last_targets = sources - (n.rule.blocks - 1) * block_targets;
  const std::size_t pivots = std::size_t{n.rule.blocks} * (sources + 1);
  auto* const pivot = device<std::uint32_t>(pivots);
  auto* const fan_out = device<std::uint32_t>(sources);
  count_rows<<<1024, 256>>>(n.rule, pivot, fan_out);
  check(cudaGetLastError(), "count_rows");
  std::vector<std::uint32_t> host(pivots);
  check(cudaMemcpy(host.data(), pivot, pivots * 4, cudaMemcpyDeviceToHost), "pivots");
  std::vector<std::uint64_t> start(n.rule.blocks + 1, 0);
  for (std::uint32_t b = 0; b < n.rule.blocks; ++b) {
    std::uint32_t* const row = host.data() + std::size_t{b} * (sources + 1);
    for (std::uint32_t s = 0; s < sources; ++s) row[s + 1] += row[s];
    start[b + 1] = start[b] + row[sources];
  }
  n.synapses = start.back();
  check(cudaMemcpy(pivot, host.data(), pivots * 4, cudaMemcpyHostToDevice), "pivots");
  auto* const block_start = device<std::uint64_t>(start.size());
  check(cudaMemcpy(block_start, start.data(), start.size() * 8, cudaMemcpyHostToDevice), "starts");
  n.synapse = device<std::uint32_t>(n.synapses);
  n.rows = {block_start, pivot, n.synapse, fan_out, sources, sources, block_targets};
  draw_rows<<<2048, 256>>>(n.rule, n.rows, n.synapse);
  check(cudaDeviceSynchronize(), "draw_rows");
  return n;
}

void free_network(const Network& n) {
  for (const void* memory :
       {static_cast<const void*>(n.rows.block_start), static_cast<const void*>(n.rows.pivot),
        static_cast<const void*>(n.synapse), static_cast<const void*>(n.rows.fan_out)}) {
    check(cudaFree(const_cast<void*>(memory)), "cudaFree");
  }
}

/// Bytes per second of a copy on the card, read and written ones counted.
double copy_bandwidth() {
  constexpr std::size_t kBytes = std::size_t{4} << 30;
  auto* const a = device<char>(kBytes);
  auto* const b = device<char>(kBytes);
  cudaEvent_t start, stop;
  check(cudaEventCreate(&start), "event");
  check(cudaEventCreate(&stop), "event");
  float best = 1e9F;
  for (int i = 0; i < 8; ++i) {
    check(cudaEventRecord(start), "event");
    check(cudaMemcpyAsync(b, a, kBytes, cudaMemcpyDeviceToDevice), "copy");
    check(cudaEventRecord(stop), "event");
    check(cudaEventSynchronize(stop), "event");
    float ms = 0.0F;
    check(cudaEventElapsedTime(&ms, start, stop), "event");
    best = std::min(best, ms);
  }
  check(cudaFree(a), "cudaFree");
  check(cudaFree(b), "cudaFree");
  return 2.0 * kBytes / (best * 1e-3);
}

/// Which neurons fire, step by step: a bitmap each.
struct Firing {
  std::uint32_t words, steps;
  std::vector<std::uint32_t> host;
  std::uint32_t* mask = nullptr;
  std::uint64_t spikes = 0;
};

Firing make_firing(std::uint32_t sources, std::uint32_t steps, double share) {
  Firing f;
  f.words = (sources + 31) / 32;
  f.steps = steps;
  f.host.assign(std::size_t{f.words} * steps, 0);
  for (std::uint32_t t = 0; t < steps; ++t) {
    for (std::uint32_t s = 0; s < sources; ++s) {
      const double u = (mixed(std::uint64_t{t} << 40 | s) >> 11) * 0x1p-53;
      if (u >= share) continue;
      f.host[std::size_t{t} * f.words + s / 32] |= 1U << (s % 32);
      ++f.spikes;
    }
  }
  f.mask = device<std::uint32_t>(f.host.size());
  check(cudaMemcpy(f.mask, f.host.data(), f.host.size() * 4, cudaMemcpyHostToDevice), "masks");
  return f;
}

/// The buffers of one step.
struct Step {
  Clock* clock;
  Signal<std::int32_t> in, out;
  SourceList list;
};

template <std::uint32_t kLanes, std::uint32_t kAhead>
double run(const Network& n, const Firing& firing, const Step& step, std::uint32_t threads,
           bool& right) {
  const Rows rows{step.clock, 0, 1, 1};
  const EmptyListsKernel empty{rows, step.list};
  RowsKernel<kLanes, kAhead> deliver{rows, step.in, step.out, step.list, n.rows, nullptr, nullptr};
  const std::size_t shared = deliver.shared_bytes();
  check(cudaFuncSetAttribute(run_kernel<RowsKernel<kLanes, kAhead>>,
                             cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
        "shared memory");
  cudaStream_t stream;
  check(cudaStreamCreate(&stream), "stream");
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  // Sums of the configuration before would be right, too.
  check(cudaMemset(step.out.value, 0, n.rule.sources * sizeof(std::int32_t)), "clear");
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
  for (std::uint32_t t = 0; t < firing.steps; ++t) {
    Signal<std::int32_t> in = step.in;
    in.mask = firing.mask + std::size_t{t} * firing.words;
    const CompactKernel<std::int32_t> compact{rows, in, step.list};
    deliver.in = in;
    run_kernel<<<empty.blocks(), kTile, 0, stream>>>(empty);
    run_kernel<<<compact.blocks(), kTile, sizeof(CompactKernel<std::int32_t>::Shared), stream>>>(
        compact);
    run_kernel<<<deliver.blocks(), threads, shared, stream>>>(deliver);
    check(cudaGetLastError(), "launch");
  }
  check(cudaStreamEndCapture(stream, &graph), "capture");
  check(cudaGraphInstantiate(&executable, graph, 0), "graph");
  cudaEvent_t start, stop;
  check(cudaEventCreate(&start), "event");
  check(cudaEventCreate(&stop), "event");
  float best = 1e9F;
  for (int i = 0; i < 4; ++i) {
    check(cudaEventRecord(start, stream), "event");
    check(cudaGraphLaunch(executable, stream), "graph");
    check(cudaEventRecord(stop, stream), "event");
    check(cudaEventSynchronize(stop), "steps");
    float ms = 0.0F;
    check(cudaEventElapsedTime(&ms, start, stop), "event");
    if (i > 0) best = std::min(best, ms);
  }
  // The last step's sums of the first and last block of targets, by the processor.
  std::vector<std::int32_t> got(n.rule.sources);
  check(cudaMemcpy(got.data(), step.out.value, got.size() * 4, cudaMemcpyDeviceToHost), "sums");
  right = true;
  for (const std::uint32_t block : {0U, n.rule.blocks - 1}) {
    std::vector<std::int32_t> sums(n.rule.block_targets, 0);
    for (std::uint32_t s = 0; s < n.rule.sources; ++s) {
      const std::size_t word = std::size_t{firing.steps - 1} * firing.words + s / 32;
      if ((firing.host[word] >> (s % 32) & 1) == 0) continue;
      for (std::uint32_t k = 0; k < n.rule.degree(block, s); ++k) {
        const std::uint32_t synapse = n.rule.synapse(block, s, k);
        sums[synapse & 0xFFFF] += static_cast<std::int32_t>(synapse) >> 16;
      }
    }
    const std::uint32_t first = block * n.rule.block_targets;
    for (std::uint32_t i = 0; i < n.rule.block_targets && first + i < got.size(); ++i) {
      right = right && got[first + i] == sums[i];
    }
  }
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
  return best * 1e-3;
}

}  // namespace

int main(int argc, char** argv) {
  const double synapses = argc > 1 ? std::atof(argv[1]) : 1e9;
  const auto steps = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 50);
  constexpr double kP = 0.00156, kShare = 0.005;
  const auto sources = static_cast<std::uint32_t>(std::sqrt(synapses / kP));
  cudaDeviceProp card{};
  check(cudaGetDeviceProperties(&card, 0), "no CUDA device");
  const double bandwidth = copy_bandwidth();
  std::printf("{\"card\":\"%s\",\"copy_bytes_per_s\":%.4g}\n", card.name, bandwidth);
  const Firing firing = make_firing(sources, steps, kShare);
  Step step;
  const Clock clock{0, 0, 0, 1, 0};
  step.clock = device<Clock>(1);
  check(cudaMemcpy(step.clock, &clock, sizeof clock, cudaMemcpyHostToDevice), "clock");
  step.in = {nullptr, firing.mask, nullptr, 1, 1, sources, firing.words, true};
  step.out = {device<std::int32_t>(sources),
              nullptr,
              device<Tally<std::int32_t>>(kTallyCopies),
              1,
              1,
              sources,
              firing.words,
              false};
  step.list = {device<std::uint32_t>(1), device<std::uint32_t>(sources), sources};
  for (const std::uint32_t block : {2048U, 3072U, 4096U, 6144U, 8192U, 12288U}) {
    if (block > sources) continue;
    const Network n = make_network(sources, kP, block);
    for (const std::uint32_t threads : {256U, 512U, 1024U}) {
      for (const auto [lanes, ahead] :
           {std::pair(2, 4), std::pair(4, 1), std::pair(4, 4), std::pair(4, 8), std::pair(8, 4),
            std::pair(8, 8), std::pair(16, 4)}) {
        if (ahead == 8 && threads == 1024) continue;  // more registers than there are
        bool right = false;
        const auto timed = [&]<std::uint32_t kLanes, std::uint32_t kAhead>() {
          return run<kLanes, kAhead>(n, firing, step, threads, right);
        };
        const double seconds =
            lanes == 2    ? timed.operator()<2, 4>()
            : lanes == 16 ? timed.operator()<16, 4>()
            : lanes == 8  ? ahead == 4 ? timed.operator()<8, 4>() : timed.operator()<8, 8>()
             : ahead == 1 ? timed.operator()<4, 1>()
            : ahead == 4  ? timed.operator()<4, 4>()
                          : timed.operator()<4, 8>();
        const double events = static_cast<double>(firing.spikes) * static_cast<double>(n.synapses) /
                              sources / seconds;
        std::printf(
            "{\"synapses\":%llu,\"neurons\":%u,\"block\":%u,\"threads\":%u,\"lanes\":%d,\"ahead\":%"
            "d,"
            "\"events_per_s\":%.4g,\"us_per_step\":%.2f,\"share_of_bandwidth\":%.3f,"
            "\"right\":%s}\n",
            static_cast<unsigned long long>(n.synapses), sources, block, threads, lanes, ahead,
            events, 1e6 * seconds / steps, events * 4.0 / bandwidth, right ? "true" : "false");
        std::fflush(stdout);
      }
    }
    free_network(n);
  }
  return 0;
}
