%% What the BEAM itself takes for what a codec does: nanoseconds for one document, the median of several rounds.
-module(bench_beam).
-export([codec/2]).

codec(File, Milliseconds) ->
    {ok, Text} = file:read_file(File),
    Term = json:decode(Text),
    Etf = term_to_binary(Term),
    [{Name, measure(Work, Milliseconds)}
     || {Name, Work} <- [{term_to_binary, fun() -> term_to_binary(Term) end},
                         {binary_to_term, fun() -> binary_to_term(Etf) end},
                         {json_decode, fun() -> json:decode(Text) end},
                         {json_encode, fun() -> iolist_to_binary(json:encode(Term)) end}]].

%% In a process of its own each, so that one does not collect what another left.
measure(Work, Milliseconds) ->
    Times = [in_process(fun() -> round_of(Work, Milliseconds) end) || _ <- lists:seq(1, 5)],
    lists:nth(3, lists:sort(Times)).

in_process(Fun) ->
    {Pid, Ref} = spawn_monitor(fun() -> exit({done, Fun()}) end),
    receive {'DOWN', Ref, process, Pid, {done, Result}} -> Result end.

round_of(Work, Milliseconds) ->
    Began = erlang:monotonic_time(),
    repeat(Work, Began, Began + erlang:convert_time_unit(Milliseconds, millisecond, native), 0).

repeat(Work, Began, End, Count) ->
    Work(),
    case erlang:monotonic_time() of
        Now when Now >= End -> erlang:convert_time_unit(Now - Began, native, nanosecond) div (Count + 1);
        _ -> repeat(Work, Began, End, Count + 1)
    end.
