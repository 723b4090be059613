# The node runtime against real nodes: a C node that does what Erlang tells it to, and the examples.
add_executable(runtime_peer runtime_peer.c)
target_link_libraries(runtime_peer PRIVATE node erlgate_flags)
erlgate_link_plainly(runtime_peer)
erlgate_peer_test(runtime LEAK TIMEOUT 240)
erlgate_peer_test(examples LEAK TIMEOUT 180)
if(TARGET erlnode)
    erlgate_peer_test(library)
endif()
