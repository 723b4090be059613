/* Documents that stay the same: http/document.c. */
struct http_request;
static void handle_document(void *ctx, struct http_request *req);
#define HARNESS_ROUTES {.method = "GET", .pattern = "/document", .handle = handle_document},
#include "harness.h"

#include "http/document.h"

static struct http_document document;
static char text[5000];

static void handle_document(void *ctx, struct http_request *req)
{
    (void)ctx;
    http_answer_document(h.server, req, &document);
}

static int make(void **state)
{
    memset(text, 'x', sizeof text);
    http_document_init(&document, "application/yaml", slice_of(text, sizeof text));
    return set_up(state);
}

static int end(void **state)
{
    http_document_fini(&document);
    return tear_down(state);
}

static struct reply *get(const char *headers)
{
    char request[512];

    snprintf(request, sizeof request, "GET /document HTTP/1.1\r\n" HOST "%s\r\n", headers);
    return ask(request);
}

static void a_document_is_given_with_its_etag(void **state)
{
    struct reply *r = get("");

    (void)state;
    assert_int_equal(r->status, 200);
    assert_string_equal(header(r, "ETag"), document.etag);
    assert_string_equal(header(r, "Content-Type"), "application/yaml");
    assert_string_equal(header(r, "Cache-Control"), "no-cache");
    assert_string_equal(header(r, "Vary"), "Accept-Encoding");
    assert_int_equal(r->body_len, sizeof text);
    assert_memory_equal(r->body, text, sizeof text);
}

static void who_has_it_is_told_so(void **state)
{
    char headers[256];
    struct client c = dial();
    struct reply *r;

    (void)state;
    for (int i = 0; i < 2; i++) {
        snprintf(headers, sizeof headers, "If-None-Match: \"a\", %s, \"b\"\r\n", document.etag + 2 * i);
        r = get(headers);
        assert_int_equal(r->status, 304);
        assert_string_equal(header(r, "ETag"), document.etag);
        assert_string_equal(header(r, "Vary"), "Accept-Encoding");
        assert_null(header(r, "Content-Type"));
    }
    assert_int_equal(get("If-None-Match: *\r\n")->status, 304);
    r = get("If-None-Match: \"other\"\r\n");
    assert_int_equal(r->status, 200);
    assert_int_equal(r->body_len, sizeof text);
    /* And the connection goes on behind a 304. */
    snprintf(headers, sizeof headers,
             "GET /document HTTP/1.1\r\n" HOST "If-None-Match: %s\r\n\r\nGET /echo/x HTTP/1.1\r\n" HOST
             "\r\n",
             document.etag);
    say(&c, headers);
    assert_true(hear_reply(&c, r, true));
    assert_int_equal(r->status, 304);
    assert_string_equal(hear(&c)->body, "GET|x|");
    hang_up(&c);
}

static void who_asks_for_gzip_gets_what_was_packed_once(void **state)
{
    struct reply *r = get("Accept-Encoding: gzip\r\n");

    (void)state;
    assert_string_equal(header(r, "Content-Encoding"), "gzip");
    assert_string_equal(header(r, "ETag"), document.etag);
    assert_int_equal(r->body_len, document.packed_len);
    assert_memory_equal(r->body, document.packed, document.packed_len);
    assert_null(header(get("Accept-Encoding: gzip;q=0\r\n"), "Content-Encoding"));
}

static void head_has_the_same_headers(void **state)
{
    struct client c = dial();
    struct reply r;

    (void)state;
    say(&c, "HEAD /document HTTP/1.1\r\n" HOST "\r\n");
    assert_true(hear_reply(&c, &r, true));
    assert_string_equal(header(&r, "ETag"), document.etag);
    assert_string_equal(header(&r, "Content-Length"), "5000");
    hang_up(&c);
}

static void etags_are_compared_weakly_and_whole(void **state)
{
    static const char *const same[] = {"\"a\"", "W/\"a\"",     " \"a\" ",   "*",
                                       " * ",   "\"x\",\"a\"", ",, W/\"a\""};
    static const char *const other[] = {"",        "a",   "\"aa\"",     "\"\"", "W/a",
                                        "w/\"a\"", "\"a", "\"b, \"a\"", "**"};

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        if (!http_etag_matches(slice_of_str(same[i]), "W/\"a\""))
            fail_msg("%s", same[i]);
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        if (http_etag_matches(slice_of_str(other[i]), "W/\"a\""))
            fail_msg("%s", other[i]);
    }
}

static void documents_that_differ_have_other_etags(void **state)
{
    struct http_document a, b;

    (void)state;
    http_document_init(&a, "text/plain", SLICE("one"));
    http_document_init(&b, "text/plain", SLICE("two"));
    assert_string_not_equal(a.etag, b.etag);
    assert_null(a.packed); /* too short to become shorter */
    http_document_fini(&a);
    http_document_fini(&b);
    http_document_init(&b, "text/plain", SLICE("one"));
    assert_string_equal(a.etag, b.etag);
    http_document_fini(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, end)
    const struct CMUnitTest tests[] = {
        TEST(a_document_is_given_with_its_etag),
        TEST(who_has_it_is_told_so),
        TEST(who_asks_for_gzip_gets_what_was_packed_once),
        TEST(head_has_the_same_headers),
        cmocka_unit_test(etags_are_compared_weakly_and_whole),
        cmocka_unit_test(documents_that_differ_have_other_etags),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
