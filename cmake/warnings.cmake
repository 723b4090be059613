# Warnings for every target of ours, and the sanitizers a preset asks for.
add_library(erlgate_flags INTERFACE)
target_compile_definitions(erlgate_flags INTERFACE _GNU_SOURCE)
target_compile_options(erlgate_flags INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla
    -Wcast-qual -Wformat=2 -Wundef -fno-common -fvisibility=hidden -fno-strict-aliasing
    $<$<BOOL:${ERLGATE_WERROR}>:-Werror>)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(erlgate_flags INTERFACE -O2 -g1 -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
    target_link_options(erlgate_flags INTERFACE -Wl,-z,relro,-z,now -Wl,--gc-sections)
endif()
# Only what is shipped is optimised across files. The libraries hold both kinds of code then, and a test, an example or a
# benchmark's probe is linked like any program: some eighty of those links would take most of a build.
if(CMAKE_INTERPROCEDURAL_OPTIMIZATION AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(erlgate_flags INTERFACE -ffat-lto-objects)
endif()
function(erlgate_link_plainly target)
    if(CMAKE_INTERPROCEDURAL_OPTIMIZATION AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
        set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
        target_link_options(${target} PRIVATE -fno-lto)
    endif()
endfunction()
if(ERLGATE_SANITIZE)
    target_compile_options(erlgate_flags INTERFACE
        -fsanitize=${ERLGATE_SANITIZE} -fno-omit-frame-pointer -g -U_FORTIFY_SOURCE)
    if(NOT ERLGATE_SANITIZE STREQUAL "thread")
        target_compile_options(erlgate_flags INTERFACE -fno-sanitize-recover=all)
    endif()
    target_link_options(erlgate_flags INTERFACE -fsanitize=${ERLGATE_SANITIZE})
endif()
if(ERLGATE_FUZZ)
    target_compile_options(erlgate_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
