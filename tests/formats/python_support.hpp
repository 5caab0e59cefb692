#pragma once
/// Running the Python scripts of this folder.

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/wait.h>

#include "tests/support/shared_data.hpp"

namespace spikeloom::test {

struct Ran {
  int status = -1;
  std::string output;
};

inline Ran run(const std::string& command) {
  Ran ran;
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return ran;
  std::array<char, 4096> buffer = {};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) ran.output += buffer.data();
  const int status = ::pclose(pipe);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

inline std::string quoted(const std::string& text) { return "'" + text + "'"; }

/// $SPIKELOOM_PYTHON, for an interpreter of a virtual environment that has nir, or python3.
inline std::string python() {
  const char* chosen = std::getenv("SPIKELOOM_PYTHON");
  return chosen != nullptr && *chosen != '\0' ? chosen : "python3";
}

inline std::string script(const std::string& name) {
  return quoted(python()) + " " + quoted((source_dir() / "tests/formats" / name).string());
}

}  // namespace spikeloom::test

/// Skips, with the reason, where Python lacks h5py or numpy; in CI that is a failure.
#define REQUIRE_PYTHON(compare_script)                                                           \
  do {                                                                                           \
    const spikeloom::test::Ran modules = run((compare_script) + " --check-modules");             \
    if (modules.status != 0 && spikeloom::test::running_in_ci()) FAIL() << modules.output;       \
    if (modules.status != 0) {                                                                   \
      GTEST_SKIP() << modules.output << "(SPIKELOOM_PYTHON names an interpreter that has them)"; \
    }                                                                                            \
  } while (false)
