"""Several nodes at once, hidden and visible gateways, gateways among themselves, and ways to find each other."""

import os
import re
import time

import peers
from cnode import CNode
from peers import ERL, TYPED, Epmd, Gateway, check, end, equal, eventually, problem, segment, serving


def reaches(gate, peer):
    response = gate.call(peer.node, "srv", "{echo, [here]}", accept=ERL)
    equal((response.status, response.text.strip()), (200, "[here]"), f"{gate.node} calls {peer.node}")


def hidden_among(releases):
    """Nodes that know each other, and a hidden gateway that knows all: nobody is cut off."""
    gate = Gateway()
    nodes = [serving(r, gate) for r in releases]
    for node in nodes[1:]:
        equal(node.eval(f"net_adm:ping({nodes[0].node})"), "pong", "the nodes know each other")
    for node in nodes:
        reaches(gate, node)
    watch(gate, nodes)
    for node in nodes:
        others = {n.node for n in nodes if n is not node}
        eventually(lambda: names(node.eval("nodes()")) == others, f"{node.node} sees {others}")
        equal(names(node.eval("nodes(hidden)")), {gate.node}, f"hidden nodes of {node.node}")
        equal(gate.node_info(node.node)["type"], "hidden", "type")
        equal(node.eval("global:sync()"), "ok", "global:sync/0")
    quiet(gate, nodes)
    leave(gate, nodes)


def test_a_hidden_gateway_among_23_and_25():
    hidden_among(("23", "25"))


def test_a_hidden_gateway_among_25_27_and_29():
    hidden_among(("25", "27", "29"))


def test_one_gateway_to_releases_that_refuse_each_other():
    gate = Gateway()
    nodes = [serving(r, gate, kernel={"connect_all": "false"}) for r in peers.RELEASES]
    for node in nodes:
        reaches(gate, node)
    equal(nodes[0].eval("net_adm:ping(a29@localhost)"), "pang", "23 and 29")
    watch(gate, nodes)
    for node in nodes:
        reaches(gate, node)
    quiet(gate, nodes)
    leave(gate, nodes)


def visible_among(releases):
    """A visible gateway stands in nodes() of all and stays connected to all."""
    gate = Gateway(hidden=False, args=["--visible"])
    equal(gate.self()["hidden"], False, "hidden")
    nodes = [serving(r, gate) for r in releases]
    for node in nodes:
        reaches(gate, node)
        equal(gate.node_info(node.node)["type"], "visible", "type")
    # Over us, as over any visible node, the others find each other.
    for node in nodes:
        check(gate.node in names(node.eval("nodes()")), gate.node, "in nodes() of", node.node)
    for node in nodes[1:]:
        equal(node.eval(f"net_adm:ping({nodes[0].node})"), "pong", "the nodes know each other")
    watch(gate, nodes)
    equal(nodes[0].eval("global:register_name(it, self())"), "yes", "global:register_name/2")
    quiet(gate, nodes)
    for node in nodes:
        reaches(gate, node)
    leave(gate, nodes)


def test_a_visible_gateway_among_23_and_25():
    visible_among(("23", "25"))


def test_a_visible_gateway_among_25_27_and_29():
    visible_among(("25", "27", "29"))


# ---- A visible gateway and a visible C node in a cluster with its default settings ----

# How long nodes come and go. A minute is what is promised; each time it is tested, half of it does.
MESH_SECONDS = float(os.environ.get("ERLGATE_MESH_SECONDS") or 25)
C = "c@localhost"
WATCH = """register(downs, spawn(fun() ->
    ok = net_kernel:monitor_nodes(true),
    F = fun F(L) -> receive {nodedown, N} -> F([N | L]); {nodeup, _} -> F(L); {get, P} -> P ! {downs, lists:usort(L)}, F(L) end end,
    F([]) end))"""


# What a node that does not get in sync waits for.
SYNC_STATE_OF = "[{{Q, catch gen_server:call({{global_name_server, '{}'}}, Q)}} || Q <- [get_known, get_synced]]"
SYNC_STATE = """{nodes(), gen_server:call(global_name_server, get_synced), ets:tab2list(global_locks),
    [{K, V} || {{_, _} = K, V} <- element(2, process_info(whereis(global_name_server), dictionary))],
    [process_info(P, [current_function, messages]) || P <- element(2, process_info(whereis(global_name_server), links)), is_pid(P)]}"""


def ask(node, request):
    return node.eval(f"gen_server:call({{c, '{C}'}}, {request}, 30000)", 40)


def parted_with(node):
    """By what OTP's global prints."""
    output = b"".join(node.output).decode(errors="replace") + node.stderr()
    return set(re.findall(r"disconnect\w*(?: from| old)? node '?([^' ]+)'? in order", output))


class Cluster:
    """Nodes that stay: one of each release, a gateway and a C node, both visible. All are to stay connected to all."""

    def __init__(self, releases, meanwhile=None):
        """meanwhile: done by each node when it has just found the C node, and meets it."""
        self.gate = Gateway(hidden=False, args=["--visible"])
        self.c = CNode(self.gate.epmd_port, self.gate.cookie, C, "visible")
        self.nodes = [self.start(r, f"a{r}@localhost") for r in releases]
        self.gone = set()  # nodes that were here for a while
        for node in self.nodes:
            node.eval(WATCH)
            equal(node.eval(f"net_adm:ping({self.nodes[0].node})"), "pong", "ping")
            equal(node.eval(f"net_adm:ping({C})"), "pong", "ping of the C node")
            if meanwhile:
                node.eval(meanwhile)
        reaches(self.gate, self.nodes[0])
        self.is_complete(20)

    def start(self, release, name):
        return serving(release, self.gate, name, kernel={"logger_level": "warning"})

    def is_complete(self, seconds, *guests):
        """Everybody sees everybody, and nobody else."""
        nodes = [*self.nodes, *guests]
        everybody = {n.node for n in nodes} | {self.gate.node, C}
        for node in nodes:
            eventually(lambda: names(node.eval("nodes()")) == everybody - {node.node}, f"{node.node} sees {everybody}", seconds)
        for node in nodes:
            check(self.gate.is_connected(node.node), "the gateway has lost", node.node)

    def syncs(self, *guests):
        """global:sync/0 returns at each: it is called at all of them at once."""
        nodes = [*self.nodes, *guests]
        try:
            for wait in [n.start_eval("global:sync()", 20) for n in nodes]:
                equal(wait(), "ok", "global:sync/0")
        except peers.EvalError:
            for node in nodes:
                print(node.node, node.eval(SYNC_STATE)[:3000])
            print(self.gate.node, nodes[0].eval(SYNC_STATE_OF.format(self.gate.node)), C, nodes[0].eval(SYNC_STATE_OF.format(C)))
            raise

    def nobody_was_lost(self):
        for node in self.nodes:
            downs = names(node.eval("downs ! {get, self()}, receive {downs, L} -> L end"))
            check(downs <= self.gone, node.node, "has lost", downs - self.gone)
            check(parted_with(node) <= self.gone, node.node, "has parted with", parted_with(node))
        for log in (self.gate.log.read_text(), self.c.log()):
            parted = {line for line in log.splitlines() if re.search(" (link-down|global-parts|global-disconnects) ", line)}
            left = {line for line in parted if not any(f"node={n} " in line for n in self.gone)}
            check(not left, "the C nodes have parted with", left)

    def end(self):
        self.nobody_was_lost()
        self.gate.stop()
        self.c.stop()
        for node in self.nodes:
            node.stop()


def names_work(cluster):
    """A process of the C node is registered from both sides, found from both, and its name goes with it."""
    one, two = cluster.nodes[0], cluster.nodes[-1]
    one.eval(f"persistent_term:put(p, gen_server:call({{c, '{C}'}}, {{spawn, whereis(srv)}}))")
    pid = one.eval("persistent_term:get(p)")
    as_p = f"gen_server:call({{c, '{C}'}}, {{as, persistent_term:get(p), %s}}, 30000)"
    equal(one.eval(as_p % "global_register, {its, c}, exit", 40), "ok", "register from C")
    for node in cluster.nodes:
        equal(node.eval(f"node(global:whereis_name({{its, c}})) =:= '{C}'"), "true", f"whereis at {node.node}")
    equal(one.eval(as_p % "global_register, {its, c}, exit", 40), "'name-taken'", "register it again")
    equal(one.eval(as_p % "global_register, other, exit", 40), "invalid", "a second name")
    one.eval("global:send({its, c}, hello)")
    eventually(lambda: "hello" in one.eval("gen_server:call(srv, seen)"), "the C process has the message")
    equal(two.eval("global:register_name({its, c}, whereis(srv))"), "no", "the name is taken for OTP too")
    equal(two.eval("global:unregister_name({its, c})"), "ok", "unregister")
    equal(ask(one, "{global, {its, c}}"), "{'not-found',none,none,none}", "the C node knows that it is gone")
    equal(two.eval("global:register_name({its, e}, whereis(srv))"), "yes", "register at OTP")
    for node in cluster.nodes:
        equal(node.eval(f"element(3, gen_server:call({{c, '{C}'}}, {{global, {{its, e}}}})) =:= global:whereis_name({{its, e}})"), "true",
              "the C node has the name")
    equal(one.eval(as_p % "global_re_register, {its, e}, notify", 40), "ok", "re-register from C")
    equal(two.eval(f"node(global:whereis_name({{its, e}})) =:= '{C}'"), "true", "it is the C node's now")
    equal(one.eval(as_p % "exit_self, normal"), "ok", "the process ends")
    for node in cluster.nodes:
        eventually(lambda: node.eval("global:whereis_name({its, e})") == "undefined", f"its name goes with it at {node.node} ({pid})")
    equal(ask(one, "{global_names}"), "[]", "nothing is left in the C node's table")
    # Locks, and what is done under them.
    for node in cluster.nodes:
        equal(node.eval("global:trans({lock, self()}, fun() -> nodes() =/= [] end)"), "true", "global:trans/2")


def groups_work(cluster, scope, nodes):
    """pg across, in a scope that these nodes have. (Where OTP 29 and 25 have one of the same name, 29's ends 25's.)"""
    equal(ask(nodes[0], f"{{scope, {scope}}}"), "ok", "scope of the C node")
    nodes[0].eval(f"persistent_term:put({scope}, gen_server:call({{c, '{C}'}}, {{spawn, whereis(srv)}}))")
    for node in nodes:
        node.eval(f"pg:start({scope}), pg:join({scope}, g, whereis(srv))")
    as_p = f"gen_server:call({{c, '{C}'}}, {{as, persistent_term:get({scope}), %s}})"
    equal(nodes[0].eval(as_p % f"join, {scope}, g"), "ok", "join from C")
    wanted = sorted([C, *(n.node for n in nodes)])
    for node in nodes:
        eventually(lambda: members(node.eval(f"[node(P) || P <- pg:get_members({scope}, g)]")) == wanted, f"members at {node.node}")
    eventually(lambda: members(nodes[0].eval(f"[node(P) || P <- gen_server:call({{c, '{C}'}}, {{members, {scope}, g}})]")) == wanted,
               "members at the C node")
    equal(nodes[0].eval(as_p % f"leave, {scope}, g"), "ok", "leave from C")
    nodes[-1].eval(f"pg:leave({scope}, g, whereis(srv))")
    wanted = sorted(n.node for n in nodes[:-1])
    for node in nodes:
        eventually(lambda: members(node.eval(f"[node(P) || P <- pg:get_members({scope}, g)]")) == wanted, f"members at {node.node}")
    eventually(lambda: members(nodes[0].eval(f"[node(P) || P <- gen_server:call({{c, '{C}'}}, {{members, {scope}, g}})]")) == wanted,
               "members at the C node")


def members(text):
    return sorted(n.strip("'") for n in text.strip("[]").split(",") if n)


def guest(cluster, release, turn):
    """A node comes, meets all through one of them, brings a name, and goes: in good order, or killed."""
    node = cluster.start(release, f"b{release}@localhost")
    cluster.gone.add(node.node)
    # It has its name before it meets anybody: the table of each side is told to the other.
    equal(node.eval("global:register_name({its, guest}, whereis(srv))"), "yes", "register alone")
    host = cluster.nodes[turn % len(cluster.nodes)].node if turn % 3 else (C, cluster.gate.node)[turn % 2]
    equal(node.eval(f"net_adm:ping('{host}')"), "pong", f"{node.node} meets {host}")
    cluster.is_complete(20, node)
    cluster.syncs(node)
    for n in cluster.nodes:
        equal(n.eval("node(global:whereis_name({its, guest}))"), node.node, f"the guest's name at {n.node}")
    equal(cluster.nodes[0].eval(f"[{{N, node(P)}} || {{N, P}} <- gen_server:call({{c, '{C}'}}, {{global_names}})]"),
          f"[{{{{its,guest}},{node.node}}}]", "the C node has the guest's name")
    if turn % 2:
        node.stop()
    else:
        node.kill()
    for n in cluster.nodes:
        eventually(lambda: n.eval("global:whereis_name({its, guest})") == "undefined", f"the guest's name goes at {n.node}")
    eventually(lambda: ask(cluster.nodes[0], "{global_names}") == "[]", "the guest's name goes at the C node")
    cluster.is_complete(10)


def c_guest(cluster, turn):
    """Another C node comes and goes."""
    node = CNode(cluster.gate.epmd_port, cluster.gate.cookie, "d@localhost", "visible")
    cluster.gone.add(node.node)
    equal(cluster.nodes[turn % len(cluster.nodes)].eval("net_adm:ping(d@localhost)"), "pong", "the C guest")
    for n in cluster.nodes:
        eventually(lambda: "d@localhost" in names(n.eval("nodes()")), f"{n.node} sees the C guest", 20)
    cluster.syncs()
    if turn % 2:
        node.stop()
    else:
        end(node.proc)
    cluster.is_complete(10)


def nodes_come_and_go(releases, guests, scopes):
    cluster = Cluster(releases)
    until = time.monotonic() + MESH_SECONDS
    cluster.syncs()
    names_work(cluster)
    for scope, those in scopes.items():
        groups_work(cluster, scope, [n for n in cluster.nodes if n.release in those])
    turn = 0
    while turn < 3 or time.monotonic() < until:
        guest(cluster, guests[turn % len(guests)], turn)
        c_guest(cluster, turn)
        cluster.nobody_was_lost()
        turn += 1
    names_work(cluster)
    cluster.is_complete(10)
    cluster.end()


def test_a_cluster_of_25_27_and_29_where_nodes_come_and_go():
    nodes_come_and_go(("25", "27", "29"), ("27", "29", "25"), {"old": ("25", "27"), "new": ("27", "29")})


def test_a_cluster_of_23_and_25_where_nodes_come_and_go():
    nodes_come_and_go(("23", "25"), ("25", "23"), {"old": ("23", "25")})


def same_name(cluster, name, clash, meets):
    """A node of that name and the C node have a process of one name each when they meet."""
    one = cluster.nodes[0]
    one.eval(f"persistent_term:put(p, gen_server:call({{c, '{C}'}}, {{spawn, whereis(srv)}})), gen_server:call(srv, forget)")
    pid = f"gen_server:call({{c, '{C}'}}, {{as, persistent_term:get(p), global_register, both, {clash}}}, 30000)"
    equal(one.eval(pid, 40), "ok", "register from C")
    node = cluster.start("27", name)
    cluster.gone.add(name)
    way = {"exit": "random_exit_name", "notify": "random_notify_name", "notify_all": "notify_all_name"}[clash]
    equal(node.eval(f"global:register_name(both, whereis(srv), fun global:{way}/3)"), "yes", "register alone")
    node.eval("persistent_term:put(srv, whereis(srv))")
    equal(node.eval(f"net_adm:ping('{meets}')"), "pong", "they meet")
    cluster.is_complete(20, node)
    cluster.syncs(node)
    winner = "undefined" if clash == "notify_all" else min(name, C)
    has = "case global:whereis_name(both) of undefined -> undefined; P -> node(P) end"
    for n in [*cluster.nodes, node]:
        eventually(lambda: n.eval(has) == winner, f"the name is {winner}'s at {n.node}")
    eventually(lambda: (winner in one.eval(f"[node(P) || {{both, P}} <- gen_server:call({{c, '{C}'}}, {{global_names}})]")) ==
               (clash != "notify_all"), "the C node has it so too")
    if clash == "exit" and winner == C:
        eventually(lambda: node.eval("is_process_alive(persistent_term:get(srv))") == "false", "the guest's process is killed")
    elif clash == "exit":
        eventually(lambda: "ended" in one.eval("gen_server:call(srv, seen)"), "the C node's process is killed")
    elif winner != C:
        eventually(lambda: "{global_name_conflict,both" in one.eval("gen_server:call(srv, seen)"), "the C node's process is told")
    if clash == "notify_all" or (clash == "notify" and winner == C):
        eventually(lambda: "{global_name_conflict,both" in node.eval("gen_server:call(srv, seen)"), "the guest's process is told")
    node.stop()
    one.eval("global:unregister_name(both)")
    one.eval(f"gen_server:call({{c, '{C}'}}, {{as, persistent_term:get(p), exit_self, normal}})")
    cluster.is_complete(10)


def test_two_processes_of_one_name():
    cluster = Cluster(("27", "29"))
    # The lesser of those who meet decides, and asks the node of the process that it has: us, itself, or another.
    for name, meets in (("b27@localhost", C), ("e27@localhost", C), ("e27@localhost", "a27@localhost")):
        for clash in ("exit", "notify", "notify_all"):
            same_name(cluster, name, clash, meets)
    cluster.end()


def test_a_link_to_a_visible_node_is_cut():
    """The others part with it, as OTP has it; nobody parts with anybody else; and it comes back."""
    cluster = Cluster(("25", "27", "29"))
    first, last = cluster.nodes[0], cluster.nodes[-1]
    cluster.gone |= {C}
    for cut in (lambda: first.eval(f"gen_server:call({{c, '{C}'}}, {{disconnect, '{last.node}'}})"),
                lambda: first.eval(f"erlang:disconnect_node('{C}')")):
        equal(cut(), "true", "a link is cut")
        for node in cluster.nodes:
            eventually(lambda: C not in names(node.eval("nodes()")), f"{node.node} has parted with it")
            equal(names(node.eval("nodes()")), {n.node for n in cluster.nodes if n is not node} | {cluster.gate.node}, "the rest is whole")
        cluster.syncs()
        equal(first.eval(f"net_adm:ping('{C}')"), "pong", "it is connected anew")
        cluster.is_complete(20)
        cluster.syncs()
        equal(last.eval("global:register_name(again, whereis(srv))"), "yes", "names go on")
        eventually(lambda: "again" in ask(first, "{global_names}"), "and arrive")
        last.eval("global:unregister_name(again)")
    for node in cluster.nodes:
        check(parted_with(node) <= {C}, node.node, "has parted with", parted_with(node))
    cluster.gate.stop()
    cluster.c.stop()
    for node in cluster.nodes:
        node.stop()


BAD = """[x, {}, {a, b}, self(), <<0:80000>>, {'$gen_cast', x}, {'$gen_call', x, y}, {'$gen_call', {self(), make_ref()}, {set_lock, x}},
    {'$gen_call', {self(), make_ref()}, {register, n, x, y}}, {'$gen_cast', {exchange, node(), [x], [], 1}},
    {'$gen_cast', {resolved, node(), x, [], u, [], 1}}, {'$gen_cast', {new_nodes, node(), [], [], [1], []}},
    {lost_connection, node(), x, y, z}, {remove_connection, "a"}, {cancel_connect, node(), x}]"""
ODD = """[{'$gen_cast', {exchange, node(), [], [], 77}}, {'$gen_cast', {resolved, node(), [], [], u, [], 77}},
    {'$gen_cast', {lock_set, self(), true, [], 77}}, {'$gen_cast', {lock_set, self(), true, []}}, {cancel_connect, node(), 77},
    {'$gen_cast', {in_sync, nobody@localhost, true}}, {'$gen_cast', {init_connect, {8, 3}, nobody@localhost, {locker, x, [], self()}}},
    {remove_connection, nobody@localhost}, {lost_connection, nobody@localhost, 1, 1, noone@localhost},
    {'$gen_cast', {new_nodes, node(), [{delete, nothing}], [], [{nobody@localhost, 8}], []}}]"""


def test_odd_messages_while_nodes_meet():
    """What is said of a lock by others than the lockers ends no meeting, and holds up none."""
    cluster = Cluster(("27", "29"), f"""spawn(fun() -> [begin [{{global_name_server, '{C}'}} ! M || M <- {ODD}], timer:sleep(10) end
        || _ <- lists:seq(1, 150)] end)""")
    cluster.gone |= {"nobody@localhost"}
    cluster.syncs()
    names_work(cluster)
    cluster.is_complete(10)
    cluster.end()


# Thousands of nodes that are not there.
CROWD = """{'$gen_cast', {new_nodes, node(), [], [], [list_to_atom("x" ++ integer_to_list(N) ++ "@localhost") || N <- lists:seq(1, 6000)], []}}"""


def test_odd_messages_to_global():
    cluster = Cluster(("27", "29"))
    node = cluster.nodes[0]
    node.eval(f"[{{global_name_server, '{C}'}} ! M || M <- {BAD}], [{{global_name_server, '{C}'}} ! M || M <- {ODD}], ok")
    # Each that is none of global's is one line.
    count = int(node.eval(f"length({BAD})"))
    eventually(lambda: cluster.c.log().count("message-dropped process=global_name_server") == count, f"{count} lines")
    # Who is said to be there is sought, is not there, and is forgotten.
    eventually(lambda: "global-not-connected node=nobody@localhost" in cluster.c.log(), "it is not there", 20)
    eventually(lambda: "nobody" not in node.eval(f"gen_server:call({{global_name_server, '{C}'}}, get_known)"), "it is forgotten")
    # Nodes that are not there, as many names, and locks that nobody gives back.
    node.eval(f"{{global_name_server, '{C}'}} ! {CROWD}", 30)
    node.eval(f"[true = gen_server:call({{global_name_server, '{C}'}}, {{set_lock, {{{{res, N}}, me}}}}) || N <- lists:seq(1, 1000)], ok", 30)
    eventually(lambda: "@localhost,x" not in node.eval(f"gen_server:call({{global_name_server, '{C}'}}, get_known)"), "all are forgotten", 60)
    # The process that locked has ended, and its locks with it.
    equal(cluster.nodes[1].eval(f"gen_server:call({{global_name_server, '{C}'}}, {{set_lock, {{{{res, 1}}, other}}}})"), "true", "the lock is free")
    cluster.syncs()
    names_work(cluster)
    cluster.is_complete(10)
    cluster.end()


def names(text):
    return {n.strip("'") for n in text.strip("[]").split(",") if n}


def watch(gate, nodes):
    for node in nodes:
        node.eval(f"testpeer:watch({gate.node})")


def quiet(gate, nodes):
    """For a while nothing is lost: what cuts a mesh does so within a second or two."""
    time.sleep(2.5)
    for node in nodes:
        equal(node.eval(f"testpeer:downs({gate.node})"), "0", f"links lost by {node.node}")
        check(gate.is_connected(node.node), node.node, "is not connected")


def leave(gate, nodes):
    gate.stop()
    for node in nodes:
        node.stop()


def test_two_gateways_and_a_hidden_node():
    one = Gateway()
    two = Gateway("second@localhost", one.cookie, epmd="auto", epmd_port=one.epmd_port)
    node = serving("27", one, hidden=True)
    for gate in (one, two):
        reaches(gate, node)
    response = one.http.get(f"/v1/nodes/{segment(two.node)}/ping")
    equal((response.status, response.json["pong"]), (200, True), "ping from one to the other")
    problem(one.call(two.node, "srv", "x"), 404, "noproc", sent=True)
    check(two.is_connected(one.node), "the other does not see the link")
    # A pid goes round: given out by one, used with the other.
    pid = one.call(node.node, "srv", "whoami").json["$pid"]
    equal(two.http.post(f"/v1/pids/{segment(pid)}/call", "{echo, round}", ERL, ERL).text.strip(), "round", "the pid elsewhere")
    two.stop()
    leave(one, [node])


def test_automatic_EPMD():
    """auto: the one that runs; else our own, which others then use."""
    epmd = Epmd()
    gate = Gateway(epmd="auto", epmd_port=epmd.port)
    equal(gate.self()["embedded_epmd"], False, "embedded")
    node = serving("25", gate)
    reaches(gate, node)
    leave(gate, [node])
    epmd.stop()
    gate = Gateway(epmd="auto")
    equal(gate.self()["embedded_epmd"], True, "embedded")
    node = serving("25", gate)
    reaches(gate, node)
    leave(gate, [node])


def test_long_names():
    gate = Gateway("erlgate@127.0.0.1")
    node = serving("27", gate, "long@127.0.0.1")
    reaches(gate, node)
    equal(node.eval("net_adm:ping('erlgate@127.0.0.1')"), "pong", "ping")
    problem(gate.http.put("/v1/nodes/short%40localhost"), 503, "no-connection")
    leave(gate, [node])


def test_the_same_process_has_the_same_text_everywhere():
    gate = Gateway()
    nodes = [serving(r, gate, kernel={"connect_all": "false"}) for r in ("25", "29")]
    pids = [gate.call(n.node, "srv", "whoami").json["$pid"] for n in nodes]
    # The other node takes it for a pid of that node and gives it back the same.
    for node, foreign in zip(nodes, reversed(pids)):
        equal(gate.call(node.node, "srv", f"{{echo, #Pid<{foreign}>}}", accept=TYPED).json, {"$pid": foreign}, "pid")
    leave(gate, nodes)


peers.main(globals(), limit=240)
