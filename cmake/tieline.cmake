# One function, one target a folder: `tieline_folder(NAME base SOURCES a.cc b.cc TESTS a_test.cc DEPENDS json LIBRARIES ...)`
# makes the library tieline_NAME and, where there are tests, the program NAME_test. DEPENDS are folders of src/ above it.
function(tieline_folder)
  cmake_parse_arguments(F "" "NAME" "SOURCES;TESTS;TEST_DEPENDS;DEPENDS;LIBRARIES" ${ARGN})
  list(TRANSFORM F_DEPENDS PREPEND tieline_ OUTPUT_VARIABLE dependencies)
  if(F_SOURCES)
    add_library(tieline_${F_NAME} STATIC ${F_SOURCES})
    set(scope PUBLIC)
  else()
    add_library(tieline_${F_NAME} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(tieline_${F_NAME} ${scope} ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(tieline_${F_NAME} ${scope} ${dependencies} ${F_LIBRARIES} tieline_options)
  if(F_TESTS AND TIELINE_TESTS)
    tieline_test(${F_NAME}_test SOURCES ${F_TESTS} DEPENDS ${F_NAME} ${F_TEST_DEPENDS})
  endif()
endfunction()

# A test program; it runs in the source tree's root so that tests find connectors/ and tests/ data by relative path.
function(tieline_test name)
  cmake_parse_arguments(T "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  list(TRANSFORM T_DEPENDS PREPEND tieline_ OUTPUT_VARIABLE dependencies)
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE ${dependencies} ${T_LIBRARIES} GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1 WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()

# Adds to tieline_NAME a generated source that defines `std::span<const EmbeddedFile> tieline::NAME::embedded_files()`:
# the FILES, by their paths below ROOT.
function(tieline_embed)
  cmake_parse_arguments(E "" "NAME;ROOT" "FILES" ${ARGN})
  set(output ${CMAKE_CURRENT_BINARY_DIR}/embedded_files.cc)
  list(TRANSFORM E_FILES PREPEND "${E_ROOT}/" OUTPUT_VARIABLE paths)
  list(JOIN E_FILES "|" joined)  # a ; in an argument would not survive the way through the build tool
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} "-DOUTPUT=${output}" -DNAMESPACE=tieline::${E_NAME} "-DROOT=${E_ROOT}" "-DFILES=${joined}"
            -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${paths} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
  target_sources(tieline_${E_NAME} PRIVATE ${output})
endfunction()
