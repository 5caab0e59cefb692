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
