/*
 * document: the OpenAPI description of the HTTP API, as the gateway serves it. Both forms are made from
 * openapi.yaml when the tree is built.
 */
#ifndef ERLGATE_OPENAPI_DOCUMENT_H
#define ERLGATE_OPENAPI_DOCUMENT_H

#include "base/slice.h"

extern const struct slice openapi_yaml, openapi_json;

#endif
