%% What a node in C (runtime_peer.c) is to the parts of OTP that are particular: supervisors, options of monitors and of spawning,
%% collections of requests, links made and taken down from both ends at once. As testruntime: each function is one test.
-module(testexact).
-compile([export_all, nowarn_export_all]).
-import(testruntime, [ask/2, as/3, spawned/1, ask_pid/1, end_it/2, expect/1, nothing/1, is/2, caught/1, mailbox/0]).

release() -> list_to_integer(erlang:system_info(otp_release)).
since(Release, F) -> case release() >= Release of true -> F(); false -> ok end.

%% ---- supervisor

supervised(C) ->
    {ok, S} = supervisor:start_link(?MODULE, C),
    [{_, P1, _, _}] = supervisor:which_children(S),
    is(node(P1), C),
    exit(P1, crash),
    true = testpeer:reached(fun() -> [{_, P, _, _}] = supervisor:which_children(S), is_pid(P) andalso P =/= P1 end, 5000),
    [{_, P2, _, _}] = supervisor:which_children(S),
    M = monitor(process, P2),
    ok = supervisor:terminate_child(S, kid),
    expect({'DOWN', M, process, P2, shutdown}),
    {ok, P3} = supervisor:restart_child(S, kid),
    M3 = monitor(process, P3),
    unlink(S),
    exit(S, shutdown),
    expect({'DOWN', M3, process, P3, shutdown}).

init(C) -> {ok, {#{intensity => 3}, [#{id => kid, start => {?MODULE, start_kid, [C]}}]}}.

%% As proc_lib's start_link: the child links itself to who starts it.
start_kid(C) ->
    P = ask(C, {spawn, group_leader()}),
    ok = as(C, P, {link, self()}),
    {ok, P}.

%% ---- calls and requests

call_exits(C) ->
    P = ask_pid(C),
    {exit, {normal, _}} = caught(fun() -> gen_server:call(P, {stop, normal}) end),
    {exit, {noproc, _}} = caught(fun() -> gen_server:call(P, x) end),
    Self = self(),
    P2 = ask_pid(C),
    spawn(fun() -> Self ! {r, caught(fun() -> gen_server:call(P2, {hold}, infinity) end)} end),
    timer:sleep(50),
    exit(P2, kill),
    receive {r, {exit, {killed, _}}} -> ok after 5000 -> error(mailbox()) end,
    ok = proc_lib:stop(ask_pid(C), shutdown, 5000),
    {exit, noproc} = caught(fun() -> proc_lib:stop(P2, shutdown, 5000) end),
    is(gen_statem:call({c, C}, {echo, 1}), 1),
    yes = global:register_name(exact, ask_pid(C)),
    is(gen_server:call({global, exact}, {echo, 2}), 2),
    is(gen_server:call({via, global, exact}, {echo, 3}), 3),
    global:unregister_name(exact),
    is(gen_server:wait_response(gen_server:send_request({c, C}, {echo, 4}), 5000), {reply, 4}),
    is(rpc:yield(rpc:async_call(C, cmath, add, [1, 2])), 3),
    since(25, fun() -> request_ids(C) end).

request_ids(C) ->
    Q1 = gen_server:send_request({c, C}, {echo, 1}, one, gen_server:reqids_new()),
    Q2 = gen_server:send_request({nobody, C}, {echo, 2}, two, Q1),
    {A, la, Q3} = one_response(Q2),
    {B, lb, _} = one_response(Q3),
    is(lists:sort([A, B]), [{{error, {noproc, {nobody, C}}}, two}, {{reply, 1}, one}]),
    E = erpc:send_request(C, cmath, add, [1, 2], sum, erpc:reqids_new()),
    {3, sum, _} = erpc:receive_response(E, 5000, true),
    ok.

one_response(Q) ->
    {R, Label, Rest} = gen_server:receive_response(Q, 5000, true),
    {{R, Label}, case erase(second) of undefined -> put(second, true), la; true -> lb end, Rest}.

%% ---- monitors

monitor_options(C) ->
    P = spawned(C),
    R1 = monitor(process, P),
    true = demonitor(R1, [info]),
    false = demonitor(R1, [info]),
    R2 = monitor(process, P),
    since(24, fun() ->
        apply(erlang, monitor, [process, P, [{tag, {my, tag}}]]),
        R3 = apply(erlang, monitor, [process, P, [{alias, reply_demonitor}]]),
        ok = as(C, P, {send, R3, the_reply}),
        ok = as(C, P, {send, R3, too_late}),
        expect(the_reply)
    end),
    as(C, P, {exit_self, gone}),
    expect({P, ended, gone}),
    since(24, fun() -> receive {{my, tag}, _, process, P, gone} -> ok after 5000 -> error(mailbox()) end end),
    false = demonitor(R2, [info, flush]),
    nothing(50).

%% exit/3, monitor/3 and alias/1 with priority: OTP 28 and later.
priority(C) ->
    since(28, fun() ->
        P = spawned(C),
        A = apply(erlang, alias, [[priority]]),
        ok = as(C, P, {send, A, to_priority_alias}),
        expect(to_priority_alias),
        R = apply(erlang, monitor, [process, P, [priority]]),
        true = apply(erlang, exit, [P, because, [priority]]),
        expect({'DOWN', R, process, P, because}),
        expect({P, ended, because})
    end).

%% ---- spawning

spawning(C) ->
    process_flag(trap_exit, true),
    Tag = make_ref(),
    Id = spawn_request(C, erpc, execute_call, [Tag, cmath, add, [1, 2]], [monitor, link, {reply_tag, spawned}, {priority, low}]),
    P = receive {spawned, Id, ok, P0} -> P0 after 5000 -> error(mailbox()) end,
    is(node(P), C),
    expect({'DOWN', Id, process, P, {Tag, return, 3}}),
    expect({'EXIT', P, {Tag, return, 3}}),
    Id2 = spawn_request(C, erpc, execute_call, [Tag, cmath, add, [1, 2]], [{reply, error_only}]),
    true = is_reference(Id2),
    {error, notsup} = caught(fun() -> spawn_monitor(C, lists, reverse, [[]]) end),
    nothing(100).

%% ---- links, made and taken down from both ends at once: in the end both are of one mind.

links_at_random(C) ->
    process_flag(trap_exit, true),
    [one_at_random(C) || _ <- lists:seq(1, 25)],
    ok.

one_at_random(C) ->
    P = spawned(C),
    as(C, P, {trap, true}),
    Self = self(),
    Other = spawn_link(fun() -> [as(C, P, {any([link, unlink]), Self}) || _ <- lists:seq(1, 12)] end),
    [case any([link, unlink]) of link -> link(P); unlink -> unlink(P) end || _ <- lists:seq(1, 100)],
    receive {'EXIT', Other, normal} -> ok end,
    as(C, P, {leader}),
    as(C, P, {leader}), % what its own end has sent is here
    {links, Links} = process_info(self(), links),
    Wanted = lists:member(P, Links),
    exit(P, kill),
    expect({P, ended, killed}),
    Got = receive {'EXIT', P, _} -> true after 20 -> false end,
    is({linked, Got}, {linked, Wanted}),
    flush(P).

any(L) -> lists:nth(rand:uniform(length(L)), L).
flush(P) -> receive {P, _, _, _} -> flush(P); {'EXIT', P, _} -> flush(P) after 0 -> ok end.

%% ---- Connections come and go while they are used.

dance(C) ->
    [dance_once(C) || _ <- lists:seq(1, 60)],
    is(net_adm:ping(C), pong),
    is(ask(C, {echo, up}), up).

dance_once(C) ->
    Self = self(),
    All = [spawn(fun() -> catch F(), Self ! {self(), done} end)
           || F <- [fun() -> net_adm:ping(C) end, fun() -> erlang:disconnect_node(C) end,
                    fun() -> gen_server:call({c, C}, {do, send, {nobody, node()}, hi}, 3000) end]],
    [receive {P, done} -> ok after 8000 -> error(stuck) end || P <- All].

disconnected(C) ->
    process_flag(trap_exit, true),
    P = spawned(C),
    R = monitor(process, P),
    link(P),
    true = monitor_node(C, true),
    true = monitor_node(C, true),
    ok = net_kernel:monitor_nodes(true, [{node_type, all}, nodedown_reason]),
    true = erlang:disconnect_node(C),
    expect({'DOWN', R, process, P, noconnection}),
    expect({'EXIT', P, noconnection}),
    expect({nodedown, C}),
    expect({nodedown, C}),
    receive {nodedown, C, I1} -> is(lists:sort(I1), [{node_type, hidden}, {nodedown_reason, disconnect}]) after 5000 -> error(mailbox()) end,
    is(ask(C, {echo, back}), back),
    receive {nodeup, C, I2} -> is(I2, [{node_type, hidden}]) after 5000 -> error(mailbox()) end,
    ok = net_kernel:monitor_nodes(false, [{node_type, all}, nodedown_reason]),
    ok.

%% ---- Pids of another life: Old is one of a node that has been started again since.

stale(Old) ->
    process_flag(trap_exit, true),
    {exit, {noproc, _}} = caught(fun() -> gen_server:call(Old, x, 5000) end),
    M = monitor(process, Old),
    expect({'DOWN', M, process, Old, noproc}),
    link(Old),
    expect({'EXIT', Old, noproc}),
    Old ! x,
    exit(Old, kill),
    ok.

stale_from_c(C, Old) ->
    P = spawned(C),
    as(C, P, {trap, true}),
    is(element(1, as(C, P, {call, Old, x, 5000})), noproc),
    I = as(C, P, {monitor, Old}),
    expect({P, down, I, Old, noproc}),
    ok = as(C, P, {link, Old}),
    expect({P, exit, Old, noproc}),
    ok = as(C, P, {send, Old, x}),
    ok = as(C, P, {exit, Old, kill}),
    end_it(C, P).
