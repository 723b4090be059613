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
