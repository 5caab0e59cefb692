# Compiler settings every target of this project shares, and the optional parts.

option(SPIKELOOM_WERROR "Treat compiler warnings as errors" ON)
option(SPIKELOOM_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(SPIKELOOM_FUZZ "Build the libFuzzer harnesses (clang only)" OFF)
set(SPIKELOOM_CUDA AUTO CACHE STRING
    "The CUDA backend: AUTO (if nvcc is found), ON (or fail) or OFF; CMAKE_CUDA_ARCHITECTURES says for what")
set_property(CACHE SPIKELOOM_CUDA PROPERTY STRINGS AUTO ON OFF)
set(SPIKELOOM_NCCL AUTO CACHE STRING
    "Join several GPUs with NCCL: AUTO (if CUDA is in and nccl.h is found), ON (or fail) or OFF; NCCL_ROOT says where")
set_property(CACHE SPIKELOOM_NCCL PROPERTY STRINGS AUTO ON OFF)
set(SPIKELOOM_MPI AUTO CACHE STRING
    "Join ranks that mpirun starts: ON, OFF, or AUTO, where an MPI is found")
set_property(CACHE SPIKELOOM_MPI PROPERTY STRINGS AUTO ON OFF)
set(SPIKELOOM_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them (address,undefined)")
set(SPIKELOOM_MODULES "base;event;snn;sensors;models;mapping;energy;backends;cli" CACHE STRING
    "Modules to build; narrow it to work on the lower layers alone")
set(SPIKELOOM_TEST_FILTER ".*" CACHE STRING
    "Regular expression over tests/<category>/<file>: which test files to build")

option(SPIKELOOM_LINE_TABLES "Keep line tables in RelWithDebInfo; without, a build is a tenth shorter" ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

# Line tables serve profiles, stack traces and sanitizer reports; full debug information, which the
# preset `dev` has, makes a build a third longer.
if(PROJECT_IS_TOP_LEVEL)
  set(level 0)
  if(SPIKELOOM_LINE_TABLES)
    set(level 1)
  endif()
  string(REGEX REPLACE "-g( |$)" "-g${level}\\1" CMAKE_CXX_FLAGS_RELWITHDEBINFO
    "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(spikeloom_flags INTERFACE)
# nvcc wants these otherwise: backends/CMakeLists.txt.
set(spikeloom_cxx "$<NOT:$<COMPILE_LANGUAGE:CUDA>>")
target_compile_options(spikeloom_flags INTERFACE
  $<${spikeloom_cxx}:-Wall>
  $<${spikeloom_cxx}:-Wextra>
  $<$<AND:${spikeloom_cxx},$<BOOL:${SPIKELOOM_WERROR}>>:-Werror>
  # GCC 12 with optimisation warns about the unused alternatives of every std::variant that is moved
  # (gcc bug 80635 and its kin), and about a memcpy inside "x" + std::string (bug 105651). Clang's
  # analysis and the sanitizers keep watch instead.
  $<$<AND:${spikeloom_cxx},$<CXX_COMPILER_ID:GNU>>:-Wno-maybe-uninitialized>
  $<$<AND:${spikeloom_cxx},$<CXX_COMPILER_ID:GNU>>:-Wno-restrict>
  # A fused multiply-add rounds once where the producers' traces round twice.
  $<${spikeloom_cxx}:-ffp-contract=off>)

if(SPIKELOOM_SANITIZE)
  target_compile_options(spikeloom_flags INTERFACE -fsanitize=${SPIKELOOM_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(spikeloom_flags INTERFACE -fsanitize=${SPIKELOOM_SANITIZE})
endif()

if(SPIKELOOM_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "SPIKELOOM_FUZZ needs clang (libFuzzer); this is ${CMAKE_CXX_COMPILER_ID}. "
                        "Use the preset: cmake --preset fuzz")
  endif()
endif()

# Optional parts: what is in, and why not.
set(SPIKELOOM_WITH_CUDA 0)
if(SPIKELOOM_CUDA STREQUAL "AUTO" OR SPIKELOOM_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
  set(nvcc_major 0)
  set(cuda_missing "no CUDA compiler (nvcc) found; install the CUDA toolkit or set CUDACXX")
  if(CMAKE_CUDA_COMPILER)
    execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --version OUTPUT_VARIABLE nvcc_says)
    if(nvcc_says MATCHES "release ([0-9]+)")
      set(nvcc_major ${CMAKE_MATCH_1})
    endif()
    set(cuda_missing "nvcc ${nvcc_major} has no C++20; take CUDA 12 or newer")
  endif()
  if(nvcc_major GREATER_EQUAL 12)
    # Code for every generation that nvcc and the kernels know: they add doubles atomically, which
    # Pascal (60) began with. `native` wants a GPU while building.
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND nvcc_major EQUAL 12)
      set(CMAKE_CUDA_ARCHITECTURES 60-real 70-real 80-real 90)
    elseif(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES all-major)
    endif()
    enable_language(CUDA)
    # CMake 3.25 does not know that nvcc can do what it asks for on behalf of C++.
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    find_package(CUDAToolkit REQUIRED)
    set(SPIKELOOM_WITH_CUDA 1)
    set(SPIKELOOM_CUDA_REASON
      "nvcc ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}")
  elseif(SPIKELOOM_CUDA STREQUAL "AUTO")
    set(SPIKELOOM_CUDA_REASON "built without CUDA: ${cuda_missing}")
  else()
    message(FATAL_ERROR "SPIKELOOM_CUDA is ON, but ${cuda_missing}, or configure with "
                        "-DSPIKELOOM_CUDA=AUTO")
  endif()
else()
  set(SPIKELOOM_CUDA_REASON "built without CUDA: configure with -DSPIKELOOM_CUDA=ON")
endif()
set(SPIKELOOM_WITH_NCCL 0)
if(NOT SPIKELOOM_NCCL STREQUAL "AUTO" AND NOT SPIKELOOM_NCCL)
  set(SPIKELOOM_NCCL_REASON "built without NCCL: configure with -DSPIKELOOM_NCCL=ON")
else()
  if(SPIKELOOM_WITH_CUDA)
    find_package(Nccl QUIET)
    set(nccl_missing "no nccl.h found; install NCCL, or set NCCL_ROOT to PyPI's nvidia-nccl, unpacked")
  else()
    set(nccl_missing "it joins GPUs, and CUDA is out")
  endif()
  if(Nccl_FOUND)
    set(SPIKELOOM_WITH_NCCL 1)
    set(SPIKELOOM_NCCL_REASON "NCCL ${NCCL_VERSION}")
  elseif(SPIKELOOM_NCCL STREQUAL "AUTO")
    set(SPIKELOOM_NCCL_REASON "built without NCCL: ${nccl_missing}")
  else()
    message(FATAL_ERROR "SPIKELOOM_NCCL is ON, but ${nccl_missing}")
  endif()
endif()
set(SPIKELOOM_WITH_MPI 0)
if(SPIKELOOM_MPI STREQUAL "AUTO" OR SPIKELOOM_MPI)
  find_package(MPI QUIET COMPONENTS C)
  if(MPI_C_FOUND)
    set(SPIKELOOM_WITH_MPI 1)
    set(SPIKELOOM_MPI_REASON "MPI ${MPI_C_VERSION}, ${MPI_C_COMPILER}")
  elseif(SPIKELOOM_MPI STREQUAL "AUTO")
    set(SPIKELOOM_MPI_REASON
      "built without MPI: none found; ./dev setup mpi, or Debian's libopenmpi-dev and openmpi-bin")
  else()
    message(FATAL_ERROR "SPIKELOOM_MPI is ON, but there is no MPI (./dev setup mpi, or Debian's libopenmpi-dev)")
  endif()
else()
  set(SPIKELOOM_MPI_REASON "built without MPI: configure with -DSPIKELOOM_MPI=ON")
endif()
