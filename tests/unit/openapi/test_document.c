/*
 * The description of the API and the route table say the same: neither has a path, a method, a parameter, a
 * body or an error code that the other has not.
 */
#include "openapi/document.h"

#include <jansson.h>
#include <stdio.h>

#include "base/check.h"
#include "bridge/internal.h"
#include "http/problem.h"
#include "test.h"

static json_t *document;

static json_t *at(json_t *v, const char *pointer)
{
    char key[128];

    while (v && *pointer == '/') {
        size_t len = strcspn(++pointer, "/");

        snprintf(key, sizeof key, "%.*s", (int)len, pointer);
        v = json_object_get(v, key);
        pointer += len;
    }
    return v;
}

/* What a {"$ref": "#/…"} stands for; anything else stands for itself. */
static json_t *resolved(json_t *v)
{
    const char *ref = json_string_value(json_object_get(v, "$ref"));

    return ref ? at(document, ref + 1) : v;
}

static json_t *operation_of(const struct http_route *r)
{
    char method[16] = "";

    for (size_t i = 0; r->method[i] && i + 1 < sizeof method; i++)
        method[i] = (char)(r->method[i] | 0x20);
    return json_object_get(json_object_get(json_object_get(document, "paths"), r->pattern), method);
}

static json_t *path_of(const struct http_route *r)
{
    return json_object_get(json_object_get(document, "paths"), r->pattern);
}

/* The parameter of that name in that place, of the operation or of its path; NULL. */
static json_t *parameter_of(const struct http_route *r, const char *in, const char *name)
{
    json_t *lists[] = {json_object_get(operation_of(r), "parameters"),
                       json_object_get(path_of(r), "parameters")};
    json_t *p;
    size_t k;

    for (size_t i = 0; i < 2; i++) {
        json_array_foreach(lists[i], k, p)
        {
            p = resolved(p);
            if (strcmp(json_string_value(json_object_get(p, "name")), name) == 0 &&
                strcmp(json_string_value(json_object_get(p, "in")), in) == 0)
                return p;
        }
    }
    return NULL;
}

static bool takes(const struct http_route *r, const char *name)
{
    for (const char *const *q = r->query; q && *q; q++) {
        size_t len = strcspn(*q, "*");

        if (strlen(name) == len && memcmp(*q, name, len) == 0)
            return true;
    }
    return false;
}

static void each_route_is_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < gateway_route_count; i++) {
        if (!operation_of(&gateway_routes[i]))
            fail_msg("%s %s is not described", gateway_routes[i].method, gateway_routes[i].pattern);
    }
}

static const struct http_route *route_of(const char *method, const char *pattern)
{
    for (size_t i = 0; i < gateway_route_count; i++) {
        if (strcmp(gateway_routes[i].pattern, pattern) == 0 &&
            strcasecmp(gateway_routes[i].method, method) == 0)
            return &gateway_routes[i];
    }
    return NULL;
}

static void what_is_described_is_a_route(void **state)
{
    static const char *const methods[] = {"get",     "put",  "post",  "delete",
                                          "options", "head", "patch", "trace"};
    const char *pattern;
    json_t *path;

    (void)state;
    json_object_foreach(json_object_get(document, "paths"), pattern, path)
    {
        for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
            if (json_object_get(path, methods[m]) && !route_of(methods[m], pattern))
                fail_msg("%s %s is described, and there is no such route", methods[m], pattern);
        }
    }
}

static void parameters_of_queries_are_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < gateway_route_count; i++) {
        const struct http_route *r = &gateway_routes[i];
        json_t *lists[] = {json_object_get(operation_of(r), "parameters"),
                           json_object_get(path_of(r), "parameters")};
        json_t *p;
        size_t k;

        for (const char *const *q = r->query; q && *q; q++) {
            char name[64];

            snprintf(name, sizeof name, "%.*s", (int)strcspn(*q, "*"), *q);
            if (!parameter_of(r, "query", name))
                fail_msg("%s %s takes ?%s=, which is not described", r->method, r->pattern, name);
        }
        for (size_t l = 0; l < 2; l++) {
            json_array_foreach(lists[l], k, p)
            {
                p = resolved(p);
                assert_non_null(p);
                if (strcmp(json_string_value(json_object_get(p, "in")), "query") == 0 &&
                    !takes(r, json_string_value(json_object_get(p, "name"))))
                    fail_msg("%s %s does not take ?%s=", r->method, r->pattern,
                             json_string_value(json_object_get(p, "name")));
            }
        }
    }
}

static void names_in_paths_are_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < gateway_route_count; i++) {
        const struct http_route *r = &gateway_routes[i];

        for (const char *hole = strchr(r->pattern, '{'); hole; hole = strchr(hole + 1, '{')) {
            char name[64];

            snprintf(name, sizeof name, "%.*s", (int)strcspn(hole + 1, "}"), hole + 1);
            if (!parameter_of(r, "path", name))
                fail_msg("%s %s: {%s} is not described", r->method, r->pattern, name);
        }
    }
}

static void bodies_are_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < gateway_route_count; i++) {
        const struct http_route *r = &gateway_routes[i];

        if ((r->body != HTTP_BODY_NONE) != (json_object_get(operation_of(r), "requestBody") != NULL))
            fail_msg("%s %s: one of them has a body", r->method, r->pattern);
    }
}

/* Without one the policy lets nobody in: whoever adds a route says what it is. */
static void routes_are_operations_of_the_policy(void **state)
{
    (void)state;
    for (size_t i = 0; i < gateway_route_count; i++)
        if (gateway_routes[i].operation == POLICY_NOTHING || gateway_routes[i].operation >= POLICY_OP_COUNT)
            fail_msg("%s %s has no operation", gateway_routes[i].method, gateway_routes[i].pattern);
}

static void operations_have_names_of_their_own(void **state)
{
    json_t *seen = json_object();

    (void)state;
    for (size_t i = 0; i < gateway_route_count; i++) {
        const char *id = json_string_value(json_object_get(operation_of(&gateway_routes[i]), "operationId"));

        assert_non_null(id);
        if (json_object_get(seen, id))
            fail_msg("two operations are called %s", id);
        json_object_set_new(seen, id, json_true());
    }
    json_decref(seen);
}

/* Who is asked who they are can be refused, and who is not need not bring anything. */
static void what_is_public_is_said_to_be(void **state)
{
    static const char *const refusals[] = {"401", "403", "429"};

    (void)state;
    for (size_t i = 0; i < gateway_route_count; i++) {
        const struct http_route *r = &gateway_routes[i];
        json_t *security = json_object_get(operation_of(r), "security");
        bool is_public = security && json_array_size(security) == 0;

        if (r->is_public != is_public)
            fail_msg("%s %s: is it public?", r->method, r->pattern);
        for (size_t k = 0; k < ARRAY_LEN(refusals); k++) {
            json_t *responses = json_object_get(operation_of(r), "responses");

            if (!json_object_get(responses, refusals[k]) != r->is_public)
                fail_msg("%s %s: %s", r->method, r->pattern, refusals[k]);
        }
    }
}

static void codes_of_problems_are_the_same(void **state)
{
    json_t *codes = at(document, "/components/schemas/problem/properties/code/enum"), *c;
    const struct http_problem_kind *kind;
    size_t cursor = 0, count = 0, k;

    (void)state;
    for (; (kind = http_problem_kind_next(&cursor)); count++) {
        bool is_there = false;

        json_array_foreach(codes, k, c) is_there = is_there || strcmp(json_string_value(c), kind->code) == 0;
        if (!is_there)
            fail_msg("the code %s is not described", kind->code);
    }
    assert_int_equal(json_array_size(codes), count);
}

/* Each reference within the document leads somewhere. */
static void references_lead_somewhere(json_t *v)
{
    const char *key;
    json_t *member;
    size_t i;

    if (json_is_object(v) && json_is_string(json_object_get(v, "$ref")) && !resolved(v))
        fail_msg("%s leads nowhere", json_string_value(json_object_get(v, "$ref")));
    json_object_foreach(v, key, member) references_lead_somewhere(member);
    json_array_foreach(v, i, member) references_lead_somewhere(member);
}

static void all_references_lead_somewhere(void **state)
{
    (void)state;
    references_lead_somewhere(document);
}

static void both_forms_are_the_same_length_as_told(void **state)
{
    (void)state;
    assert_true(openapi_yaml.len > 1000 && memcmp(openapi_yaml.ptr, "openapi: 3.1", 12) == 0);
    assert_int_equal(openapi_json.ptr[openapi_json.len - 1], '}');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_route_is_described),
        cmocka_unit_test(what_is_described_is_a_route),
        cmocka_unit_test(parameters_of_queries_are_the_same),
        cmocka_unit_test(names_in_paths_are_described),
        cmocka_unit_test(bodies_are_the_same),
        cmocka_unit_test(routes_are_operations_of_the_policy),
        cmocka_unit_test(operations_have_names_of_their_own),
        cmocka_unit_test(what_is_public_is_said_to_be),
        cmocka_unit_test(codes_of_problems_are_the_same),
        cmocka_unit_test(all_references_lead_somewhere),
        cmocka_unit_test(both_forms_are_the_same_length_as_told),
    };
    int failed;

    document = json_loadb((const char *)openapi_json.ptr, openapi_json.len, 0, NULL);
    if (!document)
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(document);
    return failed;
}
