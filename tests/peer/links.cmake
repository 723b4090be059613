# How nodes are found and links are held.
erlgate_peer_test(tls LEAK)
erlgate_peer_test(finding LEAK)
erlgate_peer_test(ipv6)
