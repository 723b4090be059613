/* Numbers in queries and pages of lists: http/query.c, http/page.c. */
struct http_request;
static void handle_list(void *ctx, struct http_request *req);
static void handle_number(void *ctx, struct http_request *req);
#define HARNESS_ROUTES                                                                      \
    {.method = "GET", .pattern = "/list/{of}", .query = list_query, .handle = handle_list}, \
        {.method = "GET", .pattern = "/number", .query = number_query, .handle = handle_number},
static const char *const list_query[] = {"limit", "cursor", "filter", (const char *)0};
static const char *const number_query[] = {"n", (const char *)0};
#include "harness.h"

#include "http/query.h"

enum { ITEMS = 250 };

/* A list of the numbers up to ITEMS; its place is the last number as text. */
static void handle_list(void *ctx, struct http_request *req)
{
    static struct http_page page;
    struct http_header link = {"Link", NULL};
    struct http_response r = {.status = 200, .content_type = "text/plain"};
    struct wr body, w;
    char after[16] = "0", place[32];
    unsigned n, last;

    (void)ctx;
    if (!http_page_of(h.server, req, &page))
        return;
    memcpy(after, page.after, page.after_len < sizeof after ? page.after_len : 0);
    n = (unsigned)strtoul(after, NULL, 10);
    last = n + (unsigned)page.limit < ITEMS ? n + (unsigned)page.limit : ITEMS;
    wr_init(&w, SIZE_MAX);
    wr_init(&body, SIZE_MAX);
    wr_printf(&body, "%u-%u", n + 1, last);
    if (last < ITEMS) {
        snprintf(place, sizeof place, "%u>>??", last); /* '+' and '/' in base64 */
        assert_true(http_page_link(h.server, http_request_id(req), slice_of_str(place), &w));
        link.value = (char *)w.buf;
        r.headers = &link;
        r.header_count = 1;
    }
    r.body = wr_take(&body, &r.body_len);
    http_answer(h.server, http_request_id(req), &r);
    assert_false(http_page_link(h.server, 12345, SLICE("x"), &w));
    wr_fini(&w);
}

static void handle_number(void *ctx, struct http_request *req)
{
    uint64_t n;
    char text[32];

    (void)ctx;
    if (!http_query_number(h.server, req, "n", 10, 20, 15, &n))
        return;
    snprintf(text, sizeof text, "%u", (unsigned)n);
    answer_text(http_request_id(req), 200, text, strlen(text));
}

static struct reply *get(const char *target)
{
    char request[4096];

    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
    return ask(request);
}

static void links_lead_through_the_whole_list(void **state)
{
    char target[512] = "/list/a%2Fb%20%C3%A9?filter=x+y%26z&limit=60";
    const char *link;
    unsigned from, to, next = 1, pages = 0;

    (void)state;
    do {
        struct reply *r = get(target);

        assert_int_equal(r->status, 200);
        assert_int_equal(sscanf(r->body, "%u-%u", &from, &to), 2);
        assert_int_equal(from, next);
        next = to + 1;
        pages++;
        link = header(r, "Link");
        if (link) {
            assert_memory_equal(link, "</list/a%2Fb%20%C3%A9?filter=x%20y%26z&limit=60&cursor=", 55);
            assert_non_null(strstr(link, ">; rel=\"next\""));
            snprintf(target, sizeof target, "%.*s", (int)strcspn(link + 1, ">"), link + 1);
        }
    } while (link);
    assert_int_equal(to, ITEMS);
    assert_int_equal(pages, 5);
    assert_string_equal(get("/list/x")->body, "1-100");
    assert_string_equal(get("/list/x?limit=1000")->body, "1-250");
    assert_string_equal(get("/list/x?limit=1")->body, "1-1");
}

static void bad_pages_are_named(void **state)
{
    static char large[3200] = "/list/x?cursor=";
    static const char *const bad[][2] = {
        {"/list/x?limit=0", "limit"},
        {"/list/x?limit=1001", "limit"},
        {"/list/x?limit=ten", "limit"},
        {"/list/x?limit=-1", "limit"},
        {"/list/x?limit=1&limit=1", "limit"},
        {"/list/x?limit=", "limit"},
        {"/list/x?cursor=", "cursor"},
        {"/list/x?cursor=%22", "cursor"},
        {"/list/x?cursor=a", "cursor"},
        {"/list/x?cursor=MQ&cursor=MQ", "cursor"},
        {large, "cursor"},
    };

    (void)state;
    memset(large + 15, 'A', sizeof large - 16);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct reply *r = get(bad[i][0]);
        char want[64];

        assert_problem(r, 400, "bad-parameter");
        snprintf(want, sizeof want, "\"parameter\":\"%s\"", bad[i][1]);
        if (!strstr(r->body, want))
            fail_msg("%s: %s", bad[i][0], r->body);
    }
}

static void numbers_are_whole_and_in_range(void **state)
{
    static const char *const bad[] = {"9",     "21", "",   "x",   "1e1", "10.0",
                                      "%2015", "-1", "0x", "+15", "²",   "18446744073709551616"};
    char target[64];

    (void)state;
    assert_string_equal(get("/number")->body, "15");
    assert_string_equal(get("/number?n=10")->body, "10");
    assert_string_equal(get("/number?n=20")->body, "20");
    assert_string_equal(get("/number?n=0020")->body, "20");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct reply *r;

        snprintf(target, sizeof target, "/number?n=%s", bad[i]);
        r = get(target);
        assert_problem(r, 400, "bad-parameter");
    }
    assert_non_null(strstr(get("/number?n=9")->body, "n is a whole number from 10 to 20."));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(links_lead_through_the_whole_list),
        TEST(bad_pages_are_named),
        TEST(numbers_are_whole_and_in_range),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
