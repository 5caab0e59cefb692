#include "cli/host.hpp"

#include <cstdint>
#include <fstream>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backends/backend.hpp"

namespace spikeloom::cli {
namespace {

/// The first "model name" of /proc/cpuinfo; empty where there is none.
std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t start = line.find_first_not_of(" \t", line.find(':') + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

std::int64_t memory_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long size = sysconf(_SC_PAGE_SIZE);
  return pages > 0 && size > 0 ? static_cast<std::int64_t>(pages) * size : 0;
}

}  // namespace

std::vector<std::string> simd_extensions() {
  std::vector<std::string> names;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2")) names.emplace_back("sse4.2");
  if (__builtin_cpu_supports("popcnt")) names.emplace_back("popcnt");
  if (__builtin_cpu_supports("avx")) names.emplace_back("avx");
  if (__builtin_cpu_supports("avx2")) names.emplace_back("avx2");
  if (__builtin_cpu_supports("fma")) names.emplace_back("fma");
  if (__builtin_cpu_supports("bmi2")) names.emplace_back("bmi2");
  if (__builtin_cpu_supports("avx512f")) names.emplace_back("avx512f");
  if (__builtin_cpu_supports("avx512bw")) names.emplace_back("avx512bw");
  if (__builtin_cpu_supports("avx512vl")) names.emplace_back("avx512vl");
  if (__builtin_cpu_supports("avx512vnni")) names.emplace_back("avx512vnni");
#elif defined(__aarch64__)
  names.emplace_back("neon");
#endif
  return names;
}

Value host_value() {
  Value value = Value::map();
  const std::string name = processor_name();
  value.set("processor", name.empty() ? Value() : Value(name));
  value.set("threads", std::thread::hardware_concurrency());
  Value simd = Value::list();
  for (const std::string& extension : simd_extensions()) simd.push(extension);
  value.set("simd", std::move(simd));
  const std::int64_t memory = memory_bytes();
  return value.set("memory_bytes", memory > 0 ? Value(memory) : Value());
}

std::string host_text() {
  const std::string name = processor_name();
  const auto simd = simd_extensions();
  return fmt::format("processor  {}, {} threads\nsimd       {}\nmemory     {:.1f} GiB\n",
                     name.empty() ? "unknown" : name, std::thread::hardware_concurrency(),
                     simd.empty() ? "none known" : fmt::format("{}", fmt::join(simd, " ")),
                     static_cast<double>(memory_bytes()) / (1024.0 * 1024.0 * 1024.0));
}

Value backends_value() {
  Value list = Value::list();
  for (const BackendInfo& info : backends()) {
    Value one = Value::map();
    one.set("name", info.name).set("available", info.available);
    one.set("description", info.description);
    one.set("reason", info.reason.empty() ? Value() : Value(info.reason));
    Value arithmetics = Value::list();
    for (const Arithmetic arithmetic : info.arithmetics) arithmetics.push(to_string(arithmetic));
    one.set("arithmetics", std::move(arithmetics));
    list.push(std::move(one));
  }
  return list;
}

}  // namespace spikeloom::cli
