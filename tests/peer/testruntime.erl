%% What an Erlang node finds when it deals with a node in C (runtime_peer.c): each function here is one test, and answers ok.
%% C is the name of that node, its server is {c, C}.
-module(testruntime).
-compile([export_all, nowarn_export_all]).

%% ---- Telling the C node what to do

ask(C, Request) -> gen_server:call({c, C}, Request, 20000).
as(C, Pid, Command) -> ask(C, list_to_tuple([as, Pid | tuple_to_list(Command)])).
spawned(C) -> ask(C, {spawn, self()}).
ask_pid(C) -> {status, Pid, _, _} = sys:get_status({c, C}), Pid.

expect(Pattern, Ms) -> receive M when M =:= Pattern -> ok after Ms -> error({missing, Pattern, mailbox()}) end.
expect(Pattern) -> expect(Pattern, 5000).
mailbox() -> {messages, L} = process_info(self(), messages), L.
nothing(Ms) -> receive M -> error({unexpected, M}) after Ms -> ok end.

is(X, X) -> ok;
is(Got, Wanted) -> error({got, Got, wanted, Wanted}).

caught(F) -> try {value, F()} catch Class:Reason -> {Class, Reason} end.

%% ---- From Erlang to C

ping(C) ->
    pong = net_adm:ping(C),
    true = net_kernel:connect_node(C),
    true = lists:member(C, nodes(hidden)),
    false = lists:member(C, nodes()),
    ok.

messages(C) ->
    Pid = spawned(C),
    true = is_pid(Pid),
    is(node(Pid), C),
    Pid ! {hello, [1, 2.5, <<"x">>]},
    expect({Pid, message, {hello, [1, 2.5, <<"x">>]}}),
    ok = as(C, Pid, {register, by_name}),
    {by_name, C} ! again,
    expect({Pid, message, again}),
    invalid = as(C, Pid, {register, another}),
    Second = spawned(C),
    'name-taken' = as(C, Second, {register, by_name}),
    end_it(C, Second),
    true = lists:member(by_name, ask(C, {registered})),
    ok = as(C, Pid, {unregister, by_name}),
    {by_name, C} ! lost,
    nothing(100),
    end_it(C, Pid).

end_it(C, Pid) ->
    as(C, Pid, {exit_self, normal}),
    expect({Pid, ended, normal}).

call(C) ->
    is(gen_server:call({c, C}, {echo, {a, "b", <<"c">>, #{d => e}}}), {a, "b", <<"c">>, #{d => e}}),
    is(gen_server:call(ask_pid(C), {echo, x}), x),
    {exit, {noproc, _}} = caught(fun() -> gen_server:call({nobody, C}, x) end),
    {exit, {timeout, _}} = caught(fun() -> gen_server:call({c, C}, {hold}, 100) end),
    gen_server:cast({c, C}, {release, late}),
    %% Without aliases (OTP 23) it comes, as it does from any node.
    case erlang:system_info(otp_release) of
        "23" -> receive {_, late} -> ok after 1000 -> error(lost) end;
        _ -> nothing(100)
    end,
    Self = self(),
    spawn_link(fun() -> Self ! {held, gen_server:call({c, C}, {hold}, 5000)} end),
    timer:sleep(50),
    gen_server:cast({c, C}, {release, {in, time}}),
    expect({held, {in, time}}),
    ok.

cast(C) ->
    ask(C, {do, collect, self()}),
    Pid = ask_pid(C),
    gen_server:cast({c, C}, {one, 1}),
    gen_server:cast(Pid, two),
    Pid ! three,
    expect({Pid, cast, {one, 1}}),
    expect({Pid, cast, two}),
    expect({Pid, message, three}),
    ok.

multi_call(C) ->
    ask(C, {echo, x}),
    {[{C, hello}], []} = gen_server:multi_call([C], c, {echo, hello}, 5000),
    {[], [C]} = gen_server:multi_call([C], nobody, {echo, hello}, 5000),
    {Replies, [nobody@localhost]} = gen_server:multi_call([C, nobody@localhost], c, {echo, y}, 5000),
    is(Replies, [{C, y}]),
    ok.

monitored(C) ->
    Pid = spawned(C),
    R1 = monitor(process, Pid),
    R2 = monitor(process, {watched, C}),
    expect({'DOWN', R2, process, {watched, C}, noproc}),
    ok = as(C, Pid, {register, watched}),
    R3 = monitor(process, {watched, C}),
    R4 = monitor(process, Pid),
    true = demonitor(R4, [flush]),
    as(C, Pid, {exit_self, {because, "of", this}}),
    expect({'DOWN', R1, process, Pid, {because, "of", this}}),
    expect({'DOWN', R3, process, {watched, C}, {because, "of", this}}),
    expect({Pid, ended, {because, "of", this}}),
    R5 = monitor(process, Pid),
    expect({'DOWN', R5, process, Pid, noproc}),
    nothing(50).

linked(C) ->
    process_flag(trap_exit, true),
    %% Ours, and it ends.
    P1 = spawned(C),
    link(P1),
    as(C, P1, {exit_self, one}),
    expect({'EXIT', P1, one}),
    expect({P1, ended, one}),
    %% Its own, and it ends.
    P2 = spawned(C),
    as(C, P2, {link, self()}),
    as(C, P2, {exit_self, two}),
    expect({'EXIT', P2, two}),
    expect({P2, ended, two}),
    %% An Erlang process ends: it does too, or is told.
    P3 = spawned(C),
    E3 = spawn(fun() -> link(P3), receive go -> exit(three) end end),
    P4 = spawned(C),
    as(C, P4, {trap, true}),
    E4 = spawn(fun() -> receive go -> exit(four) end end),
    as(C, P4, {link, E4}),
    timer:sleep(50),
    E3 ! go,
    expect({P3, ended, three}),
    E4 ! go,
    expect({P4, exit, E4, four}),
    %% normal does not end it, noproc does.
    P5 = spawned(C),
    E5 = spawn(fun() -> link(P5) end),
    M5 = monitor(process, E5),
    receive {'DOWN', M5, _, _, _} -> ok end,
    nothing(50),
    as(C, P5, {link, E5}),
    expect({P5, ended, noproc}),
    as(C, P4, {link, E5}),
    expect({P4, exit, E5, noproc}),
    true = link(P5),
    expect({'EXIT', P5, noproc}),
    %% Unlinked from both ends.
    as(C, P4, {link, self()}),
    unlink(P4),
    P6 = spawned(C),
    link(P6),
    as(C, P6, {unlink, self()}),
    as(C, P6, {link, self()}),
    as(C, P6, {unlink, self()}),
    as(C, P4, {exit_self, four}),
    as(C, P6, {exit_self, six}),
    expect({P4, ended, four}),
    expect({P6, ended, six}),
    nothing(100).

exits(C) ->
    process_flag(trap_exit, true),
    P1 = spawned(C),
    exit(P1, normal),
    nothing(50),
    exit(P1, reason),
    expect({P1, ended, reason}),
    P2 = spawned(C),
    as(C, P2, {trap, true}),
    exit(P2, normal),
    expect({P2, exit, self(), normal}),
    exit(P2, {some, reason}),
    expect({P2, exit, self(), {some, reason}}),
    link(P2),
    exit(P2, kill),
    expect({P2, ended, killed}),
    expect({'EXIT', P2, killed}),
    %% The other way.
    P3 = spawned(C),
    as(C, P3, {exit, self(), {from, c}}),
    expect({'EXIT', P3, {from, c}}),
    E = spawn(fun() -> process_flag(trap_exit, true), receive never -> ok end end),
    M = monitor(process, E),
    as(C, P3, {exit, E, kill}),
    expect({'DOWN', M, process, E, killed}),
    end_it(C, P3).

aliases(C) ->
    P = spawned(C),
    {Id, Ref} = as(C, P, {alias, explicit}),
    ok = as(C, P, {send, Ref, via_alias}),
    expect({P, message, via_alias}),
    ok = as(C, P, {unalias, Id}),
    ok = as(C, P, {send, Ref, too_late}),
    {_, Once} = as(C, P, {alias, reply}),
    ok = as(C, P, {send, Once, once}),
    ok = as(C, P, {send, Once, twice}),
    expect({P, message, once}),
    nothing(50),
    case erlang:system_info(otp_release) of
        "23" -> ok;
        _ ->
            %% An alias of ours, and theirs used from here.
            Own = apply(erlang, alias, []),
            ok = as(C, P, {send, Own, to_alias}),
            expect(to_alias),
            {_, Their} = as(C, P, {alias, reply}),
            apply(erlang, send, [Their, from_erlang]),
            apply(erlang, send, [Their, no_more]),
            expect({P, message, from_erlang}),
            nothing(50)
    end,
    end_it(C, P).

sys_messages(C) ->
    is(sys:get_state({c, C}), {state, of_c}),
    {status, Pid, {module, gen_server}, [PDict, running, Pid, [], Misc]} = sys:get_status({c, C}),
    [{header, "Status for generic server c"}, {data, D}, {data, [{"State", {state, of_c}}]}] = Misc,
    is(proplists:get_value("Status", D), running),
    [{'$initial_call', {runtime_peer, init, 1}}] = PDict,
    ask(C, {do, collect, self()}),
    ok = sys:suspend({c, C}),
    {status, Pid, _, [_, suspended | _]} = sys:get_status(Pid),
    {exit, {timeout, _}} = caught(fun() -> gen_server:call({c, C}, {echo, x}, 100) end),
    Pid ! first,
    Pid ! second,
    nothing(50),
    ok = sys:resume({c, C}),
    expect({Pid, message, first}),
    expect({Pid, message, second}),
    is(ask(C, {echo, y}), y),
    %% A timeout that runs out meanwhile comes afterwards.
    ok = ask(C, {do, timeout, 30}),
    ok = sys:suspend(Pid),
    missing = receive {Pid, timeout} -> early after 100 -> missing end,
    Pid ! third,
    ok = sys:resume(Pid),
    expect({Pid, message, third}),
    expect({Pid, timeout}),
    %% Refused, whatever way this release says so.
    {error, _} = caught(fun() -> sys:replace_state({c, C}, fun(S) -> S end) end),
    ok.

stop(C) ->
    Pid = ask_pid(C),
    M = monitor(process, Pid),
    ok = gen_server:stop({c, C}),
    expect({'DOWN', M, process, Pid, normal}),
    Pid2 = ask_pid(C),
    true = Pid =/= Pid2,
    ok = gen_server:stop({c, C}, shutdown, 5000),
    {exit, {{going, down}, _}} = caught(fun() -> gen_server:call({c, C}, {stop, {going, down}}) end),
    is(ask(C, {echo, back}), back).

rpc_in(C) ->
    is(rpc:call(C, cmath, add, [1, 2]), 3),
    is(rpc:call(C, cmath, add, [1000, 2]), 1002),
    {badrpc, {'EXIT', {undef, [{nomod, nofun, [1, 2], []} | _]}}} = rpc:call(C, nomod, nofun, [1, 2]),
    {badrpc, {'EXIT', {badarith, [{cmath, add, 2, []}]}}} = rpc:call(C, cmath, add, [a, b]),
    is(rpc:call(C, cmod, raise, [throw, x]), x),
    is(rpc:call(C, cmod, raise, [exit, x]), {badrpc, {'EXIT', x}}),
    is(rpc:call(C, cmod, never, [], 100), {badrpc, timeout}),
    is(rpc:block_call(C, cmod, echo, [blocked]), blocked),
    {[7], []} = rpc:multicall([C], cmath, add, [3, 4]),
    ask(C, {do, collect, self()}),
    true = rpc:cast(C, cmod, note, [noted]),
    receive {_, note, noted} -> ok after 5000 -> error(mailbox()) end,
    ok.

erpc_in(C) ->
    is(erpc:call(C, cmath, add, [1, 2]), 3),
    is(erpc:call(C, cmod, echo, [{big, lists:seq(1, 1000)}]), {big, lists:seq(1, 1000)}),
    {error, {exception, undef, [{nomod, nofun, [a], []}]}} = caught(fun() -> erpc:call(C, nomod, nofun, [a]) end),
    {error, {exception, undef, [{cmath, add, [1], []}]}} = caught(fun() -> erpc:call(C, cmath, add, [1]) end),
    {error, {exception, oops, [{cmod, raise, 2, []}]}} = caught(fun() -> erpc:call(C, cmod, raise, [error, oops]) end),
    {exit, {exception, oops}} = caught(fun() -> erpc:call(C, cmod, raise, [exit, oops]) end),
    {throw, oops} = caught(fun() -> erpc:call(C, cmod, raise, [throw, oops]) end),
    {error, {erpc, timeout}} = caught(fun() -> erpc:call(C, cmod, never, [], 100) end),
    is(erpc:multicall([C, C], cmath, add, [1, 1]), [{ok, 2}, {ok, 2}]),
    is(erpc:call(C, cmod, leader, []), group_leader()),
    ask(C, {do, collect, self()}),
    ok = erpc:cast(C, cmod, note, [cast]),
    receive {_, note, cast} -> ok after 5000 -> error(mailbox()) end,
    R = erpc:send_request(C, cmath, add, [20, 3]),
    is(erpc:receive_response(R, 5000), 23),
    %% Another function is refused, and says so.
    Id = spawn_request(C, erlang, now, [], [monitor]),
    receive {spawn_reply, Id, error, notsup} -> ok after 5000 -> error(mailbox()) end,
    ok.

%% ei's way, and features.
rex(C) ->
    {rex, C} ! {self(), {call, cmath, add, [5, 6], user}},
    expect({rex, 11}),
    {rex, C} ! {self(), {call, nomod, f, [], user}},
    receive {rex, {badrpc, {'EXIT', {undef, [{nomod, f, [], []}]}}}} -> ok end,
    {rex, C} ! {self(), features_request},
    expect({features_reply, C, [erpc]}),
    is(gen_server:call({rex, C}, {call, cmath, add, [5, 7], group_leader()}), 12),
    %% sbcast waits for each node's answer without end.
    P = spawned(C),
    ok = as(C, P, {register, broadcast}),
    is(rpc:sbcast([C], broadcast, {to, "all"}), {[C], []}),
    expect({P, message, {to, "all"}}),
    is(rpc:sbcast([C], nobody, x), {[], [C]}),
    {rex, C} ! {self(), {send, broadcast, x}},
    expect({P, message, {self(), x}}),
    {rex, C} ! {self(), {send, nobody, x}},
    expect({rex, C, {nonexisting_name, nobody}}),
    end_it(C, P).

io(C) ->
    ask(C, {echo, x}),
    User = as(C, ask_pid(C), {leader}),
    ok = io:format(User, "printed by ~p~n", [erlang]),
    ok = io:put_chars(User, <<"plain text\n">>),
    {error, enotsup} = io:get_line(User, ""),
    {error, enotsup} = io:setopts(User, [binary]),
    User ! {io_request, self(), ref, strange},
    expect({io_reply, ref, {error, request}}),
    %% It can be another's: group_leader/2.
    P = spawned(C),
    is(as(C, P, {leader}), User),
    true = group_leader(self(), P),
    is(as(C, P, {leader}), self()),
    end_it(C, P).

size(C, N) ->
    Bin = binary:copy(<<7>>, N),
    Size = ask(C, {size, Bin}),
    true = Size >= N,
    Got = gen_server:call({c, C}, {bytes, N}, 60000),
    is(byte_size(Got), N),
    is(Got, binary:copy(<<0>>, N)).

in_order(C, N) ->
    P = spawned(C),
    [P ! {seq, I} || I <- lists:seq(1, N)],
    is(as(C, P, {seen}), {N, N}),
    Self = self(),
    E = spawn(fun() -> receive_seq(1, N), Self ! {self(), all} end),
    ok = as(C, P, {send_many, E, N}),
    receive {E, all} -> ok after 20000 -> error(not_all) end,
    end_it(C, P).

receive_seq(I, N) when I > N -> ok;
receive_seq(I, N) -> receive {seq, J} -> J = I, receive_seq(I + 1, N) end.

terms() ->
    Base = [0, -1, 255, 256, 1 bsl 27, -(1 bsl 27), (1 bsl 31) - 1, 1 bsl 31, 1 bsl 63, -(1 bsl 63), 1 bsl 64, 1 bsl 4000,
            -(1 bsl 4000), 0.0, -0.0, 1.0e300, 5.0e-324, 1.5, '', a, 'Ünïcode', list_to_atom(lists:duplicate(255, $x)),
            list_to_atom(lists:duplicate(255, 16#1F600)), <<>>, <<"binary">>, <<5:3>>, <<1, 2, 3:7>>, [], "string", [1000],
            [a | b], [[], [[]]], lists:seq(1, 70000), {}, {1, 2, 3}, list_to_tuple(lists:seq(1, 300)), #{}, #{a => 1, "b" => #{}},
            maps:from_list([{I, I} || I <- lists:seq(1, 100)]), self(), make_ref(), hd(erlang:ports()), fun lists:map/2,
            fun(X) -> X end, binary:copy(<<1>>, 100000), group_leader(), [{deep, lists:foldl(fun(_, A) -> [A] end, [], lists:seq(1, 400))}]],
    case erlang:system_info(otp_release) of
        "23" -> Base;
        _ -> [apply(erlang, alias, []) | Base]
    end.

echo(C) ->
    lists:foreach(fun(T) ->
                          case ask(C, {echo, T}) of
                              T -> ok;
                              Other -> error({echo, T, Other})
                          end
                  end, terms()),
    All = terms(),
    is(ask(C, {echo, All}), All),
    %% Those whose edges are known, records of OTP 29 among them; all at once, and each.
    Fixed = testjudge:fixed(),
    is(ask(C, {echo, Fixed}), Fixed),
    [is(ask(C, {echo, T}), T) || T <- Fixed],
    ok.

%% Large messages from several processes, in fragments that interleave; small ones do not wait for all of them.
interleaved(C, N) ->
    Self = self(),
    Bins = [binary:copy(<<B>>, N) || B <- lists:seq(1, 4)],
    [spawn_link(fun() -> is(ask(C, {echo, {B, Bin}}), {B, Bin}), Self ! {done, B} end) || Bin = <<B, _/binary>> <- Bins],
    [is(ask(C, {echo, {small, I}}), {small, I}) || I <- lists:seq(1, 200)],
    [receive {done, B} -> ok after 20000 -> error({lost, B}) end || B <- lists:seq(1, 4)],
    ok.

%% Signals with a trace token: the _TT forms. That they are traced is what the tracer says.
traced(C) ->
    process_flag(trap_exit, true),
    Self = self(),
    Tracer = spawn_link(fun() -> tracer([]) end),
    Old = seq_trace:set_system_tracer(Tracer),
    P = spawned(C),
    with_token(fun() -> P ! hello end),
    expect({P, message, hello}),
    ok = as(C, P, {register, traced}),
    with_token(fun() -> {traced, C} ! {by, name} end),
    expect({P, message, {by, name}}),
    with_token(fun() -> is(gen_server:call({c, C}, {echo, called}), called) end),
    with_token(fun() -> is(rpc:call(C, cmath, add, [1, 2]), 3) end),
    {_, Alias} = as(C, P, {alias, explicit}),
    case erlang:system_info(otp_release) of
        "23" -> ok;
        _ -> with_token(fun() -> apply(erlang, send, [Alias, to_alias]) end), expect({P, message, to_alias})
    end,
    as(C, P, {trap, true}),
    spawn(fun() -> link(P), with_token(fun() -> exit({linked, "and traced"}) end) end),
    receive {P, exit, L, {linked, "and traced"}} when is_pid(L) -> ok after 5000 -> error(mailbox()) end,
    with_token(fun() -> exit(P, {exit2, traced}) end),
    expect({P, exit, Self, {exit2, traced}}),
    end_it(C, P),
    Tracer ! {sent_to, P, Self},
    receive {sent, Sent} -> true = lists:member(hello, Sent) after 5000 -> error(mailbox()) end,
    seq_trace:set_system_tracer(Old),
    unlink(Tracer),
    exit(Tracer, kill),
    ok.

with_token(F) ->
    seq_trace:set_token(label, {a, "label"}),
    seq_trace:set_token(send, true),
    F(),
    seq_trace:set_token([]).

tracer(Seen) ->
    receive
        {seq_trace, {a, "label"}, {send, _, _, To, Message}} -> tracer([{To, Message} | Seen]);
        {sent_to, P, From} -> From ! {sent, [M || {To, M} <- Seen, To =:= P]};
        _ -> tracer(Seen)
    end.

%% A hundred thousand monitors of one process, and as many taken back.
many_monitors(C, N) ->
    P = spawned(C),
    Refs = [monitor(process, P) || _ <- lists:seq(1, N)],
    is(ask(C, {echo, here}), here),
    {Half, Rest} = lists:split(N div 2, Refs),
    [demonitor(R) || R <- Half],
    as(C, P, {exit_self, gone}),
    [receive {'DOWN', R, process, P, gone} -> ok after 20000 -> error(missing) end || R <- Rest],
    expect({P, ended, gone}),
    nothing(50).

nobody(C) ->
    {_, _, _, _, Before} = ask(C, {counts}),
    P = spawned(C),
    end_it(C, P),
    [begin P ! lost, {nobody, C} ! lost, exit(P, kill), link_and_forget(P) end || _ <- lists:seq(1, 100)],
    {_, _, _, _, After} = ask(C, {counts}),
    true = After >= Before + 200,
    ok.

link_and_forget(P) ->
    process_flag(trap_exit, true),
    link(P),
    expect({'EXIT', P, noproc}).

%% ---- From C to Erlang

from_c(C) ->
    P = spawned(C),
    ok = as(C, P, {send, self(), {to, pid}}),
    expect({to, pid}),
    register(runtime_test, self()),
    ok = as(C, P, {send, {runtime_test, node()}, {to, name}}),
    expect({to, name}),
    ok = as(C, P, {cast, {runtime_test, node()}, casted}),
    expect({'$gen_cast', casted}),
    unregister(runtime_test),
    ok = as(C, P, {send, {runtime_test, node()}, lost}),
    end_it(C, P).

calls_from_c(C) ->
    testpeer:serve(srv),
    Me = ask_pid(C),
    Call = fun(To, Request, Ms) -> as(C, Me, {call, To, Request, Ms}) end,
    is(Call({srv, node()}, {echo, [1, 2]}, 5000), {ok, none, [1, 2], none}),
    is(Call(whereis(srv), {echo, x}, 5000), {ok, none, x, none}),
    is(element(1, Call({nobody, node()}, x, 5000)), noproc),
    {T, R} = timer:tc(fun() -> Call({srv, node()}, {later, 400, too_late}, 150) end),
    is(element(1, R), timeout),
    true = T > 140000 andalso T < 390000,
    {_, _, _, Late, _} = ask(C, {counts}),
    timer:sleep(600),
    {_, _, _, Late1, _} = ask(C, {counts}),
    is(Late1, Late + 1),
    logger:set_primary_config(level, none),
    {'callee-exit', none, {crashed_as_asked, _}, none} = Call({srv, node()}, crash, 5000),
    testpeer:serve(srv),
    is(Call({srv, node()}, {leave, {shutdown, why}}, 5000), {'callee-exit', none, {shutdown, why}, none}),
    testpeer:serve(srv),
    is(element(1, Call({srv, nobody@localhost}, x, 5000)), 'no-node'),
    gen_server:stop(srv),
    ok.

multi_call_from_c(C) ->
    testpeer:serve(srv),
    P = spawned(C),
    ok = as(C, P, {multi_call, node(), nobody@localhost, srv, {echo, "all"}, 5000}),
    expect({P, result, 0, ok, "all"}),
    expect({P, result, 1, 'no-node', none}),
    ok = as(C, P, {multi_call, node(), C, srv, {later, 300, late}, 50}),
    expect({P, result, 1, noproc, none}),
    expect({P, result, 0, timeout, none}),
    gen_server:stop(srv),
    end_it(C, P),
    nothing(400).

monitors_from_c(C) ->
    P = spawned(C),
    E = spawn(fun() -> receive {go, R} -> exit(R) end end),
    register(named_by_test, E),
    I1 = as(C, P, {monitor, E}),
    I2 = as(C, P, {monitor, {named_by_test, node()}}),
    I3 = as(C, P, {monitor, E}),
    ok = as(C, P, {demonitor, I3}),
    I4 = as(C, P, {monitor, {nobody_at_all, node()}}),
    expect({P, down, I4, {nobody_at_all, node()}, noproc}),
    {monitored_by, L} = process_info(E, monitored_by),
    is(L, [P, P]),
    E ! {go, {a, reason}},
    expect({P, down, I1, E, {a, reason}}),
    expect({P, down, I2, {named_by_test, node()}, {a, reason}}),
    I5 = as(C, P, {monitor, E}),
    expect({P, down, I5, E, noproc}),
    %% A node that is not there.
    I6 = as(C, P, {monitor, {x, nobody@localhost}}),
    expect({P, down, I6, {x, nobody@localhost}, noconnection}),
    ok = as(C, P, {monitor_node, nobody@localhost, true}),
    expect({P, nodedown, nobody@localhost}),
    %% It ends, and its monitors with it.
    E2 = spawn(fun() -> receive never -> ok end end),
    as(C, P, {monitor, E2}),
    end_it(C, P),
    ask(C, {echo, x}),
    {monitored_by, []} = process_info(E2, monitored_by),
    nothing(50).

rpc_from_c(C) ->
    Me = ask_pid(C),
    Rpc = fun(M, F, A, Ms) -> as(C, Me, {rpc, node(), M, F, A, Ms}) end,
    is(Rpc(erlang, '+', [1, 2], 5000), {ok, none, 3, none}),
    is(Rpc(lists, seq, [1, 5], 5000), {ok, none, [1, 2, 3, 4, 5], none}),
    is(Rpc(erlang, node, [], 5000), {ok, none, node(), none}),
    {'callee-exit', error, badarith, [{erlang, '+', [a, 1], _} | _]} = Rpc(erlang, '+', [a, 1], 5000),
    {'callee-exit', error, undef, [{nomod, f, [], []} | _]} = Rpc(nomod, f, [], 5000),
    is(Rpc(erlang, exit, [why], 5000), {'callee-exit', exit, why, none}),
    is(Rpc(erlang, throw, [it], 5000), {'callee-exit', throw, it, none}),
    {'callee-exit', signal, killed, none} = Rpc(testruntime, kill_me, [], 5000),
    is(element(1, Rpc(timer, sleep, [2000], 100)), timeout),
    is(Rpc(io, format, ["from ~p~n", [rpc]], 5000), {ok, none, ok, none}),
    register(rpc_test, self()),
    ok = as(C, Me, {rpc_cast, node(), erlang, send, [rpc_test, cast_by_c]}),
    expect(cast_by_c),
    unregister(rpc_test),
    ok.

kill_me() -> exit(self(), kill).

%% Within the C node, signals work as between nodes.
local(C) ->
    A = spawned(C),
    B = spawned(C),
    ok = as(C, A, {send, B, hi}),
    expect({B, message, hi}),
    I1 = as(C, A, {monitor, B}),
    as(C, A, {trap, true}),
    as(C, A, {link, B}),
    as(C, B, {exit_self, bye}),
    receive {A, down, I1, B, bye} -> ok after 5000 -> error(mailbox()) end,
    expect({A, exit, B, bye}),
    expect({B, ended, bye}),
    as(C, A, {link, B}),
    expect({A, exit, B, noproc}),
    I2 = as(C, A, {monitor, B}),
    expect({A, down, I2, B, noproc}),
    D = spawned(C),
    as(C, A, {link, D}),
    as(C, A, {unlink, D}),
    as(C, D, {exit_self, unseen}),
    expect({D, ended, unseen}),
    E = spawned(C),
    as(C, A, {exit, E, reason}),
    expect({E, ended, reason}),
    ok = as(C, A, {timeout, 20}),
    expect({A, timeout}),
    ok = as(C, A, {send_many, A, 10000}),
    timer:sleep(100),
    is(as(C, A, {seen}), {10000, 10000}),
    %% Calls and rpc to its own node.
    is(as(C, A, {call, {c, C}, {echo, own}, 5000}), {ok, none, own, none}),
    is(as(C, A, {rpc, C, cmath, add, [4, 5], 5000}), {ok, none, 9, none}),
    {'callee-exit', error, undef, [{no, such, [], []}]} = as(C, A, {rpc, C, no, such, [], 5000}),
    is(element(1, as(C, A, {rpc, C, cmod, never, [], 100})), timeout),
    is(element(1, as(C, A, {call, {nobody, C}, x, 100})), noproc),
    end_it(C, A),
    nothing(50).

%% ---- pg

pg(C) ->
    case whereis(pg) of undefined -> {ok, _} = pg:start(pg); _ -> ok end,
    P = spawned(C),
    ok = as(C, P, {join, pg, {group, 1}}),
    ok = as(C, P, {join, pg, {group, 1}}),
    true = testpeer:reached(fun() -> pg:get_members({group, 1}) =:= [P, P] end, 10000),
    E = spawn(fun() -> receive stop -> ok end end),
    ok = pg:join({group, 1}, E),
    ok = pg:join(7, [E]),
    true = testpeer:reached(fun() -> lists:sort(ask(C, {members, pg, {group, 1}})) =:= lists:sort([P, P, E]) end, 5000),
    true = testpeer:reached(fun() -> ask(C, {members, pg, 7}) =:= [E] end, 5000),
    ok = as(C, P, {leave, pg, {group, 1}}),
    true = testpeer:reached(fun() -> lists:sort(pg:get_members({group, 1})) =:= lists:sort([P, E]) end, 5000),
    'not-found' = as(C, P, {leave, pg, other}),
    end_it(C, P),
    true = testpeer:reached(fun() -> pg:get_members({group, 1}) =:= [E] end, 5000),
    ok = pg:leave(7, E),
    true = testpeer:reached(fun() -> ask(C, {members, pg, 7}) =:= [] end, 5000),
    E ! stop,
    true = testpeer:reached(fun() -> ask(C, {members, pg, {group, 1}}) =:= [] end, 5000),
    %% The scope here ends and starts anew: we are found again, though hidden.
    Q = spawned(C),
    ok = as(C, Q, {join, pg, again}),
    true = testpeer:reached(fun() -> pg:get_members(again) =:= [Q] end, 5000),
    M = monitor(process, pg),
    exit(whereis(pg), kill),
    receive {'DOWN', M, _, _, _} -> ok end,
    {ok, _} = pg:start(pg),
    true = testpeer:reached(fun() -> pg:get_members(again) =:= [Q] end, 10000),
    end_it(C, Q).

%% What is said to a scope, as the scope hears it: OTP 29 is spoken to in its own version, older ones, which would end,
%% in theirs; and to who speaks either, in that. What is no message of pg's costs nothing.
pg_versions(C) ->
    %% The node is asked whether it is a scope: a process that says so of itself.
    Self = self(),
    P = proc_lib:spawn_link(fun() ->
                                    put('$initial_call', {pg, init, ['Argument__1']}),
                                    Self ! {self(), pg_versions_as_scope(C)}
                            end),
    receive {P, Result} -> Result end.

pg_versions_as_scope(C) ->
    register(said, self()),
    ok = ask(C, {scope, said}),
    S = receive {discover, C0} when node(C0) =:= C -> 0 = pg_version(), C0; {discover, C0, 1} -> 1 = pg_version(), C0 after 5000 -> none end,
    P = spawned(C),
    Q = spawned(C),
    ok = as(C, P, {join, said, g}),
    S ! {discover, self()},
    expect({'$gen_cast', {sync, S, [{g, [P]}]}}),
    expect({discover, S}),
    ok = as(C, Q, {join, said, g}),
    expect({join, S, g, Q}),
    ok = as(C, Q, {leave, said, g}),
    expect({leave, S, Q, [g]}),
    S ! {discover, self(), 1},
    expect({'$gen_cast', {local_data, S, 1, #{g => [P]}}}),
    ok = as(C, Q, {join, said, g}),
    expect({update, S, [{g, [Q], []}]}),
    ok = as(C, Q, {leave, said, g}),
    expect({update, S, [{g, [], [Q]}]}),
    gen_server:cast(S, {local_data, self(), 1, #{h => [self(), self()], {i} => [self()]}}),
    true = testpeer:reached(fun() -> ask(C, {members, said, h}) =:= [self(), self()] end, 5000),
    S ! {update, self(), [{h, [], [self()]}, {{i}, [], [self()]}]},
    true = testpeer:reached(fun() -> ask(C, {members, said, {i}}) =:= [] end, 5000),
    is(ask(C, {members, said, h}), [self()]),
    [S ! X || X <- [x, {}, {discover, x}, {discover, self(), x}, {update, self(), x}, {update, self(), [{h, [], x}]},
                    {sync, self(), [{h, [x]}]}, {'$gen_cast', {local_data, self(), 1, [x]}}, {join, self(), h, x}]],
    is(ask(C, {members, said, h}), [self()]),
    end_it(C, P),
    expect({update, S, [{g, [], [P]}]}),
    end_it(C, Q),
    unregister(said),
    ok.

pg_version() ->
    case list_to_integer(erlang:system_info(otp_release)) >= 29 of true -> 1; false -> 0 end.

%% ---- global

global(C) ->
    E = spawn(fun() -> receive stop -> ok end end),
    Name = {a_name, node()},
    yes = global:register_name(Name, E),
    is(ask(C, {global, Name}), {ok, none, E, none}),
    is(element(1, ask(C, {global, {no, such, name}})), 'not-found'),
    E ! stop,
    %% A process of C under a global name: it can be called by it, and the name goes with it.
    P = spawned(C),
    yes = global:register_name(of_c, P),
    is(global:whereis_name(of_c), P),
    global:send(of_c, hello),
    expect({P, message, hello}),
    end_it(C, P),
    true = testpeer:reached(fun() -> global:whereis_name(of_c) =:= undefined end, 5000),
    ok.

%% C is visible: it is listed, and global works on in spite of it.
visible(C) ->
    pong = net_adm:ping(C),
    true = lists:member(C, nodes()),
    timer:sleep(200),
    yes = global:register_name(with_visible, self()),
    {T, true} = timer:tc(fun() -> global:set_lock({lock, self()}, [node() | nodes()], 1) end),
    true = T < 2000000,
    global:del_lock({lock, self()}, [node() | nodes()]),
    global:unregister_name(with_visible),
    true = lists:member(C, nodes()),
    is(gen_server:call({c, C}, {echo, still_there}), still_there).

%% ---- Nodes come and go. Other is another node, which ends during the test.

cut(C, Other) ->
    P = spawned(C),
    as(C, P, {trap, true}),
    ok = as(C, P, {monitor_nodes, true}),
    E = rpc:call(Other, erlang, spawn, [timer, sleep, [infinity]]),
    I = as(C, P, {monitor, E}),
    ok = as(C, P, {link, E}),
    ok = as(C, P, {monitor_node, Other, true}),
    ok = as(C, P, {monitor_node, Other, true}),
    expect({P, nodeup, Other}),
    timer:sleep(100),
    Self = self(),
    spawn_link(fun() -> Self ! {call, as(C, ask_pid(C), {rpc, Other, timer, sleep, [60000], 60000})} end),
    spawn_link(fun() -> Self ! {call, as(C, ask_pid(C), {call, E, x, 60000})} end),
    timer:sleep(100),
    {linked, true} = {linked, lists:member(P, element(2, rpc:call(Other, erlang, process_info, [E, links])))},
    rpc:cast(Other, erlang, halt, []),
    expect({P, down, I, E, noconnection}),
    expect({P, exit, E, noconnection}),
    [expect({P, nodedown, Other}) || _ <- [1, 2, 3]],
    [receive {call, {nodedown, _, _, _}} -> ok after 5000 -> error(mailbox()) end || _ <- [1, 2]],
    nothing(50),
    end_it(C, P).

%% The network is cut between C and Other, which both can be reached until then; this node stays with C. split/2 has all set up,
%% by a process that stays. Asked for `heard`, that answers once it has heard all there is to hear of the cut; for `again`, once
%% it has called Other again. What fails in it fails where it is asked.
split(C, Other) ->
    Self = self(),
    {Pid, M} = spawn_monitor(fun() -> split(C, Other, Self) end),
    split_answer(Pid, M, watches).

split_ask(Other, What) ->
    Pid = whereis(split_name(Other)),
    M = monitor(process, Pid),
    Pid ! {What, self()},
    split_answer(Pid, M, What).

split_answer(Pid, M, What) ->
    receive {Pid, What} -> demonitor(M, [flush]), ok; {'DOWN', M, _, _, Why} -> error(Why) end.

split_name(Other) -> list_to_atom("split_" ++ atom_to_list(Other)).

split(C, Other, Starter) ->
    register(split_name(Other), self()),
    process_flag(trap_exit, true),
    P = spawned(C),
    as(C, P, {trap, true}),
    E = rpc:call(Other, erlang, spawn, [timer, sleep, [infinity]]),
    erlang:disconnect_node(Other),
    I = as(C, P, {monitor, E}),
    ok = as(C, P, {link, E}),
    ok = as(C, P, {monitor_node, Other, true}),
    is(as(C, P, {call, {srv, Other}, {echo, before}, 5000}), {ok, none, before, none}),
    Self = self(),
    spawn_link(fun() -> Self ! {call, as(C, P, {call, {srv, Other}, never, 60000})} end),
    Starter ! {Self, watches},
    Cut = wait_for_first(P),
    [receive M when M =:= W -> ok after 1000 -> error({missing, W, mailbox()}) end
     || W <- [{P, down, I, E, noconnection}, {P, exit, E, noconnection}, {P, nodedown, Other}], W =/= Cut],
    receive {call, {nodedown, _, _, _}} -> ok after 1000 -> error(mailbox()) end,
    receive {heard, Asker} -> Asker ! {Self, heard} end,
    receive {again, Again} -> ok end,
    true = testpeer:reached(fun() -> as(C, P, {call, {srv, Other}, {echo, healed}, 5000}) =:= {ok, none, healed, none} end, 20000),
    end_it(C, P),
    Again ! {Self, again}.

wait_for_first(P) ->
    receive M when element(1, M) =:= P -> M after 30000 -> error(mailbox()) end.

%% The C node ends, in two tests between which it does. First: a process watches it in every way, and C knows of all of it.
watches_the_end(C) ->
    Self = self(),
    {W, M} = spawn_monitor(fun() -> watch_the_end(C, Self) end),
    receive
        {W, watches} -> demonitor(M, [flush]), true = register(watches_the_end, W), ok;
        {'DOWN', M, _, _, Reason} -> error(Reason)
    end.

%% Then: each way has told it.
heard_of_the_end() ->
    M = monitor(process, watches_the_end),
    watches_the_end ! {tell, self()},
    receive
        {heard, What} -> is(What, {value, ok});
        {'DOWN', M, _, _, Reason} -> error(Reason)
    after 15000 -> error(hears_nothing)
    end.

watch_the_end(C, Starter) ->
    process_flag(trap_exit, true),
    P = spawned(C),
    M = monitor(process, P),
    M2 = monitor(process, {c, C}),
    link(P),
    true = monitor_node(C, true),
    _ = ask_pid(C), % signals are taken in the order they are sent in: the others are there
    Starter ! {self(), watches},
    Heard = caught(fun() ->
        receive {nodedown, C} -> ok after 10000 -> error(no_nodedown) end,
        receive {'DOWN', M, process, P, R1} -> true = lists:member(R1, [noconnection, shutdown]) after 1000 -> error(no_down) end,
        receive {'DOWN', M2, process, {c, C}, _} -> ok after 1000 -> error(no_down) end,
        receive {'EXIT', P, _} -> ok after 1000 -> error(no_exit) end
    end),
    receive {tell, To} -> To ! {heard, Heard} end.
