"""policy: what principals may do against real nodes of four releases; what a rule says holds for every way in which a target
can be named; what is refused has no effect, and its line in the audit; rules change by SIGHUP.
"""

import json
import os
import re
import signal
import subprocess
import urllib.parse

import peers
import played
from eventstream import EventStream
from peers import BIN, ERL, Gateway, Peer, check, equal, eventually, segment

RELEASES = ["23", "25", "27", "29"]
TOKENS = {}
TOKENS["ops"], TOKEN_FILE = peers.token_for("ops")
for who in ("billing", "dash", "nobody", "maker"):
    TOKENS[who], _ = peers.token_for(who, file=TOKEN_FILE)

RULES = """
rules:
  - name: the vault stays shut
    deny: "*"
    principals: "*"
    nodes: "*"
    targets: [name:vault, "name:vault é", global:vault, "group:*/vaults", "function:vault:*/*"]
  - name: billing talks to the ledger
    allow: [call, cast, send, exit, look, monitor]
    principals: billing
    nodes: ["p*@localhost"]
    targets: ["name:ledger*", global:ledger, "group:pg/ledgers"]
  - name: billing counts
    allow: rpc
    principals: billing
    nodes: ["p*@localhost"]
    targets: ["function:lists:sum/1", "function:erlang:abs/*"]
  - name: billing not at the third
    deny: "*"
    principals: billing
    nodes: p27@localhost
    targets: "*"
  - name: dash looks on
    allow: [nodes, epmd]
    principals: dash
    nodes: p23@localhost
  - name: dash lists names
    allow: names
    principals: dash
    nodes: "*"
    targets: "name:led*"
  - name: makers
    allow: spawn
    principals: [maker, billing]
  - name: makers' names
    allow: register
    principals: maker
    nodes: "*"
    targets: "name:made_*"
  - name: ops
    allow: "*"
    principals: ops
    nodes: "*"
    targets: "*"
"""

DIR = peers.temporary_dir()
POLICY, AUDIT = DIR / "policy.yaml", DIR / "audit.log"
POLICY.write_text(RULES)
GATE = Gateway(args=["--token-file", TOKEN_FILE, "--policy-file", POLICY, "--audit-file", AUDIT])
PEERS = {}
for release in RELEASES:
    PEERS[release] = Peer(release, f"p{release}@localhost", GATE.epmd_port, GATE.cookie)
for peer in PEERS.values():
    peer.ready()
    peer.eval("[testpeer:serve(N) || N <- [ledger, vault, 'vault \\x{e9}', other]].")


def ask(who, method, path, body=None, type=None, **headers):
    headers = {**headers, **({"Authorization": f"Bearer {TOKENS[who]}"} if who else {}), **({"Content-Type": type} if type else {})}
    if body is None and method in ("POST", "PUT"):
        body = b""
    return GATE.http.request(method, path, body, headers)


def call(who, node, name, how="call", query=""):
    return ask(who, "POST", f"/v1/nodes/{node}/processes/{name}/{how}{query}", "{echo, 1}", ERL)


def forbidden(response, *words):
    body = peers.problem(response, 403, "forbidden", sent=False)
    for word in words:
        check(word in body["detail"], word, "is to be in", body["detail"])
    return body


def audit(request_id):
    """The lines of the audit about it. One is written when the request is over, which its client may know before."""
    return eventually(lambda: [line for line in AUDIT.read_text().splitlines() if f"request_id={request_id}" in line],
                      f"the audit tells of {request_id}", 5)


def everywhere(test):
    def run():
        for release, peer in PEERS.items():
            test(peer, f"p{release}@localhost")
    run.__name__ = test.__name__
    return run


@everywhere
def test_the_first_rule_that_matches_decides(peer, node):
    if node == "p27@localhost":
        equal(call("billing", node, "ledger").status, 200, "an earlier rule allows it")
        forbidden(ask("billing", "POST", f"/v1/nodes/{node}/rpc/lists/max", "[[1]]", ERL), "billing not at the third")
        return
    equal(call("billing", node, "ledger").json, 1, "an echo")
    forbidden(call("billing", node, "other"), "No rule", "billing to call name:other at " + node)
    forbidden(call("billing", node, "vault"), "the vault stays shut", "name:vault")
    forbidden(call("ops", node, "vault"), "the vault stays shut")
    equal(call("ops", node, "other").json, 1, "an echo")
    equal(ask("billing", "POST", f"/v1/nodes/{node}/rpc/lists/sum", "[[1,2]]", ERL).json, 3, "a sum")
    forbidden(ask("billing", "POST", f"/v1/nodes/{node}/rpc/lists/max", "[[1]]", ERL), "function:lists:max")
    forbidden(ask("billing", "POST", f"/v1/nodes/{node}/rpc/lists/sum", "[[1], 2]", ERL), "function:lists:sum/2")
    forbidden(ask("dash", "POST", f"/v1/nodes/{node}/rpc/lists/sum", "[[1]]", ERL), "dash to rpc")
    for verb in ("cast", "send"):
        equal(call("billing", node, "ledger", verb).status, 202, verb)
        forbidden(call("billing", node, "vault", verb), "the vault")
    equal(ask("billing", "GET", f"/v1/nodes/{node}/processes/ledger").status, 200, "look")
    forbidden(ask("billing", "GET", f"/v1/nodes/{node}/processes/vault"))
    forbidden(call("billing", node, "vault", "exit"))
    check(peer.eval("is_pid(whereis(vault)).") == "true", "it lives")


# Each names the vault. None may get through, for anybody.
def spellings(node):
    n = node
    for name, query in [("vault", ""), ("%76ault", ""), ("%76%61%75%6c%74", ""), ("%76%61%75%6C%74", ""), ("vault", "?syntax=erlang"),
                        ("%27vault%27", "?syntax=erlang"), ("%27va%5Cx75lt%27", "?syntax=erlang"),
                        ("%27%5Cx%7B76%7Dault%27", "?syntax=erlang"), ("%27%5C166ault%27", "?syntax=erlang"),
                        ("%27vault%27.", "?syntax=erlang"), ("%20vault%20", "?syntax=erlang"), ("vault%0A", "?syntax=erlang"),
                        ("vault%20%25x%0A", "?syntax=erlang"), ("vault%20%C3%A9", ""), ("%27vault%20%5Cxe9%27", "?syntax=erlang"),
                        ("%27vault%20%5Cx%7B00e9%7D%27", "?syntax=erlang"), ("%27vault%20%C3%A9%27", "?syntax=erlang")]:
        yield "POST", f"/v1/nodes/{n}/processes/{name}/call{query}", "{echo,1}", ERL
        yield "GET", f"/v1/nodes/{n}/processes/{name}{query}", None, None
        yield "GET", f"/v1/nodes/{n}/processes/{name}/monitor{query}", None, None
        path = f"/nodes/{n}/processes/{name}{query}"
        yield "GET", "/v1/events?monitor=" + urllib.parse.quote(path, safe=""), None, None
        yield "GET", f"/v1/events?monitor=/nodes/{n}/processes/ledger&monitor=" + urllib.parse.quote(path, safe=""), None, None
    yield "POST", f"/v1/nodes/p%32{n[2:]}/processes/vault/call", "{echo,1}", ERL
    yield "POST", f"/v1/nodes/{n.replace('@', '%40')}/processes/vault/call", "{echo,1}", ERL
    for to in ({"node": n, "name": "vault"}, {"node": n, "name": "vault é"}):
        yield "POST", "/v1/call", {"to": to, "request": 1}, "application/json"
        yield "POST", "/v1/cast", {"request": 1, "to": to}, "application/json"
    yield "POST", "/v1/call", b'{"to": {"node": "' + n.encode() + b'", "name": "\\u0076ault"}, "request": 1}', "application/json"
    yield "POST", "/v1/exit", {"to": {"global": "vault"}, "request": "kill"}, "application/json"
    yield "POST", "/v1/call", {"to": {"global": {"$atom": "vault"}}, "request": 1}, "application/json"
    yield "POST", "/v1/call", {"to": {"global": {"$erl": "'va\\x75lt'"}}, "request": 1}, "application/json"
    yield "POST", "/v1/call", {"to": {"scope": "pg", "group": "vaults"}, "request": 1}, "application/json"
    yield "POST", "/v1/global/vault/call", "x", ERL
    yield "POST", "/v1/global/%27va%5Cx75lt%27/call?syntax=erlang", "x", ERL
    yield "POST", "/v1/groups/pg/vaults/cast", "x", ERL
    yield "GET", "/v1/events?monitor=/global/vault", None, None
    yield "POST", f"/v1/nodes/{n}/rpc/vault/open", "[]", ERL
    yield "POST", f"/v1/nodes/{n}/rpc/%27vault%27/open?syntax=erlang", "[]", ERL
    yield "POST", "/v1/rpc", {"to": {"node": n, "module": "vault", "function": "open"}, "request": []}, "application/json"
    yield "POST", "/v1/rpc/cast", {"to": {"node": n, "module": "vault", "function": "open"}, "request": []}, "application/json"


@everywhere
def test_no_other_spelling_dodges_a_rule(peer, node):
    before = peer.eval("[process_info(whereis(N), reductions) || N <- [vault, 'vault \\x{e9}']].")
    for method, path, body, type in spellings(node):
        for who in ("billing", "ops"):
            response = ask(who, method, path, body, type)
            check(response.status == 403, who, method, path, body, response)
    equal(peer.eval("[process_info(whereis(N), reductions) || N <- [vault, 'vault \\x{e9}']]."), before, "nothing came there")


def test_paths_that_are_none():
    """What could be taken for another path is not found, or is another name, which no rule allows."""
    for path in ("/v1/nodes/p25@localhost/processes/vault/call/", "/v1/nodes/p25@localhost/processes//vault/call",
                 "/v1/./nodes/p25@localhost/processes/vault/call", "/V1/nodes/p25@localhost/processes/vault/call",
                 "/v1/nodes/p25@localhost/processes/ledger/../vault/call", "/v1/nodes/p25@localhost/processes/ledger/%2e%2e/vault/call",
                 "/v1/nodes/p25@localhost/processes/vault;x/call", "/v1/nodes/p25@localhost/processes/Vault/call",
                 "/v1/nodes/p25@localhost/processes/vault%00/call", "/v1/nodes/p25@localhost/processes/ledger%2F..%2Fvault/call",
                 "//v1/nodes/p25@localhost/processes/vault/call", "/v1/nodes/P25@localhost/processes/ledger/call"):
        response = ask("billing", "POST", path, "x", ERL)
        check(response.status in (400, 403, 404, 405), path, response)


def test_a_pid_is_no_way_around():
    pid = PEERS["25"].eval("{raw, pid_to_list(whereis(vault))}.", kind=bytes).decode()
    _, number, serial = pid.strip("<>").split(".")
    creation = PEERS["25"].eval("erlang:system_info(creation).")
    text = f"p25@localhost:{number}:{serial}:{creation}"
    for method, path, body in (("POST", f"/v1/pids/{text}/call", "{echo,1}"), ("POST", f"/v1/pids/{text}/exit", "kill"),
                               ("GET", f"/v1/pids/{text}", None), ("GET", f"/v1/pids/{text}/monitor", None),
                               ("GET", f"/v1/events?monitor=/pids/{text}", None)):
        forbidden(ask("billing", method, path, body, ERL if body else None), "pid at p25@localhost")
    equal(ask("ops", "POST", f"/v1/pids/{text}/call", "{echo,1}", ERL).json, 1, "a rule for pids allows it")


def test_names_of_global_and_groups_are_asked_about_again():
    """Where they lead is known only when they have been found."""
    for release, peer in PEERS.items():
        allowed = release != "27"
        peer.eval("catch pg:start(pg)." if release != "23" else "ok.")
        if release == "23":
            continue
        peer.eval("pg:join(pg, ledgers, whereis(ledger)).")
        POLICY.write_text(RULES.replace('nodes: ["p*@localhost"]\n    targets: ["name:ledger*"', 'nodes: [p25@localhost, p29@localhost]\n    targets: ["name:ledger*"'))
        reload()
        peer.eval("yes = global:register_name(ledger, whereis(ledger)).")
        ask("ops", "PUT", f"/v1/nodes/{peer.node}")
        response = eventually(lambda: (lambda r: r if r.status != 404 else None)(ask("billing", "POST", "/v1/global/ledger/call", "{echo,1}", ERL)),
                              "global knows it", 10)
        if allowed:
            equal(response.json, 1, "an echo")
        else:
            forbidden(response, "global:ledger at p27@localhost")
        peer.eval("global:unregister_name(ledger).")
    answers = eventually(lambda: (lambda r: r if r.status == 200 and len(r.json) == 2 else None)(
        ask("billing", "POST", "/v1/groups/pg/ledgers/call?to=all", "{echo,1}", ERL)), "two of three members are asked", 10).json
    check("p27@" not in json.dumps(answers), answers)
    stream = EventStream(GATE.port, "/v1/groups/pg/ledgers/monitor", headers={"Authorization": f"Bearer {TOKENS['billing']}"})
    check("p27@" not in json.dumps(stream.next("monitor").data), "its members")
    for release in ("27", "25"):  # of the first not even that there was something
        PEERS[release].eval("pg:leave(pg, ledgers, whereis(ledger)).")
        eventually(lambda: f"p{release}@" not in ask("ops", "GET", "/v1/groups/pg/ledgers").text, "the gateway knows")  # pylint: disable=cell-var-from-loop
    check("p25@" in json.dumps(stream.next("leave").data), "what may be watched")
    stream.close()
    POLICY.write_text(RULES)
    reload()


def reload(succeeds=True):
    GATE.proc.send_signal(signal.SIGHUP)
    word = " reloaded " if succeeds else " reload-failed "
    def came():
        text = GATE.log.read_text()
        return word in text[len(reload.seen):] and text
    reload.seen = eventually(came, "it was reloaded", 5)


reload.seen = ""


def test_rules_change_and_a_bad_file_changes_nothing():
    equal(call("billing", "p25@localhost", "ledger").status, 200, "allowed")
    POLICY.write_text("rules: []\n")
    reload()
    forbidden(call("billing", "p25@localhost", "ledger"), "No rule")
    forbidden(call("ops", "p25@localhost", "ledger"), "No rule")
    POLICY.write_text("rules:\n- {allow: [cal], principals: a}\n")
    reload(succeeds=False)
    check("policy.yaml:2:12" in GATE.log.read_text() and "did you mean 'call'" in GATE.log.read_text(), "it says where")
    forbidden(call("ops", "p25@localhost", "ledger"), "No rule")
    POLICY.write_text(RULES)
    reload()
    equal(call("billing", "p25@localhost", "ledger").status, 200, "allowed")


def test_lists_show_what_may_be_seen():
    for release in RELEASES:
        equal(ask("ops", "PUT", f"/v1/nodes/p{release}@localhost").status, 200, "connected")
    equal([n["node"] for n in ask("dash", "GET", "/v1/nodes").json["nodes"]], ["p23@localhost"], "nodes")
    check({f"p{r}@localhost" for r in RELEASES} <= {n["node"] for n in ask("ops", "GET", "/v1/nodes").json["nodes"]}, "all")
    equal(ask("dash", "GET", "/v1/nodes/p23@localhost").status, 200, "one")
    forbidden(ask("dash", "GET", "/v1/nodes/p25@localhost"))
    forbidden(ask("dash", "GET", "/v1/nodes/never-heard-of@nowhere"))
    equal([n["name"] for n in ask("dash", "GET", "/v1/epmd").json["names"]], ["p23"], "epmd")
    equal(ask("dash", "GET", "/v1/nodes/p25@localhost/processes").json["names"], ["ledger"], "names")
    check("vault" not in ask("ops", "GET", "/v1/nodes/p25@localhost/processes").json["names"], "and not for ops either")
    forbidden(ask("billing", "GET", "/v1/nodes"))
    for path, method in (("/v1/nodes/p25@localhost", "PUT"), ("/v1/nodes/p25@localhost", "DELETE"), ("/v1/nodes/p25@localhost/ping", "GET")):
        forbidden(ask("dash", method, path))
    check(ask("ops", "GET", "/v1/nodes/p25@localhost").json["state"] == "connected", "still")


def test_processes_are_their_makers():
    mine = ask("maker", "POST", "/v1/processes", {"name": "made_here"}, "application/json")
    equal(mine.status, 201, f"{mine}")
    forbidden(ask("maker", "POST", "/v1/processes", {"name": "vault"}, "application/json"), "the vault")
    forbidden(ask("maker", "POST", "/v1/processes", {"name": "other"}, "application/json"), "maker to register name:other")
    forbidden(ask("dash", "POST", "/v1/processes", {}, "application/json"), "dash to spawn")
    path = f"/v1/processes/{mine.json['id']}"
    equal(ask("maker", "GET", path).status, 200, "its own")
    for who in ("billing",):
        for method, where, body in (("GET", path, None), ("DELETE", path, None), ("GET", path + "/events", None),
                                    ("DELETE", path + "/monitors/1", None), ("POST", path + "/replies/1", b"1")):
            peers.problem(ask(who, method, where, body, "application/json" if body else None), 404, "not-found")
        equal(ask(who, "GET", "/v1/processes").json["processes"], [], "none is its own")
        peers.problem(call(who, "p25@localhost", "ledger", "call", f"?from={mine.json['id']}"), 404, "not-found")
    forbidden(ask("maker", "POST", path + "/monitors", {"target": "/nodes/p25@localhost/processes/vault"}, "application/json"))
    forbidden(ask("maker", "POST", path + "/groups", {"target": "/groups/pg/vaults"}, "application/json"))
    equal(ask("ops", "GET", path).status, 200, "a rule shares it")
    equal(len(ask("ops", "GET", "/v1/processes").json["processes"]), 1, "and shows it")
    equal(ask("maker", "DELETE", path).status, 204, "ended")


def test_the_audit_tells_what_was_denied_and_what_changed():
    response = call("billing", "p25@localhost", "vault")
    line, = audit(response.header("x-request-id"))
    for word in (" audit ", "principal=billing", "operation=call", "node=p25@localhost", "target=name:vault", "decision=denied",
                 'rule="the vault stays shut"', "status=403"):
        check(word in line, word, "in", line)
    response = call("billing", "p25@localhost", "ledger")
    line, = audit(response.header("x-request-id"))
    for word in ("operation=call", "decision=allowed", 'rule="billing talks to the ledger"', "status=200"):
        check(word in line, word, "in", line)
    response = call("billing", "p25@localhost", "ledger-is-not-there")
    check("status=404" in audit(response.header("x-request-id"))[0], "its outcome")
    response = ask("ops", "POST", "/v1/nodes/p25@localhost/rpc/erlang/abs", "[-424242]", ERL)
    line, = audit(response.header("x-request-id"))
    check("target=function:erlang:abs/1" in line and "424242" not in line, line)
    response = ask("billing", "GET", "/v1/nodes/p25@localhost/processes/ledger")
    check(response.header("x-request-id") not in AUDIT.read_text(), "what was only looked at is not in it")
    moved = DIR / "audit.old"
    AUDIT.rename(moved)
    reload()
    response = call("billing", "p25@localhost", "ledger")
    audit(response.header("x-request-id"))
    check(response.header("x-request-id") not in moved.read_text(), "a new file is begun")


def test_what_is_denied_is_counted():
    def denied():
        text = ask("ops", "GET", "/metrics").text
        return {m[1]: int(m[2]) for m in re.finditer(r'^erlgate_policy_denied_total{operation="(\w+)"} (\d+)$', text, re.M)}

    before = denied()
    forbidden(call("billing", "p25@localhost", "vault", "cast"))
    forbidden(ask("dash", "PUT", "/v1/nodes/p25@localhost"))
    after = denied()
    equal({k: after[k] - before[k] for k in after if after[k] != before[k]}, {"cast": 1, "connect": 1}, "counted")


def test_an_audit_that_cannot_be_written():
    """A FIFO that nobody reads is waited for by nobody, and lines that are lost are told of in the log."""
    AUDIT.unlink()
    os.mkfifo(AUDIT)
    reload(succeeds=False)
    reader = os.open(AUDIT, os.O_RDONLY | os.O_NONBLOCK)
    reload()
    os.close(reader)
    for _ in range(3):
        equal(call("billing", "p25@localhost", "ledger").status, 200, "it goes on")
    lost = eventually(lambda: re.findall(r" audit-lost why=.*", GATE.log.read_text()), "the log tells", 5)
    equal(len(lost), 1, f"once: {lost}")
    reader = os.open(AUDIT, os.O_RDONLY | os.O_NONBLOCK)
    call("billing", "p25@localhost", "ledger")
    eventually(lambda: re.search(r" audit-goes-on lost=\d", GATE.log.read_text()), "the log tells how many", 5)
    os.close(reader)
    AUDIT.unlink()
    reload()


def test_what_is_denied_introduces_no_atom():
    before = ask("ops", "GET", "/v1/self").json["atoms_introduced"]
    for i in range(20):
        forbidden(ask("billing", "POST", f"/v1/nodes/p25@localhost/processes/unheard_{i}/call", f"'atom_{i}'", ERL))
        forbidden(ask("billing", "POST", "/v1/call", {"request": {"$atom": f"in_body_{i}"}, "to": {"node": "p25@localhost", "name": f"x_{i}"}}, "application/json"))
        forbidden(ask("billing", "POST", f"/v1/nodes/far_{i}@nowhere/rpc/mod_{i}/fun_{i}?syntax=erlang", "[1]", ERL))
        forbidden(ask("nobody", "POST", f"/v1/groups/scope_{i}/%7Bterm_{i}%7D/call?syntax=erlang", "x", ERL))
    equal(ask("ops", "GET", "/v1/self").json["atoms_introduced"], before, "atoms")
    check(not [n for n in ask("ops", "GET", "/v1/nodes").json["nodes"] if "nowhere" in n["node"]], "and nothing was dialled")


def test_every_route_asks():
    """Nobody may do anything; and whoever may do everything, elsewhere: no route lets them through."""
    document = ask("ops", "GET", "/openapi.json").json
    free = {"/v1/session", "/openapi.json", "/openapi.yaml", "/livez", "/readyz", "/healthz", "/", "/v1/policy/check", "/console"}
    elsewhere = RULES[:RULES.index("  - name: ops")] + """
  - name: elsewhere
    allow: "*"
    principals: ops
    nodes: elsewhere@nowhere
    targets: [name:elsewhere, global:elsewhere, group:else/where, "function:else:where/0", owner:else]
"""
    fill = {"node": "p25@localhost", "name": "ledger", "pid": "p25@localhost:1:0:1", "scope": "pg", "group": "g", "module": "lists",
            "function": "sum", "id": "0" * 32, "monitor": "1", "link": "1", "call": "1"}
    for rules, statuses in (("rules: []\n", (403,)), (elsewhere, (403, 404))):
        POLICY.write_text(rules)
        reload()
        for path, methods in document["paths"].items():
            if path in free:
                continue
            for method in methods:
                if method not in ("get", "post", "put", "delete"):
                    continue
                where = re.sub(r"\{(\w+)\}", lambda m: segment(fill[m.group(1)]), path)
                body = None
                if method == "post":
                    body = {"/v1/rpc": {"to": {"node": "p25@localhost", "module": "lists", "function": "sum"}, "request": []},
                            "/v1/rpc/cast": {"to": {"node": "p25@localhost", "module": "lists", "function": "sum"}, "request": []},
                            "/v1/processes": {}}.get(path, [] if "/rpc/" in path else {"to": {"node": "p25@localhost", "name": "ledger"}, "request": 1})
                if path == "/v1/events":
                    where += "?monitor=/nodes/p25@localhost"
                if rules != "rules: []\n" and path in ("/v1/nodes", "/v1/epmd"):
                    continue  # which are empty then, or of our own node
                response = ask("ops", method.upper(), where, body, "application/json" if body is not None else None)
                check(response.status in statuses, method, where, "is to be refused:", response)
    POLICY.write_text(RULES)
    reload()


def check_command(*args, rules=RULES):
    file = DIR / "offline.yaml"
    file.write_text(rules)
    return subprocess.run([BIN / "erlgate", "policy", "check", "--policy-file", file, *args], capture_output=True, text=True, check=False)


def test_policy_check_explains():
    body = {"operation": "call", "node": "p25@localhost", "target": "name:vault"}
    told = ask("billing", "POST", "/v1/policy/check", body, "application/json")
    equal(told.status, 200, f"{told}")
    equal((told.json["allowed"], told.json["rule"]["name"], told.json["principal"]), (False, "the vault stays shut", "billing"), f"{told}")
    body["target"] = "name:ledger"
    told = ask("billing", "POST", "/v1/policy/check", body, "application/json").json
    equal((told["allowed"], told["rule"]["name"]), (True, "billing talks to the ledger"), "allowed")
    equal([(r["name"], r["why"]) for r in told["before"]], [("the vault stays shut", "it is for other targets")], "why not")
    forbidden(ask("billing", "POST", "/v1/policy/check", {**body, "principal": "ops"}, "application/json"), "policy")
    told = ask("ops", "POST", "/v1/policy/check", {**body, "principal": "billing"}, "application/json").json
    equal((told["allowed"], told["principal"]), (True, "billing"), "of another")
    for bad in ({}, {"operation": "cal"}, {**body, "target": "ledger"}, {**body, "x": 1}, {"operation": "call", "target": "name:x"},
                {**body, "node": 5}, {**body, "target": "function:a:b/1"}):
        peers.problem(ask("ops", "POST", "/v1/policy/check", bad, "application/json"), 400, "bad-parameter")
    done = check_command("--as", "billing", "call", "p25@localhost", "name:ledger")
    equal(done.returncode, 0, done.stderr)
    check('allowed by rule "billing talks to the ledger"' in done.stdout and "offline.yaml:8" in done.stdout, done.stdout)
    done = check_command("--as", "billing", "call", "p25@localhost", "name:vault")
    equal(done.returncode, 6, done.stderr)
    check('denied by rule "the vault stays shut"' in done.stdout, done.stdout)
    done = check_command("--as", "nobody", "call", "p25@localhost", "name:x")
    equal(done.returncode, 6, done.stderr)
    check("denied: no rule matches" in done.stdout and "it is for other principals" in done.stdout, done.stdout)
    done = check_command("--as", "x", "cal", "a@b", "name:x")
    check(done.returncode == 2 and "did you mean 'call'" in done.stderr, done)
    done = check_command("--as", "x", "call", "kv", "name:x")
    check(done.returncode == 2 and "name@host" in done.stderr, done)
    done = check_command("--as", "x", "rpc", "a@b", "lists:sum/1")
    check(done.returncode == 2 and "it is written function:M:F/A" in done.stderr, done)
    done = check_command("--as", "x", "call", "a@b", "name:x", rules="rules: [1]")
    check(done.returncode == 2 and "offline.yaml:1:9" in done.stderr, done)


# ---- The other side ----------------------------------------------------------------------------------------------------------


def test_nodes_that_are_not_admitted_or_connected_to():
    POLICY.write_text(RULES + 'nodes: {admit: ["p2[0-9]@localhost", "p25@localhost"], connect: ["p29@localhost"]}\n')
    reload()
    eventually(lambda: (lambda s: s == {"p29@localhost"})(
        {n["node"] for n in ask("ops", "GET", "/v1/nodes").json["nodes"] if n["state"] == "connected"} | {"p29@localhost"}),
        "links that may not be any more end", 10)
    for release, peer in PEERS.items():
        if release == "29":
            continue
        eventually(lambda p=peer: p.eval("lists:member('erlgate@localhost', nodes(connected)).") == "false", "it has noticed", 10)
        equal(peer.eval("net_kernel:connect_node('erlgate@localhost')."), "true" if release == "25" else "false", f"admitted: {release}")
    text = GATE.log.read_text()
    check(re.search(r" link-refused node=p23@localhost by=them why=", text), "the log says so")
    check(" link-failed node=p23@localhost" not in text[text.index("link-refused"):], "and once")
    equal(ask("ops", "PUT", "/v1/nodes/p29@localhost").status, 200, "connected to")
    forbidden(ask("ops", "PUT", "/v1/nodes/p23@localhost"), "nodes.connect")
    forbidden(call("ops", "p23@localhost", "ledger"), "nodes.connect")
    equal(call("ops", "p25@localhost", "ledger").json, 1, "a node that has connected to us may be asked")
    POLICY.write_text(RULES)
    reload()
    equal(call("ops", "p23@localhost", "ledger").json, 1, "again")


def test_who_is_to_take_anothers_place_is_rechecked():
    """A second connection of a node was told `alive` and has not answered yet: the policy that ends the first ends it, too."""
    port, name = ask("ops", "GET", "/v1/self").json["dist_port"], "twice@localhost"
    first = played.dial(port, name, GATE.cookie)
    second = played.Link(played.connect(port), name, GATE.cookie)
    second.say(played.opening(name, played.PLAIN))
    equal(second.status(), b"alive", "status")
    POLICY.write_text(RULES + 'nodes: {admit: "p*@localhost"}\n')
    reload()
    check(first.is_closed(), "the first")
    check(second.is_closed(), "the second")
    POLICY.write_text(RULES)
    reload()


@everywhere
def test_a_peer_reaches_nothing_that_is_not_exposed(peer, node):
    equal(ask("ops", "PUT", f"/v1/nodes/{node}").status, 200, "connected")
    for m, f, a in (("erlang", "halt", "[]"), ("os", "cmd", '["id"]'), ("erlang", "apply", "[erlang, node, []]"), ("lists", "sum", "[[1]]"),
                    ("init", "stop", "[]"), ("file", "read_file", '["/etc/passwd"]')):
        got = peer.eval(f"catch rpc:call('erlgate@localhost', {m}, {f}, {a}).")
        check("badrpc" in got or "EXIT" in got, m, f, got)
        got = peer.eval(f"try erpc:call('erlgate@localhost', {m}, {f}, {a}) of V -> {{ran, V}} catch C:R -> {{C, R}} end.")
        check("ran" not in got, m, f, got)
    got = peer.eval("try R = monitor(process, spawn('erlgate@localhost', erlang, halt, [])), "
                    "receive {'DOWN', R, _, _, Why} -> Why after 3000 -> nothing end catch _:E -> E end.")
    check("notsup" in got, "spawned:", got)
    check(GATE.is_alive(), "the gateway lives")
    for name in ("init", "code_server", "application_controller", "file_server_2", "erl_prim_loader"):
        got = peer.eval(f"catch gen_server:call({{{name}, 'erlgate@localhost'}}, x, 2000).")
        check("noproc" in got, name, got)


def test_a_node_that_does_not_read_costs_no_other():
    """Its queue fills up to --max-queue and no further, is refused at once, and the others are served."""
    gate = Gateway("queue@localhost", GATE.cookie, f"127.0.0.1:{GATE.epmd_port}", GATE.epmd_port, ["--max-queue", "1048576"])
    stalled, well = PEERS["25"], PEERS["27"]
    for peer in (stalled, well):
        equal(gate.http.put(f"/v1/nodes/{peer.node}").status, 200, "connected")
    before = gate.rss()
    peers.freeze(stalled.proc.pid)
    try:
        body = json.dumps("x" * 100000)
        taken = 0
        while True:
            response = gate.http.post(gate.process_path(stalled.node, "ledger", "cast"), body, "application/json")
            if response.status != 202:
                break
            taken += 1
            check(taken < 1000, "it is never full")
        refusal = peers.problem(response, 503, "overloaded", sent=False)
        check("--max-queue" in refusal["detail"] and stalled.node in refusal["detail"], refusal)
        check(response.header("retry-after"), "it says when to come back")
        for _ in range(50):
            peers.problem(gate.http.post(gate.process_path(stalled.node, "ledger", "call"), body, "application/json"), 503, "overloaded")
            equal(gate.http.post(gate.process_path(well.node, "ledger", "call"), "{echo, 1}", ERL).json, 1, "another node")
        check(gate.rss() - before < 32 * 1024, "memory:", before, gate.rss())
        check(gate.node_info(stalled.node)["queued_bytes"] < 1048576 + 300000, gate.node_info(stalled.node))
    finally:
        stalled.proc.send_signal(signal.SIGCONT)
    eventually(lambda: gate.http.post(gate.process_path(stalled.node, "ledger", "call"), "{echo, 1}", ERL).status == 200, "it is served again", 15)
    print(f"        {taken} casts of 100 kB were taken before it was full")
    gate.stop()


def test_the_gateway_of_this_test_ends_well():
    GATE.stop()


if __name__ == "__main__":
    peers.main(globals(), limit=200)
