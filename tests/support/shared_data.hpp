#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

/// Access to acceptance data that lives outside the repository.
///
/// The folder is $SPIKELOOM_SHARED if that is set, else `shared` in or beside the source tree.
/// A test that needs a file of it starts with
///
///     REQUIRE_SHARED("acceptance/nir/01_lif");
///
/// which skips the test, with the reason, when the file is not there; with CI=true in the
/// environment a missing file is a failure instead.
namespace spikeloom::test {

/// The folder itself; nothing if there is none.
std::optional<std::filesystem::path> shared_dir();

/// `relative` inside the folder. Call it after REQUIRE_SHARED said the file exists.
std::filesystem::path shared_path(std::string_view relative);

/// Why `relative` cannot be read; empty when it is there.
std::string shared_missing_reason(std::string_view relative);

/// True when the environment says CI=true: missing data is then a failure.
bool running_in_ci();

/// The repository's own files, for tests that read sources or docs.
std::filesystem::path source_dir();

/// The built command `spikeloom`; empty where the build has none.
const std::string& spikeloom_binary();

}  // namespace spikeloom::test

#define REQUIRE_SHARED(relative)                                                           \
  do {                                                                                     \
    const std::string spikeloom_reason = spikeloom::test::shared_missing_reason(relative); \
    if (!spikeloom_reason.empty()) {                                                       \
      if (spikeloom::test::running_in_ci()) FAIL() << spikeloom_reason;                    \
      GTEST_SKIP() << spikeloom_reason;                                                    \
    }                                                                                      \
  } while (false)
