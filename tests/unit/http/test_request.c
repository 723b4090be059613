/* One request from its first byte to its handler: http/request.c, http/judge.c. */
#include "harness.h"

static void a_get_reaches_its_handler_with_decoded_parts(void **state)
{
    struct reply *r =
        ask("GET /echo/my%2Fserver?a=1+2%2B&many=x&many=%C3%A9 HTTP/1.1\r\n" HOST "X-Echo:  v \t\r\n\r\n");

    (void)state;
    assert_int_equal(r->status, 200);
    assert_string_equal(r->body, "GET|my/server|a=1 2+|many=x|many=\xC3\xA9|h=v|");
}

static void a_post_reaches_its_handler_with_its_body(void **state)
{
    struct reply *r = ask("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");

    (void)state;
    assert_string_equal(r->body, "POST||hello");
    r = ask("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    assert_string_equal(r->body, "POST||");
    r = ask("POST /echo HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(r->body, "POST||");
}

static void a_request_may_be_cut_anywhere(void **state)
{
    static const char text[] =
        "POST /echo?a=b%20c HTTP/1.1\r\n" HOST "X-Echo: yes\r\nTransfer-Encoding: chunked\r\n"
        "\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    struct client c = dial();

    (void)state;
    for (size_t cut = 1; cut < sizeof text - 1; cut++) {
        struct reply *r;

        say_bytes(&c, text, cut);
        for (int i = 0; i < 3; i++)
            loop_turn(h.loop, 0);
        say_bytes(&c, text + cut, sizeof text - 1 - cut);
        r = hear(&c);
        assert_int_equal(r->status, 200);
        assert_string_equal(r->body, "POST||a=b c|h=yes|abcde");
    }
    hang_up(&c);
}

static void a_request_may_come_a_byte_at_a_time(void **state)
{
    static const char text[] = "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello";
    struct client c = dial();

    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        say_bytes(&c, text + i, 1);
        loop_turn(h.loop, 0);
    }
    assert_string_equal(hear(&c)->body, "POST||hello");
    hang_up(&c);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct client c = dial();
    char text[128], want[16];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "GET /echo/%d HTTP/1.1\r\n" HOST "\r\n", i);
        say(&c, text);
        say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx");
    }
    for (int i = 0; i < 100; i++) {
        snprintf(want, sizeof want, "GET|%d|", i);
        assert_string_equal(hear(&c)->body, want);
        assert_string_equal(hear(&c)->body, "POST||x");
    }
    hang_up(&c);
}

static void chunks_of_any_size_make_one_body(void **state)
{
    struct client c = dial();
    char chunk[64];
    size_t total = 0;
    struct reply *r;

    (void)state;
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (unsigned n = 1; n < 50; n++) {
        snprintf(chunk, sizeof chunk, "%x;ext=1\r\n%0*d\r\n", n, (int)n, 0);
        say(&c, chunk);
        total += n;
    }
    say(&c, "0\r\nTrailer: x\r\n\r\n");
    r = hear(&c);
    assert_int_equal(r->body_len, total + 6);
    say(&c, "GET /echo/after HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(hear(&c)->body, "GET|after|");
    hang_up(&c);
}

static void a_client_that_expects_100_is_invited(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(hear(&c)->status, 100);
    say(&c, "hello");
    assert_string_equal(hear(&c)->body, "POST||hello");
    hang_up(&c);
}

static void a_body_that_will_be_refused_is_not_invited(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_problem(hear(&c), 404, "not-found");
    assert_true(ends(&c));
    hang_up(&c);
    c = dial();
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n");
    assert_problem(hear(&c), 413, "body-too-large");
    assert_true(ends(&c));
    hang_up(&c);
}

static void a_small_refused_body_leaves_the_connection_usable(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"
            "GET /echo/next HTTP/1.1\r\n" HOST "\r\n");
    assert_problem(hear(&c), 404, "not-found");
    assert_string_equal(hear(&c)->body, "GET|next|");
    assert_int_equal(h.handled_count, 1);
    hang_up(&c);
}

static void a_body_over_the_limit_is_refused_before_it_is_read(void **state)
{
    struct client c;

    (void)state;
    stop();
    start(&(struct http_config){.limits.max_body = 100});
    c = dial();
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    assert_problem(hear(&c), 413, "body-too-large");
    assert_true(ends(&c));
    hang_up(&c);
    c = dial();
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 101\r\n\r\n");
    say(&c, "01234567890123456789012345678901234567890123456789"
            "012345678901234567890123456789012345678901234567890");
    assert_problem(hear(&c), 413, "body-too-large");
    hang_up(&c);
    c = dial();
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\n");
    say(&c, "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345"
            "6789");
    assert_int_equal(hear(&c)->status, 200);
    hang_up(&c);
    assert_int_equal(h.handled_count, 1);
}

static void large_bodies_have_a_ceiling_together_and_small_ones_pass(void **state)
{
    enum { LARGE = 40000 };
    static char zeros[LARGE + 1];
    struct client first, second, third;

    (void)state;
    memset(zeros, '0', LARGE);
    stop();
    start(&(struct http_config){.limits.max_bodies = 60000});
    first = dial();
    second = dial();
    third = dial();
    say(&first, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 40001\r\n\r\n");
    say(&first, zeros);
    turn_for(50); /* all but its last byte is there */
    say(&second, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 40000\r\n\r\n");
    say(&second, zeros);
    assert_problem(hear(&second), 503, "overloaded");
    say(&third, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
    assert_int_equal(hear(&third)->status, 200);
    say(&first, "0");
    assert_int_equal(hear(&first)->status, 200);
    /* What was refused and what was answered have given back what they took. */
    say(&second, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 40000\r\n\r\n");
    say(&second, zeros);
    assert_int_equal(hear(&second)->status, 200);
    hang_up(&first);
    hang_up(&second);
    hang_up(&third);
}

static void chunks_over_the_limit_are_refused_at_their_end(void **state)
{
    struct client c;

    (void)state;
    stop();
    start(&(struct http_config){.limits.max_body = 10});
    c = dial();
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
            "8\r\n12345678\r\n3\r\n123\r\n8\r\n12345678\r\n0\r\n\r\n");
    assert_problem(hear(&c), 413, "body-too-large");
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n");
    assert_string_equal(hear(&c)->body, "POST||0123456789");
    hang_up(&c);
}

static void chunks_without_an_end_are_refused_in_their_midst(void **state)
{
    char chunk[4096 + 16];
    struct client c;
    size_t sent = 0;

    (void)state;
    stop();
    start(&(struct http_config){.limits.max_body = 10});
    c = dial();
    memset(chunk, 'x', sizeof chunk);
    memcpy(chunk, "1000\r\n", 6);
    memcpy(chunk + 6 + 4096, "\r\n", 2);
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    while (say_bytes(&c, chunk, 6 + 4096 + 2) && !c.is_eof) {
        loop_turn(h.loop, 0);
        poll_client(&c);
        sent += 4096;
        assert_true(sent < (size_t)16 << 20);
    }
    assert_int_equal(h.handled_count, 0);
    assert_problem(hear(&c), 413, "body-too-large");
    hang_up(&c);
}

static void a_body_where_none_belongs_is_refused(void **state)
{
    (void)state;
    assert_problem(ask("GET /echo/x HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx"), 400, "bad-parameter");
    assert_problem(ask("GET /echo/x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400,
                   "bad-parameter");
    assert_int_equal(ask("GET /echo/x HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n")->status, 200);
}

static void a_body_in_a_coding_is_refused(void **state)
{
    struct client c = dial();
    struct reply *r;

    (void)state;
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
            "POST /echo HTTP/1.1\r\n" HOST "Content-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc"
            "POST /echo HTTP/1.1\r\n" HOST "Content-Encoding: identity\r\nContent-Encoding: br\r\n"
            "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n");
    r = hear(&c);
    assert_problem(r, 415, "unsupported-media-type");
    assert_string_equal(header(r, "Accept-Encoding"), "identity");
    assert_non_null(strstr(r->body, "\"parameter\":\"header:Content-Encoding\""));
    assert_string_equal(hear(&c)->body, "POST||abc");
    assert_problem(hear(&c), 415, "unsupported-media-type");
    hang_up(&c);
}

static void paths_and_methods_that_are_not_there(void **state)
{
    struct reply *r;

    (void)state;
    assert_problem(ask("GET / HTTP/1.1\r\n" HOST "\r\n"), 404, "not-found");
    assert_problem(ask("GET /echo/a/ HTTP/1.1\r\n" HOST "\r\n"), 404, "not-found");
    assert_problem(ask("GET //echo/a HTTP/1.1\r\n" HOST "\r\n"), 404, "not-found");
    assert_problem(ask("GET /echo/a%2Fb/c HTTP/1.1\r\n" HOST "\r\n"), 404, "not-found");
    r = ask("BREW /hold HTTP/1.1\r\n" HOST "\r\n");
    assert_problem(r, 405, "method-not-allowed");
    assert_string_equal(header(r, "Allow"), "POST, GET, HEAD, OPTIONS");
    r = ask("OPTIONS /echo HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(r->status, 204);
    assert_string_equal(header(r, "Allow"), "POST, OPTIONS");
    r = ask("OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(r->status, 204);
    assert_problem(ask("OPTIONS /nowhere HTTP/1.1\r\n" HOST "\r\n"), 404, "not-found");
    assert_problem(ask("GET * HTTP/1.1\r\n" HOST "\r\n"), 404, "not-found");
}

static void head_is_served_by_get_without_a_body(void **state)
{
    struct client c = dial();
    struct reply r;

    (void)state;
    say(&c, "HEAD /echo/x HTTP/1.1\r\n" HOST "\r\nHEAD /nowhere HTTP/1.1\r\n" HOST "\r\n"
            "GET /echo/y HTTP/1.1\r\n" HOST "\r\n");
    assert_true(hear_reply(&c, &r, true));
    assert_int_equal(r.status, 200);
    assert_string_equal(header(&r, "Content-Length"), "6");
    assert_true(hear_reply(&c, &r, true));
    assert_int_equal(r.status, 404);
    assert_string_equal(hear(&c)->body, "GET|y|");
    hang_up(&c);
}

static void parameters_that_a_route_does_not_take_are_named(void **state)
{
    struct reply *r;

    (void)state;
    r = ask("GET /echo/x?b=1 HTTP/1.1\r\n" HOST "\r\n");
    assert_problem(r, 400, "bad-parameter");
    assert_non_null(strstr(r->body, "\"parameter\":\"b\""));
    r = ask("GET /echo/x?a=1&a=1 HTTP/1.1\r\n" HOST "\r\n");
    assert_problem(r, 400, "bad-parameter");
    assert_non_null(strstr(r->body, "a is repeated"));
    assert_problem(ask("GET /hold?a HTTP/1.1\r\n" HOST "\r\n"), 400, "bad-parameter");
    assert_problem(ask("GET /echo/x?many*=1 HTTP/1.1\r\n" HOST "\r\n"), 400, "bad-parameter");
    assert_problem(ask("GET /echo/x?a=%4 HTTP/1.1\r\n" HOST "\r\n"), 400, "bad-parameter");
    assert_problem(ask("GET /echo/%00 HTTP/1.1\r\n" HOST "\r\n"), 400, "bad-parameter");
    assert_problem(ask("GET /echo/%zz HTTP/1.1\r\n" HOST "\r\n"), 400, "bad-parameter");
    assert_problem(ask("GET /echo/a b HTTP/1.1\r\n" HOST "\r\n"), 400, "bad-parameter");
}

static void foreign_hosts_and_sites_are_turned_away(void **state)
{
    struct reply *r;

    (void)state;
    r = ask("GET /echo/x HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_problem(r, 421, "misdirected-host");
    assert_non_null(strstr(r->body, "--host evil.example"));
    assert_problem(ask("GET /echo/x HTTP/1.1\r\n\r\n"), 400, "bad-parameter");
    assert_problem(ask("GET /echo/x HTTP/1.1\r\n" HOST HOST "\r\n"), 400, "bad-parameter");
    assert_problem(ask("GET http://evil.example/echo/x HTTP/1.1\r\n" HOST "\r\n"), 421, "misdirected-host");
    assert_problem(ask("GET /echo/x HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\r\n"), 403,
                   "cross-site");
    assert_problem(ask("GET /echo/x HTTP/1.1\r\n" HOST "Sec-Fetch-Site: cross-site\r\n\r\n"), 403,
                   "cross-site");
    assert_problem(ask("GET /nowhere HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 421, "misdirected-host");
    assert_int_equal(h.handled_count, 0);
    assert_string_equal(ask("GET http://localhost/echo/x HTTP/1.1\r\n" HOST "\r\n")->body, "GET|x|");
    assert_string_equal(ask("GET /echo/x HTTP/1.0\r\n\r\n")->body, "GET|x|");
    assert_string_equal(ask("GET /echo/x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n")->body, "GET|x|");
}

static void a_further_host_may_be_configured(void **state)
{
    static const char *const hosts[] = {"gate.example", NULL};

    (void)state;
    stop();
    start(&(struct http_config){.hosts = hosts});
    assert_int_equal(ask("GET /echo/x HTTP/1.1\r\nHost: Gate.Example:8080\r\n\r\n")->status, 200);
    assert_problem(ask("GET /echo/x HTTP/1.1\r\nHost: other.example\r\n\r\n"), 421, "misdirected-host");
}

/* Each is something on which two implementations might disagree: answered 400 and the connection closed, so
 * that nothing that follows on it is believed. */
static void framing_that_can_be_read_in_two_ways_is_refused(void **state)
{
    static const char *const bad[] = {
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\nhello",
        "POST /echo HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        /* folded lines */
        "GET /echo/x HTTP/1.1\r\n" HOST "X-A: b\r\n c\r\n\r\n",
        "GET /echo/x HTTP/1.1\r\n" HOST "X-A: b\r\n\tc\r\nX-D: e\r\n\r\n",
        "GET /echo/x HTTP/1.1\r\n X: y\r\n" HOST "\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "X-A: b\r\n Content-Length: 5\r\n\r\nhello",
        /* bare LF, in each place of a head */
        "GET /echo/x HTTP/1.1\n" HOST "\r\n",
        "GET /echo/x HTTP/1.1\r\nHost: localhost\n\r\n",
        "GET /echo/x HTTP/1.1\r\nHost: localhost\r\n\n",
        "GET /echo/x HTTP/1.1\nHost: localhost\n\n",
        "GET /echo/x HTTP/1.1\r\nX-A: b\nHost: localhost\r\n\r\n",
        "GET /echo/x HTTP/1.0\n\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct client c = dial();
        struct reply *r;

        say(&c, bad[i]);
        say(&c, "GET /echo/smuggled HTTP/1.1\r\n" HOST "\r\n");
        r = hear(&c);
        if (r->status != 400 || !strstr(r->body, "bad-parameter"))
            fail_msg("%zu: %u %s", i, r->status, r->body);
        assert_string_equal(header(r, "Connection"), "close");
        assert_true(ends(&c));
        hang_up(&c);
    }
    assert_int_equal(h.handled_count, 0);
}

static void a_nul_in_a_header_is_refused(void **state)
{
    static const char text[] = "GET /echo/x HTTP/1.1\r\n" HOST "X-A: b\0c\r\n\r\n";
    struct client c = dial();

    (void)state;
    say_bytes(&c, text, sizeof text - 1);
    assert_problem(hear(&c), 400, "bad-parameter");
    hang_up(&c);
}

/* The check of the head's shape must not mistake a head that came in many reads, or grew, for a strange one.
 */
static void large_heads_pass_up_to_the_limit(void **state)
{
    static char text[40 * 1024];
    struct client c;
    struct reply *r;
    size_t n;

    (void)state;
    stop();
    start(&(struct http_config){.limits.max_headers = 32 * 1024});
    c = dial();
    n = (size_t)snprintf(text, sizeof text, "GET /echo/x HTTP/1.1\r\n" HOST "X-Big: ");
    memset(text + n, 'x', 31 * 1024);
    memcpy(text + n + 31 * 1024, "\r\nX-Echo: e\r\n\r\n", 16);
    say(&c, text);
    assert_string_equal(hear(&c)->body, "GET|x|h=e|");
    memset(text + n, 'x', 33 * 1024);
    memcpy(text + n + 33 * 1024, "\r\nX-Echo: e\r\n\r\n", 16);
    say(&c, text);
    r = hear(&c);
    assert_problem(r, 431, "headers-too-large");
    hang_up(&c);
    /* Many small ones. */
    c = dial();
    n = (size_t)snprintf(text, sizeof text, "GET /echo/x HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 200; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "X-%d: %0*d\r\n", i, i % 60 + 1, 0);
    snprintf(text + n, sizeof text - n, "X-Echo: e\r\n\r\n");
    for (size_t at = 0; at < strlen(text); at += 777) {
        say_bytes(&c, text + at, strlen(text) - at < 777 ? strlen(text) - at : 777);
        loop_turn(h.loop, 0);
    }
    assert_string_equal(hear(&c)->body, "GET|x|h=e|");
    hang_up(&c);
}

static void heads_without_an_end_are_cut_off(void **state)
{
    static char text[256 * 1024];
    struct client c = dial();
    struct reply r;

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    say_bytes(&c, text, sizeof text);
    assert_true(!hear_reply(&c, &r, false) || r.status == 414);
    hang_up(&c);
    c = dial();
    say(&c, "GET /echo/x HTTP/1.1\r\n" HOST);
    for (size_t i = 0; i < sizeof text; i += 4)
        memcpy(text + i, "a:\r\n", 4);
    say_bytes(&c, text, sizeof text);
    assert_true(!hear_reply(&c, &r, false) || r.status == 431);
    hang_up(&c);
    assert_int_equal(h.handled_count, 0);
}

static void garbage_is_survived(void **state)
{
    static uint8_t text[10 * 1024];
    uint32_t seed = 7;

    (void)state;
    for (int round = 0; round < 40; round++) {
        struct client c = dial();

        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = round % 4 == 0   ? (uint8_t)(seed >> 24)
                      : round % 4 == 1 ? (uint8_t) "[{\r\n: "[(seed >> 20) % 6]
                      : round % 4 == 2 ? '['
                                       : (uint8_t) "GET /\r\n\0:HTTP/1.1"[(seed >> 20) % 17];
        }
        if (round >= 20)
            memcpy(text, "GET / HTTP/1.1\r\nHost: localhost\r\n", 33);
        say_bytes(&c, text, sizeof text);
        for (int i = 0; i < 5; i++)
            loop_turn(h.loop, 0);
        hang_up(&c);
    }
    assert_int_equal(ask("GET /echo/x HTTP/1.1\r\n" HOST "\r\n")->status, 200);
}

static void cuts_of_a_request_leave_nothing_behind(void **state)
{
    static const char text[] = "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello";

    (void)state;
    for (size_t cut = 0; cut < sizeof text - 1; cut++) {
        struct client c = dial();

        say_bytes(&c, text, cut);
        loop_turn(h.loop, 0);
        if (cut % 2)
            reset(&c);
        else
            hang_up(&c);
        loop_turn(h.loop, 0);
    }
    assert_int_equal(h.handled_count, 0);
    assert_int_equal(in_flight(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_get_reaches_its_handler_with_decoded_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_post_reaches_its_handler_with_its_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_may_be_cut_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_may_come_a_byte_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pipelined_requests_are_answered_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(chunks_of_any_size_make_one_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_expects_100_is_invited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_that_will_be_refused_is_not_invited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_small_refused_body_leaves_the_connection_usable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_bodies_have_a_ceiling_together_and_small_ones_pass, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_body_over_the_limit_is_refused_before_it_is_read, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(chunks_over_the_limit_are_refused_at_their_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(chunks_without_an_end_are_refused_in_their_midst, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_where_none_belongs_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_in_a_coding_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(paths_and_methods_that_are_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(head_is_served_by_get_without_a_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parameters_that_a_route_does_not_take_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_hosts_and_sites_are_turned_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_further_host_may_be_configured, set_up, tear_down),
        cmocka_unit_test_setup_teardown(framing_that_can_be_read_in_two_ways_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_nul_in_a_header_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_heads_pass_up_to_the_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(heads_without_an_end_are_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(garbage_is_survived, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cuts_of_a_request_leave_nothing_behind, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
