/* Pages of other origins: http/guard.c, http/judge.c, http/answer.c. */
#include "harness.h"

#include "http/guard.h"

#define APP  "Origin: https://app.example\r\n"
#define EVIL "Origin: https://evil.example\r\n"

static const char *const origins[] = {"https://app.example", "http://localhost:5173", NULL};

static int set_up_origins(void **state)
{
    int result = set_up(state);

    stop();
    start(&(struct http_config){.origins = origins});
    return result;
}

static void is_shown_to(struct reply *r, const char *origin)
{
    assert_string_equal(header(r, "Vary"), "Origin");
    assert_string_equal(header(r, "Access-Control-Allow-Origin"), origin);
    assert_string_equal(header(r, "Access-Control-Allow-Credentials"), "true");
    assert_non_null(strstr(header(r, "Access-Control-Expose-Headers"), "X-Request-Id"));
    assert_non_null(strstr(header(r, "Access-Control-Expose-Headers"), "RateLimit"));
}

static void is_shown_to_nobody(struct reply *r)
{
    assert_null(header(r, "Access-Control-Allow-Origin"));
    assert_null(header(r, "Access-Control-Allow-Credentials"));
    assert_null(header(r, "Access-Control-Expose-Headers"));
    assert_null(header(r, "Access-Control-Allow-Methods"));
}

static void it_is_off_unless_configured(void **state)
{
    struct reply *r;

    (void)state;
    stop();
    start(NULL);
    r = ask("GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(r->status, 200);
    assert_null(header(r, "Vary"));
    is_shown_to_nobody(r);
    r = ask("OPTIONS /echo HTTP/1.1\r\n" HOST APP "Access-Control-Request-Method: POST\r\n\r\n");
    assert_problem(r, 403, "cross-site");
    is_shown_to_nobody(r);
}

static void a_page_of_an_origin_that_is_named_may_come(void **state)
{
    struct reply *r;

    (void)state;
    r = ask("POST /echo HTTP/1.1\r\n" HOST APP "Sec-Fetch-Site: cross-site\r\nContent-Length: 2\r\n\r\n{}");
    assert_int_equal(r->status, 200);
    is_shown_to(r, "https://app.example");
    r = ask("GET /echo/x HTTP/1.1\r\n" HOST "Origin: http://localhost:5173\r\n\r\n");
    assert_int_equal(r->status, 200);
    is_shown_to(r, "http://localhost:5173");
}

/* Else the page could not tell one failure from another. */
static void it_sees_errors_too(void **state)
{
    struct reply *r;

    (void)state;
    r = ask("GET /nowhere HTTP/1.1\r\n" HOST APP "\r\n");
    assert_problem(r, 404, "not-found");
    is_shown_to(r, "https://app.example");
    r = ask("DELETE /echo HTTP/1.1\r\n" HOST APP "\r\n");
    assert_problem(r, 405, "method-not-allowed");
    is_shown_to(r, "https://app.example");
    r = ask("GET /problem HTTP/1.1\r\n" HOST APP "\r\n");
    assert_problem(r, 401, "unauthenticated");
    is_shown_to(r, "https://app.example");
}

static void others_may_not(void **state)
{
    static const char *const foreign[] = {
        EVIL,
        "Origin: null\r\n",
        "Origin: *\r\n",
        "Origin: http://app.example\r\n",       /* another scheme */
        "Origin: https://app.example:8443\r\n", /* another port */
        "Origin: https://a.app.example\r\n",    /* a name below */
        "Origin: https://app.example.evil\r\n", /* a name that begins so */
        "Origin: https://evilapp.example\r\n",  /* or ends so */
        "Origin: https://app.example/\r\n",
        "Origin: https://app.example https://evil.example\r\n",
        APP EVIL,
        EVIL APP,
        APP APP,
        "Sec-Fetch-Site: cross-site\r\n", /* no origin: it was not a script that asked */
    };
    char request[300];

    (void)state;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        struct reply *r;

        snprintf(request, sizeof request, "GET /echo/x HTTP/1.1\r\n" HOST "%s\r\n", foreign[i]);
        r = ask(request);
        assert_problem(r, 403, "cross-site");
        is_shown_to_nobody(r);
    }
    assert_int_equal(h.handled_count, 0);
}

static void a_preflight_is_told_what_may_be_sent(void **state)
{
    struct reply *r;

    (void)state;
    r = ask("OPTIONS /echo HTTP/1.1\r\n" HOST APP
            "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\r\n");
    assert_int_equal(r->status, 204);
    is_shown_to(r, "https://app.example");
    assert_string_equal(header(r, "Access-Control-Allow-Methods"), "POST, OPTIONS");
    assert_non_null(strstr(header(r, "Access-Control-Allow-Headers"), "Authorization"));
    assert_non_null(strstr(header(r, "Access-Control-Allow-Headers"), "Content-Type"));
    assert_null(strstr(header(r, "Access-Control-Allow-Headers"), "*"));
    assert_string_equal(header(r, "Access-Control-Max-Age"), "600");
    r = ask("OPTIONS /echo HTTP/1.1\r\n" HOST EVIL "Access-Control-Request-Method: POST\r\n\r\n");
    assert_problem(r, 403, "cross-site");
    is_shown_to_nobody(r);
    r = ask("OPTIONS /echo HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(r->status, 204);
    is_shown_to_nobody(r);
    r = ask("OPTIONS /nowhere HTTP/1.1\r\n" HOST APP "\r\n");
    assert_int_equal(r->status, 204); /* so that the page sees the 404 of what it asks then */
    is_shown_to(r, "https://app.example");
    assert_problem(ask("OPTIONS /nowhere HTTP/1.1\r\n" HOST "\r\n"), 404, "not-found");
    assert_int_equal(h.handled_count, 0);
}

/* It carries no credentials. */
static bool admit_nobody(void *ctx, struct http_request *req, const struct http_caller *caller,
                         struct http_admission *ret, struct http_problem *ret_problem)
{
    (void)ctx;
    (void)req;
    (void)caller;
    (void)ret;
    *ret_problem = (struct http_problem){.code = "unauthenticated"};
    return false;
}

static void a_preflight_is_not_asked_who_it_is(void **state)
{
    struct reply *r;

    (void)state;
    stop();
    start(&(struct http_config){.origins = origins, .admit = admit_nobody});
    r = ask("OPTIONS /echo HTTP/1.1\r\n" HOST APP "Access-Control-Request-Method: POST\r\n\r\n");
    assert_int_equal(r->status, 204);
    is_shown_to(r, "https://app.example");
    r = ask("GET /echo/x HTTP/1.1\r\n" HOST APP "\r\n");
    assert_problem(r, 401, "unauthenticated");
    is_shown_to(r, "https://app.example");
}

static void its_own_pages_may_come_as_before(void **state)
{
    struct reply *r;

    (void)state;
    r = ask("GET /echo/x HTTP/1.1\r\n" HOST
            "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n\r\n");
    assert_int_equal(r->status, 200);
    is_shown_to_nobody(r);
    assert_string_equal(header(r, "Vary"), "Origin");
}

static void a_stream_is_shown_too(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "GET /monitor HTTP/1.1\r\n" HOST APP "\r\n");
    TURN_UNTIL((poll_client(&c), find_bytes(&c, ":ok")));
    assert_non_null(find_bytes(&c, "Access-Control-Allow-Origin: https://app.example\r\n"));
    hang_up(&c);
}

static void origins_may_change(void **state)
{
    static const char *const others[] = {"https://evil.example", NULL};
    static const char *const hosts[] = {"gate.example", NULL};
    struct client waiting = dial();
    struct reply *r;

    (void)state;
    say(&waiting, "GET /hold HTTP/1.1\r\n" HOST APP "\r\n");
    TURN_UNTIL(h.held_count == 1);
    set_names(hosts, others);
    assert_problem(ask("GET /echo/x HTTP/1.1\r\n" HOST APP "\r\n"), 403, "cross-site");
    is_shown_to(ask("GET /echo/x HTTP/1.1\r\nHost: gate.example\r\n" EVIL "\r\n"), "https://evil.example");
    answer_text(h.held[0], 200, "ok", 2);
    r = hear(&waiting);
    is_shown_to(r, "https://app.example");
    set_names(NULL, NULL);
    assert_problem(ask("GET /echo/x HTTP/1.1\r\nHost: gate.example\r\n\r\n"), 421, "misdirected-host");
    hang_up(&waiting);
}

static void what_is_an_origin(void **state)
{
    static const char *const good[] = {"https://app.example", "http://localhost:5173", "http://[::1]:80",
                                       "http://127.0.0.1", "chrome-extension://abcdef"};
    static const char *const bad[] = {"",
                                      "*",
                                      "null",
                                      "app.example",
                                      "https://",
                                      "://app.example",
                                      "https://app.example/",
                                      "https://app.example/path",
                                      "https://*.app.example",
                                      "https://app.example:",
                                      "https://app.example:65536",
                                      "https://user@app.example",
                                      "https://app.example https://b.example",
                                      "HTTPS ://app.example",
                                      "https://app.example."};
    char too_long[400] = "https://";

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!http_origin_is_valid(good[i]))
            fail_msg("no origin: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (http_origin_is_valid(bad[i]))
            fail_msg("an origin: %s", bad[i]);
    memset(too_long + 8, 'a', 300);
    assert_false(http_origin_is_valid(too_long));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_origins, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(it_is_off_unless_configured),
        TEST(a_page_of_an_origin_that_is_named_may_come),
        TEST(it_sees_errors_too),
        TEST(others_may_not),
        TEST(a_preflight_is_told_what_may_be_sent),
        TEST(a_preflight_is_not_asked_who_it_is),
        TEST(its_own_pages_may_come_as_before),
        TEST(a_stream_is_shown_too),
        TEST(origins_may_change),
        TEST(what_is_an_origin),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
