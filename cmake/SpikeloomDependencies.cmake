# Every third-party package, found once. Debian 12 names are in the messages; nothing is downloaded.

set(CMAKE_THREAD_PREFER_PTHREAD ON)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(HDF5 MODULE REQUIRED COMPONENTS C)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Boost REQUIRED)
find_package(Highway REQUIRED)
find_package(Yaml REQUIRED)
find_package(TBB REQUIRED)
find_package(Eigen3 REQUIRED NO_MODULE)

# Header-only use of toml++: its shared library would be one more thing to ship.
find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED
  DOC "toml++ headers (Debian: libtomlplusplus-dev)")
add_library(spikeloom_toml INTERFACE)
target_include_directories(spikeloom_toml SYSTEM INTERFACE ${TOMLPLUSPLUS_INCLUDE_DIR})
target_compile_definitions(spikeloom_toml INTERFACE TOML_HEADER_ONLY=1)

find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED
  DOC "Random123 headers (Debian: librandom123-dev)")

# Frames of AEDAT 4 recordings. Debian's packages bring pkg-config files, no CMake ones.
find_path(LZ4_INCLUDE_DIR lz4frame.h REQUIRED DOC "LZ4 headers (Debian: liblz4-dev)")
find_path(ZSTD_INCLUDE_DIR zstd.h REQUIRED DOC "Zstandard headers (Debian: libzstd-dev)")
find_library(LZ4_LIBRARY lz4 REQUIRED)
find_library(ZSTD_LIBRARY zstd REQUIRED)
