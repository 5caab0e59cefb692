#include <gtest/gtest.h>

#include "base/io/file.hpp"
#include "tests/formats/bytes_support.hpp"

namespace spikeloom::io {
namespace {

TEST(File, WritesWholeOrNotAtAll) {
  test::TemporaryFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "a.txt", "first").ok());
  ASSERT_TRUE(write_file_atomic(folder / "a.txt", "second").ok());
  EXPECT_EQ(*read_text_file(folder / "a.txt"), "second");
  EXPECT_EQ(folder.count(), 1u);
  const Status missing = write_file_atomic(folder / "no/such/folder.txt", "x");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  // A folder of that name is in the way: nothing may be left behind.
  std::filesystem::create_directory(folder / "taken");
  EXPECT_FALSE(write_file_atomic(folder / "taken", "x").ok());
  EXPECT_EQ(folder.count(), 2u);
}

TEST(File, TellsFailuresApart) {
  test::TemporaryFolder folder;
  EXPECT_EQ(read_file(folder / "none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(read_file(folder / "").error().code, ErrorCode::kIo);
  EXPECT_EQ(read_file("/dev/null").error().code, ErrorCode::kIo);
  ASSERT_TRUE(write_file_atomic(folder / "a", "12345").ok());
  EXPECT_EQ(read_file(folder / "a", 4).error().code, ErrorCode::kResource);
  EXPECT_EQ(read_file(folder / "a", 5)->size(), 5u);
}

}  // namespace
}  // namespace spikeloom::io
