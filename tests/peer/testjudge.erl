%% The judge: makes terms of every kind, writes them down encoded, and says whether what comes back is `=:=`.
-module(testjudge).
-export([make/3, compare/1, accepts/1, samples/1, fixed/0]).

%% Writes at least N terms to File, a line of base64 each, and keeps them. Gives how many.
make(File, N, Seed) ->
    rand:seed(exsss, {Seed, 17, 23}),
    Fixed = [{T, E} || T <- fixed(), E <- encodings(T)],
    Foreign = [{binary_to_term(E), E} || E <- foreign(), accepts(E) =:= true],
    Random = [begin T = random(5), {T, one_of(encodings(T))} end || _ <- lists:seq(1, N - length(Fixed) - length(Foreign))],
    All = Fixed ++ Foreign ++ Random,
    ok = file:write_file(File, [[base64:encode(E), $\n] || {_, E} <- All]),
    keep(All),
    length(All).

%% The kept terms live in a process: nothing of them changes on the way.
keep(All) ->
    catch exit(whereis(judged), kill),
    Self = self(),
    {_, Ref} = spawn_monitor(fun() ->
        true = eventually_register(judged, 100),
        Self ! {kept, self()},
        keeper(All)
    end),
    receive {kept, _} -> erlang:demonitor(Ref, [flush]) end.

eventually_register(Name, N) ->
    case catch register(Name, self()) of
        true -> true;
        _ when N > 0 -> timer:sleep(10), eventually_register(Name, N - 1)
    end.

keeper(All) ->
    receive {compare, File, To} -> To ! {judgement, judge(File, All)}, keeper(All) end.

%% File has a line for each kept term: the first few that differ, and how many are equal.
compare(File) ->
    judged ! {compare, File, self()},
    receive {judgement, J} -> J after 120000 -> timeout end.

judge(File, All) ->
    {ok, Text} = file:read_file(File),
    Lines = binary:split(Text, <<"\n">>, [global, trim]),
    Differing = judge(Lines, All, 1, []),
    {length(All) - length(Differing), lists:sublist(lists:reverse(Differing), 12)}.

judge([Line | Lines], [{T, E} | All], I, Acc) ->
    case catch binary_to_term(base64:decode(Line)) of
        Same when Same =:= T -> judge(Lines, All, I + 1, Acc);
        Other -> judge(Lines, All, I + 1, [{I, brief(T), brief(Other), brief(base64:encode(E)), brief(Line)} | Acc])
    end;
judge([], [], _, Acc) -> Acc;
judge(Lines, All, I, Acc) -> [{I, {lines_left, length(Lines)}, {terms_left, length(All)}, x, x} | Acc].

brief(T) ->
    Text = lists:flatten(io_lib:format("~0tp", [T])),
    case length(Text) > 200 of
        true -> lists:sublist(Text, 200) ++ "...";
        false -> Text
    end.

%% Does the BEAM decode it? In a process that may not grow beyond bounds: what would is called a bomb.
accepts(E) ->
    {Pid, Ref} = spawn_monitor(fun() ->
        process_flag(max_heap_size, #{size => 32 * 1024 * 1024, kill => true, error_logger => false}),
        exit({done, try binary_to_term(E), true catch error:_ -> false end})
    end),
    receive
        {'DOWN', Ref, process, Pid, {done, Answer}} -> Answer;
        {'DOWN', Ref, process, Pid, killed} -> bomb
    end.

%% Valid encodings to make malformed ones of.
samples(N) ->
    rand:seed(exsss, {5, 6, 7}),
    Small = [E || T <- fixed(), E <- encodings(T), byte_size(E) < 300],
    [base64:encode(one_of(Small)) || _ <- lists:seq(1, N)].

%% ---- Encodings

encodings(T) ->
    Options = [[{minor_version, 0}], [{minor_version, 1}], [{minor_version, 2}], [compressed], [{compressed, 9}, {minor_version, 1}]]
        ++ [[local] || has_local(), not has_fun(T)],
    %% Minor version 0 writes floats in 20 decimal digits: what it cannot carry exactly is not asked of it.
    lists:usort([E || O <- Options, E <- [catch term_to_binary(T, O)], is_binary(E), (catch binary_to_term(E)) =:= T]).

%% OTP 27.3.4 and 29.1 abort, or crash, when they encode some funs with the option local.
has_fun([H | T]) -> has_fun(H) orelse has_fun(T);
has_fun(T) when is_tuple(T) -> has_fun(tuple_to_list(T));
has_fun(M) when is_map(M) -> has_fun(maps:to_list(M));
has_fun(F) -> is_function(F).

has_local() -> list_to_integer(erlang:system_info(otp_release)) >= 26.

%% ---- Terms whose edges are known

fixed() ->
    lists:append([integers(), floats(), atoms(), binaries(), bitstrings(), lists_(), tuples(), maps_(), identifiers(), funs(),
                  records(), deep()]).

integers() ->
    Powers = [1 bsl K || K <- lists:seq(0, 72) ++ [119, 120, 127, 128, 255, 256, 511, 512, 2031, 2032, 2039, 2040, 2041, 2047, 2048,
                                                   4096, 8192, 32768]],
    Tens = [pow10(K) || K <- [1, 9, 10, 18, 19, 20, 100, 999, 9999]],
    Edges = [S * (P + D) || P <- Powers ++ Tens, D <- [-1, 0, 1], S <- [1, -1]],
    lists:usort([pow10(10000) - 1, 1 - pow10(10000) | [E || E <- Edges, abs(E) < pow10(10000)]]).

pow10(K) -> list_to_integer([$1 | lists:duplicate(K, $0)]).

floats() ->
    Bits = [0, 1, 2, 16#000FFFFFFFFFFFFF, 16#0010000000000000, 16#0010000000000001, 16#3FF0000000000000, 16#3FEFFFFFFFFFFFFF,
            16#3FF0000000000001, 16#7FEFFFFFFFFFFFFF, 16#7FE0000000000000, 16#4340000000000000, 16#4340000000000001,
            16#433FFFFFFFFFFFFF, 16#44B52D02C7E14AF6, 16#44B52D02C7E14AF7, 16#1A53B3C0C2D1E6E6, 16#0000000000000003],
    Both = Bits ++ [B bor (1 bsl 63) || B <- Bits],
    [float_of(B) || B <- Both]
        ++ [0.1, 0.2, 0.3, 1/3, 2/3, 1.0e15, 1.0e16, 1.0e17, 1.0e21, 1.0e22, 1.0e23, 123456789.125, 5.0e-324, 1.7976931348623157e308,
            9007199254740993.0, 4.35, 0.000001, 0.0000001, 2.5e-8, 1.0e100, 8.41e21, 9.5e-7, 100.0, 1.0e6, 1.0e7].

float_of(Bits) -> <<F/float>> = <<Bits:64>>, F.

atoms() ->
    Texts = ["", "a", "ok", "true", "false", "null", "nil", "undefined", "with space", "it's", "back\\slash", "new\nline", [0], [127],
             [1, 2, 31], "$atom", "$", "Elixir.Foo", "1a", "_x", "A", "a@b", "a.b", "a-b", "fun", "end", "when", "maybe", "else",
             "and", "not", [16#e9], [16#df, $a], [16#d7], [16#f7], [16#ff], [16#100], [16#3bb], [16#65e5, 16#672c], [16#1d11e],
             [16#202e, $x], [16#feff], [16#ffff], [16#10ffff], [16#2028], "\"", "`", "~", "/", ":", "#",
             lists:duplicate(255, $a), lists:duplicate(255, 16#e9), lists:duplicate(255, 16#65e5), lists:duplicate(255, 16#1d11e),
             lists:duplicate(254, $z), lists:duplicate(63, 16#1d11e), lists:duplicate(64, 16#1d11e), lists:duplicate(128, 16#e9)],
    [A || T <- Texts, {ok, A} <- [try {ok, list_to_atom(T)} catch error:_ -> none end]].

binaries() ->
    [<<>>, <<0>>, <<"text">>, <<"é"/utf8>>, <<"日本"/utf8>>, <<16#1d11e/utf8>>, <<16#10ffff/utf8>>, <<16#ffff/utf8>>, <<16#feff/utf8>>,
     <<16#2028/utf8, 16#2029/utf8>>, <<"\"\\/\b\f\n\r\t\e">>, << <<B>> || B <- lists:seq(0, 127) >>, << <<B>> || B <- lists:seq(0, 255) >>,
     <<255>>, <<16#c3>>, <<16#c0, 16#80>>, <<16#ed, 16#a0, 16#80>>, <<16#ed, 16#b0, 16#80>>, <<16#f4, 16#90, 16#80, 16#80>>, <<16#e2, 16#82>>,
     <<16#f0, 16#9f, 16#98>>, <<"a", 16#80, "b">>, <<"$binary">>, <<"true">>, <<"0">>, binary:copy(<<"x">>, 65535),
     binary:copy(<<"é"/utf8>>, 40000), binary:copy(<<200>>, 70000), << <<(B * 7 rem 256)>> || B <- lists:seq(1, 1000) >>].

bitstrings() ->
    [<<(16#5A5A5A5A5A5A5A5A band ((1 bsl N) - 1)):N>> || N <- lists:seq(1, 33), N rem 8 =/= 0]
        ++ [<<"abc", 5:3>>, <<1:1>>, <<0:7>>, <<127:7>>, <<255, 255, 1:1>>].

lists_() ->
    [[], [[]], [[], []], "abc", "\0", [255], [256], [0, 255], [1, 2, 256], [-1], lists:seq(0, 255), lists:duplicate(65535, $x),
     lists:duplicate(65536, $y), lists:duplicate(70000, 1000), "\"quoted\"", "tab\t\r\n\e\\", [16#3bb, 16#1d11e], [16#d800], [16#dfff], [16#110000],
     [1.0], [a | b], [1, 2 | 3], [[] | {}], [a, b | <<"c">>], [$a, $b | $c], ["abc" | "def"], [[a | b] | [c | d]], [1 | #{}],
     ["nested", ["text", [7]]], [$a, 3.0], [a, $b], lists:seq(1, 1000), [[[[[]]]]]].

tuples() ->
    [{}, {{}}, {a}, {a, 1, "s", <<"b">>, 1.5}, {ok, {error, []}}] ++ [list_to_tuple(lists:seq(1, N)) || N <- [254, 255, 256, 257, 1000]].

maps_() ->
    [#{}, #{a => 1}, #{<<"a">> => 1}, #{a => 1, <<"a">> => 2, "a" => 3}, #{1 => i, 1.0 => f, <<"1">> => b, '1' => a},
     #{<<"$atom">> => <<"x">>}, #{<<"$">> => 1, <<"b">> => 2}, #{<<>> => empty}, #{0.0 => zero}, #{-0.0 => zero}, #{[] => nil, {} => unit},
     #{#{} => #{#{} => #{}}}, #{<<255>> => 1}, #{<<5:3>> => bits}, #{{a, [1 | 2]} => [#{}]}, #{self() => me}, #{<<"k\0">> => 0},
     #{1 bsl 70 => big, -(1 bsl 70) => negative}, #{null => null, true => true, false => false}, #{<<"null">> => null, null => 1}]
        ++ [maps:from_list([{K, K} || K <- lists:seq(1, N)]) || N <- [31, 32, 33, 64, 1000]]
        ++ [maps:from_list([{integer_to_binary(K), {K, [K]}} || K <- lists:seq(1, N)]) || N <- [5, 32, 33, 500]]
        ++ [maps:from_list([{float(K), list_to_atom("k" ++ integer_to_list(K))} || K <- lists:seq(1, 40)])].

identifiers() ->
    [self(), spawn(fun() -> ok end), make_ref(), erlang:monitor(process, self()) | erlang:ports()]
        ++ [erlang:make_ref() || _ <- [1, 2]] ++ [alias() || erlang:function_exported(erlang, alias, 0)].

alias() -> apply(erlang, alias, []).

funs() ->
    X = rand:uniform(1000),
    Y = #{a => [X, self(), 1.5, "s"]},
    [fun lists:map/2, fun 'Elixir.Foo':'bar baz'/0, fun m:f/255, fun '':''/1, fun 'λ':'日本'/3, fun 'a\'b':'c\\d'/2,
     fun(A) -> A + X end, fun() -> Y end, fun alias/0, fun([A | _]) -> {A, X, Y} end, [fun(A, B) -> {A, B} end], #{f => fun lists:seq/2}].

records() ->
    case code:ensure_loaded(testrecord_29) of
        {module, _} -> apply(testrecord_29, values, []);
        _ -> []
    end.

deep() ->
    [nest(N, W, []) || N <- [10, 100, 500], W <- [fun(T) -> [T] end, fun(T) -> {T} end, fun(T) -> #{<<"k">> => T} end,
                                                 fun(T) -> [a | T] end, fun(T) -> [[] | {T}] end, fun(T) -> #{T => 1} end],
                       fits(N, W)].

%% The limit is 512 levels; the fifth way makes two of each.
fits(N, W) -> N < 256 orelse W([]) =/= [[] | {[]}].

nest(0, _, T) -> T;
nest(N, Wrap, T) -> nest(N - 1, Wrap, Wrap(T)).

%% ---- Encodings that this node would not write itself

foreign() ->
    [<<131, E/binary>> || E <- foreign_terms()] ++ [<<131, 104, 2, E/binary, E/binary>> || E <- foreign_terms()].

foreign_terms() ->
    Nodes = [atom("kv@host"), atom("a@b"), atom("with space@h"), atom("λ@höst.example"), atom("weird:name@x"), atom("it's@h"), atom("A@b"),
             <<100, 3:16, "x@y">>, <<115, 3, "x@y">>, <<100, 4:16, 16#e9, "@yz">>],
    Creations = [0, 1, 3, 4, 255, 16#FFFFFFFF],
    lists:append(
      [[<<88, N/binary, I:32, S:32, C:32>> || N <- Nodes, C <- Creations, {I, S} <- [{0, 0}, {1, 2}, {16#7fff, 16#1fff}, {16#FFFFFFFF, 16#FFFFFFFF}]],
       [<<103, N/binary, I:32, S:32, C>> || N <- Nodes, {I, S, C} <- [{1, 0, 0}, {99, 1, 1}, {16#7fff, 16#1fff, 3}]],
       [<<120, N/binary, I:64, C:32>> || N <- Nodes, C <- Creations, I <- [0, 5, 1 bsl 28, (1 bsl 64) - 1]],
       [<<89, N/binary, I:32, C:32>> || N <- Nodes, C <- Creations, I <- [0, 5, (1 bsl 28) - 1]],
       [<<102, N/binary, I:32, C>> || N <- Nodes, {I, C} <- [{0, 0}, {5, 1}, {(1 bsl 28) - 1, 3}]],
       [<<90, L:16, N/binary, C:32, (words(L))/binary>> || N <- Nodes, C <- Creations, L <- [1, 2, 3, 4, 5]],
       [<<114, L:16, N/binary, C, 16#3FFFF:32, (words(L - 1))/binary>> || N <- Nodes, C <- [0, 1, 3], L <- [1, 2, 3]],
       [<<101, N/binary, 7:32, 1>> || N <- Nodes],
       %% Spelled otherwise than the shortest way, and legal.
       [<<98, 5:32>>, <<98, 255:32>>, <<98, -1:32>>, <<110, 1, 0, 5>>, <<110, 2, 0, 5, 0>>, <<110, 1, 1, 5>>, <<110, 9, 0, 1, 0:64>>,
        <<111, 1:32, 0, 5>>, <<111, 3:32, 1, 5, 0, 0>>, <<110, 8, 1, 0, 0, 0, 0, 0, 0, 0, 128>>, <<110, 8, 0, 255, 255, 255, 255, 255, 255, 255, 127>>,
        <<105, 2:32, 97, 1, 97, 2>>, <<105, 0:32>>, <<107, 1:16, 7>>, <<108, 1:32, 97, 1, 106>>, <<108, 2:32, 97, 1, 97, 2, 107, 2:16, 3, 4>>,
        <<109, 0:32>>, <<77, 1:32, 8, 7>>, <<77, 2:32, 3, 7, 16#E0>>, <<77, 1:32, 1, 16#80>>,
        <<118, 1:16, "a">>, <<119, 2, 16#c3, 16#a9>>, <<118, 2:16, 16#c3, 16#a9>>, <<115, 1, 16#e9>>, <<100, 1:16, 16#e9>>, <<119, 0>>, <<100, 0:16>>,
        <<99, "1.50000000000000000000e+00", 0:40>>, <<99, "-2.50000000000000000000e-01", 0:32>>, <<99, "0.00000000000000000000e+00", 0:40>>,
        <<113, 119, 1, "m", 119, 1, "f", 97, 0>>, <<113, 118, 1:16, "m", 100, 1:16, "f", 97, 255>>,
        <<116, 1:32, 98, 5:32, 97, 1>>, <<116, 2:32, 97, 1, 97, 2, 70, 1.0/float, 97, 3>>]]).

atom(Text) -> B = unicode:characters_to_binary(Text), <<119, (byte_size(B)), B/binary>>.

words(L) -> << <<(W * 16#01010101):32>> || W <- lists:seq(1, L) >>.

%% ---- Terms at random

random(0) -> leaf();
random(Depth) ->
    case rand:uniform(12) of
        N when N < 5 -> leaf();
        5 -> [random(Depth - 1) || _ <- some(6)];
        6 -> [random(Depth - 1) || _ <- [1 | some(3)]] ++ leaf();
        7 -> list_to_tuple([random(Depth - 1) || _ <- some(6)]);
        8 -> {one_of([ok, error, reply]), random(Depth - 1)};
        9 -> map_of([{random_key(Depth - 1), random(Depth - 1)} || _ <- some(5)]);
        10 -> map_of([{integer_to_binary(rand:uniform(100)), random(Depth - 1)} || _ <- some(8)]);
        11 -> [rand:uniform(256) - 1 || _ <- some(40)];
        12 -> [random(Depth - 1)]
    end.

random_key(Depth) ->
    case rand:uniform(3) of
        1 -> random(min(Depth, 2));
        2 -> one_of(atoms());
        3 -> leaf()
    end.

%% 0.0 and -0.0 are one key to OTP before 27, so the gateway lets no map have both.
map_of(Pairs) -> maps:from_list([{unsigned(K), V} || {K, V} <- Pairs]).

unsigned(F) when is_float(F) -> abs(F);
unsigned(L) when is_list(L) -> keyed;
unsigned(T) when is_tuple(T); is_map(T) -> <<"composed">>;
unsigned(T) -> T.

leaf() ->
    case rand:uniform(16) of
        1 -> rand:uniform(300) - 20;
        2 -> rand:uniform(1 bsl 32) - (1 bsl 31);
        3 -> rand:uniform(1 bsl 62) - (1 bsl 61);
        4 -> (rand:uniform(1 bsl 58) bsl rand:uniform(400)) * one_of([1, -1]) + rand:uniform(99);
        5 -> random_float();
        6 -> rand:normal();
        7 -> one_of(atoms());
        8 -> list_to_binary([rand:uniform(256) - 1 || _ <- some(20)]);
        9 -> unicode:characters_to_binary([one_of([$a, $", $\\, $\n, 0, 16#e9, 16#3bb, 16#65e5, 16#1d11e, 16#7f, 16#85]) || _ <- some(12)]);
        10 -> N = rand:uniform(40), <<(rand:uniform(1 bsl N) - 1):N>>;
        11 -> [];
        12 -> make_ref();
        13 -> one_of(identifiers());
        14 -> one_of(funs());
        15 -> one_of(["text", <<"text">>, text, {}, #{}]);
        16 -> one_of(foreign_values())
    end.

random_float() ->
    case <<(rand:uniform(1 bsl 64) - 1):64>> of
        <<F/float>> -> F;
        _ -> random_float()
    end.

foreign_values() ->
    case get(foreign_values) of
        undefined ->
            Vs = [binary_to_term(E) || E <- foreign(), accepts(E) =:= true],
            put(foreign_values, Vs),
            Vs;
        Vs -> Vs
    end.

some(Max) -> lists:seq(1, rand:uniform(Max + 1) - 1).
one_of(List) -> lists:nth(rand:uniform(length(List)), List).
