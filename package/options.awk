# options.awk: of what `erlgate serve --help` says, kind=page: erlgate.yaml(5); kind=example: a configuration in which each
# option stands, commented out, with its default.
function roff(text)
{
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/'/, "\\(aq", text)
    gsub(/`/, "\\(ga", text)
    gsub(/~/, "\\(ti", text)
    sub(/^\./, "\\\\\\&.", text)
    return text
}

function variable(flag)
{
    flag = toupper(flag)
    gsub(/-/, "_", flag)
    return "ERLGATE_" flag
}

# A comment of lines that are not long.
function comment(text,    words, count, i, line)
{
    count = split(text, words, " ")
    line = "#"
    for (i = 1; i <= count; i++) {
        if (length(line) + length(words[i]) > 98) {
            print line
            line = "#"
        }
        line = line " " words[i]
    }
    print line
}

function write_option(    flag, argument, standard, at, text)
{
    flag = left
    sub(/^--/, "", flag)
    argument = flag
    sub(/[ =].*/, "", flag)
    sub(/^[^ =]*[ =]?/, "", argument)
    text = said
    if (flag == "config" || flag ~ /^dump-|^help$/)
        return
    standard = ""
    if (match(text, / \[[^\]]*\]$/)) {
        standard = substr(text, RSTART + 2, RLENGTH - 3)
        text = substr(text, 1, RSTART - 1)
    }
    if (!argument)
        standard = "false"
    if (kind == "example") {
        print ""
        comment(text)
        if (flag == "cookie-file")
            comment("(The system service takes /etc/erlgate/cookie, by LoadCredential= of its unit, whatever stands here; erlgate " \
                    "check-config, which is not the service, warns that there is no cookie.)")
        if (text ~ /may be repeated/)
            print "#" flag ":\n#  - " argument
        else
            print "#" flag ": " (standard != "" ? standard : argument)
        return
    }
    print ".TP\n\\fB" roff(flag) ":\\fP \\fI" roff(argument ? argument : "true|false") "\\fP"
    print roff(text) "."
    if (standard != "")
        print "Default: " roff(standard) "."
    print "(\\fB\\-\\-" roff(flag) "\\fP, \\fB" variable(flag) "\\fP)"
}

function flush()
{
    if (left != "")
        write_option()
    left = said = ""
}

BEGIN {
    if (kind == "example") {
        print "# The configuration of erlgate: each option with its default; what you change, uncomment."
        print "#"
        print "# An environment variable (ERLGATE_LOG_LEVEL for log-level) is stronger than this file, a flag (--log-level) is stronger"
        print "# than both. erlgate.yaml(5) and erlgate-serve(1) are about each."
    } else {
        print ".\\\" Made of what the program says to --help."
        print ".TH ERLGATE.YAML 5 \"\" \"erlgate " version "\" \"erlgate\"\n.nh"
        print ".SH NAME\nerlgate.yaml \\- configuration of erlgate"
        print ".SH SYNOPSIS\n.B /etc/erlgate/erlgate.yaml"
        print ".SH DESCRIPTION\nThe file that \\fB\\-\\-config\\fP or \\fBERLGATE_CONFIG\\fP names, in YAML: options, each of which"
        print "is a flag of \\fBerlgate serve\\fP and an environment variable too. An environment variable is stronger than the file, a flag is"
        print "stronger than both."
        print ".SH OPTIONS"
    }
}

/^  --/ {
    flush()
    line = substr($0, 3)
    at = match(line, /   *[^ ]/)
    left = at ? substr(line, 1, at - 1) : line
    said = at ? substr(line, at) : ""
    sub(/^ +/, "", said)
    next
}

/^     / && left != "" {
    sub(/^ +/, "")
    said = said (said != "" ? " " : "") $0
    next
}

{ flush() }

/^[A-Z][A-Za-z ,-]*:$/ && !/^(Options|Examples):$/ {
    sub(/:$/, "")
    if (kind == "example")
        print "\n# ---- " $0
    else
        print ".SS " roff($0)
}

END {
    flush()
    if (kind == "page") {
        print ".SH FILES\n.TP\n.I /etc/erlgate/erlgate.yaml\nwhat the system service reads"
        print ".TP\n.I /etc/erlgate/cookie\nthe cookie of its cluster, for root alone; systemd hands it over"
        print ".SH SEE ALSO\n.BR erlgate (1),\n.BR erlgate\\-serve (1)"
    }
}
