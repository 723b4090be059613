/* Addresses, and what of them counts as one client: http/peer.c. */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "http/peer.h"

static struct http_peer peer(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return http_peer_of((struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return http_peer_of((struct sockaddr *)&v6);
}

static void is_written(const char *in, const char *out)
{
    struct http_peer p = peer(in);
    char text[HTTP_PEER_TEXT];

    assert_string_equal(http_peer_write(&p, text), out);
}

static bool are_one(const char *a, const char *b)
{
    struct http_peer pa = peer(a), pb = peer(b);

    return slice_eq(http_peer_key(&pa), http_peer_key(&pb));
}

static void addresses_are_written(void **state)
{
    (void)state;
    is_written("192.0.2.1", "192.0.2.1");
    is_written("::ffff:192.0.2.1", "192.0.2.1");
    is_written("2001:db8::1", "2001:db8::1");
    is_written("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void a_client_is_an_address_or_a_net_of_64_bits(void **state)
{
    (void)state;
    assert_true(are_one("192.0.2.1", "192.0.2.1"));
    assert_true(are_one("192.0.2.1", "::ffff:192.0.2.1"));
    assert_false(are_one("192.0.2.1", "192.0.2.2"));
    assert_true(are_one("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_false(are_one("2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert_false(are_one("::1:0:0", "0.1.0.0"));
}

static void this_machine_is_not_counted(void **state)
{
    static const char *const own[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
    static const char *const others[] = {"128.0.0.1", "126.0.0.1", "::2", "fe80::1", "::ffff:10.0.0.1"};
    struct http_peer p;

    (void)state;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        p = peer(own[i]);
        assert_int_equal(http_peer_key(&p).len, 0);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        p = peer(others[i]);
        assert_int_not_equal(http_peer_key(&p).len, 0);
    }
}

static void what_is_no_ip_address_is_not_known(void **state)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct http_peer p = http_peer_of((struct sockaddr *)&local);
    char text[HTTP_PEER_TEXT];

    (void)state;
    assert_false(p.is_known);
    assert_int_equal(http_peer_key(&p).len, 0);
    assert_string_equal(http_peer_write(&p, text), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_written),
        cmocka_unit_test(a_client_is_an_address_or_a_net_of_64_bits),
        cmocka_unit_test(this_machine_is_not_counted),
        cmocka_unit_test(what_is_no_ip_address_is_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
