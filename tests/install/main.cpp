#include <cstdio>

#include <spikeloom/base/build_info.hpp>
#include <spikeloom/base/result.hpp>

int main() { std::printf("spikeloom %s\n", spikeloom::build_info::version); }
