# Writes generated/base/build_info.hpp and says what the build contains.

set(SPIKELOOM_GIT_REVISION "unknown")
find_package(Git QUIET)
if(GIT_FOUND)
  execute_process(
    COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE status ERROR_QUIET)
  if(status EQUAL 0)
    set(SPIKELOOM_GIT_REVISION ${revision})
  endif()
endif()

configure_file(${PROJECT_SOURCE_DIR}/base/build_info.hpp.in
  ${PROJECT_BINARY_DIR}/generated/base/build_info.hpp @ONLY)

function(spikeloom_say_part name present reason)
  if(present)
    message(STATUS "spikeloom: ${name}: yes (${reason})")
  else()
    message(STATUS "spikeloom: ${name}: no (${reason})")
  endif()
endfunction()
message(STATUS "spikeloom ${PROJECT_VERSION} (${SPIKELOOM_GIT_REVISION}), ${CMAKE_BUILD_TYPE}, "
               "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
spikeloom_say_part("CUDA" ${SPIKELOOM_WITH_CUDA} "${SPIKELOOM_CUDA_REASON}")
spikeloom_say_part("NCCL" ${SPIKELOOM_WITH_NCCL} "${SPIKELOOM_NCCL_REASON}")
spikeloom_say_part("MPI" ${SPIKELOOM_WITH_MPI} "${SPIKELOOM_MPI_REASON}")
