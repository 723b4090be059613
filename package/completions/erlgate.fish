# Completion of erlgate for fish: in ~/.config/fish/completions.
#
# Commands and options are those that the program's own help lists; nodes and names are asked of the gateway.

function __erlgate_words --description 'What stands before the cursor and is no option: the command and its operands'
    set -l skip no
    for word in (commandline -opc)[2..-1]
        if test $skip = yes
            set skip no
        else if contains -- $word --url --timeout --to --in --token-file --ca-file --cert-file --key-file --socket --reconnect --policy-file --as
            set skip yes
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end

function __erlgate_ask
    set -l all (commandline -opc)
    set -l url
    if set -l at (contains -i -- --url $all)
        set url --url $all[(math $at + 1)]
    end
    $all[1] $argv $url --timeout 1s 2>/dev/null
end

# Entries of a help, two blanks before them, each with what it is.
function __erlgate_entries --argument-names kind
    # (Inside a function `string` reads what is piped to it alone.)
    cat | string replace -rf -- "^  ($kind)(?:[ =]\S*)?  +(.*)" '$1\t$2'
end

function __erlgate
    set -l program (commandline -opc)[1]
    set -l words (__erlgate_words)
    set -l count (count $words)
    switch (commandline -opc)[-1]
        case --to
            printf '%s\n' any all
            return
        case --in
            printf '%s\n' erl json
            return
    end
    if test $count = 0; or test "$words" = help
        $program help 2>/dev/null | __erlgate_entries '[a-z][a-z-]*'
    else if string match -q -- '-*' (commandline -ct)
        $program $words[1] --help 2>/dev/null | string match -r -- '^  --.*' | __erlgate_entries '--[a-z-]*'
        $program $words[1] --help 2>/dev/null | string replace -rf -- '^  (--[a-z-]*)(?: \S+)?$' '$1'
    else if test $count = 1; and contains $words[1] call cast send exit watch rpc names ping
        __erlgate_ask nodes | string replace -r ' .*' ''
    else if test $count = 2; and contains $words[1] call cast send exit watch; and string match -q '*@*' -- $words[2]
        __erlgate_ask names $words[2]
    else if test "$words" = policy
        printf '%s\n' check operations
    else if test "$words" = 'policy check'
        $program policy operations 2>/dev/null | string replace -rf -- '^([a-z]+) +.*' '$1'
    end
end

function __erlgate_wants_file
    string match -qr -- '^(--config|--.*-(file|cert|key|ca))$' (commandline -opc)[-1]
    or string match -qr -- '^(check|dump)-config$' (commandline -opc)[-1]
end

complete -c erlgate -f -n 'not __erlgate_wants_file' -a '(__erlgate)'
complete -c erlgate -F -n __erlgate_wants_file
