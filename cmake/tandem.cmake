# How the folders of src/ become libraries.
#
# Every library gets an include root of its own that holds links to its headers and nothing else,
# and sees the roots of the libraries it names in USES and no others: an include that the
# architecture forbids is a file that the compiler cannot find. Nothing is inherited.

add_library(tandem_flags INTERFACE)
target_compile_options(tandem_flags INTERFACE -Wall -Wextra -Wshadow -Wno-psabi -ffp-contract=off)
# GCC 12 sees overlapping copies in "literal" + std::string that are not there (its bug 105651).
target_compile_options(tandem_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# Libraries of which we only use headers are not needed at run time.
target_link_options(tandem_flags INTERFACE LINKER:--as-needed)
# Ubuntu's compilers define the macro themselves; it needs an optimising one.
if(NOT TANDEM_SANITIZE)
  target_compile_options(tandem_flags INTERFACE
    $<$<CONFIG:Release>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>)
  target_link_options(tandem_flags INTERFACE LINKER:-z,relro,-z,now)
endif()
if(TANDEM_STATIC_DEPENDENCIES)
  target_compile_definitions(tandem_flags INTERFACE FMT_HEADER_ONLY)
endif()
if(TANDEM_WERROR)
  target_compile_options(tandem_flags INTERFACE -Werror)
endif()
if(TANDEM_NATIVE)
  # Not where a file says itself which instructions it may use.
  target_compile_options(tandem_flags INTERFACE
    $<$<NOT:$<BOOL:$<TARGET_PROPERTY:TANDEM_OWN_ISA>>>:-march=native>)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
if(TANDEM_SANITIZE)
  # Not where a target asks to be left alone.
  set(watched $<NOT:$<BOOL:$<TARGET_PROPERTY:TANDEM_UNWATCHED>>>)
  set(less $<TARGET_PROPERTY:TANDEM_UNSANITIZED>)
  target_compile_options(tandem_flags INTERFACE -fno-omit-frame-pointer
    $<${watched}:-fsanitize=${TANDEM_SANITIZE}> $<${watched}:-fno-sanitize-recover=all>
    # Nor for what a target cannot afford.
    $<$<BOOL:${less}>:-fno-sanitize=${less}>)
  target_link_options(tandem_flags INTERFACE -fsanitize=${TANDEM_SANITIZE})
endif()

# tandem_include_root(<root> <folder> [header ...]): links to the headers of src/<folder>, as
# <folder>/x.h, and to those headers of the public interface, as tandem/x.h.
function(tandem_include_root root folder)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${folder}/*.h)
  file(REMOVE_RECURSE ${root})
  file(MAKE_DIRECTORY ${root}/${folder})
  foreach(header IN LISTS headers)
    get_filename_component(name ${header} NAME)
    file(CREATE_LINK ${header} ${root}/${folder}/${name} SYMBOLIC)
  endforeach()
  file(MAKE_DIRECTORY ${root}/tandem)
  foreach(name IN LISTS ARGN)
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/include/tandem/${name} ${root}/tandem/${name} SYMBOLIC)
  endforeach()
endfunction()

# tandem_library(<folder> SOURCES a.cc ... [PUBLIC x.h ...] [USES folder ...] [LIBRARIES external ...])
# Builds src/<folder> as the library tandem_<folder with _ for />. PUBLIC names the headers of
# include/tandem that it implements: who uses the library sees them, too.
function(tandem_library folder)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;USES;LIBRARIES" ${ARGN})
  string(REPLACE "/" "_" name ${folder})
  set(target tandem_${name})
  set(root ${PROJECT_BINARY_DIR}/include-roots/${name})
  tandem_include_root(${root} ${folder} ${arg_PUBLIC})
  add_library(${target} STATIC ${arg_SOURCES})
  set_target_properties(${target} PROPERTIES TANDEM_INCLUDE_ROOT ${root})
  target_include_directories(${target} PRIVATE ${root})
  target_link_libraries(${target} PRIVATE tandem_flags ${arg_LIBRARIES})
  tandem_uses(${target} ${arg_USES})
endfunction()

# tandem_interface(<folder>): a folder of headers alone.
function(tandem_interface folder)
  set(root ${PROJECT_BINARY_DIR}/include-roots/${folder})
  tandem_include_root(${root} ${folder})
  add_library(tandem_${folder} INTERFACE)
  set_target_properties(tandem_${folder} PROPERTIES TANDEM_INCLUDE_ROOT ${root})
endfunction()

# tandem_uses(<target> folder ...): lets <target> include and link those libraries.
function(tandem_uses target)
  foreach(folder IN LISTS ARGN)
    string(REPLACE "/" "_" name ${folder})
    get_target_property(root tandem_${name} TANDEM_INCLUDE_ROOT)
    target_include_directories(${target} PRIVATE ${root})
    target_link_libraries(${target} PRIVATE tandem_${name})
  endforeach()
endfunction()

# tandem_bulk(<target>): with sanitizers, compiles the files of a target six at a time. Where each
# draws in the same headers full of templates, that halves the time or better; the other builds see
# to it that every file stands by itself.
function(tandem_bulk target)
  if(TANDEM_SANITIZE)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  endif()
endfunction()

add_custom_target(fast-tests)
add_custom_target(threaded-tests)

# tandem_test(<name> SOURCES a.cc ... [SUPPORT] USES folder ... [LIBRARIES external ...]
#   [LABELS fast|slow|threaded ...])
# Tests without a label are fast. They run in tests/, so that data/... is a stable path. SUPPORT links
# what tests/support has. The targets fast-tests and threaded-tests build the tests of that label.
function(tandem_test name)
  cmake_parse_arguments(arg "SUPPORT" "TIMEOUT" "SOURCES;USES;LIBRARIES;LABELS" ${ARGN})
  if(NOT arg_LABELS)
    set(arg_LABELS fast)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 900)
  endif()
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  # The compiler's time is worth more here than the test's.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  if(arg_SUPPORT)
    target_link_libraries(${name} PRIVATE tandem_test_support)
  endif()
  foreach(label IN LISTS arg_LABELS)
    if(TARGET ${label}-tests)
      add_dependencies(${label}-tests ${name})
    endif()
  endforeach()
  target_link_libraries(${name} PRIVATE tandem_flags ${arg_LIBRARIES} GTest::gtest GTest::gtest_main)
  tandem_uses(${name} ${arg_USES})
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/tests)
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()
