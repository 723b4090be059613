"""docs/configuration.md has a row for each option of src/option_table.h, as the table says; --write writes them.

    python3 tests/cli/test_options_page.py [--write]
"""

import ast
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = SOURCE / "docs" / "configuration.md"
BEGIN, END = "<!-- options: written by tests/cli/test_options_page.py --write -->\n", "<!-- end of options -->\n"
GROUPS = {"RUN": "How it runs", "NODE": "The node", "HTTP": "Where HTTP is served", "ACCESS": "Who may do what", "LIMITS": "Limits"}


def rows():
    """Of each X(…): group, flag, argument, default, traits, why it is fixed, help."""
    text = (SOURCE / "src" / "option_table.h").read_text().replace("\\\n", " ")
    text = text[text.index("#define OPTION_TABLE"):]
    found = []
    for row in re.findall(r'X\(OPT_\w+, ((?:"(?:[^"\\]|\\.)*"|[^")])*)\)', text):
        cells = [c.strip() for c in re.findall(r'((?:\s*"(?:[^"\\]|\\.)*")+|[^,]+)', row)]
        group, *rest = cells
        traits = rest.pop(3)
        texts = [None if c == "NULL" else ast.literal_eval(f"({c})") for c in rest]
        found.append((group.removeprefix("OPTION_GROUP_"), *texts[:3], traits, *texts[3:]))
    return found


def cell(text):
    """Angle brackets and bars are not Markdown's here; what begins with -- is code."""
    text = text.replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"(?<![`\w-])(--[a-z][a-z0-9-]*|\$[A-Z_]+|/[a-z]+z|/metrics)(?![`\w])", r"`\1`", text)


def table():
    lines = []
    for group, title in GROUPS.items():
        lines += [f"### {title}\n\n", "| Option | Value | Default | SIGHUP | Meaning |\n", "| --- | --- | --- | --- | --- |\n"]
        for of, flag, argument, default, traits, fixed, text in rows():
            if of != group:
                continue
            value = f"`{argument}`".replace("|", "\\|") if argument else "`true`, `false`"
            value += ", repeatable" if "MANY" in traits else ""
            lines.append(f"| `{flag}` | {value} | {f'`{default}`' if default else ''} | {'restart: ' + cell(fixed) if fixed else 'yes'} "
                         f"| {cell(text)} |\n")
        lines.append("\n")
    return "".join(lines)


def main():
    found = rows()
    declared = (SOURCE / "src" / "option_table.h").read_text().count("X(OPT_")
    if len(found) != declared:
        sys.exit(f"{declared} rows, of which {len(found)} were understood")
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = before + BEGIN + "\n" + table() + END + after
    if "--write" in sys.argv:
        PAGE.write_text(wanted)
    elif page != wanted:
        sys.exit(f"{PAGE} does not say what src/option_table.h says: {' '.join(sys.argv)} --write")
    print(f"{len(found)} options")


if __name__ == "__main__":
    main()
