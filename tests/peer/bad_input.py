"""What a client must not be able to do: each mistake has its status, its code and its place, nothing of it reaches the
node, and the link is the same afterwards."""

import re
import zlib

import peers
from peers import ERL, ETF, JSON, SOURCE, TYPED, Gateway, Http, Peer, check, equal, problem, raw, segment

GATE = Gateway(args=["--max-body", str(4 << 20)])
HTTP = GATE.http
AT_FIRST = GATE.self()
PEER = Peer("27", "a27@localhost", GATE.epmd_port, GATE.cookie).ready()
OLD = Peer("23", "a23@localhost", GATE.epmd_port, GATE.cookie).ready()
for _peer in (PEER, OLD):
    _peer.eval("testpeer:serve(srv)")
CALL = GATE.process_path(PEER.node, "srv", "call")
CAST = GATE.process_path(PEER.node, "srv", "cast")
LINK = f"/v1/nodes/{segment(PEER.node)}"

MILLION = 1_000_000


def refused(body, type, status, code, path=CALL, line=None, column=None, offset=None, pointer=None):
    """The body is refused, says where, and was not sent."""
    response = HTTP.post(path, body, type)
    what = f"{type} {peers.short(repr(body), 80)}"
    try:
        found = problem(response, status, code, sent=False)
        for member, wanted in (("line", line), ("column", column), ("offset", offset), ("pointer", pointer)):
            if wanted is not None:
                equal(found["errors"][0].get(member), wanted, member)
    except (peers.Failed, KeyError, IndexError) as error:
        raise peers.Failed(f"{what}: {error!r}") from None
    return found


def all_refused(cases, type):
    """Goes on after a failure, for a list is read best as a whole."""
    complaints = []
    for body, *wanted in cases:
        places = wanted.pop() if wanted and isinstance(wanted[-1], dict) else {}
        status, code = wanted or (400, "bad-term")
        try:
            found = refused(body, type, status, code, **places)
            check(found["errors"], "no place:", found)
        except peers.Failed as error:
            complaints.append(str(error))
        except KeyError as error:
            complaints.append(f"{type} {body!r}: no member {error}")
    check(not complaints, "\n        ".join(complaints))


def link_state():
    info = GATE.node_info(PEER.node)
    return info["state"], info["creation"], PEER.eval("testpeer:downs(erlgate@localhost)")


def test_the_link_before():
    equal(HTTP.post(CALL, "{echo, 1}", ERL).status, 200, "call")
    equal(HTTP.post(GATE.process_path(OLD.node, "srv", "call"), "{echo, 1}", ERL).status, 200, "call")
    for peer in (PEER, OLD):
        peer.eval("testpeer:watch(erlgate@localhost)")
    link_state.before = link_state()
    equal(link_state.before[2], "0", "links lost")


# ---- Bodies


def test_what_is_meant_by_what_is_no_json():
    for body, says in ((b"{echo, 1}", "Content-Type: text/x-erlang"), (b"stop", "Content-Type: text/x-erlang"),
                       (b'<<"x">>', "Content-Type: text/x-erlang"), (b"{'a': 1}", "double quotes")):
        check(says in refused(body, JSON, 400, "bad-term")["detail"], body, "gets no hint")
    for body, type in ((b"[1, 2", JSON), (b"[1, Two]", JSON), (b"{echo, ", ERL)):
        check("text/x-erlang" not in refused(body, type, 400, "bad-term")["detail"], body, "is given a wrong one")


JSON_CASES = [
    b"", b"   ", (b"{", {"line": 1}), b"[1, 2", (b'{"a": 1,}', {"line": 1}), (b'\n\n  {"a": nul}', {"line": 3, "pointer": "/a"}), b"01", b"1.", b".5",
    b"+1", b"1e", b"1e999", b"-1e999", b"NaN", b"Infinity", b"'a'", b"{a: 1}", b"[1 2]", (b"1 2", {"line": 1, "column": 3, "offset": 2}), b"[]]",
    b'"abc', b'"\\x"', b'"\\u12"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"a\nb"', b'"a\x00b"', b"\x00", b"[1,\x00]", (b'"\xff"', {"offset": 1}),
    b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b"// no\n1", b"[1,]", b'{"a"}', b'{"a": }', b"{1: 2}",
    (b'{"a": 1, "a": 2}', {"pointer": "/a"}), (b'{"x": [{"k": 1, "\\u006b": 2}]}', {"pointer": "/x/0/k"}),
    (b'[{"a/b": [1, {"~": tru}]}]', {"pointer": "/0/a~1b/1/~0"}),
]

TAG_CASES = [
    b'{"$atom": 5}', b'{"$atom": "x", "b": 1}', b'{"$nope": 1}', b'{"$": 1}', b'{"$atom": "a", "$tuple": []}', b'{"$tuple": {}}', b'{"$binary": "*"}',
    b'{"$binary": "AA=A"}', b'{"$bitstring": {"bytes": "AA==", "bits": 8}}', b'{"$bitstring": {"bytes": "", "bits": 3}}', b'{"$bitstring": {"bytes": "AA=="}}',
    b'{"$charlist": [1]}', b'{"$list": [1]}', b'{"$tail": 1}', b'{"$list": 1, "$tail": 2}', b'{"$map": [[1]]}', b'{"$map": [[1, 2, 3]]}', b'{"$map": {}}',
    b'{"$map": [["a", 1], ["a", 2]]}', b'{"$map": [[1, 1], [{"$integer": "1"}, 2]]}', b'{"$map": [[0.0, 1], [-0.0, 2]]}', b'{"$integer": "12x"}',
    b'{"$integer": ""}', b'{"$integer": 1.5}', b'{"$float": "x"}', b'{"$float": 1e999}', b'{"$pid": "nonsense"}', b'{"$pid": "a@b:1:2"}',
    b'{"$pid": "a@b:99999999999:0:1"}', b'{"$ref": "a@b:1:"}', b'{"$ref": "a@b:1:1.2.3.4.5.6"}', b'{"$port": "a@b:-1:1"}', b'{"$fun": "lists:map"}',
    b'{"$fun": "lists:map/-1"}', b'{"$erl": "{a"}', b'{"$erl": "a b"}', b'{"$erl": 1}', b'{"$etf": "AAAA"}', b'{"$etf": "g2EB//8="}', b'{"$etf": "g2E="}',
    b'{"$atom": "' + b"a" * 256 + b'"}', b'{"$atom": "' + "é".encode() * 256 + b'"}', b'{"$etf": "' + b"g3QAAAACYQFhAWEBYQI=" + b'"}',
]


def test_JSON():
    all_refused([c if isinstance(c, tuple) else (c,) for c in JSON_CASES], JSON)


def test_tags_in_JSON():
    all_refused([(c,) for c in TAG_CASES], JSON)


def test_typed_JSON_is_read_by_the_same_rules():
    all_refused([(c,) for c in TAG_CASES[:5]], TYPED)


def test_keys_as_atoms_obey_the_limits_of_atoms():
    refused('{"' + "k" * 256 + '": 1}', JSON, 400, "bad-term", path=CALL + "?keys=atom")


ERL_CASES = [
    b"", b"  % nothing\n", (b"{a, ", {"line": 1}), (b"\n{a, b\n,,}", {"line": 3}), b"[1|2|3]", b"[|1]", b"foo(bar)", b"X", b"_", b"{a", b'"unterminated',
    b"'unterminated", b"'" + b"a" * 300 + b"'", b"1.0e999", b"fun() -> ok end", b"fun lists:map", b"#Pid<garbage>", b"#Pid<a@b:1:2>", b"#Ref<a@b:1:>",
    b"#Port<x>", b"#Etf<AAAA>", b"#Etf<***>", b"a. b.", b"a b", b"$", b"16#GG", b"37#1", b"1#0", b"1__0", b"<<1", b"<<a>>", b"<<1:x>>",
    b"#{a => 1, a => 2}", b"#{a}", b"#{a := 1}", b"#{0.0 => 1, -0.0 => 2}", b"#{1 => a, 16#1 => b}", b"\x00", b"{a,\x00}", b"<<\"\xff\">>", b"'\xff'",
    b'"\\x{110000}"', b"a:b", b"1 + 2", b"-a", b"--1", b"[a,]", b"{,}", b"=", b"end", b"fun", b"#rec{a = 1}", b"\xe2\x82",
]


def test_Erlang_syntax():
    all_refused([c if isinstance(c, tuple) else (c,) for c in ERL_CASES], ERL)


def test_ETF_files():
    """All that must be refused as a term must be refused as a body too."""
    files = sorted((SOURCE / "tests" / "data" / "malformed").glob("*.etf"))
    for file in files:
        response = HTTP.post(CALL, file.read_bytes(), ETF)
        check((response.status, response.json["code"]) in ((400, "bad-term"), (413, "too-deep"), (413, "body-too-large"), (422, "unsupported-by-peer")),
              file.stem, response)
        equal(response.json["sent"], False, f"{file.stem}: sent")
    refused(b"\x83h\x02a\x01", ETF, 400, "bad-term", offset=None)


def test_a_compressed_bomb():
    packer = zlib.compressobj(9)
    packed = packer.compress(b"m" + (256 << 20).to_bytes(4, "big"))
    for _ in range(256):
        packed += packer.compress(bytes(1 << 20))
    packed += packer.flush()
    before = GATE.rss()
    for claim in ((256 << 20) + 5, 5, 0xFFFFFFFF):
        response = HTTP.post(CALL, b"\x83P" + claim.to_bytes(4, "big") + packed, ETF)
        check((response.status, response.json["code"]) in ((413, "body-too-large"), (400, "bad-term")), response)
    check(GATE.rss() - before < (64 << 10) * peers.SLOWER, "grew by", GATE.rss() - before, "kB")


def test_a_million_brackets():
    for body, type in ((b"[" * MILLION, JSON), (b'{"a":' * 800_000, JSON), (b"[" * MILLION, ERL), (b"{" * MILLION, ERL),
                       (b'{"$tuple":[' * 300_000, JSON), (b"\x83" + b"h\x01" * MILLION, ETF), (b"\x83" + b"l\0\0\0\1" * 500_000, ETF),
                       (b"[" * MILLION + b"]" * MILLION, JSON), (b"#{a=>" * 500_000, ERL)):
        if len(body) > 4 << 20:
            body = body[:4 << 20]
        refused(body, type, 413, "too-deep")
    # Just under the limit is fine.
    equal(HTTP.post(CALL, "{echo, " + "[" * 500 + "]" * 500 + "}", ERL).status, 200, "500 levels")


def test_a_body_too_large():
    for type in (JSON, ERL, ETF):
        refused(b'"' + b"x" * (4 << 20) + b'"', type, 413, "body-too-large")
    # By its announcement alone.
    answer = raw(GATE.port, f"POST {CALL} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n".encode(), seconds=3)
    check(answer.startswith(b"HTTP/1.1 413 "), answer[:300])
    answer = raw(GATE.port, f"POST {CALL} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999999\r\n\r\n".encode(), seconds=3)
    check(re.match(rb"HTTP/1.1 4(00|13) ", answer), answer[:300])
    # In chunks, where nothing is announced.
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    answer = raw(GATE.port, f"POST {CALL} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunk * 5 + b"0\r\n\r\n",
                 seconds=3)
    check(answer.startswith(b"HTTP/1.1 413 "), answer[:300])


def test_integers_that_are_too_long():
    for type in (JSON, ERL):
        equal(HTTP.post(CAST, "9" * 10_000, type).status, 202, f"{type}: 10,000 digits")
        response = HTTP.post(CALL, "9" * 10_001, type)
        check(response.status in (400, 413) and response.json["sent"] is False, f"{type}: 10,001 digits: {response}")


def test_what_a_peer_cannot_take():
    old = GATE.process_path(OLD.node, "srv", "call")
    for term in ("{echo, #Port<a@b:68719476736:5>}", "{echo, #Pid<a@b:32768:0:5>}", "{echo, #Ref<a@b:5:1.2.3.4>}"):
        equal(HTTP.post(CALL, term, ERL).status, 200, f"{term} to OTP 27")
        refused(term, ERL, 422, "unsupported-by-peer", path=old)
    record = b"\x83C\x00\x00\x00\x00\x00w\x01rw\x02pt"
    for path in (CALL, old):
        response = HTTP.post(path, record, ETF)
        check(response.status in (400, 422) and response.json["sent"] is False, f"record: {response}")
    # An arity over 255 kills an OTP 27.
    wide = b"\x83qw\x01mw\x01fb\x00\x00\x01\x00"
    response = HTTP.post(CALL, wide, ETF)
    check(response.status in (400, 422), f"arity 256: {response}")
    for body, type in (("fun m:f/256", ERL), ('{"$fun": "m:f/256"}', JSON)):
        check(HTTP.post(CALL, body, type).status in (400, 422), f"{body}")


# ---- Heads


def test_media_types():
    for type in ("application/xml", "text/plain", "multipart/form-data; boundary=x", "application/octet-stream", "application/cbor", "nonsense", "a/b/c"):
        problem(HTTP.post(CALL, "1", type), 415, "unsupported-media-type", sent=False)
    for accept in ("image/png", "text/html", "application/xml;q=0.9", "application/json;q=0", "text/*;q=0"):
        problem(HTTP.post(CALL, "1", JSON, accept), 406, "not-acceptable", sent=False)


def test_a_foreign_host():
    for host in ("evil.example", "evil.example:80", f"127.0.0.1.evil.example:{GATE.port}", "localhost.evil.example", "192.0.2.1", "a27"):
        for method, path in (("GET", "/v1/self"), ("POST", CALL), ("GET", "/livez")):
            problem(HTTP.request(method, path, b"1" if method == "POST" else None, host_header=host), 421, "misdirected-host", sent=False)
    for host in (f"localhost:{GATE.port}", "localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80"):
        equal(HTTP.request("GET", "/v1/self", host_header=host).status, 200, host)
    for host in ("", "a b", "localhost:99999", "localhost/x", "@localhost"):
        check(HTTP.request("GET", "/v1/self", host_header=host).status in (400, 421), host)


def test_another_site():
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"},
                    {"Origin": f"http://localhost.evil.example:{GATE.port}"}):
        for method, path in (("GET", "/v1/nodes"), ("POST", CALL), ("DELETE", LINK)):
            problem(HTTP.request(method, path, b"1" if method == "POST" else None, headers), 403, "cross-site", sent=False)
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": f"http://127.0.0.1:{GATE.port}"}):
        equal(HTTP.request("GET", "/v1/self", headers=headers).status, 200, str(headers))


def test_parameters():
    for query in ("timeout=0", "timeout=-1", "timeout=abc", "timeout=1.5", "timeout=infinity", "timeout=", "timeout=1e3",
                  "timeout=1&timeout=2", "timeout=5%20", "unwrap=yes", "null=none", "keys=binary", "charlists=1", "bigints=yes", "tags=on", "nonsense=1",
                  "timeout", "%74imeout=0", "=", "unwrap=ok&unwrap=ok"):
        response = HTTP.post(f"{CALL}?{query}", "{echo, 1}", ERL)
        check(response.status == 400, query, response)
        found = problem(response, 400, "bad-parameter", sent=False)
        check("parameter" in found or query == "=", f"{query}: {found}")
    problem(HTTP.post(CALL, "1", ERL, Grpc_Timeout="5"), 400, "bad-parameter", sent=False)
    for query in ("timeout=86400000", "timeout=99999999999999999999999", "%74imeout=5000"):
        equal(HTTP.post(f"{CALL}?{query}", "{echo, 1}", ERL).status, 200, f"{query}: a long one is cut to the maximum")


def test_paths():
    for path in ("/v1/nope", "/v1", "/v2/self", "/v1/nodes/", "/v1/self/", "/v1//self", "/v1/nodes/a%40b/process", "/v1/pids", f"{CALL}/more", "/.."):
        check(HTTP.get(path).status == 404, path, HTTP.get(path))
    for path in ("/v1/nodes/%zz", "/v1/nodes/a%4", "/v1/nodes/%", f"/v1/nodes/{segment(PEER.node)}/processes/a%00b/call", "/v1/nodes/nohost",
                 "/v1/nodes/@host", "/v1/nodes/name@", "/v1/nodes/a%40b%40c%00", f"/v1/nodes/{'x' * 300}@h", f"{LINK}/processes/{'n' * 256}/call",
                 f"{LINK}/processes/%ff%fe/call", "/v1/pids/nonsense/call", "/v1/pids/a@b:1:2/call", "/v1/pids/a@b:x:y:z/call", "/v1/pids/:::/call",
                 "/v1/nodes/%ff@h"):
        method = "POST" if path.endswith("/call") else "GET"
        response = HTTP.request(method, path, b"1" if method == "POST" else None)
        check((response.status, response.json["code"]) in ((400, "bad-parameter"), (404, "not-found")), path, response)
        equal(response.json["sent"], False, path)


def test_methods():
    for method, path, allowed in (("GET", CALL, "POST"), ("PATCH", CALL, "POST"), ("DELETE", "/v1/self", "GET"), ("POST", LINK, "DELETE"),
                                  ("BREW", "/v1/nodes", "GET"), ("PUT", "/livez", "GET")):
        response = HTTP.request(method, path, b"" if method != "GET" else None)
        problem(response, 405, "method-not-allowed", sent=False)
        check(allowed in response.header("allow", ""), method, path, "Allow:", response.header("allow"))


def test_paths_that_are_nearly_one():
    process = f"{segment(PEER.node)}/{segment('kv')}"
    for status, method, path, meant in ((404, "POST", f"/v1/nodes/{process}/call", "POST /v1/nodes/{node}/processes/{name}/call"),
                                        (404, "POST", f"{LINK}/rpc/erlang:node", "POST /v1/nodes/{node}/rpc/{module}/{function}"),
                                        (404, "GET", "/nodes", "GET /v1/nodes"),
                                        (404, "GET", "/v1/node", "GET /v1/nodes"),
                                        (405, "POST", "/v1/groups/stores/call", "POST /v1/groups/{scope}/{group}/call"),
                                        (405, "POST", f"{LINK}/processes/kv", "POST /v1/nodes/{node}/processes/{name}/call")):
        response = HTTP.request(method, path, b"" if method == "POST" else None)
        equal(response.status, status, f"{method} {path}")
        check(f"; perhaps {meant} is meant." in response.json["detail"], path, response.json["detail"])
    for path in ("/v1/nope", "/wp-login.php"):
        check("perhaps" not in HTTP.get(path).json["detail"], path, HTTP.get(path).json)


def test_framing():
    """Two readers of it might disagree: refused, and the connection closed."""
    head = f"POST {CALL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {ERL}\r\n"
    for more in ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
                 "Content-Length: 3, 3\r\n\r\nabc", "Content-Length: -1\r\n\r\n", "Content-Length: 0x3\r\n\r\nabc", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                 "Content-Length: 3\n\r\nabc", "X-Folded: a\r\n b\r\nContent-Length: 3\r\n\r\nabc", "Bad Name: x\r\nContent-Length: 3\r\n\r\nabc",
                 "Host: localhost\r\nContent-Length: 3\r\n\r\nabc"):
        answer = raw(GATE.port, (head + more).encode() + b"GET /v1/self HTTP/1.1\r\nHost: localhost\r\n\r\n", seconds=5)
        check(re.match(rb"HTTP/1.1 (400|501) ", answer), repr(more), answer[:200])
        check(b"HTTP/1.1 200 " not in answer, repr(more), "was followed by an answer to what it hid", answer[-300:])
    for request in (b"GARBAGE\r\n\r\n", b"GET /v1/self HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET /v1/self HTTP/9.9\r\nHost: localhost\r\n\r\n"):
        answer = raw(GATE.port, request, seconds=1, half_close=True)
        check(not answer or re.match(rb"HTTP/1.[01] (400|505) ", answer), request, answer[:200])
    answer = raw(GATE.port, b"GET /v1/self HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n", seconds=5)
    check(answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.0 431 ")), answer[:200])
    answer = raw(GATE.port, b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", seconds=5)
    check(re.match(rb"HTTP/1.[01] (414|431|404) ", answer), answer[:200])


def test_a_body_that_breaks_off():
    for length, sent in ((100, b"{echo,"), (10, b"")):
        answer = raw(GATE.port, f"POST {CALL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {ERL}\r\nContent-Length: {length}\r\n\r\n".encode() + sent,
                     seconds=1, half_close=True)
        check(b" 200 " not in answer[:20], answer[:100])
    peers.eventually(lambda: GATE.self()["calls"] == 0, "no call is left")


def test_the_budget_of_atoms():
    gate = Gateway("small@localhost", GATE.cookie, f"127.0.0.1:{GATE.epmd_port}", GATE.epmd_port, ["--atom-budget", "12"])
    path = gate.process_path(PEER.node, "srv", "call")
    http = Http(gate.port)
    equal(http.post(path, "{echo, known}", ERL).status, 200, "first")
    codes = [http.post(path, f"{{echo, made_up_{i}}}", ERL) for i in range(20)]
    check(codes[0].status == 200, codes[0])
    problem(codes[-1], 422, "atom-budget-exceeded", sent=False)
    equal(http.post(path, "{echo, known}", ERL).status, 200, "what is known still works")
    for other in (f"/v1/nodes/{segment(PEER.node)}/processes/made_up_by_path/call", "/v1/pids/made@up:1:0:1/call"):
        problem(http.post(other, "{echo, known}", ERL), 422, "atom-budget-exceeded", sent=False)
    problem(http.post(path, '{"$atom": "made_up_by_json"}', JSON), 422, "atom-budget-exceeded", sent=False)
    problem(http.post(path, b"\x83w\x0emade_up_by_etf", ETF), 422, "atom-budget-exceeded", sent=False)
    gate.stop()


# ---- And afterwards


def test_the_link_is_the_same():
    equal(link_state(), link_state.before, "state, creation, times that it was lost")
    equal(OLD.eval("testpeer:downs(erlgate@localhost)"), "0", "links lost by OTP 23")
    equal(HTTP.post(CALL, "{echo, fine}", ERL, ERL).text.strip(), "fine", "a call")
    me = GATE.self()
    equal((me["calls"], me["processes"]), (0, AT_FIRST["processes"]), f"counts: {me}")
    check(len(PEER.output) == 0, "the node said:", *PEER.output[:5])
    equal(HTTP.post(CALL, "seen", ERL, ERL).text.strip().count("info"), 0, "nothing else reached the server")


def test_the_end():
    GATE.stop()


peers.main(globals())
