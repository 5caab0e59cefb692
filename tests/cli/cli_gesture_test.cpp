/// The gesture commands: a rendered clip, sets of clips.

#include <gtest/gtest.h>

#include "base/io/npy.hpp"
#include "tests/cli/cli_process.hpp"

namespace spikeloom::test {
namespace {

class CliGesture : public CliTest {};

TEST_F(CliGesture, DemoNeedsNoFile) {
  const auto named =
      run({"demo", "gesture", "--gesture", "left hand wave", "--seed", "4", "--json"});
  ASSERT_EQ(named.code, 0) << named.err;
  EXPECT_EQ(number_at(named.json(), {"truth"}), 2);
  EXPECT_EQ(number_at(named.json(), {"prediction"}), 2);
  const auto again = run({"demo", "gesture", "--gesture", "2", "--seed", "4", "--ascii"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(contains(again.out, "decision: left hand wave, which is right")) << again.out;
}

TEST_F(CliGesture, AnUnknownGestureIsRefusedWithTheNames) {
  const auto result = run({"demo", "gesture", "--gesture", "salute"});
  EXPECT_EQ(result.code, 3);
  EXPECT_TRUE(contains(result.err, "air guitar")) << result.err;
}

TEST_F(CliGesture, ClipsAreFramesAndLabels) {
  const auto result = run({"sensors", "gestures", "-o", "clips.npz", "--count", "2", "--seed", "12",
                           "--frame-rate", "100"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto read = io::read_npz(path("clips.npz"));
  ASSERT_TRUE(read.ok());
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ((*read)[0].second.shape(), (Shape{2, 58, 2, 32, 32}));
  EXPECT_EQ((*read)[1].second.to_doubles(), (std::vector<double>{1, 2}));
}

}  // namespace
}  // namespace spikeloom::test
