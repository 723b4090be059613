%% Native records, which OTP 29 brought: values for the judge.
-module(testrecord_29).
-export([values/0]).

-record #point{x = 1, y}.
-record #empty{}.

values() ->
    [#point{y = 2}, #point{x = #point{y = []}, y = #{a => 1}}, #empty{}, [#empty{} | #point{y = -0.0}]].
