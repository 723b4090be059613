#include "grow.h"

#include <math.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/utf8.h"
#include "etf/syntax.h"
#include "etf/write.h"

static struct etf_atom atom_of(struct slice text)
{
    return (struct etf_atom){.text = text};
}

/* ---- Texts ---- */

/* Where encodings, escapes and blocks of bytes end. */
static const uint32_t odd_chars[] = {'"',   '\\',   '/',    '\'',   '$',    '~',     0,       1,
                                     '\n',  0x1F,   0x7F,   0x80,   0xE9,   0xFF,    0x100,   0x7FF,
                                     0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFF, 0x10000, 0x1F600, 0x10FFFF};

static uint32_t pick_char(struct grow *g)
{
    uint32_t c = grow_pick(g, 128);

    return c < ARRAY_LEN(odd_chars) ? odd_chars[c] : c < 0x7F && c > ' ' ? c : 'a';
}

static uint32_t pick_length(struct grow *g, uint32_t max)
{
    uint32_t n = grow_pick(g, 256);

    n = n < 224 ? n % 40 : (n - 223) * 33; /* up to 1056 */
    return n < max ? n : max;
}

void grow_text(struct grow *g, struct wr *text, uint32_t max, bool is_key)
{
    uint32_t len = pick_length(g, max), pattern[7], n = 1 + grow_pick(g, ARRAY_LEN(pattern));

    for (uint32_t i = 0; i < n && i < len; i++)
        pattern[i] = pick_char(g);
    if (is_key && len && pattern[0] == '$')
        pattern[0] = '!';
    for (uint32_t i = 0; i < len; i++)
        utf8_write(text, pattern[i % n]);
}

void grow_string(struct grow *g, struct slice text)
{
    uint32_t spelling = grow_pick(g, 3); /* raw where it may be, \u everywhere, or now and then */
    const uint8_t *p = text.ptr, *end = slice_end(text);

    wr_u8(&g->json, '"');
    for (uint32_t i = 0; p < end; i++) {
        const uint8_t *from = p;
        uint32_t c = (uint32_t)utf8_next(&p, end);

        if (c >= ' ' && c != '"' && c != '\\' && (spelling == 0 || (spelling == 2 && i % 5))) {
            wr_bytes(&g->json, from, (size_t)(p - from));
        } else if (c == '\n' && spelling == 0) {
            wr_str(&g->json, "\\n");
        } else if ((c == '"' || c == '\\' || c == '/') && spelling != 1) {
            wr_printf(&g->json, "\\%c", (char)c);
        } else if (c < 0x10000) {
            wr_printf(&g->json, i & 1 ? "\\u%04x" : "\\u%04X", c);
        } else {
            wr_printf(&g->json, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + (c & 0x3FF));
        }
    }
    wr_u8(&g->json, '"');
}

/* {"$name": "text"} */
static void tagged(struct grow *g, const char *name, struct slice text)
{
    grow_tag(g, name);
    grow_string(g, text);
    grow_blanks(g);
    wr_u8(&g->json, '}');
}

/* What has just been written of the term, as Erlang prints it, without so many characters at both ends. */
static void tagged_print(struct grow *g, const char *name, size_t from, size_t before, size_t behind)
{
    struct etf_rd r = etf_rd_of(slice_of(g->term.buf + from, g->term.len - from), NULL);
    struct wr text;

    wr_init(&text, SIZE_MAX);
    CHECK(etf_print(&text, &r) == ERR_NONE);
    tagged(g, name, slice_of(text.buf + before, text.len - before - behind));
    wr_fini(&text);
}

/* ---- Kinds ---- */

void grow_atom(struct grow *g)
{
    static const char *const with_words[] = {"true", "false", "null", "nil", "undefined"};
    uint32_t word = grow_pick(g, 16);
    struct wr name;

    wr_init(&name, SIZE_MAX);
    if (word < ARRAY_LEN(with_words))
        wr_str(&name, with_words[word]);
    else
        grow_text(g, &name, ETF_ATOM_MAX_CHARS, false);
    if (grow_pick(g, 4) == 0 && utf8_is_ascii(wr_written(&name))) {
        wr_u8(&g->term, ETF_ATOM_EXT);
        wr_be16(&g->term, (uint16_t)name.len);
        wr_slice(&g->term, wr_written(&name));
    } else {
        etf_write_atom(&g->term, wr_written(&name));
    }
    if (word < 2)
        wr_str(&g->json, with_words[word]);
    else if (slice_eq_str(wr_written(&name), g->nil_is_null ? "nil" : "null"))
        wr_str(&g->json, "null");
    else
        tagged(g, "atom", wr_written(&name));
    wr_fini(&name);
}

static void leaf_integer(struct grow *g)
{
    static const int64_t edges[] = {0, 255, 256, 1LL << 27, INT32_MAX, 1LL << 53, INT64_MAX};
    int64_t v = grow_pick(g, 256);

    if (v >= 128)
        v = edges[v % (int64_t)ARRAY_LEN(edges)] - 2 + grow_pick(g, 3);
    if (grow_pick(g, 4) == 0)
        v = -v;
    if (grow_pick(g, 8) == 7) { /* in a form that is longer than it need be */
        wr_u8(&g->term, ETF_SMALL_BIG_EXT);
        wr_u8(&g->term, 9);
        wr_u8(&g->term, v < 0);
        for (int i = 0; i < 9; i++)
            wr_u8(&g->term, i < 8 ? (uint8_t)((uint64_t)(v < 0 ? -v : v) >> (8 * i)) : 0);
    } else {
        etf_write_int64(&g->term, v);
    }
    if (grow_pick(g, 8) == 7) {
        grow_tag(g, "integer");
        wr_printf(&g->json, "\"%lld\"}", (long long)v);
    } else {
        wr_printf(&g->json, "%lld", (long long)v);
    }
}

static void leaf_big(struct grow *g)
{
    uint8_t magnitude[1100];
    uint32_t len = 9 + pick_length(g, 300), step = 1 + grow_pick(g, 256);
    size_t from = g->term.len;
    struct etf_rd r;

    for (uint32_t i = 0; i < len; i++)
        magnitude[i] = (uint8_t)(i * step + 1);
    etf_write_big(&g->term, grow_pick(g, 2), slice_of(magnitude, len));
    r = etf_rd_of(slice_of(g->term.buf + from, g->term.len - from), NULL);
    CHECK(etf_print(&g->json, &r) == ERR_NONE);
}

static void leaf_float(struct grow *g)
{
    uint64_t bits = 0;
    char digits[40];
    double v;

    for (int i = 0; i < 8; i++)
        bits = bits << 8 | grow_pick(g, 256);
    memcpy(&v, &bits, sizeof v);
    if (!isfinite(v))
        v = 0.1;
    snprintf(digits, sizeof digits, "%.17g", v);
    if (grow_pick(g, 8) == 7) {
        grow_tag(g, "float");
        wr_printf(&g->json, "%s}", digits);
    } else {
        wr_printf(&g->json, "%s%s", digits, strpbrk(digits, ".e") ? "" : ".0");
    }
    if (grow_pick(g, 8) == 7) {
        uint8_t old[31] = {0};

        snprintf((char *)old, sizeof old, "%.20e", v);
        wr_u8(&g->term, ETF_FLOAT_EXT);
        wr_bytes(&g->term, old, sizeof old);
    } else {
        etf_write_float(&g->term, v);
    }
}

/* Erlang writes no BIT_BINARY_EXT of whole bytes, and reads it. */
void grow_binary(struct grow *g, struct slice bytes)
{
    if (!g->has_bits || bytes.len % 2 == 0) {
        etf_write_binary(&g->term, bytes);
        return;
    }
    wr_u8(&g->term, ETF_BIT_BINARY_EXT);
    wr_be32(&g->term, (uint32_t)bytes.len);
    wr_u8(&g->term, 8);
    wr_slice(&g->term, bytes);
}

static void leaf_text(struct grow *g)
{
    struct wr text;

    wr_init(&text, SIZE_MAX);
    grow_text(g, &text, UINT32_MAX, false);
    grow_binary(g, wr_written(&text));
    grow_string(g, wr_written(&text));
    wr_fini(&text);
}

static void put_base64(struct grow *g, struct slice bytes)
{
    bool is_padded = grow_pick(g, 2) == 0;
    struct wr text;

    wr_init(&text, SIZE_MAX);
    base64_write(&text, bytes);
    while (!is_padded && text.len && text.buf[text.len - 1] == '=')
        text.len--;
    grow_string(g, wr_written(&text));
    wr_fini(&text);
}

static void leaf_bytes(struct grow *g)
{
    uint8_t bytes[1100];
    uint32_t len = pick_length(g, sizeof bytes), step = grow_pick(g, 256), bits = grow_pick(g, 8);

    for (uint32_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(0xC0 + i * step);
    if (len && bits) {
        bytes[len - 1] &= (uint8_t)(0xFF << (8 - bits));
        etf_write_bitstring(&g->term, slice_of(bytes, len), bits);
        grow_tag(g, "bitstring");
        wr_str(&g->json, "{\"bytes\":");
        put_base64(g, slice_of(bytes, len));
        wr_printf(&g->json, ",\"bits\":%u}}", bits);
    } else {
        grow_binary(g, slice_of(bytes, len));
        grow_tag(g, "binary");
        put_base64(g, slice_of(bytes, len));
        wr_u8(&g->json, '}');
    }
}

static void leaf_chars(struct grow *g)
{
    const uint8_t *p, *end;
    uint32_t count = 0, greatest = 0;
    struct wr text;

    wr_init(&text, SIZE_MAX);
    grow_text(g, &text, UINT32_MAX, false);
    end = slice_end(wr_written(&text));
    for (p = text.buf; p < end; count++) {
        uint32_t c = (uint32_t)utf8_next(&p, end);

        greatest = c > greatest ? c : greatest;
    }
    if (count && greatest < 256 && grow_pick(g, 2) == 0) {
        wr_u8(&g->term, ETF_STRING_EXT);
        wr_be16(&g->term, (uint16_t)count);
        for (p = text.buf; p < end;)
            wr_u8(&g->term, (uint8_t)utf8_next(&p, end));
    } else {
        if (count)
            etf_write_list(&g->term, count);
        for (p = text.buf; p < end;)
            etf_write_int64(&g->term, utf8_next(&p, end));
        etf_write_nil(&g->term);
    }
    tagged(g, "charlist", wr_written(&text));
    wr_fini(&text);
}

static void leaf_identity(struct grow *g)
{
    static const char *const nodes[] = {"a@b", "kv@host.example", "it's one@caf\xC3\xA9"};
    struct etf_atom node = atom_of(slice_of_str(nodes[grow_pick(g, ARRAY_LEN(nodes))]));
    uint32_t id = grow_pick(g, 256) << grow_pick(g, 20), creation = 1 + grow_pick(g, 3);
    size_t from = g->term.len;

    switch (grow_pick(g, 4)) {
    case 0:
        etf_write_pid(&g->term, &(struct etf_pid){.node = node, .id = id, .creation = creation});
        tagged_print(g, "pid", from, strlen("#Pid<"), 1);
        break;
    case 1:
        etf_write_port(&g->term, &(struct etf_port){.node = node, .id = id, .creation = creation});
        tagged_print(g, "port", from, strlen("#Port<"), 1);
        break;
    case 2:
        etf_write_ref(&g->term, &(struct etf_ref){.node = node,
                                                  .creation = creation,
                                                  .count = 3,
                                                  .words = {id & 0x3FFFF, creation, id}});
        tagged_print(g, "ref", from, strlen("#Ref<"), 1);
        break;
    default:
        etf_write_export(&g->term, node.text, SLICE("f\n"), (uint8_t)creation);
        tagged_print(g, "fun", from, strlen("fun "), 0);
        break;
    }
}

void grow_leaf(struct grow *g)
{
    switch (grow_pick(g, 12)) {
    case 0:
    case 1: leaf_integer(g); break;
    case 2:
    case 3:
    case 4: leaf_text(g); break;
    case 5: leaf_float(g); break;
    case 6: leaf_bytes(g); break;
    case 7: leaf_chars(g); break;
    case 8: leaf_identity(g); break;
    case 9: leaf_big(g); break;
    default: grow_atom(g); break;
    }
}
