# Installs BUILD_DIR into a temporary prefix under WORK_DIR, then configures, builds and runs the
# outside project in SOURCE_DIR against exactly that prefix. Also compiles every installed header.

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}\nended with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK_DIR})
set(prefix ${WORK_DIR}/prefix)
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})

file(GLOB_RECURSE headers RELATIVE ${prefix}/include/spikeloom ${prefix}/include/spikeloom/*.hpp)
list(LENGTH headers count)
if(count LESS 5)
  message(FATAL_ERROR "only ${count} headers were installed")
endif()
set(text "")
foreach(header IN LISTS headers)
  string(APPEND text "#include <spikeloom/${header}>\n")
endforeach()
file(WRITE ${WORK_DIR}/all_headers.cpp "${text}")

run(${CMAKE_COMMAND} -S ${SOURCE_DIR} -B ${WORK_DIR}/build -G ${GENERATOR}
  -DCMAKE_CXX_COMPILER=${CXX_COMPILER} -DCMAKE_PREFIX_PATH=${prefix}
  -DEXPECT_PREFIX=${prefix} -DEXPECT_VERSION=${VERSION}
  -DALL_HEADERS=${WORK_DIR}/all_headers.cpp)
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)
run(${WORK_DIR}/build/outside)
message(STATUS "outside project said: ${output}")
if(NOT output STREQUAL "spikeloom ${VERSION}: spikes at 2 5 8\n")
  message(FATAL_ERROR "expected spikes at 2 5 8 from version ${VERSION}")
endif()

# The check above must be able to fail: the same project refuses a prefix it did not ask for.
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE_DIR} -B ${WORK_DIR}/wrong -G ${GENERATOR}
    -DCMAKE_CXX_COMPILER=${CXX_COMPILER} -DCMAKE_PREFIX_PATH=${prefix}
    -DEXPECT_PREFIX=${WORK_DIR}/elsewhere -DEXPECT_VERSION=${VERSION}
  RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
if(status EQUAL 0)
  message(FATAL_ERROR "the outside project accepted an installation from the wrong place")
endif()
