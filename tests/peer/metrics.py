"""GET /metrics beside real nodes: each thing that is done moves its counters by exactly so much, and nothing that clients
or nodes can choose makes more series than there is room for. promtool reads all of it."""

import json
import re
import signal
import socket
import subprocess
import time

import certs
import peers
import played
from peers import ERL, SLOWER, SOURCE, Gateway, Peer, check, equal, eventually

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


def parse(text):
    """{(name, ((label, value), …)): number}; each line is one that the format has."""
    samples, kinds = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            check(name not in kinds, "a second", line)
            kinds[name] = kind
            continue
        if line.startswith("# ") or not line:
            continue
        found = SAMPLE.match(line)
        check(found, "no sample:", line)
        name, labels, value = found.groups()
        pairs = tuple(sorted(LABEL.findall(labels or "")))
        check(not LABEL.sub("", labels or ""), "labels that are none:", line)
        check((name, pairs) not in samples, "a second", line)
        check(any(name == k or (kinds[k] == "histogram" and name in (k + "_bucket", k + "_sum", k + "_count")) for k in kinds),
              line, "is of no family")
        samples[name, pairs] = float(value)
    return samples


class Numbers:
    """What /metrics says now."""

    def __init__(self, gate, http=None):
        answer = (http or gate.http).get("/metrics")
        equal((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"), "/metrics")
        self.text = answer.text
        self.samples = parse(answer.text)

    def of(self, name, **labels):
        return self.samples.get((name, tuple(sorted((k.rstrip("_"), v) for k, v in labels.items()))), 0)

    def labels(self, name, label):
        return {dict(pairs)[label] for n, pairs in self.samples if n == name and label in dict(pairs)}

    def sum(self, name, **labels):
        wanted = set(labels.items())
        return sum(v for (n, pairs), v in self.samples.items() if n == name and wanted <= set(pairs))


def moved(gate, do, *ignored):
    """What do() has changed of the counters, but for those that each scrape and the passing of time change."""
    before = Numbers(gate)
    do()
    after = Numbers(gate)
    changes = {}
    for key, value in after.samples.items():
        name, pairs = key
        name_of_family = re.sub(r"_(bucket|sum|count)$", "", name)
        if not (name.endswith("_total") or name.endswith("_count")) or name.startswith(("process_", "erlgate_http_thread_")) or name in ignored:
            continue
        if ("route", "/metrics") in pairs or name_of_family in ignored:
            continue
        changed = value - before.samples.get(key, 0)
        if name == "erlgate_auth_admitted_total" or (("operation", "metrics") in pairs and name.startswith("erlgate_call")):
            changed -= 1  # the scrape itself
        if changed:
            changes[" ".join([name] + [f"{k}={v}" for k, v in pairs])] = changed
    return changes


GATE = Gateway(args=["--atom-budget", "100", "--max-body", "100000"])
PEER = Peer("27", "there@localhost", GATE.epmd_port, GATE.cookie).ready()
CALL = "/v1/nodes/{node}/processes/{name}/call"
# What goes over links besides what was asked for, and how large bodies are, is not told to the byte here.
TRAFFIC = ("erlgate_dist_bytes_total", "erlgate_dist_messages_total", "erlgate_dist_ticks_total", "erlgate_link_bytes_total",
           "erlgate_link_messages_total", "erlgate_link_ticks_total", "erlgate_transcoder_bytes_total",
           "erlgate_http_request_body_bytes_total", "erlgate_http_response_body_bytes_total", "erlgate_http_connections_opened_total",
           "erlgate_auth_admitted_total")


def ask(name, verb="call", body="ping", query="", node=None):
    return GATE.http.post(f"/v1/nodes/{node or PEER.node}/processes/{name}/{verb}{query}", body, ERL)


def routed(route, method, status, operation, outcome, code=None, times=1):
    """The changes that one request makes."""
    changes = {
        f"erlgate_http_requests_total method={method} route={route} status={status}": times,
        f"erlgate_http_request_duration_seconds_count method={method} route={route}": times,
        f"erlgate_calls_total operation={operation} outcome={outcome}": times,
        f"erlgate_call_duration_seconds_count operation={operation}": times,
    }
    if code:
        changes[f"erlgate_http_problems_total code={code}"] = times
    return changes


def test_promtool_finds_nothing_wrong():
    equal(ask("nobody", "cast").status, 202, "a cast")
    said = subprocess.run(["promtool", "check", "metrics"], input=Numbers(GATE).text, capture_output=True, text=True, check=False)
    equal((said.returncode, said.stdout, said.stderr), (0, "", ""), "promtool check metrics")


def test_Accept_picks_OpenMetrics():
    answer = GATE.http.get("/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
    equal(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8", "its type")
    check(answer.text.endswith("\n# EOF\n"), answer.text[-100:])
    check("# TYPE erlgate_http_requests counter\n" in answer.text, "the family's name is without _total")
    check("\nerlgate_http_requests_total{" in answer.text, "the samples' is not")
    head = GATE.http.request("HEAD", "/metrics")
    equal((head.status, head.body), (200, b""), "HEAD")


def test_each_outcome_of_a_call_is_told_apart():
    PEER.eval("register(echo, spawn(fun F() -> receive {'$gen_call', {P, T}, die} -> exit(died); {'$gen_call', _, wait} -> F(); "
              "{'$gen_call', {P, T}, R} -> gen:reply({P, T}, R), F(); _ -> F() end end))")
    equal(ask("echo").status, 200, "the link is up, and the atoms are known")
    equal(moved(GATE, lambda: equal(ask("echo").status, 200), *TRAFFIC), routed(CALL, "POST", 200, "call", "ok"), "ok")
    equal(moved(GATE, lambda: equal(ask("nobody").status, 404), *TRAFFIC), routed(CALL, "POST", 404, "call", "noproc", "noproc"), "noproc")
    equal(moved(GATE, lambda: equal(ask("echo", body="wait", query="?timeout=50").status, 504), *TRAFFIC),
          routed(CALL, "POST", 504, "call", "timeout", "timeout"), "timeout")
    equal(moved(GATE, lambda: equal(ask("echo", body="die").status, 502), *TRAFFIC),
          routed(CALL, "POST", 502, "call", "callee-exit", "callee-exit"), "callee-exit")
    equal(moved(GATE, lambda: equal(ask("echo", body="{").status, 400), *TRAFFIC),
          routed(CALL, "POST", 400, "call", "bad-term", "bad-term"), "bad-term")
    equal(moved(GATE, lambda: equal(ask("echo", node="nowhere@localhost").status, 503), *TRAFFIC),
          {**routed(CALL, "POST", 503, "call", "no-connection", "no-connection"), "erlgate_links_failed_total reason=no-node": 1}, "no node")


def test_each_operation_has_its_name():
    for verb in ("cast", "send"):
        equal(moved(GATE, lambda v=verb: equal(ask("nobody", v).status, 202), *TRAFFIC),
              routed(CALL.replace("call", verb), "POST", 202, verb, "ok"), verb)
    path = "/v1/nodes/{node}/rpc/{module}/{function}"
    equal(moved(GATE, lambda: equal(GATE.http.post(f"/v1/nodes/{PEER.node}/rpc/erlang/node", "[]", ERL).status, 200), *TRAFFIC),
          routed(path, "POST", 200, "rpc", "ok"), "rpc")
    equal(moved(GATE, lambda: equal(GATE.http.get(f"/v1/nodes/{PEER.node}/ping").status, 200), *TRAFFIC),
          routed("/v1/nodes/{node}/ping", "GET", 200, "ping", "ok"), "ping")
    equal(moved(GATE, lambda: equal(GATE.http.get("/v1/nodes").status, 200), *TRAFFIC),
          routed("/v1/nodes", "GET", 200, "nodes", "ok"), "nodes")


def unrouted(method, status, code):
    return {f"erlgate_http_requests_total method={method} route=none status={status}": 1,
            f"erlgate_http_request_duration_seconds_count method={method} route=none": 1,
            f"erlgate_http_problems_total code={code}": 1}


def test_each_refusal_is_told_apart():
    get = GATE.http.get
    equal(moved(GATE, lambda: equal(get("/nowhere").status, 404), *TRAFFIC), unrouted("GET", 404, "not-found"), "no such path")
    equal(moved(GATE, lambda: equal(GATE.http.delete("/v1/nodes").status, 405), *TRAFFIC),
          unrouted("DELETE", 405, "method-not-allowed"), "no such method")
    equal(moved(GATE, lambda: equal(GATE.http.request("BREW", "/v1/nodes").status, 405), *TRAFFIC),
          unrouted("other", 405, "method-not-allowed"), "no method at all")
    equal(moved(GATE, lambda: equal(GATE.http.request("GET", "/v1/nodes", host_header="evil.example").status, 421), *TRAFFIC),
          unrouted("GET", 421, "misdirected-host"), "another host")
    equal(moved(GATE, lambda: equal(GATE.http.post("/v1/call", "{}", Sec_Fetch_Site="cross-site").status, 403), *TRAFFIC),
          unrouted("POST", 403, "cross-site"), "another site")
    limit = "erlgate_limit_refusals_total limit="
    big = routed(CALL, "POST", 413, "call", "body-too-large", "body-too-large")
    equal(moved(GATE, lambda: equal(ask("echo", body="x" * 100001).status, 413), *TRAFFIC), {**big, limit + "max_body": 1}, "a large body")
    deep = routed(CALL, "POST", 413, "call", "too-deep", "too-deep")
    equal(moved(GATE, lambda: equal(ask("echo", body="[" * 1000 + "]" * 1000).status, 413), *TRAFFIC), {**deep, limit + "max_depth": 1},
          "a deep body")
    equal(moved(GATE, lambda: equal(get("/v1/nodes", X="x" * 17000).status, 431), *TRAFFIC),
          {**unrouted("GET", 431, "headers-too-large"), limit + "max_headers": 1}, "large headers")
    malformed = lambda: peers.raw(GATE.port, b"POST /v1/call HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
                                             b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", seconds=2)
    equal(moved(GATE, malformed, *TRAFFIC), {**unrouted("POST", 400, "bad-parameter"), "erlgate_http_malformed_total": 1}, "two framings")


def test_a_client_that_leaves_is_gone():
    PEER.eval("register(mute, spawn(fun() -> receive never -> ok end end))")
    equal(ask("mute", "cast").status, 202, "known")

    def leave():
        path = f"/v1/nodes/{PEER.node}/processes/mute/call?timeout=60000"
        with socket.create_connection(("127.0.0.1", GATE.port)) as s:
            s.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[]".encode())
            eventually(lambda: Numbers(GATE).of("erlgate_calls_in_flight") == 1, "it waits")
        eventually(lambda: Numbers(GATE).of("erlgate_calls_total", operation="call", outcome="gone") > before, "it is noticed")

    before = Numbers(GATE).of("erlgate_calls_total", operation="call", outcome="gone")
    leave()
    equal(Numbers(GATE).of("erlgate_calls_total", operation="call", outcome="gone"), before + 1, "gone")
    equal(Numbers(GATE).of("erlgate_http_requests_total", route=CALL, method="POST", status="gone"), before + 1, "by status")


def test_late_replies_are_counted():
    PEER.eval("register(slow, spawn(fun F() -> receive {'$gen_call', {P, T}, _} -> "
              "receive go -> ok end, P ! {case T of [alias | A] -> [alias | A]; _ -> T end, late}, F() end end))")
    before = Numbers(GATE)
    equal(ask("slow", query="?timeout=50").status, 504, "too late")
    PEER.eval("slow ! go")
    eventually(lambda: Numbers(GATE).sum("erlgate_late_replies_total") + Numbers(GATE).sum("erlgate_unknown_messages_total")
               == before.sum("erlgate_late_replies_total") + before.sum("erlgate_unknown_messages_total") + 1, "the late reply is counted")


def test_streams_and_processes():
    before = Numbers(GATE)
    made = [GATE.http.post("/v1/processes", "{}", "application/json").json["id"] for _ in range(3)]
    now = Numbers(GATE)
    for name in ("erlgate_client_processes", "erlgate_streams", "erlgate_processes"):
        equal(now.of(name) - before.of(name), 3, name)
    with socket.create_connection(("127.0.0.1", GATE.port), timeout=10 * SLOWER) as s:
        s.sendall(f"GET /v1/processes/{made[0]}/events HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n".encode())
        eventually(lambda: Numbers(GATE).of("erlgate_stream_readers") == 1, "it is read")
        tie = GATE.http.post(f"/v1/processes/{made[0]}/monitors", {"target": f"/nodes/{PEER.node}/processes/nobody"}, "application/json")
        check(tie.status in (200, 201), tie)
        eventually(lambda: Numbers(GATE).of("erlgate_stream_events_total") > before.of("erlgate_stream_events_total"), "an event")
    for ident in made:
        equal(GATE.http.delete(f"/v1/processes/{ident}").status, 204, "DELETE")
    eventually(lambda: Numbers(GATE).of("erlgate_client_processes") == before.of("erlgate_client_processes"), "they end")


def test_bytes_of_a_link_are_what_Erlang_counts():
    """inet:getstat of the socket, at the other end."""
    for _ in range(20):
        equal(ask("echo2", "send", '"' + "x" * 1000 + '"').status, 202, "send")
    link = ("[P] = [P || P <- erlang:ports(), {name, \"tcp_inet\"} <- [erlang:port_info(P, name)], "
            "{links, L} <- [erlang:port_info(P, links)], L =/= [], erlang:port_info(P, connected) =/= undefined, "
            f"{{ok, O}} <- [net_kernel:node_info('{GATE.node}', owner)], erlang:port_info(P, connected) =:= {{connected, O}}], "
            "{ok, [{recv_oct, R}, {send_oct, S}]} = inet:getstat(P, [recv_oct, send_oct]), {R, S}")

    def agree():
        theirs = [int(n) for n in re.findall(r"\d+", PEER.eval(link))]
        now = Numbers(GATE)
        ours = [now.of("erlgate_link_bytes_total", node=PEER.node, direction=d) for d in ("out", "in")]
        return all(abs(a - b) <= 64 for a, b in zip(ours, theirs)) and ours
    ours = eventually(agree, "both ends count the same bytes")
    check(ours[0] > 20000, "bytes", ours)


def test_links_that_come_and_go():
    other = Peer("25", "other@localhost", GATE.epmd_port, GATE.cookie).ready()
    before = Numbers(GATE)
    equal(GATE.http.put(f"/v1/nodes/{other.node}").status, 200, "connect")
    now = Numbers(GATE)
    equal(now.of("erlgate_links_up_total", by="us") - before.of("erlgate_links_up_total", by="us"), 1, "by us")
    equal(now.of("erlgate_links", state="up") - before.of("erlgate_links", state="up"), 1, "up")
    equal(now.of("erlgate_link_up", node=other.node), 1, "by name")
    total = now.of("erlgate_dist_bytes_total", direction="in")
    other.kill()
    eventually(lambda: Numbers(GATE).of("erlgate_links", state="up") == before.of("erlgate_links", state="up"), "down")
    now = Numbers(GATE)
    equal(now.sum("erlgate_links_down_total") - before.sum("erlgate_links_down_total"), 1, "down, by reason")
    check(other.node not in now.labels("erlgate_link_up", "node"), "a node that is gone has no series")
    check(now.of("erlgate_dist_bytes_total", direction="in") >= total, "the sum does not shrink")


def test_EPMD():
    now = Numbers(GATE)
    equal((now.of("erlgate_epmd_registered"), now.of("erlgate_epmd_info", mode="embedded"), now.of("erlgate_ready")), (1, 1, 1), "registered")
    equal(now.of("erlgate_epmd_names"), len(GATE.http.get("/v1/epmd").json["names"]), "names")


def test_the_process():
    now = Numbers(GATE)
    check(abs(now.of("process_resident_memory_bytes") / 1024 - GATE.rss()) < 4096, "resident memory", GATE.rss())
    check(abs(now.of("process_open_fds") - GATE.fds()) <= 2, "descriptors", GATE.fds())
    check(abs(now.of("process_start_time_seconds") - time.time()) < 600 * SLOWER, "start")
    check(0 < now.of("process_cpu_seconds_total") < 600, "processor time")


def test_quantiles_can_be_had_of_histograms():
    now = Numbers(GATE)
    families = {n[:-len("_count")] for n, _ in now.samples if n.endswith("_seconds_count")}
    equal(families, {"erlgate_http_request_duration_seconds", "erlgate_call_duration_seconds"}, "histograms")
    for (name, pairs), count in now.samples.items():
        if not name.endswith("_seconds_count"):
            continue
        family = name[:-len("_count")]
        buckets = sorted((float(dict(p)["le"]), v) for (n, p), v in now.samples.items()
                         if n == family + "_bucket" and set(pairs) <= set(p))
        equal(buckets[-1], (float("inf"), count), "the last bucket")
        check(all(a[1] <= b[1] for a, b in zip(buckets, buckets[1:])), "buckets shrink", buckets)


def timing_of(answer):
    """{stage: ms} of Server-Timing."""
    stages = [part.strip().split(";dur=") for part in answer.header("server-timing", "").split(",") if part]
    return {name: float(ms) for name, ms in stages}


def test_Server_Timing_says_where_the_time_went():
    PEER.eval("register(timed, spawn(fun F() -> receive {'$gen_call', From, R} -> gen:reply(From, R), F() end end))")
    path = f"/v1/nodes/{PEER.node}/processes/{{}}/call"
    equal(GATE.http.post(path.format("timed"), "ping", ERL).header("server-timing"), None, "not asked for")
    for prefer in ("timing", "wait=5, timing", "Timing;x=1"):
        stages = timing_of(GATE.http.post(path.format("timed"), "ping", ERL, Prefer=prefer))
        equal(list(stages), ["read", "auth", "decode", "node", "encode", "total"], prefer)
        check(abs(sum(stages.values()) - 2 * stages["total"]) < 0.01, "the stages are the total", stages)
    stages = timing_of(GATE.http.post(path.format("mute") + "?timeout=100", "ping", ERL, Prefer="timing"))
    equal(list(stages), ["read", "auth", "decode", "node", "total"], "an error of the node")
    check(stages["node"] >= 95, "the wait is the node's", stages)
    equal(list(timing_of(GATE.http.get("/livez", Prefer="timing"))), ["read", "encode", "total"], "/livez")
    equal(list(timing_of(GATE.http.get("/nowhere", Prefer="timing"))), ["read", "total"], "no route")
    equal(list(timing_of(GATE.http.get(f"/v1/nodes/{PEER.node}/ping", Prefer="timing"))), ["read", "auth", "node", "total"], "a ping")
    check("server-timing" not in GATE.http.get("/livez", Prefer="timings, x=timing").headers, "another preference")


def test_reloads():
    there = peers.temporary_dir() / "erlgate.yaml"
    there.write_text("log-level: info\n")
    gate = Gateway(node="reloads@localhost", epmd="none", args=["--config", str(there)])
    now = Numbers(gate)
    equal((now.sum("erlgate_config_reloads_total"), now.of("erlgate_config_last_reload_successful")), (0, 1), "at the start")
    check(abs(now.of("erlgate_config_last_reload_success_timestamp_seconds") - time.time()) < 60 * SLOWER, "read at the start")
    there.write_text("log-level: loud\n")
    gate.proc.send_signal(signal.SIGHUP)
    eventually(lambda: Numbers(gate).of("erlgate_config_reloads_total", result="failed") == 1, "a bad file")
    equal(Numbers(gate).of("erlgate_config_last_reload_successful"), 0, "the last one")
    there.write_text("log-level: warn\n")
    gate.proc.send_signal(signal.SIGHUP)
    eventually(lambda: Numbers(gate).of("erlgate_config_reloads_total", result="ok") == 1, "a good one")
    equal(Numbers(gate).of("erlgate_config_last_reload_successful"), 1, "the last one")
    gate.stop()


def test_who_may_read_it():
    token, file = peers.token_for("scraper")
    gate = Gateway(node="guarded@localhost", epmd="none", args=["--token-file", str(file)])
    equal(gate.http.get("/metrics").status, 401, "without a token")
    equal(gate.http.get("/metrics", Authorization="Bearer wrong").status, 401, "with a wrong one")
    answer = gate.http.get("/metrics", Authorization=f"Bearer {token}")
    equal(answer.status, 200, "with a token")
    refused = parse(answer.text)
    equal(refused["erlgate_auth_refusals_total", (("why", "nothing-shown"),)], 1, "nothing shown")
    equal(sum(v for (n, _), v in refused.items() if n == "erlgate_auth_refusals_total"), 2, "refusals")
    equal(refused["erlgate_http_problems_total", (("code", "unauthenticated"),)], 2, "by code")
    equal(refused["erlgate_auth_admitted_total", (("by", "token"),)], 1, "admitted")
    check("scraper" not in answer.text and token not in answer.text, "a principal or a token is no label")
    gate.stop()
    admin = peers.free_port()
    gate = Gateway(node="admin@localhost", epmd="none", args=["--token-file", str(file), "--admin-listen", f"127.0.0.1:{admin}"])
    equal(gate.http.get("/metrics", Authorization=f"Bearer {token}").status, 404, "where all is served")
    equal(peers.Http(admin).get("/metrics").status, 200, "where health and metrics are")
    gate.stop()


# ---- What is made of it: the board and the alerts

WORDS = {"by", "on", "sum", "rate", "topk", "time", "max", "increase", "changes", "histogram_quantile", "group_left", "or", "label_values",
         "Inf", "up"}


def expressions():
    """(where, query) of the board and of the alert rules."""
    board = json.loads((SOURCE / "docker" / "grafana" / "erlgate.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    rules = (SOURCE / "docker" / "prometheus" / "alerts.yml").read_text()
    for name, rule in re.findall(r"- alert: (\w+)\n((?:        .*\n)+)", rules):
        expr = re.search(r"expr:(.*\n(?:          .*\n)*)", rule).group(1)
        yield name, expr.replace(">-", " ")


def names_in(query):
    """Names of series, and of labels with the series that they are matched on or summed by."""
    series = set(re.findall(r"(?:erlgate|process)_[a-z_]+", query))
    bare = re.sub(r'\{[^}]*\}|\[[^]]*\]|"[^"]*"|(?:by|on|group_left) \([^)]*\)', " ", query)
    strange = {w for w in re.findall(r"[a-zA-Z_]\w*", bare) if not w.startswith(("erlgate_", "process_"))} - WORDS
    check(not strange, "words that are no series:", strange, query)
    labels = set(re.findall(r'(\w+)(?:=~|=|!=|!~)"', query))
    for group in re.findall(r"by \(([^)]*)\)", query):
        labels |= {w.strip() for w in group.split(",")}
    return series, labels - {"instance", "job"}


def test_each_series_of_the_board_and_the_alerts_exists():
    """On a gateway to which all that they ask for has happened, and one that has certificates."""
    ca, admin = certs.Ca(), peers.free_port()
    leaf = ca.issue()
    gate = Gateway(node="all@localhost", wait=False,
                   args=["--admin-listen", f"127.0.0.1:{admin}", "--tls-cert", leaf[0], "--tls-key", leaf[1], *certs.gateway_args(ca, leaf)])
    eventually(lambda: peers.accepts(admin), "it listens")
    secure = parse(eventually(lambda: peers.Http(admin).get("/metrics"), "metrics").text)
    gate.stop()
    equal((ask("nobody").status, ask("x", node="nowhere@localhost").status), (404, 503), "a link, and one that failed")
    other = Peer("29", "fleeting@localhost", GATE.epmd_port, GATE.cookie).ready()
    equal(GATE.http.put(f"/v1/nodes/{other.node}").status, 200, "a link that is lost")
    other.kill()
    eventually(lambda: Numbers(GATE).sum("erlgate_links_down_total") > 0, "it is lost")
    samples = {**Numbers(GATE).samples, **secure}
    labels_of = {}
    for name, pairs in samples:
        labels_of.setdefault(name, set()).update(k for k, _ in pairs)
    used, count = set(), 0
    for where, query in expressions():
        series, labels = names_in(query)
        check(series or "up{" in query, where, "asks for nothing of ours:", query)
        for name in series:
            check(name in labels_of, where, "asks for", name, "which does not exist")
        there_are = set().union(*(labels_of[n] for n in series)) if series else set()
        check(labels <= there_are, where, "uses labels that do not exist:", labels - there_are, query)
        used |= series
        count += 1
    check(count > 60, "only", count, "queries")
    print(f"{count} queries of {len(used)} series")


def test_each_panel_has_its_place_and_threads_have_panels():
    panels = json.loads((SOURCE / "docker" / "grafana" / "erlgate.json").read_text())["panels"]
    equal(len({p["id"] for p in panels}), len(panels), "ids")
    cells = [(x, y) for p in panels for g in [p["gridPos"]] for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])]
    equal(len(set(cells)), len(cells), "cells that panels have")
    check(max(x for x, _ in cells) < 24, "a panel beside the board")
    equal([p["gridPos"]["y"] for p in panels], sorted(p["gridPos"]["y"] for p in panels), "from top to bottom")
    shown = set().union(*(names_in(query)[0] for _, query in expressions()))
    threads = {name for name, _ in Numbers(GATE).samples if name.startswith("erlgate_http_thread_")}
    check(len(threads) == 3 and threads <= shown, "not on the board:", threads - shown)


def test_promtool_finds_nothing_wrong_with_the_rules():
    for words in (["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(["promtool", *words], cwd=SOURCE / "docker" / "prometheus", capture_output=True, text=True, check=False)
        equal(done.returncode, 0, f"promtool {' '.join(words)}: {done.stdout} {done.stderr}")
    tested = re.findall(r"alertname: (\w+)\n        exp_alerts:\n          -", (SOURCE / "docker/prometheus/alerts_test.yml").read_text())
    alerts = re.findall(r"alert: (\w+)", (SOURCE / "docker/prometheus/alerts.yml").read_text())
    equal(tested, alerts, "each alert has a test that raises it")
    # The board's queries are PromQL, too.
    queries = [q.replace("$__rate_interval", "1m").replace("$instance", ".*") for _, q in expressions()]
    file = peers.temporary_dir() / "board.yml"
    file.write_text(json.dumps({"groups": [{"name": "board", "rules": [{"record": f"board:{n}", "expr": q} for n, q in enumerate(queries)]}]}))
    done = subprocess.run(["promtool", "check", "rules", "--lint=none", file], capture_output=True, text=True, check=False)
    equal(done.returncode, 0, f"the board's queries: {done.stdout} {done.stderr}")


def test_nodes_have_series_as_far_as_there_is_room():
    """1,000 nodes, played: 200 of them have series, and the sums count all of them."""
    gate = Gateway(node="many@localhost")
    port = gate.self()["dist_port"]
    links = [played.dial(port, f"n{n}@localhost", gate.cookie, played.PLAIN) for n in range(max(250, 1000 // SLOWER))]
    eventually(lambda: Numbers(gate).of("erlgate_links", state="up") == len(links), "all are up")
    began = time.monotonic()
    one = Numbers(gate)
    print(f"{(time.monotonic() - began) * 1000:.1f} ms with {len(links)} links")
    two = Numbers(gate)
    equal(len(one.labels("erlgate_link_up", "node")), 200, "nodes with series")
    dropped = two.of("erlgate_metrics_dropped_series_total") - one.of("erlgate_metrics_dropped_series_total")
    equal(dropped, 9 * (len(links) - 200), "what was left out")
    equal(one.of("erlgate_links_up_total", by="them"), len(links), "the sum")
    check(one.of("erlgate_dist_bytes_total", direction="in") > one.sum("erlgate_link_bytes_total", direction="in"), "bytes of all")
    for link in links:
        link.close()
    eventually(lambda: not Numbers(gate).labels("erlgate_link_up", "node"), "all are gone")
    equal(Numbers(gate).sum("erlgate_links_down_total"), len(links), "each is counted")
    gate.stop()


def test_a_scrape_costs_the_same_with_thousands_of_streams():
    gate = Gateway(node="streams@localhost", epmd="none")

    def scrape():
        began = time.monotonic()
        numbers = Numbers(gate)
        return time.monotonic() - began, len(numbers.samples)
    gate.http.post("/v1/processes", "{}", "application/json")
    few = min(scrape() for _ in range(20))
    for _ in range(5000 // SLOWER):
        equal(gate.http.post("/v1/processes", "{}", "application/json").status, 201, "a process")
    many = min(scrape() for _ in range(20))
    equal(Numbers(gate).of("erlgate_streams"), 5000 // SLOWER + 1, "streams")
    equal(many[1], few[1], "series")
    print(f"{few[0] * 1000:.1f} ms with one stream, {many[0] * 1000:.1f} ms with {5000 // SLOWER}; {few[1]} series")
    check(many[0] < 3 * few[0] + 0.005, "it takes longer", few, many)
    gate.stop()


def test_names_of_strangers_are_no_series():
    """10,000 different paths, nodes, names, atoms and hosts: as many series as before."""
    equal(GATE.http.get("/nowhere").status, 404, "each kind is there once")
    before = None
    for n in range(10000 // SLOWER):
        ident = f"stranger{n}"
        kind = n % 5
        if kind == 0:
            GATE.http.get(f"/{ident}/{ident}")
        elif kind == 1:
            GATE.http.post(f"/v1/nodes/{PEER.node}/processes/{ident}/call", "x", ERL)
        elif kind == 2:
            ask("x", node=f"{ident}@localhost")
        elif kind == 3:
            GATE.http.request(f"M{n}", "/v1/nodes", host_header=f"{ident}.example")
        else:
            GATE.http.post(f"/v1/nodes/{PEER.node}/processes/echo/cast", ident, ERL)
        if n == 199:
            before = Numbers(GATE)
    after = Numbers(GATE)
    new = {k for k in after.samples if k not in before.samples}
    # After the first few the atom budget is used up, which is an outcome of its own.
    check(all("atom-budget" in str(k) or "422" in str(k) for k in new), "new series", sorted(new)[:20])
    check("stranger" not in after.text, "a name of a stranger is a label")
    check(len(after.samples) < 8000, "series", len(after.samples))
    check(after.of("erlgate_limit_refusals_total", limit="atom_budget") > 1000 // SLOWER, "the budget's refusals")


def at_end():
    PEER.stop()
    GATE.stop()


if __name__ == "__main__":
    peers.main(globals(), limit=180)
