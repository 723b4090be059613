%% What the BEAM takes for what bench_codec measures: asked for by a line `What Runs`, answered by nanoseconds a run.
-module(bench_codec).
-export([main/1]).

main(Path) ->
    {ok, Json} = file:read_file(Path),
    Term = json:decode(Json),
    loop(#{
        "json:decode" => fun() -> json:decode(Json) end,
        "json:encode" => fun() -> iolist_to_binary(json:encode(Term)) end,
        "term_to_binary" => fun() -> term_to_binary(Term) end,
        "binary_to_term" => from_binary(term_to_binary(Term))
    }).

from_binary(Etf) ->
    fun() -> binary_to_term(Etf) end.

loop(Cases) ->
    case io:get_line("") of
        eof ->
            halt(0);
        Line ->
            [What, Runs] = string:lexemes(Line, " \n"),
            io:format("~.1f~n", [time(maps:get(What, Cases), list_to_integer(Runs))]),
            loop(Cases)
    end.

%% In a process of its own, which begins without garbage.
time(Run, Runs) ->
    {_, Monitor} = spawn_monitor(fun() ->
        Start = erlang:monotonic_time(nanosecond),
        repeat(Run, Runs),
        exit({took, (erlang:monotonic_time(nanosecond) - Start) / Runs})
    end),
    receive
        {'DOWN', Monitor, process, _, {took, Ns}} -> Ns
    end.

repeat(_, 0) ->
    ok;
repeat(Run, Left) ->
    Run(),
    repeat(Run, Left - 1).
