# A layer is a folder, a static library of its *.c, and the list of the layers it may know.
#
# The list is enforced twice: a library is linked with nothing else, and each `#include "layer/…"` in the folder is
# looked at when the tree is configured and built.

# *_main.c is a program's; it is built where the program is declared.
function(erlgate_layer name)
    cmake_parse_arguments(L "" "" "USES;LIBS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.c)
    file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.h)
    list(FILTER sources EXCLUDE REGEX "_main\\.c$")
    # Each header compiles alone: a file that includes nothing else is compiled for each.
    foreach(header ${headers})
        get_filename_component(stem ${header} NAME_WE)
        set(alone ${CMAKE_BINARY_DIR}/headers/${name}/${stem}.c)
        file(GENERATE OUTPUT ${alone} CONTENT "#include \"${name}/${stem}.h\"\ntypedef int alone;\n")
        list(APPEND sources ${alone})
    endforeach()
    if(NOT sources)
        return()
    endif()
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC ${L_USES} ${L_LIBS} PRIVATE erlgate_flags)
    add_custom_command(TARGET ${name} PRE_LINK
        COMMAND ${CMAKE_COMMAND} -DLAYER=${name} "-DUSES=${L_USES}" -DROOT=${CMAKE_SOURCE_DIR}
                -P ${CMAKE_SOURCE_DIR}/cmake/check_layer.cmake VERBATIM)
endfunction()
# The loops that see each byte of a body: these are worth the room that more inlining takes.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    file(GLOB codec CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bridge/transcode*.c ${CMAKE_SOURCE_DIR}/etf/validate*.c)
    set_source_files_properties(${codec} PROPERTIES COMPILE_OPTIONS -O3)
endif()
