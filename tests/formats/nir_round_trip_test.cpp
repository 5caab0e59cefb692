/// Reading, writing and reading again gives the same network; and Python's `nir` and h5py find the
/// written file equal to the original (tests/formats/compare_nir.py).

#include <array>

#include <gtest/gtest.h>

#include "models/nir/nir_reader.hpp"
#include "models/nir/nir_writer.hpp"
#include "tests/formats/nir_support.hpp"
#include "tests/formats/python_support.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

constexpr const char* kFolder = "acceptance/nir";
constexpr std::array kSources = {"01_lif", "02_cnn", "03_rnn", "05_edge_files",
                                 "06_reference_writer"};

/// Every .nir file of the acceptance data that this reader accepts, and how many it refuses.
struct Files {
  std::vector<std::string> readable;
  std::size_t refused = 0;
};

Files acceptance_files() {
  Files files;
  for (const char* source : kSources) {
    for (const auto& entry :
         std::filesystem::directory_iterator(shared_path(std::string(kFolder) + "/" + source))) {
      if (entry.path().extension() != ".nir") continue;
      if (read_nir(entry.path().string()).ok()) {
        files.readable.push_back(entry.path().string());
      } else {
        ++files.refused;
      }
    }
  }
  return files;
}

TEST(NirRoundTrip, GivesTheSameNetwork) {
  REQUIRE_SHARED(kFolder);
  const Files files = acceptance_files();
  EXPECT_EQ(files.readable.size(), 26U);
  EXPECT_EQ(files.refused, 5U);  // three dangling, one not HDF5, one lzf
  const TemporaryFolder folder;
  for (const std::string& path : files.readable) {
    const auto original = read_nir(path);
    ASSERT_TRUE(original.ok());
    for (const bool compress : {true, false}) {
      const std::string copy = folder.file("copy.nir");
      const Status written = write_nir(original->network, copy, {.compress = compress});
      ASSERT_TRUE(written.ok()) << path << ": " << written.error().message();
      const auto again = read_nir(copy);
      ASSERT_TRUE(again.ok()) << path << ": " << again.error().message();
      EXPECT_EQ(differences(original->network, again->network), std::vector<std::string>()) << path;
    }
  }
}

TEST(NirRoundTrip, PythonFindsTheFilesEqual) {
  REQUIRE_SHARED(kFolder);
  const std::string compare = script("compare_nir.py");
  REQUIRE_PYTHON(compare);
  const TemporaryFolder folder;
  std::string pairs;
  for (const std::string& path : acceptance_files().readable) {
    const auto original = read_nir(path);
    ASSERT_TRUE(original.ok());
    const std::string copy = folder.file(std::filesystem::path(path).filename().string());
    ASSERT_TRUE(write_nir(original->network, copy).ok());
    pairs += " " + quoted(path) + " " + quoted(copy);
  }
  const Ran equal = run(compare + pairs);
  EXPECT_EQ(equal.status, 0) << equal.output;
  // The comparison is able to fail: the rewritten file has a v_reset that the original lacks.
  const std::string original = shared_path("acceptance/nir/01_lif/lif_norse.nir").string();
  const std::string rewritten =
      shared_path("acceptance/nir/06_reference_writer/lif_norse_rewritten_1.0.7_gzip.nir").string();
  const Ran differs = run(compare + " " + quoted(original) + " " + quoted(rewritten));
  EXPECT_EQ(differs.status, 1);
  EXPECT_NE(differs.output.find("v_reset: only in the right file"), std::string::npos)
      << differs.output;
}

TEST(NirRoundTrip, FilesThatPythonWroteForTheOddCases) {
  const std::string make = script("make_nir_cases.py");
  const TemporaryFolder folder;
  const std::string compare = script("compare_nir.py");
  REQUIRE_PYTHON(compare);
  const Ran made = run(make + " " + quoted(folder.file("")));
  ASSERT_EQ(made.status, 0) << made.output;
  std::string pairs;
  for (const char* name :
       {"bare", "no_edges", "two_deep", "metadata", "dtypes", "storage", "plain"}) {
    const std::string path = folder.file(std::string(name) + ".nir");
    const auto model = read_nir(path);
    ASSERT_TRUE(model.ok()) << model.error().message();
    const std::string copy = path + ".copy";
    const Status written = write_nir(model->network, copy);
    ASSERT_TRUE(written.ok()) << path << ": " << written.error().message();
    pairs += " " + quoted(path) + " " + quoted(copy);
  }
  const Ran equal = run(compare + pairs);
  EXPECT_EQ(equal.status, 0) << equal.output;
}

}  // namespace
}  // namespace spikeloom::test
