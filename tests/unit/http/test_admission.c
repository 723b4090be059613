/* Who asks is asked before anything else of a request is looked at: judge.c, answer.c. */
#define HARNESS_ROUTES                                                                       \
    {.method = "GET", .pattern = "/who", .handle = handle_who},                              \
        {.method = "POST", .pattern = "/who", .body = HTTP_BODY_TERM, .handle = handle_who}, \
        {.method = "GET", .pattern = "/open", .handle = handle_who, .is_public = true},
struct http_request;
static void handle_who(void *ctx, struct http_request *req);
#include "harness.h"

static struct {
    unsigned asked;
    bool is_get, is_secure;
    unsigned authorization_count, cookie_count;
    char authorization[100], cookie[100], pattern[100], trace[100];
    int64_t uid;
    uint64_t expires_in_ms, taken_back; /* what admit gives, and a credential that is good no more */
} seen;

static void keep(char out[100], struct slice s)
{
    snprintf(out, 100, "%.*s", SLICE_FMT(s));
}

/* "Authorization: as NAME" is NAME, at two requests in ten seconds. */
static bool admit(void *ctx, struct http_request *req, const struct http_caller *caller,
                  struct http_admission *ret, struct http_problem *ret_problem)
{
    static const struct http_header challenge = {"WWW-Authenticate", "Bearer error=\"invalid_token\""};

    assert_ptr_equal(ctx, &h);
    seen.asked++;
    seen.is_get = caller->is_get;
    seen.is_secure = caller->is_secure;
    seen.authorization_count = caller->authorization_count;
    seen.cookie_count = caller->cookie_count;
    seen.uid = caller->uid;
    keep(seen.authorization, caller->authorization);
    keep(seen.cookie, caller->cookie);
    keep(seen.pattern, slice_of_str(caller->route->pattern));
    keep(seen.trace, http_request_trace(req));
    ret->expires_ms = seen.expires_in_ms ? loop_now_ms(h.loop) + seen.expires_in_ms : 0;
    ret->rate = (struct http_rate){.limit = 2, .window_s = 10, .remaining = 1, .reset_s = 5};
    if (caller->authorization.len > 3) {
        ret->principal_len = caller->authorization.len - 3;
        memcpy(ret->principal, caller->authorization.ptr + 3, ret->principal_len);
        ret->credential = 42;
        return true;
    }
    *ret_problem = (struct http_problem){.code = "unauthenticated", .detail = "Show a token."};
    if (caller->authorization.len) {
        ret_problem->headers = &challenge;
        ret_problem->header_count = 1;
    }
    return false;
}

static bool is_admitted(void *ctx, const struct http_admission *admission)
{
    assert_ptr_equal(ctx, &h);
    return admission->credential != seen.taken_back;
}

static void handle_who(void *ctx, struct http_request *req)
{
    struct slice who = http_request_principal(req), again;

    (void)ctx;
    again = http_principal(h.server, http_request_id(req));
    assert_true(slice_eq(who, again));
    assert_int_equal(http_principal(h.server, http_request_id(req) + 1).len, 0);
    h.handled_count++;
    answer_text(http_request_id(req), 200, who.ptr, who.len);
}

static int start_admitting(void **state)
{
    (void)state;
    fds_before = open_fds();
    memset(&seen, 0, sizeof seen);
    start(&(struct http_config){.admit = admit, .is_admitted = is_admitted});
    return 0;
}

static void who_is_admitted_is_known_to_the_handler(void **state)
{
    struct reply *r;

    (void)state;
    r = ask("GET /who HTTP/1.1\r\n" HOST "X-Request-Id: r1\r\nauthorization:  as kv \r\nCookie: a=b\r\n\r\n");
    assert_int_equal(r->status, 200);
    assert_string_equal(r->body, "kv");
    assert_string_equal(seen.authorization, "as kv");
    assert_string_equal(seen.cookie, "a=b");
    assert_string_equal(seen.pattern, "/who");
    assert_string_equal(seen.trace, "r1");
    assert_int_equal(seen.authorization_count, 1);
    assert_int_equal(seen.cookie_count, 1);
    assert_true(seen.is_get);
    assert_false(seen.is_secure);
    assert_int_equal(seen.uid, -1);
}

static void who_is_not_is_told_so_and_no_more(void **state)
{
    struct reply *r;

    (void)state;
    r = ask("GET /who?no=such HTTP/1.1\r\n" HOST "\r\n");
    assert_problem(r, 401, "unauthenticated");
    assert_string_equal(header(r, "WWW-Authenticate"), "Bearer realm=\"erlgate\"");
    assert_null(strstr(r->body, "parameter"));
    r = ask("GET /who HTTP/1.1\r\n" HOST "Authorization: x\r\n\r\n");
    assert_problem(r, 401, "unauthenticated");
    assert_string_equal(header(r, "WWW-Authenticate"), "Bearer error=\"invalid_token\"");
    assert_null(strstr(strstr(r->head, "WWW-Authenticate") + 1, "WWW-Authenticate"));
    assert_int_equal(h.handled_count, 0);
}

/* Asked before the body is there: a stranger cannot make us keep one. */
static void nothing_of_a_strangers_body_is_read(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "POST /who HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
    assert_problem(hear(&c), 401, "unauthenticated");
    assert_true(ends(&c));
    hang_up(&c);
    c = dial();
    say(&c, "POST /who HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_problem(hear(&c), 401, "unauthenticated"); /* and no 100 */
    hang_up(&c);
}

static void a_small_body_of_a_stranger_costs_no_connection(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "POST /who HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
    assert_problem(hear(&c), 401, "unauthenticated");
    say(&c, "POST /who HTTP/1.1\r\n" HOST "Authorization: as kv\r\nContent-Length: 3\r\n\r\nabc");
    assert_string_equal(hear(&c)->body, "kv");
    assert_false(seen.is_get);
    hang_up(&c);
}

static void repeated_fields_are_counted(void **state)
{
    (void)state;
    ask("GET /who HTTP/1.1\r\n" HOST
        "Authorization: as a\r\nAuthorization: as b\r\nCookie: a\r\nCookie: b\r\nCookie: c\r\n\r\n");
    assert_int_equal(seen.authorization_count, 2);
    assert_int_equal(seen.cookie_count, 3);
    assert_string_equal(seen.authorization, "as a");
    assert_string_equal(seen.cookie, "a");
    assert_true(seen.is_get);
}

static void what_is_public_or_nowhere_is_not_asked_about(void **state)
{
    (void)state;
    assert_string_equal(ask("GET /open HTTP/1.1\r\n" HOST "\r\n")->body, "anonymous");
    assert_problem(ask("GET /nowhere HTTP/1.1\r\n" HOST "\r\n"), 404, "not-found");
    assert_problem(ask("PUT /who HTTP/1.1\r\n" HOST "\r\n"), 405, "method-not-allowed");
    assert_problem(ask("GET /who HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 421, "misdirected-host");
    assert_int_equal(seen.asked, 0);
}

static void each_answer_tells_the_rate(void **state)
{
    struct reply *r;

    (void)state;
    r = ask("GET /who HTTP/1.1\r\n" HOST "Authorization: as kv\r\n\r\n");
    assert_string_equal(header(r, "RateLimit-Policy"), "\"calls\";q=2;w=10");
    assert_string_equal(header(r, "RateLimit"), "\"calls\";r=1;t=5");
    r = ask("GET /who HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(header(r, "RateLimit"), "\"calls\";r=1;t=5");
    assert_null(header(ask("GET /open HTTP/1.1\r\n" HOST "\r\n"), "RateLimit"));
}

/* Reads a stream of its own. */
static struct client watch(void)
{
    struct client c = dial();

    say(&c, "GET /monitor HTTP/1.1\r\n" HOST "Authorization: as kv\r\nAccept: text/event-stream\r\n\r\n");
    TURN_UNTIL((poll_client(&c), find_bytes(&c, ":ok\n")));
    return c;
}

static bool has_ended(struct client *c)
{
    poll_client(c);
    return find_bytes(c, "event: bye\n") && find_bytes(c, "\r\n0\r\n\r\n");
}

static void a_stream_ends_when_its_credential_expires(void **state)
{
    struct client lasting = watch(), c;

    (void)state;
    seen.expires_in_ms = 60;
    c = watch();
    TURN_UNTIL(has_ended(&c));
    assert_false(has_ended(&lasting));
    hang_up(&c);
    hang_up(&lasting);
}

static void a_stream_ends_when_its_credential_is_taken_back(void **state)
{
    struct client c = watch();

    (void)state;
    http_server_recheck(h.server);
    turn_for(20);
    assert_false(has_ended(&c));
    seen.taken_back = 42;
    http_server_recheck(h.server);
    TURN_UNTIL(has_ended(&c));
    http_server_recheck(h.server); /* once is enough */
    hang_up(&c);
}

/* It was admitted, and then waited for its stream while the credential was taken back. */
static void a_stream_that_comes_late_is_looked_at_again(void **state)
{
    struct client c = dial();

    (void)state;
    h.stream = http_stream_new(h.server, &(struct http_stream_config){.key = SLICE("later")});
    say(&c, "GET /later HTTP/1.1\r\n" HOST "Authorization: as kv\r\nAccept: text/event-stream\r\n\r\n");
    TURN_UNTIL(h.held_count == 1);
    seen.taken_back = 42;
    http_server_recheck(h.server);
    assert_true(http_stream_attach(h.server, h.held[0], h.stream, &h.reading));
    TURN_UNTIL(has_ended(&c));
    hang_up(&c);
}

static void without_admission_everybody_is_anonymous(void **state)
{
    (void)state;
    stop();
    start(NULL);
    assert_string_equal(ask("GET /who HTTP/1.1\r\n" HOST "Authorization: as kv\r\n\r\n")->body, "anonymous");
    assert_int_equal(seen.asked, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_admitting, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(who_is_admitted_is_known_to_the_handler),
        TEST(who_is_not_is_told_so_and_no_more),
        TEST(nothing_of_a_strangers_body_is_read),
        TEST(a_small_body_of_a_stranger_costs_no_connection),
        TEST(repeated_fields_are_counted),
        TEST(what_is_public_or_nowhere_is_not_asked_about),
        TEST(each_answer_tells_the_rate),
        TEST(a_stream_ends_when_its_credential_expires),
        TEST(a_stream_ends_when_its_credential_is_taken_back),
        TEST(a_stream_that_comes_late_is_looked_at_again),
        TEST(without_admission_everybody_is_anonymous),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
