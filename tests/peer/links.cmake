# How nodes are found and links are held.
erlgate_peer_test(tls LEAK)
erlgate_peer_test(finding LEAK WAITS)
erlgate_peer_test(handshakes LEAK WAITS)
erlgate_peer_test(frames LEAK)
erlgate_peer_test(replies LEAK)
erlgate_peer_test(together LEAK)
erlgate_peer_test(ipv6)
erlgate_peer_test(netsplit)
# Its times are ticks, which a machine that is busy with other tests does not keep.
if(TEST peer/netsplit)
    set_tests_properties(peer/netsplit PROPERTIES RUN_SERIAL TRUE)
endif()
erlgate_peer_test(idle WAITS TIMEOUT 300)
if(NOT ERLGATE_SANITIZE)
    set_tests_properties(peer/idle PROPERTIES COST 1000) # two minutes of silence: beside the others, so first
endif()

# A node of Erlang's own C library, where its package has put it.
find_path(EI_INCLUDE ei.h HINTS /usr/lib/erlang/usr/include PATH_SUFFIXES erl_interface)
file(GLOB ei_folders /usr/lib/erlang/lib/erl_interface-*/lib)
find_library(EI_LIBRARY ei HINTS /usr/lib/erlang/usr/lib ${ei_folders})
find_package(Threads REQUIRED)
if(EI_INCLUDE AND EI_LIBRARY)
    add_executable(idle_ei idle_ei.c)
    target_include_directories(idle_ei SYSTEM PRIVATE ${EI_INCLUDE})
    target_compile_definitions(idle_ei PRIVATE _REENTRANT) # as ei was built: erl_errno is a function of the thread then
    target_link_libraries(idle_ei PRIVATE ${EI_LIBRARY} Threads::Threads erlgate_flags)
endif()
