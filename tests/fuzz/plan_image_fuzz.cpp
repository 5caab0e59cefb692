/// Spoils a Plan, field by field, behind the back of the reader's checks, and bytes of its memory
/// images, and gives them to the emulator: they are refused, or run three ticks in which nothing is
/// lost without being counted. Bytes alone: the machine sends what it sends with the right ones.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "backends/emulator/plan_emulator.hpp"
#include "mapping/from_program.hpp"
#include "mapping/images.hpp"
#include "mapping/map.hpp"
#include "snn/lowering.hpp"
#include "tests/support/tiny_networks.hpp"

using namespace spikeloom;

namespace {

struct Example {
  Program program;
  mapping::Plan plan;
  mapping::PlanImages images;
};

template <typename T>
T needed(Result<T> result) {
  if (!result.ok()) std::abort();
  return *std::move(result);
}

Example make_example() {
  using namespace test;
  Discretisation discretisation;
  discretisation.dt = 1.0;
  discretisation.link_delay = 1;
  std::vector<float> weights(6 * 6, 1.0F);
  Example made;
  made.program = needed(lower(
      chain({6}, {linear(6, 6, weights), relay(0.0F, 6), linear(6, 6, weights), relay(1.0F, 6)},
            {6}),
      discretisation));
  mapping::MapOptions options;
  options.resources.neurons_per_core = 2;
  // A small torus, full of trees.
  const auto target = needed(mapping::load_target("spinnaker1:3x2"));
  const auto graph = needed(mapping::population_graph(made.program));
  made.plan = needed(mapping::map(graph, target, options));
  made.images = needed(mapping::MemoryImages(made.program, graph, made.plan).all());
  return made;
}

const Example& example() {
  static const Example kExample = make_example();
  return kExample;
}

/// Writes `value` somewhere into the Plan.
void spoil(mapping::Plan& plan, std::uint8_t field, std::uint8_t at, std::uint32_t value) {
  const auto pick = [at](auto& list) -> auto& { return list[at % list.size()]; };
  switch (field % 24) {
    case 0:
      pick(plan.slices).core = value;
      break;
    case 1:
      pick(plan.slices).first = value;
      break;
    case 2:
      pick(plan.slices).count = value;
      break;
    case 3:
      pick(plan.slices).key = value;
      break;
    case 4:
      pick(plan.slices).mask = value;
      break;
    case 5:
      pick(plan.slices).population = value;
      break;
    case 6:
      pick(plan.cores).chip = value;
      break;
    case 7:
      pick(plan.cores).core = value;
      break;
    case 8:
      pick(plan.blocks).slice = value;
      break;
    case 9:
      pick(plan.blocks).address = value;
      break;
    case 10:
      pick(plan.blocks).bytes = value;
      break;
    case 11:
      pick(plan.blocks).projection = value;
      break;
    case 12:
      pick(plan.populations).first_slice = value;
      break;
    case 13:
      pick(plan.populations).slices = value;
      break;
    case 14:
      pick(plan.populations).order = {value % 7, value % 5, 0, 1, 2, 3};
      break;
    case 15:
      pick(plan.routes).links = static_cast<std::uint8_t>(value);
      break;
    case 16:
      pick(plan.routes).cores = {static_cast<std::uint16_t>(value % 20)};
      break;
    case 17:
      pick(pick(plan.tables).entries).key = value;
      break;
    case 18:
      pick(pick(plan.tables).entries).mask = value;
      break;
    case 19:
      pick(pick(plan.tables).entries).route = value;
      break;
    case 20:
      pick(plan.tables).chip = value;
      break;
    case 21:
      pick(plan.projections).source = value;
      break;
    case 22:
      pick(plan.populations).node = static_cast<std::int32_t>(value);
      break;
    default:
      pick(plan.populations).shape[at % 3] = value;
      break;
  }
}

/// A byte of a core or a chip.
void spoil(mapping::PlanImages& images, std::uint8_t which, std::uint8_t at, std::uint32_t value) {
  std::vector<std::byte>* memory = nullptr;
  if (which % 2 == 0 || images.chips.empty()) {
    memory = &images.cores[at % images.cores.size()];
  } else {
    memory = &images.chips.begin()->second;
  }
  if (memory->empty()) return;
  (*memory)[(value >> 8) % memory->size()] = static_cast<std::byte>(value);
  if (which == 255) memory->resize(value % memory->size());
}

std::vector<std::size_t> ran(emulator::PlanEmulator& machine) {
  std::vector<std::size_t> sent;
  for (std::int64_t tick = 0; tick < 3; ++tick) {
    std::vector<emulator::PlacedEvent> events;
    for (std::uint32_t i = 0; i < 6; ++i) events.push_back({example().program.inputs[0], i, 1});
    if (!machine.tick(events).ok()) std::abort();
    sent.push_back(machine.last().events);
  }
  machine.finish();
  return sent;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kEdit = 6;
  if (size < 1 + kEdit || size > 1 + 8 * kEdit) return 0;
  mapping::Plan plan = example().plan;
  mapping::PlanImages images = example().images;
  emulator::PlanOptions options;
  const bool bytes_alone = (data[0] & 8) != 0;
  options.real_time = !bytes_alone && (data[0] & 1) != 0;
  if ((data[0] & 2) != 0) options.timing = emulator::Timing::kEvents;
  if ((data[0] & 4) != 0) plan.target.constants.router_timeout = 0.0;
  for (std::size_t at = 1; at + kEdit <= size; at += kEdit) {
    std::uint32_t value = 0;
    std::memcpy(&value, data + at + 2, sizeof(value));
    if (bytes_alone || data[at] >= 128) {
      spoil(images, data[at], data[at + 1], value);
    } else {
      spoil(plan, data[at], data[at + 1], value);
    }
  }
  auto machine = emulator::PlanEmulator::create(example().program, plan, options, &images);
  if (!machine.ok()) return 0;
  const auto sent = ran(*machine);
  const emulator::TickRecord total = machine->total();
  if (machine->losses().size() != total.dropped + total.late) std::abort();
  if (!bytes_alone) return 0;
  auto right = needed(emulator::PlanEmulator::create(example().program, plan, options));
  if (ran(right) != sent) std::abort();
  return 0;
}
