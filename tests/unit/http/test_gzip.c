/* Bodies in gzip: http/gzip.c, and when answers are: http/answer.c. */
struct http_request;
static void handle_json(void *ctx, struct http_request *req);
static void handle_coded(void *ctx, struct http_request *req);
#define HARNESS_ROUTES                                                                 \
    {.method = "GET", .pattern = "/json", .query = json_query, .handle = handle_json}, \
        {.method = "GET", .pattern = "/coded", .query = json_query, .handle = handle_coded},
static const char *const json_query[] = {"n", "type", (const char *)0};
#include "harness.h"

#include <zlib.h>

#include "http/gzip.h"

/* n bytes of what can be made shorter; of the type, application/json if there is none. */
static void answer_zeros(struct http_request *req, const struct http_header *header)
{
    struct slice n = {0}, type = {0};
    struct http_response r = {
        .status = 200, .content_type = "application/json", .headers = header, .header_count = header != NULL};

    http_request_query(req, "n", &n);
    if (http_request_query(req, "type", &type))
        r.content_type = "text/x-erlang; charset=utf-8";
    r.body_len = strtoul((const char *)n.ptr, NULL, 10);
    r.body = mem_alloc(r.body_len);
    memset(r.body, '0', r.body_len);
    http_answer(h.server, http_request_id(req), &r);
}

static void handle_json(void *ctx, struct http_request *req)
{
    (void)ctx;
    answer_zeros(req, NULL);
}

static void handle_coded(void *ctx, struct http_request *req)
{
    static const struct http_header coding = {"Content-Encoding", "x-own"};

    (void)ctx;
    answer_zeros(req, &coding);
}

static size_t unpack(const void *in, size_t len, uint8_t *out, size_t cap)
{
    z_stream z = {
        .next_in = (Bytef *)(uintptr_t)in, .avail_in = (uInt)len, .next_out = out, .avail_out = (uInt)cap};

    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    inflateEnd(&z);
    return z.total_out;
}

static void what_is_packed_comes_back(void **state)
{
    enum { MAX = 20000 };
    static uint8_t in[MAX], out[MAX];
    struct http_gzip *z = http_gzip_new(1);

    (void)state;
    assert_non_null(z);
    for (size_t len = 100; len <= MAX; len += 997) {
        uint8_t *packed = NULL;
        size_t packed_len = 0;

        for (size_t i = 0; i < len; i++)
            in[i] = (uint8_t) "{\"key\":12345},"[i % 14];
        assert_int_equal(http_gzip_pack(z, slice_of(in, len), &packed, &packed_len), ERR_NONE);
        assert_true(packed_len < len);
        assert_int_equal(unpack(packed, packed_len, out, sizeof out), len);
        assert_memory_equal(in, out, len);
        mem_free(packed);
    }
    http_gzip_free(z);
}

static void what_would_not_become_shorter_is_left(void **state)
{
    struct http_gzip *z = http_gzip_new(1);
    uint8_t in[2000], *packed = NULL;
    size_t len = 0;
    uint32_t seed = 5;

    (void)state;
    for (size_t i = 0; i < sizeof in; i++) {
        seed = seed * 1664525 + 1013904223;
        in[i] = (uint8_t)(seed >> 24);
    }
    assert_int_equal(http_gzip_pack(z, slice_of(in, sizeof in), &packed, &len), ERR_TOO_LARGE);
    for (size_t n = 0; n < 10; n++)
        assert_int_equal(http_gzip_pack(z, slice_of(in, n), &packed, &len), ERR_TOO_LARGE);
    assert_null(packed);
    http_gzip_free(z);
}

static void failing_allocations_are_told(void **state)
{
    static const uint8_t in[2000];
    uint8_t *packed = NULL;
    size_t len = 0, n = 1;
    struct http_gzip *z;

    (void)state;
    for (;; n++) {
        mem_fail_from(n);
        z = http_gzip_new(1);
        mem_fail_from(0);
        if (z)
            break;
    }
    assert_true(n > 2);
    mem_fail_from(1);
    assert_int_equal(http_gzip_pack(z, slice_of(in, sizeof in), &packed, &len), ERR_NOMEM);
    mem_fail_from(2); /* it cannot even be made to fit: then it is a little too large */
    assert_int_equal(http_gzip_pack(z, slice_of(in, sizeof in), &packed, &len), ERR_NONE);
    mem_fail_from(0);
    mem_free(packed);
    http_gzip_free(z);
}

static void the_client_says_whether_it_likes_gzip(void **state)
{
    static const char *const liked[] = {
        "gzip",
        "GZIP",
        "x-gzip",
        "deflate, gzip;q=1.0, *;q=0.5",
        "br, gzip",
        "*",
        "*;q=0.1",
        "gzip;q=0.001",
        "gzip ; q=0.5, identity;q=0.5",
        "identity;q=0, *",
        "gzip, identity",
    };
    static const char *const not [] = {
        "",
        "br",
        "identity",
        "gzip;q=0",
        "gzip;q=0.000",
        "*;q=0",
        "gzip;q=0, *",
        "gzip;q=0.5, identity",
        "gzip;q=0.5, identity;q=0.6",
        "gzip;q=2",
        "gzip;q=",
        "gzip;x=1",
        "gzipp",
        ";",
        ",,,",
        "gzip q=1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof liked / sizeof liked[0]; i++) {
        if (!http_gzip_is_liked(slice_of_str(liked[i])))
            fail_msg("%s", liked[i]);
    }
    for (size_t i = 0; i < sizeof not / sizeof not [0]; i++) {
        if (http_gzip_is_liked(slice_of_str(not [i])))
            fail_msg("%s", not [i]);
    }
}

static struct reply *get(const char *target, const char *accept)
{
    char request[256];

    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "Accept-Encoding: %s\r\n\r\n", target,
             accept);
    return ask(request);
}

static void json_over_one_kib_is_packed_when_asked_for(void **state)
{
    static uint8_t out[64 * 1024];
    struct reply *r = get("/json?n=30000", "br;q=0.9, gzip");

    (void)state;
    assert_int_equal(r->status, 200);
    assert_string_equal(header(r, "Content-Encoding"), "gzip");
    assert_string_equal(header(r, "Vary"), "Accept-Encoding");
    assert_string_equal(header(r, "Content-Type"), "application/json");
    assert_true(r->body_len < 1000);
    assert_int_equal(unpack(r->body, r->body_len, out, sizeof out), 30000);
    TURN_UNTIL(h.done_count == 1);
    assert_int_equal(h.last_bytes_out, r->body_len);
    r = get("/json?n=1025", "gzip");
    assert_string_equal(header(r, "Content-Encoding"), "gzip");
}

static void all_else_is_sent_as_it_is(void **state)
{
    struct reply *r = get("/json?n=1024", "gzip");

    (void)state;
    assert_null(header(r, "Content-Encoding"));
    assert_int_equal(r->body_len, 1024);
    r = get("/json?n=30000", "identity");
    assert_null(header(r, "Content-Encoding"));
    assert_string_equal(header(r, "Vary"), "Accept-Encoding"); /* it could have been otherwise */
    assert_int_equal(r->body_len, 30000);
    r = ask("GET /json?n=30000 HTTP/1.1\r\n" HOST "\r\n");
    assert_null(header(r, "Content-Encoding"));
    r = get("/json?n=30000&type=other", "gzip");
    assert_null(header(r, "Content-Encoding"));
    assert_null(header(r, "Vary"));
    r = get("/coded?n=30000", "gzip");
    assert_string_equal(header(r, "Content-Encoding"), "x-own");
    assert_int_equal(r->body_len, 30000);
}

static void a_very_large_body_is_not_packed(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "GET /json?n=1048577 HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
    TURN_UNTIL((poll_client(&c), c.in.len > 1048577));
    assert_null(find_bytes(&c, "Content-Encoding"));
    assert_non_null(find_bytes(&c, "Content-Length: 1048577\r\n"));
    hang_up(&c);
}

static void head_tells_what_get_would_give(void **state)
{
    struct client c = dial();
    struct reply r;

    (void)state;
    say(&c, "HEAD /json?n=30000 HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
    assert_true(hear_reply(&c, &r, true));
    assert_string_equal(header(&r, "Content-Encoding"), "gzip");
    assert_int_equal(strtoul(header(&r, "Content-Length"), NULL, 10), get("/json?n=30000", "gzip")->body_len);
    hang_up(&c);
}

static void streams_are_never_packed(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "GET /monitor HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
    TURN_UNTIL((poll_client(&c), find_bytes(&c, ":ok")));
    assert_null(find_bytes(&c, "Content-Encoding"));
    hang_up(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_back),
        cmocka_unit_test(what_would_not_become_shorter_is_left),
        cmocka_unit_test(failing_allocations_are_told),
        cmocka_unit_test(the_client_says_whether_it_likes_gzip),
        TEST(json_over_one_kib_is_packed_when_asked_for),
        TEST(all_else_is_sent_as_it_is),
        TEST(a_very_large_body_is_not_packed),
        TEST(head_tells_what_get_would_give),
        TEST(streams_are_never_packed),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
