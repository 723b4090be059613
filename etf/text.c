/* The texts of atoms, pids, references, ports and external funs, both ways. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/digits.h"
#include "base/utf8.h"
#include "etf/lex.h"
#include "etf/quote.h"
#include "etf/syntax.h"
#include "etf/wire.h"

const uint8_t *etf_plain_run(const uint8_t *p, const uint8_t *end, uint8_t quote)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Signed: bytes from 0x80 on are below 0x20, too. */
        __m128i odd = _mm_or_si128(
            _mm_or_si128(_mm_cmplt_epi8(x, _mm_set1_epi8(0x20)), _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7F))),
            _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8((char)quote)),
                         _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))));
        unsigned mask = (unsigned)_mm_movemask_epi8(odd);

        if (mask)
            return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && *p >= 0x20 && *p < 0x7F && *p != quote && *p != '\\')
        p++;
    return p;
}

/* A character inside quotes as io_lib writes it. */
void etf_quote_char(struct wr *w, uint32_t cp, uint8_t quote)
{
    static const char controls[] = "\b\t\n\v\f\r\x1b\x7f", letters[] = "btnvfred";
    const char *known = cp && cp <= 0x7F ? strchr(controls, (int)cp) : NULL;

    if (cp == quote || cp == '\\') {
        wr_u8(w, '\\');
        wr_u8(w, (uint8_t)cp);
    } else if (known) {
        wr_u8(w, '\\');
        wr_u8(w, (uint8_t)letters[known - controls]);
    } else if (cp < 0x20 || (cp >= 0x80 && cp < 0xA0)) {
        wr_u8(w, '\\');
        wr_u8(w, (uint8_t)('0' + (cp >> 6)));
        wr_u8(w, (uint8_t)('0' + (cp >> 3 & 7)));
        wr_u8(w, (uint8_t)('0' + (cp & 7)));
    } else if (utf8_is_obeyed(cp)) { /* where io_lib writes it as it is */
        wr_printf(w, "\\x{%X}", (unsigned)cp);
    } else {
        utf8_write(w, cp);
    }
}

void etf_quote_utf8(struct wr *w, struct slice utf8, uint8_t quote)
{
    const uint8_t *p = utf8.ptr, *end = slice_end(utf8);

    wr_u8(w, quote);
    while (p < end) {
        const uint8_t *run = p;
        int32_t cp;

        p = etf_plain_run(p, end, quote);
        wr_bytes(w, run, (size_t)(p - run));
        if (p == end)
            break;
        cp = utf8_next(&p, end);
        if (cp == UTF8_INVALID)
            cp = *p++; /* only in what was never validated */
        etf_quote_char(w, (uint32_t)cp, quote);
    }
    wr_u8(w, quote);
}

void etf_quote_latin1(struct wr *w, struct slice latin1, uint8_t quote)
{
    wr_u8(w, quote);
    for (size_t i = 0; i < latin1.len; i++)
        etf_quote_char(w, latin1.ptr[i], quote);
    wr_u8(w, quote);
}

/* An atom's text as UTF-8; Latin-1 goes through buf. */
static struct slice atom_utf8(struct etf_atom atom, uint8_t buf[2 * ETF_ATOM_MAX_CHARS])
{
    uint8_t *p = buf;

    if (!atom.is_latin1)
        return atom.text;
    for (size_t i = 0; i < atom.text.len && i < ETF_ATOM_MAX_CHARS; i++)
        p += utf8_encode(atom.text.ptr[i], p);
    return slice_of(buf, (size_t)(p - buf));
}

void etf_print_atom(struct wr *w, struct etf_atom atom)
{
    uint8_t buf[2 * ETF_ATOM_MAX_CHARS];
    struct slice text = atom_utf8(atom, buf);
    struct etf_lex l = {.r = rd_of(text)};
    size_t n;

    if (slice_eq(text, SLICE("true")) || slice_eq(text, SLICE("false"))) {
        wr_slice(w, text);
        return;
    }
    if (etf_lex_is_atom_start(&l) && !etf_is_reserved_word(text)) {
        while ((n = etf_lex_name_char(&l)))
            rd_skip(&l.r, n);
        if (rd_left(&l.r) == 0) {
            wr_slice(w, text);
            return;
        }
    }
    etf_quote_utf8(w, text, '\'');
}

static bool is_bare_node(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !etf_is_digit(c) && c != '_' && c != '@' &&
            c != '.' && c != '-')
            return false;
    }
    return text.len > 0;
}

static void print_node(struct wr *w, struct etf_atom node)
{
    uint8_t buf[2 * ETF_ATOM_MAX_CHARS];
    struct slice text = atom_utf8(node, buf);

    if (is_bare_node(text))
        wr_slice(w, text);
    else
        etf_quote_utf8(w, text, '\'');
}

void etf_print_decimal(struct wr *w, uint64_t v)
{
    uint8_t digits[DIGITS_ROOM];

    wr_bytes(w, digits, (size_t)(digits_put(digits, v) - digits));
}

static void print_number(struct wr *w, char before, uint64_t v)
{
    wr_u8(w, (uint8_t)before);
    etf_print_decimal(w, v);
}

void etf_print_pid_text(struct wr *w, const struct etf_pid *pid)
{
    print_node(w, pid->node);
    print_number(w, ':', pid->id);
    print_number(w, ':', pid->serial);
    print_number(w, ':', pid->creation);
}

void etf_print_port_text(struct wr *w, const struct etf_port *port)
{
    print_node(w, port->node);
    print_number(w, ':', port->id);
    print_number(w, ':', port->creation);
}

void etf_print_ref_text(struct wr *w, const struct etf_ref *ref)
{
    print_node(w, ref->node);
    print_number(w, ':', ref->creation);
    for (uint32_t i = 0; i < ref->count; i++)
        print_number(w, i ? '.' : ':', ref->words[i]);
}

void etf_print_fun_text(struct wr *w, struct etf_atom module, struct etf_atom function, uint64_t arity)
{
    etf_print_atom(w, module);
    wr_u8(w, ':');
    etf_print_atom(w, function);
    print_number(w, '/', arity);
}

/* Decimal, without a sign and without a zero in front, so that a thing has one text only. */
static bool parse_number(struct slice text, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;

    if (text.len == 0 || (text.len > 1 && text.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!etf_is_digit(text.ptr[i]) || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(text.ptr[i] - '0'), &v))
            return false;
    }
    if (v > max)
        return false;
    *ret = v;
    return true;
}

/* Cuts off what stands behind the last `separator`, and that with it. */
static bool split_right(struct slice *text, uint8_t separator, struct slice *ret_right)
{
    size_t i = text->len;

    while (i > 0 && text->ptr[i - 1] != separator)
        i--;
    if (i == 0)
        return false;
    *ret_right = slice_of(text->ptr + i, text->len - i);
    text->len = i - 1;
    return true;
}

static bool split_number(struct slice *text, uint64_t max, uint64_t *ret)
{
    struct slice right;

    return split_right(text, ':', &right) && parse_number(right, max, ret);
}

static bool parse_node(struct slice text, struct wr *scratch, struct etf_atom *ret)
{
    struct fault fault;
    struct etf_lex l = {.r = rd_of(text), .scratch = scratch, .fault = &fault};
    struct etf_lex_text t = {.len = text.len};

    if (text.len && text.ptr[0] == '\'') {
        if (etf_lex_atom(&l, true, &t) != ERR_NONE || rd_left(&l.r))
            return false;
    } else if (!is_bare_node(text) || text.len > ETF_ATOM_MAX_CHARS) {
        return false;
    }
    *ret = (struct etf_atom){.text = etf_lex_slice(&l, t)};
    return true;
}

bool etf_parse_pid_text(struct slice text, struct wr *scratch, struct etf_pid *ret)
{
    uint64_t id, serial, creation;
    struct etf_atom node;

    if (!split_number(&text, UINT32_MAX, &creation) || !split_number(&text, UINT32_MAX, &serial) ||
        !split_number(&text, UINT32_MAX, &id) || !parse_node(text, scratch, &node))
        return false;
    *ret = (struct etf_pid){
        .node = node, .id = (uint32_t)id, .serial = (uint32_t)serial, .creation = (uint32_t)creation};
    return true;
}

bool etf_parse_port_text(struct slice text, struct wr *scratch, struct etf_port *ret)
{
    uint64_t id, creation;
    struct etf_atom node;

    if (!split_number(&text, UINT32_MAX, &creation) || !split_number(&text, UINT64_MAX, &id) ||
        !parse_node(text, scratch, &node))
        return false;
    *ret = (struct etf_port){.node = node, .id = id, .creation = (uint32_t)creation};
    return true;
}

bool etf_parse_ref_text(struct slice text, struct wr *scratch, struct etf_ref *ret)
{
    struct etf_ref ref = {0};
    struct slice words, word;
    uint64_t v, creation;

    if (!split_right(&text, ':', &words) || !split_number(&text, UINT32_MAX, &creation))
        return false;
    for (bool more = true; more; ref.count++) {
        const uint8_t *dot = words.len ? memchr(words.ptr, '.', words.len) : NULL;
        size_t n = dot ? (size_t)(dot - words.ptr) : words.len;

        word = slice_of(words.ptr, n);
        if (ref.count == ETF_REF_MAX_WORDS || !parse_number(word, UINT32_MAX, &v))
            return false;
        ref.words[ref.count] = (uint32_t)v;
        more = dot != NULL;
        if (more)
            words = slice_of(words.ptr + n + 1, words.len - n - 1);
    }
    ref.creation = (uint32_t)creation;
    if (!parse_node(text, scratch, &ref.node))
        return false;
    *ret = ref;
    return true;
}

bool etf_parse_fun_text(struct slice text, struct wr *scratch, struct slice *ret_module,
                        struct slice *ret_function, uint8_t *ret_arity)
{
    struct fault fault;
    struct etf_lex l = {.r = rd_of(text), .scratch = scratch, .fault = &fault};
    struct etf_lex_text module, function;
    uint64_t arity;

    if (etf_lex_atom(&l, true, &module) != ERR_NONE || !etf_lex_take(&l, ":") ||
        etf_lex_atom(&l, true, &function) != ERR_NONE || !etf_lex_take(&l, "/") ||
        !parse_number(rd_rest(&l.r), UINT8_MAX, &arity))
        return false;
    *ret_module = etf_lex_slice(&l, module);
    *ret_function = etf_lex_slice(&l, function);
    *ret_arity = (uint8_t)arity;
    return true;
}
