/* Answers at once and later, problems, and what each answer has: http/answer.c. */
#include "http/server.h"

static void handle_broken_value(void *ctx, struct http_request *req);
static void handle_long_value(void *ctx, struct http_request *req);

#define HARNESS_ROUTES                                                            \
    {.method = "GET", .pattern = "/broken-value", .handle = handle_broken_value}, \
        {.method = "GET", .pattern = "/long-value", .handle = handle_long_value},
#include "harness.h"
#include "http/internal.h"

static void an_answer_may_come_later(void **state)
{
    struct client c = dial();
    struct reply *r;

    (void)state;
    say(&c, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
    TURN_UNTIL(h.held_count == 1);
    assert_int_equal(in_flight(), 1);
    assert_int_equal(http_request_tag(h.server, h.held[0]), 77);
    answer_text(h.held[0], 201, "made", 4);
    assert_in_flight(0);
    r = hear(&c);
    assert_int_equal(r->status, 201);
    assert_string_equal(r->body, "made");
    hang_up(&c);
    TURN_UNTIL(h.done_count == 1);
    assert_int_equal(h.last_status, 201);
    assert_int_equal(h.last_bytes_in, 2);
    assert_int_equal(h.gone_count, 0);
}

static void a_second_answer_is_harmless(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "GET /hold HTTP/1.1\r\n" HOST "\r\nGET /hold HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(h.held_count == 1);
    answer_text(h.held[0], 200, "one", 3);
    answer_text(h.held[0], 200, "two", 3);
    http_answer_problem(h.server, h.held[0], &(struct http_problem){.code = "timeout"});
    http_request_set_tag(h.server, h.held[0], 5);
    assert_int_equal(http_request_tag(h.server, h.held[0]), 0);
    answer_text(0, 200, "none", 4);
    answer_text(UINT64_MAX, 200, "none", 4);
    assert_string_equal(hear(&c)->body, "one");
    /* The next request on the connection has an id of its own, and the old one does not reach it. */
    TURN_UNTIL(h.held_count == 2);
    answer_text(h.held[0], 200, "old", 3);
    assert_int_equal(in_flight(), 1);
    answer_text(h.held[1], 200, "new", 3);
    assert_string_equal(hear(&c)->body, "new");
    hang_up(&c);
}

static void hundreds_of_suspended_requests_are_answered_in_one_turn(void **state)
{
    enum { N = 400 };
    static struct client clients[N];
    char text[16];

    (void)state;
    for (int i = 0; i < N; i++) {
        clients[i] = dial();
        say(&clients[i], "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        loop_turn(h.loop, 0);
    }
    TURN_UNTIL(h.held_count == N);
    assert_int_equal(in_flight(), N);
    for (int i = N - 1; i >= 0; i--) {
        snprintf(text, sizeof text, "%d", i);
        answer_text(h.held[i], 200, text, strlen(text));
    }
    turn_once();
    for (int i = 0; i < N; i++) {
        poll_client(&clients[i]);
        assert_non_null(find_bytes(&clients[i], "HTTP/1.1 200 OK\r\n"));
    }
    for (int i = 0; i < N; i++)
        hang_up(&clients[i]);
}

static void every_answer_has_its_headers(void **state)
{
    struct reply *r = ask("GET /echo/x HTTP/1.1\r\n" HOST "X-Request-Id: my-id~1\r\n\r\n");

    (void)state;
    assert_string_equal(header(r, "X-Request-Id"), "my-id~1");
    assert_string_equal(header(r, "Cache-Control"), "no-store");
    assert_string_equal(header(r, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(header(r, "Content-Type"), "text/plain");
    assert_non_null(header(r, "Date"));
    assert_non_null(header(r, "Server"));
    assert_non_null(header(r, "traceparent"));
    assert_null(header(r, "Connection"));
}

static void handle_broken_value(void *ctx, struct http_request *req)
{
    const struct http_header headers[] = {{"Location", "/x\r\nSneaked: in"}, {"Link", "\n"}, {"ETag", ""}};

    (void)ctx;
    http_answer(h.server, http_request_id(req),
                &(struct http_response){.status = 204, .headers = headers, .header_count = 3});
}

static void handle_long_value(void *ctx, struct http_request *req)
{
    char value[2501];
    const struct http_header headers[] = {{"Link", value}, {"ETag", "\"x\""}};

    (void)ctx;
    memset(value, 'l', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    http_answer(h.server, http_request_id(req),
                &(struct http_response){.status = 204, .headers = headers, .header_count = 2});
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The head of an answer with its lines in order, but for those that no two answers share. */
static void sorted_head(const char *request, char *ret, size_t cap)
{
    struct client c = dial();
    char *lines[64], *rest = NULL;
    size_t count = 0, n = 0;
    struct reply r;

    say(&c, request);
    assert_true(hear_reply(&c, &r, strncmp(request, "HEAD", 4) == 0));
    hang_up(&c);
    for (char *l = strtok_r(r.head, "\r\n", &rest); l; l = strtok_r(NULL, "\r\n", &rest))
        if (strncmp(l, "Date:", 5) != 0 && strncmp(l, "traceparent:", 12) != 0)
            lines[count++] = l;
    qsort(lines, count, sizeof lines[0], compare_lines);
    for (size_t i = 0; i < count; i++)
        n += (size_t)snprintf(ret + n, cap - n, "%s\n", lines[i]);
}

static void headers_given_as_one_are_the_same_as_one_by_one(void **state)
{
    static const char *const requests[] = {
        "GET /echo/x HTTP/1.1\r\n" HOST "X-Request-Id: a\r\n\r\n",
        "HEAD /echo/x HTTP/1.1\r\n" HOST "X-Request-Id: a\r\n\r\n",
        "GET /echo/x HTTP/1.0\r\n" HOST "X-Request-Id: a\r\nConnection: keep-alive\r\n\r\n",
        "PUT /nothing HTTP/1.1\r\n" HOST "X-Request-Id: a\r\nContent-Length: 0\r\n\r\n",
        "GET /problem HTTP/1.1\r\n" HOST "X-Request-Id: a\r\n\r\n",
        "OPTIONS /echo/x HTTP/1.1\r\n" HOST "X-Request-Id: a\r\nConnection: close\r\n\r\n",
        "GET /broken-value HTTP/1.1\r\n" HOST "X-Request-Id: a\r\n\r\n",
        "GET /long-value HTTP/1.1\r\n" HOST "X-Request-Id: a\r\n\r\n",
    };
    char whole[8192], single[8192];

    (void)state;
    assert_true(h.server->is_dress_whole); /* with the libmicrohttpd of Debian 12 */
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        h.server->is_dress_whole = true;
        sorted_head(requests[i], whole, sizeof whole);
        h.server->is_dress_whole = false;
        sorted_head(requests[i], single, sizeof single);
        assert_string_equal(whole, single);
        assert_non_null(strstr(whole, "X-Content-Type-Options: nosniff\n"));
    }
}

static void a_header_with_a_line_break_is_left_out(void **state)
{
    struct reply *r = ask("GET /broken-value HTTP/1.1\r\n" HOST "\r\n");

    (void)state;
    assert_int_equal(r->status, 204);
    assert_null(header(r, "Location"));
    assert_null(header(r, "Link"));
    assert_null(header(r, "Sneaked"));
    assert_string_equal(header(r, "Server"), "erlgate");
}

static void a_header_may_be_longer_than_all_others(void **state)
{
    struct reply *r = ask("GET /long-value HTTP/1.1\r\n" HOST "\r\n");
    const char *link = strstr(r->head, "\r\nLink: "), *server = strstr(r->head, "\r\nServer: erlgate\r\n");

    (void)state;
    assert_non_null(link);
    assert_int_equal(strcspn(link + 8, "\r"), 2500);
    assert_non_null(server);
}

static void request_ids_are_made_when_they_are_missing_or_strange(void **state)
{
    static const char *const odd[] = {"", "X-Request-Id: a b\r\n", "X-Request-Id: \r\n",
                                      "X-Request-Id: \xC3\xA9\r\n", "X-Request-Id: a\tb\r\n"};
    char request[1024], last[32] = "";

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        const char *id;

        snprintf(request, sizeof request, "GET /echo/x HTTP/1.1\r\n" HOST "%s\r\n", odd[i]);
        id = header(ask(request), "X-Request-Id");
        assert_int_equal(strlen(id), 16);
        assert_int_equal(strspn(id, "0123456789abcdef"), 16);
        assert_string_not_equal(id, last);
        snprintf(last, sizeof last, "%s", id);
    }
    snprintf(request, sizeof request, "GET /echo/x HTTP/1.1\r\n" HOST "X-Request-Id: %0*d\r\n\r\n", 128, 0);
    assert_int_equal(strlen(header(ask(request), "X-Request-Id")), 128);
    snprintf(request, sizeof request, "GET /echo/x HTTP/1.1\r\n" HOST "X-Request-Id: %0*d\r\n\r\n", 129, 0);
    assert_int_equal(strlen(header(ask(request), "X-Request-Id")), 16);
}

/* One that was made: version 00, neither id zero, not sampled. */
static void assert_is_made(const char *value)
{
    char text[64];

    assert_int_equal(strlen(value), 55);
    memcpy(text, value, 56);
    assert_memory_equal(text, "00-", 3);
    assert_int_equal(strspn(text + 3, "0123456789abcdef"), 32);
    assert_true(strspn(text + 3, "0") < 32);
    assert_int_equal(text[35], '-');
    assert_int_equal(strspn(text + 36, "0123456789abcdef"), 16);
    assert_true(strspn(text + 36, "0") < 16);
    assert_string_equal(text + 52, "-00");
}

static void a_traceparent_comes_back_if_it_is_one_and_else_is_made(void **state)
{
    static const char good[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    static const char *const bad[] = {"00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                      "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                      "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                      "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
                                      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-001",
                                      "x"};
    char request[256], last[64] = "";

    (void)state;
    snprintf(request, sizeof request, "GET /echo/x HTTP/1.1\r\n" HOST "traceparent: %s\r\n\r\n", good);
    assert_string_equal(header(ask(request), "traceparent"), good);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(request, sizeof request, "GET /echo/x HTTP/1.1\r\n" HOST "traceparent: %s\r\n\r\n", bad[i]);
        assert_is_made(header(ask(request), "traceparent"));
        assert_string_not_equal(header(ask(request), "traceparent"), last);
        snprintf(last, sizeof last, "%.60s", header(ask(request), "traceparent"));
    }
}

static void problems_carry_the_request_id_and_what_the_status_wants(void **state)
{
    struct reply *r = ask("GET /problem HTTP/1.1\r\n" HOST "X-Request-Id: me\r\n\r\n");

    (void)state;
    assert_problem(r, 401, "unauthenticated");
    assert_non_null(strstr(r->body, "\"request_id\":\"me\""));
    assert_non_null(strstr(r->body, "\"detail\":\"No token.\""));
    assert_non_null(header(r, "WWW-Authenticate"));
    assert_string_equal(header(r, "Retry-After"), "3");
    assert_string_equal(header(r, "X-Request-Id"), "me");
}

static void an_answer_may_have_no_body_and_headers_of_its_own(void **state)
{
    struct reply *r = ask("PUT /nothing HTTP/1.1\r\n" HOST "\r\n");

    (void)state;
    assert_int_equal(r->status, 204);
    assert_null(header(r, "Content-Type"));
    assert_null(header(r, "Content-Length"));
    assert_string_equal(header(r, "Location"), "/x");
    assert_string_equal(header(r, "Cache-Control"), "max-age=1");
}

static void a_reason_of_any_size_is_sent(void **state)
{
    enum { N = 3 << 20 };
    struct client c = dial();
    char *reason = mem_alloc(N);

    (void)state;
    assert_non_null(reason);
    memset(reason, 'r', N);
    reason[0] = reason[N - 1] = '"';
    say(&c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(h.held_count == 1);
    http_answer_problem(h.server, h.held[0],
                        &(struct http_problem){.code = "callee-exit", .reason = slice_of(reason, N)});
    TURN_UNTIL((poll_client(&c), c.in.len > N && c.in.buf[c.in.len - 1] == '\n'));
    assert_non_null(find_bytes(&c, "HTTP/1.1 502"));
    hang_up(&c);
    mem_free(reason);
}

static void want_of_memory_for_a_request_is_survived(void **state)
{
    struct reply r;

    (void)state;
    for (size_t n = 1; n < 12; n++) {
        struct client c = dial();

        say(&c, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
        mem_fail_from(n);
        for (int i = 0; i < 4; i++)
            loop_turn(h.loop, 0);
        mem_fail_from(0);
        while (h.held_count > 0)
            answer_text(h.held[--h.held_count], 200, "ok", 2);
        if (hear_reply(&c, &r, false))
            assert_true(r.status == 200 || r.status == 503);
        hang_up(&c);
    }
    assert_int_equal(ask("GET /echo/x HTTP/1.1\r\n" HOST "\r\n")->status, 200);
}

/* Where the lines of an answer's headers come to the end of their room, each is still whole. */
static void headers_of_any_length_are_whole(void **state)
{
    static char value[2200];
    struct client c = dial();
    struct reply *r;

    (void)state;
    for (size_t len = 1800; len < 2150; len++) {
        struct http_header link = {"Link", value};

        memset(value, 'x', len);
        value[len] = '\0';
        h.held_count = 0;
        say(&c, "GET /hold HTTP/1.1\r\nX-Request-Id: abcdefghijklmnopqrstuvwxyz0123456789\r\n" HOST "\r\n");
        TURN_UNTIL(h.held_count == 1);
        http_answer(h.server, h.held[0],
                    &(struct http_response){.status = 204, .headers = &link, .header_count = 1});
        r = hear(&c);
        assert_string_equal(header(r, "Link"), value);
        assert_string_equal(header(r, "X-Request-Id"), "abcdefghijklmnopqrstuvwxyz0123456789");
        assert_string_equal(header(r, "X-Content-Type-Options"), "nosniff");
        assert_non_null(header(r, "traceparent"));
    }
    hang_up(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_may_come_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_answer_is_harmless, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hundreds_of_suspended_requests_are_answered_in_one_turn, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_answer_has_its_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(headers_given_as_one_are_the_same_as_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_header_with_a_line_break_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_header_may_be_longer_than_all_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(request_ids_are_made_when_they_are_missing_or_strange, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_traceparent_comes_back_if_it_is_one_and_else_is_made, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(problems_carry_the_request_id_and_what_the_status_wants, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_answer_may_have_no_body_and_headers_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reason_of_any_size_is_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(want_of_memory_for_a_request_is_survived, set_up, tear_down),
        cmocka_unit_test_setup_teardown(headers_of_any_length_are_whole, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
