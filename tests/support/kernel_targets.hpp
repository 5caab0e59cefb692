#pragma once
/// Runs a check once for every instruction set the kernels were compiled for and this processor
/// has.

#include <string>

#include <gtest/gtest.h>

#include "event/kernel_targets.hpp"

namespace spikeloom::test {

template <typename Check>
void for_each_kernel_target(Check&& check) {
  const auto names = kernel_targets();
  ASSERT_FALSE(names.empty());
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(use_kernel_target(name));
    check();
    if (testing::Test::HasFatalFailure()) break;
  }
  use_kernel_target({});
}

}  // namespace spikeloom::test
