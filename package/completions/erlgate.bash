# Completion of erlgate for bash. Source it, or put it to the others:
#
#   install -m 644 package/completions/erlgate.bash ~/.local/share/bash-completion/completions/erlgate
#
# Commands and options are those that the program's own help lists; nodes and names are asked of the gateway.

_erlgate_ask() {
    local -a url=()
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == --url ]] && url=(--url "${COMP_WORDS[i + 1]}")
    done
    "${COMP_WORDS[0]}" "$@" "${url[@]}" --timeout 1s 2>/dev/null
}

# Completes with the lines of $1: each is one word, whatever stands in it.
_erlgate_lines() {
    local line
    while IFS= read -r line; do
        [[ $line == "$cur"* ]] && COMPREPLY+=("$(printf '%q' "$line")")
    done <<<"$1"
}

_erlgate() {
    local cur prev command='' i
    local -a words=()
    COMPREPLY=()
    # A node is one word, though readline breaks words at the @ in it, and a pid's colons too.
    if declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref -n @: cur prev words i 2>/dev/null
        COMP_WORDS=("${words[@]}") COMP_CWORD=$i
    else
        cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    fi
    words=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --url | --timeout | --to | --in | --token-file | --ca-file | --cert-file | --key-file | --socket | --reconnect | --policy-file | --as) i=$((i + 1)) ;;
            -*) ;;
            *) words+=("${COMP_WORDS[i]}") ;;
        esac
    done
    command=${words[0]-}
    case $prev in
        *-file | *-cert | *-key | *-ca | --config | --append) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
        --to) mapfile -t COMPREPLY < <(compgen -W 'any all' -- "$cur") && return ;;
        --in) mapfile -t COMPREPLY < <(compgen -W "erl json" -- "$cur") && return ;;
    esac
    if [[ -z $command || ( $command == help && ${#words[@]} == 1 ) ]]; then
        _erlgate_lines "$("${COMP_WORDS[0]}" help 2>/dev/null | sed -n 's/^  \([a-z-]*\)  .*/\1/p')"
    elif [[ $cur == -* ]]; then
        _erlgate_lines "$("${COMP_WORDS[0]}" "$command" --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p')"
    else
        case $command:${#words[@]} in
            call:1 | cast:1 | send:1 | exit:1 | watch:1 | rpc:1 | names:1 | ping:1)
                _erlgate_lines "$(_erlgate_ask nodes | sed 's/ .*//')" ;;
            call:2 | cast:2 | send:2 | exit:2 | watch:2)
                [[ ${words[1]} != *@* ]] || _erlgate_lines "$(_erlgate_ask names "${words[1]}")" ;;
            check-config:1 | dump-config:1) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
            policy:1) mapfile -t COMPREPLY < <(compgen -W 'check operations' -- "$cur") ;;
            policy:2)
                [[ ${words[1]} != check ]] ||
                    _erlgate_lines "$("${COMP_WORDS[0]}" policy operations 2>/dev/null | sed -n 's/^\([a-z][a-z]*\)  *.*/\1/p')" ;;
        esac
    fi
    if declare -F __ltrim_colon_completions >/dev/null; then
        __ltrim_colon_completions "$cur"
    fi
}

complete -F _erlgate erlgate
