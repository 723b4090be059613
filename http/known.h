/*
 * known: the header fields that most handlers ask for, found by number instead of by name.
 */
#ifndef ERLGATE_HTTP_KNOWN_H
#define ERLGATE_HTTP_KNOWN_H

#define HTTP_KNOWN_TABLE(X)               \
    X(ACCEPT, "Accept")                   \
    X(ACCEPT_ENCODING, "Accept-Encoding") \
    X(CONTENT_TYPE, "Content-Type")       \
    X(GRPC_TIMEOUT, "Grpc-Timeout")       \
    X(PREFER, "Prefer")

enum http_known {
#define X(symbol, name) HTTP_KNOWN_##symbol,
    HTTP_KNOWN_TABLE(X)
#undef X
        HTTP_KNOWN_COUNT,
};

#endif
