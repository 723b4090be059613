"""docs/terms.md: each row of its tables and each of its commands is run, and comes out as the page says."""
import base64
import os
import re
import subprocess
import unittest

BIN = os.environ["ERLGATE_BIN"]
PAGE = os.path.join(os.path.dirname(__file__), "../../docs/terms.md")

FORMATS = {"plain": "json", "typed": "typed", "is": "erl", "as printed": "erl"}


def cells(line):
    return [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def code(cell):
    """What stands in the cell's backticks, which are all of it; None: nothing does."""
    m = re.fullmatch(r"`([^`]*)`|`` (.*) ``", cell)
    return (m[1] or m[2]) if m else None


def tables(page):
    """(header, rows, line of the first row) of each table."""
    lines = page.split("\n")
    i = 0
    while i < len(lines):
        if lines[i].startswith("|"):
            header, first = cells(lines[i]), i + 2
            i = first
            while lines[i].startswith("|"):
                i += 1
            yield header, [cells(line) for line in lines[first:i]], first + 1
        i += 1


def term(text, come, go, *options):
    """What erlgate term makes of the text; or, when it fails, what it says."""
    p = subprocess.run([os.path.join(BIN, "erlgate"), "term", f"--from={come}", f"--to={go}", *options],
                       input=text.encode(), capture_output=True, timeout=60)
    if p.returncode:
        return p.stderr.decode().strip()
    return base64.b64encode(p.stdout).decode() if go == "etf" else p.stdout.decode().rstrip("\n")


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(PAGE, encoding="utf-8") as f:
            cls.page = f.read()
        cls.tables = list(tables(cls.page))

    def kind(self, first):
        found = [t for t in self.tables if t[0][0] == first]
        self.assertTrue(found, f"no table begins with {first}")
        return found

    def examples(self, first):
        """Header, row as a dictionary, options of the command, and where it stands."""
        for header, rows, line in self.kind(first):
            for n, row in enumerate(rows):
                self.assertEqual(len(row), len(header), f"terms.md:{line + n}")
                row = dict(zip(header, row))
                option = code(row.get("with", ""))
                yield row, [option.replace("?", "--")] if option else [], f"terms.md:{line + n}"

    def test_each_row_of_json_and_of_erlang_comes_out_as_it_says(self):
        count = 0
        for first, come in (("JSON", "json"), ("Erlang", "erl"), ("Erlang, as read", "erl")):
            for row, options, where in self.examples(first):
                for column, go in FORMATS.items():
                    if column in row:
                        with self.subTest(where, row=row):
                            self.assertIsNotNone(code(row[column]), "an example that cannot be run")
                            self.assertEqual(term(code(row[first]), come, go, *options), code(row[column]))
                        count += 1
        self.assertGreater(count, 80)

    def test_each_refusal_is_one(self):
        count = 0
        for row, options, where in self.examples("JSON"):
            if "is refused at" in row:
                with self.subTest(where, row=row):
                    said = term(code(row["JSON"]), "json", "etf", *options)
                    self.assertIn("!error " + code(row["is refused at"]) + " ", said)
                    self.assertIn(row["because"], said)
                count += 1
        self.assertGreater(count, 8)

    def test_typed_json_on_the_page_reads_back_as_the_same_term(self):
        for row, options, where in self.examples("Erlang"):
            if not options or options[0].startswith("--null"):
                with self.subTest(where, row=row):
                    again = term(code(row["typed"]), "typed", "erl", *options)
                    self.assertEqual(again, term(code(row["Erlang"]), "erl", "erl"))

    def test_the_four_representations_are_of_one_term(self):
        (header, rows, line), = self.kind("media type")
        original = re.search("`(.*)`", header[1])[1]
        self.assertEqual(len(rows), 4)
        for n, row in enumerate(rows):
            with self.subTest(f"terms.md:{line + n}"):
                self.assertEqual(term(original, "erl", code(row[2])), code(row[1]))

    def test_each_command_does_what_it_shows(self):
        blocks = re.findall(r"```console\n(.*?)```", self.page, re.S)
        env = {**os.environ, "PATH": BIN + ":" + os.environ["PATH"]}
        self.assertTrue(blocks)
        for block in blocks:
            for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M):
                with self.subTest(command):
                    p = subprocess.run(["sh", "-c", command], env=env, capture_output=True, timeout=60)
                    self.assertEqual((p.stdout + p.stderr).decode(), shown)


if __name__ == "__main__":
    unittest.main(verbosity=2)
