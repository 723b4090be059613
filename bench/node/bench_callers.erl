%% Processes that call a gen_server, each again as soon as it is answered.
-module(bench_callers).
-export([run/3]).

%% {Calls, Microseconds}
run(Server, Callers, Milliseconds) ->
    Request = #{<<"op">> => <<"get">>, <<"key">> => <<"user:00012345">>, <<"seq">> => 12345678, <<"ttl">> => 30.5},
    Request = gen_server:call(Server, Request),
    Began = erlang:monotonic_time(microsecond),
    End = Began + Milliseconds * 1000,
    Pids = [spawn_monitor(fun() -> exit({calls, call(Server, Request, End, 0)}) end) || _ <- lists:seq(1, Callers)],
    Calls = lists:sum([receive {'DOWN', Ref, process, Pid, {calls, N}} -> N end || {Pid, Ref} <- Pids]),
    {Calls, erlang:monotonic_time(microsecond) - Began}.

call(Server, Request, End, Count) ->
    Request = gen_server:call(Server, Request),
    case erlang:monotonic_time(microsecond) < End of
        true -> call(Server, Request, End, Count + 1);
        false -> Count + 1
    end.
