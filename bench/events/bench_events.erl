%% What event streams are made of: messages to processes of the gateway, and the end of a process that is watched.
-module(bench_events).
-export([pids/3, send/2, watched/0, leave/0]).

%% The pids of another node with these ids and serials.
pids(Node, Creation, Numbers) ->
    Name = atom_to_binary(Node),
    persistent_term:put(?MODULE, [binary_to_term(<<131, 88, 119, (byte_size(Name)), Name/binary, Id:32, Serial:32, Creation:32>>)
                                  || {Id, Serial} <- Numbers]),
    ok.

%% To each of the first Count pids so many messages, in turn.
send(Count, Each) ->
    Pids = lists:sublist(persistent_term:get(?MODULE), Count),
    Message = #{<<"op">> => <<"get">>, <<"key">> => <<"user:00012345">>, <<"seq">> => 12345678, <<"ttl">> => 30.5},
    [[Pid ! Message || Pid <- Pids] || _ <- lists:seq(1, Each)],
    ok.

watched() ->
    register(watched, spawn(fun() -> receive leave -> ok end end)),
    ok.

%% When it was told to leave, in microseconds since 1970.
leave() ->
    Now = os:system_time(microsecond),
    watched ! leave,
    Now.
