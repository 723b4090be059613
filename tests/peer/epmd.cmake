# The name server against OTP's own, and with OTP's nodes.
erlgate_peer_test(epmd_wire LEAK TIMEOUT 180)
erlgate_peer_test(epmd_cli LEAK TIMEOUT 180)
erlgate_peer_test(epmd_hostile LEAK TIMEOUT 180)
erlgate_peer_test(epmd_nodes TIMEOUT 240)
