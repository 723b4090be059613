# page.awk: a manual page of what a command says to --help. Variables: title (erlgate-call), about (one line), version,
# also (other pages, commas between them), is_flat (headings are sections, not parts of OPTIONS).
#
# Help is: "Usage: …" lines; paragraphs; headings that end with ":"; and what is indented by two blanks: NAME, two blanks or more and
# TEXT (that may go on in further lines) is an entry, anything else, and all below "Examples:", stands as it is.
function roff(text)
{
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/'/, "\\(aq", text)
    gsub(/`/, "\\(ga", text)
    gsub(/\^/, "\\(ha", text)
    gsub(/~/, "\\(ti", text)
    sub(/^\./, "\\\\\\&.", text)
    return text
}

# What is being written: "", a paragraph, an entry, lines as they are.
function become(kind)
{
    if (state == "lines" && kind != "lines")
        print ".EE\n.RE"
    if (kind == "lines" && state != "lines")
        print ".PP\n.RS 4\n.EX"
    if (kind == "paragraph" && state != "paragraph")
        print ".PP"
    state = kind
}

function section(name)
{
    become("")
    print ".SH " toupper(name)
    current = name
}

# The option or the word in bold, what stands for a value in italics.
function tag(text,    words, count, i, out)
{
    count = split(text, words, " ")
    for (i = 1; i <= count; i++)
        out = out (i > 1 ? " " : "") (words[i] ~ /^[^a-z]*$/ && words[i] !~ /^-/ ? "\\fI" : "\\fB") roff(words[i]) "\\fP"
    return out
}

BEGIN {
    print ".\\\" Made of what the program says to --help."
    print ".TH " toupper(roff(title)) " 1 \"\" \"erlgate " version "\" \"erlgate\""
    print ".nh\n.SH NAME\n" roff(title) " \\- " roff(about)
    section("SYNOPSIS")
}

/^[Uu]sage:/ || (current == "SYNOPSIS" && /^ / && !is_synopsis_over) {
    sub(/^[Uu]sage: */, "")
    sub(/^ +/, "")
    word = $1
    if (word ~ /^[a-z]/) {
        sub(/^[^ ]+ */, "")
        printf "%s\\fB%s\\fP ", has_usage ? ".br\n" : "", roff(word)
    }
    print roff($0)
    has_usage = 1
    next
}

/^$/ {
    is_synopsis_over = has_usage
    if (state == "lines")
        pending = pending "\n"
    else if (state == "paragraph")
        state = ""
    next
}

current == "SYNOPSIS" { section(/^ / ? "COMMANDS" : "DESCRIPTION") }

/^[A-Z][A-Za-z ,]*:$/ {
    sub(/:$/, "")
    pending = ""
    if (is_flat || $0 ~ /^(Options|Examples|Exit status)$/) {
        section($0)
    } else {
        become("")
        if (current != "Options")
            section("Options")
        print ".SS " roff($0)
    }
    next
}

/^  / {
    is_option = $1 ~ /^-/
    is_entry = current != "Examples" && $0 ~ /^  [^ $]/ && ($0 ~ /^  [^ ].*[^ ]   *[^ ]/ || is_option)
    if (is_entry) {
        if (is_option && current != "Options" && !has_options && !is_flat) {
            section("Options")
            has_options = 1
        }
        line = substr($0, 3)
        at = match(line, /   *[^ ]/)
        become("entry")
        print ".TP\n" tag(at ? substr(line, 1, at - 1) : line)
        if (at) {
            rest = substr(line, at)
            sub(/^ +/, "", rest)
            gsub(/  +/, " ", rest)
            print roff(rest)
        }
    } else if (state == "entry" && $0 ~ /^     /) {
        sub(/^ +/, "")
        print roff($0)
    } else {
        become("lines")
        printf "%s", pending
        print "\\&" roff(substr($0, 3))
    }
    pending = ""
    next
}

{
    pending = ""
    if (state == "entry" && (current == "Options"))
        section("NOTES")
    become("paragraph")
    print roff($0)
}

END {
    section("SEE ALSO")
    count = split(also, pages, ",")
    for (i = 1; i <= count; i++) {
        split(pages[i], page, "(")
        print ".BR " roff(page[1]) " (" page[2] (i < count ? " ," : "")
    }
}
