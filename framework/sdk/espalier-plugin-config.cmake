# find_package(espalier-plugin) gives
#   espalier_add_plugin(NAME SOURCE...)   builds NAME.so; ctest runs `espalier plugins check` on it
#   espalier::plugin                      the header alone
get_filename_component(ESPALIER_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET espalier::plugin)
  add_library(espalier::plugin INTERFACE IMPORTED)
  set_target_properties(espalier::plugin PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${ESPALIER_PREFIX}/include")
endif()
set(ESPALIER_PROGRAM "${ESPALIER_PREFIX}/bin/espalier")

function(espalier_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so" C_STANDARD 11
                        C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden)
  target_link_libraries(${name} PRIVATE espalier::plugin m)
  add_test(NAME ${name} COMMAND ${ESPALIER_PROGRAM} plugins check $<TARGET_FILE:${name}>)
endfunction()
