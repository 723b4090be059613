#include "test.h"

#include <jansson.h>

#include "http/problem.h"

static json_t *written(const struct http_problem *p, const char *request_id)
{
    json_error_t error;
    json_t *doc;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    http_problem_write(&w, p, slice_of_str(request_id));
    assert_true(wr_ok(&w));
    doc = json_loadb((const char *)w.buf, w.len, JSON_REJECT_DUPLICATES, &error);
    if (!doc)
        fail_msg("%s in %.*s", error.text, (int)w.len, (const char *)w.buf);
    wr_fini(&w);
    return doc;
}

static const char *text(const json_t *doc, const char *key)
{
    return json_string_value(json_object_get(doc, key));
}

static void a_code_brings_its_status_and_title(void **state)
{
    json_t *doc =
        written(&(struct http_problem){.code = "noproc", .is_retryable = true, .was_sent = true}, "abc");

    (void)state;
    assert_string_equal(text(doc, "type"), "urn:erlgate:problem:noproc");
    assert_string_equal(text(doc, "title"), "There is no such process");
    assert_string_equal(text(doc, "code"), "noproc");
    assert_string_equal(text(doc, "request_id"), "abc");
    assert_int_equal(json_integer_value(json_object_get(doc, "status")), 404);
    assert_true(json_is_true(json_object_get(doc, "retryable")));
    assert_true(json_is_true(json_object_get(doc, "sent")));
    assert_null(json_object_get(doc, "detail"));
    assert_null(json_object_get(doc, "errors"));
    assert_null(json_object_get(doc, "reason"));
    json_decref(doc);
}

static void all_members_are_written(void **state)
{
    const struct http_problem p = {.status = 400,
                                   .code = "bad-term",
                                   .title = "T",
                                   .detail = "a \"quote\"\n\x01 \xFF end",
                                   .reason = SLICE_LIT("{\"$atom\":\"x\"}"),
                                   .klass = SLICE_LIT("exit"),
                                   .pointer = "/a/0",
                                   .line = 3,
                                   .column = 7,
                                   .has_offset = true,
                                   .offset = 42,
                                   .parameter = "keys"};
    json_t *doc = written(&p, ""), *e;

    (void)state;
    assert_string_equal(text(doc, "title"), "T");
    assert_string_equal(text(doc, "detail"), "a \"quote\"\n\x01 \xEF\xBF\xBD end");
    assert_string_equal(text(doc, "class"), "exit");
    assert_string_equal(text(doc, "parameter"), "keys");
    assert_string_equal(text(json_object_get(doc, "reason"), "$atom"), "x");
    assert_null(json_object_get(doc, "request_id"));
    e = json_array_get(json_object_get(doc, "errors"), 0);
    assert_string_equal(text(e, "pointer"), "/a/0");
    assert_string_equal(text(e, "detail"), text(doc, "detail"));
    assert_int_equal(json_integer_value(json_object_get(e, "line")), 3);
    assert_int_equal(json_integer_value(json_object_get(e, "column")), 7);
    assert_int_equal(json_integer_value(json_object_get(e, "offset")), 42);
    json_decref(doc);
}

static void the_whole_document_may_be_pointed_at(void **state)
{
    json_t *doc = written(&(struct http_problem){.code = "bad-term", .pointer = ""}, "");

    (void)state;
    assert_string_equal(text(json_array_get(json_object_get(doc, "errors"), 0), "pointer"), "");
    json_decref(doc);
}

static void an_unknown_code_is_a_fault_of_ours(void **state)
{
    (void)state;
    assert_null(http_problem_kind("no-such-code"));
    assert_null(http_problem_kind(NULL));
    assert_int_equal(http_problem_status(&(struct http_problem){.code = "no-such-code"}), 500);
    assert_int_equal(http_problem_status(&(struct http_problem){0}), 500);
    assert_int_equal(http_problem_status(&(struct http_problem){.code = "noproc", .status = 410}), 410);
    json_decref(written(&(struct http_problem){0}, ""));
}

static void the_table_holds_each_code_once(void **state)
{
    const struct http_problem_kind *k;
    size_t cursor = 0, count = 0;

    (void)state;
    while ((k = http_problem_kind_next(&cursor)) != NULL) {
        assert_ptr_equal(http_problem_kind(k->code), k);
        assert_true(k->status >= 400 && k->status < 600);
        count++;
    }
    assert_int_equal(count, 28);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_brings_its_status_and_title),
        cmocka_unit_test(all_members_are_written),
        cmocka_unit_test(the_whole_document_may_be_pointed_at),
        cmocka_unit_test(an_unknown_code_is_a_fault_of_ours),
        cmocka_unit_test(the_table_holds_each_code_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
