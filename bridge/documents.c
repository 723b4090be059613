/*
 * documents: /openapi.json and /openapi.yaml: what this API is, as the build made it of openapi.yaml.
 */
#include "bridge/internal.h"

void documents_init(struct gateway *g)
{
    http_document_init(&g->openapi_json, "application/json", g->config.openapi_json);
    http_document_init(&g->openapi_yaml, "application/yaml", g->config.openapi_yaml);
}

void documents_fini(struct gateway *g)
{
    http_document_fini(&g->openapi_json);
    http_document_fini(&g->openapi_yaml);
}

void documents_openapi_json(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;

    http_answer_document(g->http, req, &g->openapi_json);
}

void documents_openapi_yaml(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;

    http_answer_document(g->http, req, &g->openapi_yaml);
}
