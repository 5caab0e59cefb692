/// What `./dev gpu run` makes of the lines that its programs print (bench/peers/gpu.py): a row that
/// one table does not know must not end the run.

#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

TEST(GpuTable, HasEveryRowInTheTableOfItsKind) {
  const std::string script = (source_dir() / "tests/unit/gpu_table.py").string();
  const std::string folder = (source_dir() / "bench/peers").string();
  const std::string command = "/usr/bin/python3 '" + script + "' '" + folder + "' 2>&1";
  std::FILE* const pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string said;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) said += static_cast<char>(c);
  EXPECT_EQ(pclose(pipe), 0) << said;
  EXPECT_EQ(said, "tables right\n");
}

}  // namespace
}  // namespace spikeloom::test
